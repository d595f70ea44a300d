"""A pipeline that is given outcomes at random must score as chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from consilience.errors import InputError
from consilience.trust.check import Check

NAME = "permuted outcome"
COARSE = 0.1


def permuted_outcomes(y: npt.NDArray[Any], repeats: int, seed: int) -> list[npt.NDArray[Any]]:
    """Return an outcome dealt anew among the patients, `repeats` times."""
    rng = np.random.default_rng(seed)
    return [y[rng.permutation(len(y))] for _ in range(repeats)]


def permuted_outcome(
    fit_and_score: Callable[[npt.NDArray[Any]], float],
    y: npt.NDArray[Any],
    chance: float | None,
    *,
    repeats: int = 10,
    seed: int = 0,
    higher_is_better: bool = True,
) -> Check:
    """Run a whole pipeline on permuted outcomes and check that it scores as chance.

    Parameters
    ----------
    fit_and_score : callable
        Given an outcome, (n_patients,), runs everything that is fitted (selection,
        tuning, folds) and returns the score of patients held out.
    y : ndarray of shape (n_patients,)
        The true outcome.
    chance : float or None
        What the metric is without information.
    repeats : int
        How many permutations; three at least.
    seed : int
        For the permutations.
    higher_is_better : bool
        Of the metric.
    """
    scores = [fit_and_score(outcome) for outcome in permuted_outcomes(y, repeats, seed)]
    return chance_check(scores, chance, higher_is_better=higher_is_better)


def chance_check(
    scores: Sequence[float] | npt.NDArray[np.floating],
    chance: float | None,
    *,
    higher_is_better: bool = True,
    observed: float | None = None,
    margin: float = 0.02,
    level: float = 0.999,
) -> Check:
    """Decide whether scores under permuted outcomes are those of chance.

    The mean over permutations is better than chance by more than luck if the lower end
    of its one-sided t interval is above chance; the tolerance so follows from the
    spread of the scores, which small samples make wide. A mean worse than chance is
    no leak: cross-validation itself is a little pessimistic without information.

    Parameters
    ----------
    scores : sequence of float
        The metric, a permutation each (the mean over its folds). NaN where undefined.
    chance : float or None
        What the metric is without information; None: the check cannot be run.
    higher_is_better : bool
        Of the metric.
    observed : float, optional
        The score of the true outcome; its rank among the permuted ones is reported as a
        p-value, (1 + number as good) / (1 + number of permutations).
    margin : float
        A mean less than this above chance is let pass however sure.
    level : float
        Level of the interval: false alarms are at most 1 - level.

    Returns
    -------
    Check
        "failed" if the pipeline beats chance; "warning" if the scores scatter so much
        that an excess of 0.1 would go unnoticed; else "passed".
    """
    known = np.asarray(scores, dtype=float)
    known = known[~np.isnan(known)]
    if chance is None:
        return Check(NAME, "not run", "The metric has no fixed value at chance.", [])
    if len(known) < 3:
        few = f"{len(known)} scores of permuted outcomes are too few; give at least 3."
        sentence = few if len(known) else "No outcome was permuted; 3 or more would tell."
        return Check(NAME, "not run", sentence, [])
    if not 0 < level < 1:
        raise InputError(f"level is {level:g}; it must lie between 0 and 1.")
    excess = (known - chance) * (1 if higher_is_better else -1)
    error = float(excess.std(ddof=1) / np.sqrt(len(excess)))
    reach = float(stats.t.ppf(level, len(excess) - 1)) * error
    details = [_details(known, chance, reach, observed, higher_is_better)]
    mean = float(known.mean())
    told = f"On {len(known)} permuted outcomes the pipeline scores {mean:.3f} (chance {chance:g})"
    if excess.mean() > max(reach, margin):
        sentence = (
            f"{told}, better than chance explains: something of the outcome leaks into what it "
            "learns from. Do not believe its score."
        )
        return Check(NAME, "failed", sentence, details)
    if reach > COARSE:
        sentence = (
            f"{told}, but the scores scatter so much that an excess below {reach:.2f} would not be "
            "noticed; use more permutations."
        )
        return Check(NAME, "warning", sentence, details)
    return Check(NAME, "passed", f"{told}, as it should.", details)


def _details(
    known: npt.NDArray[np.floating],
    chance: float,
    reach: float,
    observed: float | None,
    higher_is_better: bool,
) -> dict[str, Any]:
    details: dict[str, Any] = {
        "permutations": len(known),
        "mean": float(known.mean()),
        "chance": float(chance),
        "smallest excess noticed": reach,
        "scores": [float(score) for score in known],
    }
    if observed is not None and np.isfinite(observed):
        as_good = known >= observed if higher_is_better else known <= observed
        details["observed"] = float(observed)
        details["p_value"] = float((1 + as_good.sum()) / (1 + len(known)))
    return details
