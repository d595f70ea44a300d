"""What an engine found: a baseline, and what each player adds to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from consilience.cohort.modality import FloatArray
from consilience.trust.hybrid import Player


@dataclass(frozen=True)
class Reasons:
    """What an engine found.

    Attributes
    ----------
    method : str
        How, in words.
    baseline : float
        On the number's scale.
    effects : dict of Player to float
    warnings : tuple of str
    """

    method: str
    baseline: float
    effects: dict[Player, float]
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, method: str, baseline: float, players: Iterable[Player], effects: FloatArray
    ) -> Self:
        """Return what was found of some players, in their order."""
        return cls(method, baseline, dict(zip(players, effects.tolist(), strict=True)))


def gathered(
    players: Iterable[Player], found: Iterable[tuple[Player, float]]
) -> dict[Player, float]:
    """Return the sum of what was found for each player, 0 for those of whom nothing was.

    What is no player's, such as a column of a modality that the patient lacks, belongs to
    the modality as a whole.
    """
    effects = dict.fromkeys(players, 0.0)
    for own, effect in found:
        whole = Player(own.modality, None)
        owner = own if own in effects else whole
        if effect or owner in effects:
            effects[owner] = effects.get(owner, 0.0) + effect
    return effects
