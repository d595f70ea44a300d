"""One metric: what it is called, which way is better, its value, and its bootstrap replicates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError
from consilience.metrics.scores import (
    FloatArray,
    Probabilities,
    Scores,
    SurvivalCurves,
    Values,
)

Y: TypeAlias = npt.NDArray[Any]
Counts: TypeAlias = npt.NDArray[Any]
Point: TypeAlias = Callable[[Y, Any, Y | None], float]
Weighted: TypeAlias = Callable[[Y, Any, FloatArray], FloatArray]

SCORES: dict[OutcomeKind, type[Scores]] = {
    "binary": Probabilities,
    "multiclass": Probabilities,
    "continuous": Values,
    "survival": SurvivalCurves,
}
BLOCK = 4_000_000  # numbers in one block of replicates: 32 MB, whatever the cohort's size


@dataclass(frozen=True)
class Metric:
    """How good scores are, as one number.

    Attributes
    ----------
    name : str
        In files and configuration, such as ``"auroc"``.
    label : str
        In reports, such as ``"AUROC"``.
    higher_is_better : bool
        Says nothing where `ideal` is given.
    chance : float or None
        The value of scores that know nothing, where it does not depend on the data.
    kinds : frozenset of str
        Kinds of outcome it is for.
    point : callable
        ``point(y, scores, train_y)``: the value.
    weighted : callable
        ``weighted(y, scores, counts)``: the value with patient i counted
        ``counts[b, i]`` times, for each b.
    ideal : float or None
        For a metric that is best at a value in the middle (the calibration slope at 1):
        that value.
    ranks : bool
        Whether it compares patients with one another. Then patients scored by models
        that were fitted on different folds must not be compared: a model that learned
        from fewer cases says less of everybody, and just its test patients hold more.
        Such a metric is taken within each fold and averaged.
    """

    name: str
    label: str
    higher_is_better: bool
    chance: float | None
    kinds: frozenset[OutcomeKind]
    point: Point = field(repr=False)
    weighted: Weighted = field(repr=False)
    ideal: float | None = None
    ranks: bool = False

    def __call__(self, y: Y, scores: Scores, *, train_y: Y | None = None) -> float:
        """Return the metric; NaN where it is undefined (such as AUROC of one class).

        Parameters
        ----------
        y : ndarray of shape (n_patients,)
            Labels, numbers, or a structured array with the fields event and time.
        scores : Scores
            Of the same patients in the same order.
        train_y : ndarray, optional
            Structured outcome that the censoring distribution is estimated from;
            by default y. Only Uno's concordance, the integrated Brier score and the
            time-dependent AUC read it.

        Raises
        ------
        InputError
            If y and scores disagree in length or are of a kind the metric is not for, or
            a score is not a finite number.
        """
        outcome = _checked(self, y, scores)
        return float(self.point(outcome, scores, train_y)) if len(outcome) else math.nan

    def replicates(self, y: Y, scores: Scores, counts: Counts) -> FloatArray:
        """Return the metric with patient i counted ``counts[b, i]`` times, for each b.

        The same as calling the metric on rows repeated by the counts (the censoring
        distribution and the times of survival metrics are estimated anew in each
        replicate), but computed for many replicates together.

        Parameters
        ----------
        y, scores
            As for calling the metric.
        counts : ndarray of shape (n_replicates, n_patients)
            Whole numbers, 0 or more.

        Returns
        -------
        ndarray of shape (n_replicates,)
            NaN where undefined.

        Raises
        ------
        InputError
            As for calling the metric, or if the counts have another shape.
        """
        outcome = _checked(self, y, scores)
        if counts.ndim != 2 or counts.shape[1] != len(outcome):
            raise InputError(
                f"{self.label}: counts need the shape (replicates, {len(outcome)}), "
                f"not {counts.shape}."
            )
        values = np.full(len(counts), np.nan)
        if len(outcome):
            step = max(1, BLOCK // len(outcome))
            for start in range(0, len(counts), step):
                block = counts[start : start + step].astype(float)
                values[start : start + step] = self.weighted(outcome, scores, block)
        return values

    def better(self, a: float, b: float) -> bool:
        """Return whether the value a is better than the value b."""
        if self.ideal is not None:
            return abs(a - self.ideal) < abs(b - self.ideal)
        return a > b if self.higher_is_better else a < b


def ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """Return top / bottom elementwise, NaN where bottom is 0."""
    top, bottom = np.broadcast_arrays(top, bottom)
    undefined = np.full(bottom.shape, np.nan)
    return np.asarray(np.divide(top, bottom, out=undefined, where=bottom != 0))


def _checked(metric: Metric, y: Y, scores: Scores) -> Y:
    outcome = np.asarray(y)
    if outcome.ndim != 1 or len(outcome) != len(scores):
        raise InputError(
            f"{metric.label}: the outcome has shape {outcome.shape} but there are scores of "
            f"{len(scores)} patients."
        )
    if not isinstance(scores, tuple(SCORES[kind] for kind in metric.kinds)):
        raise InputError(
            f"{metric.label} is for outcomes of kind {', '.join(sorted(metric.kinds))}, but the "
            f"scores are {type(scores).__name__}."
        )
    if ("survival" in metric.kinds) != (outcome.dtype.names is not None):
        raise InputError(
            f"{metric.label} is for outcomes of kind {', '.join(sorted(metric.kinds))}, "
            f"but the outcome's type is {outcome.dtype}."
        )
    finite = np.isfinite(scores.values).all(axis=1)
    if not finite.all():
        raise InputError(
            f"{metric.label}: the score in row {int(np.argmin(finite))} is not a finite number."
        )
    return outcome
