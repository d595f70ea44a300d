"""What a report draws its curves from: the outcome and what each candidate said of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from consilience.cohort import Target
from consilience.metrics.scores import Scores


@dataclass(frozen=True)
class Evidence:
    """The outcome of the analysed patients, and the held-out scores of the candidates.

    Attributes
    ----------
    target : Target
        The analysed patients, their outcome, and who was left out.
    scores : dict of str to sequence of Scores
        For each candidate that did not fail, one `Scores` a repeat of cross-validation,
        rows in the target's order; each patient scored by a model that never saw him.
    """

    target: Target
    scores: dict[str, Sequence[Scores]]
