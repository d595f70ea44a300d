"""For whom a model is good: score and calibration, group by group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from consilience.errors import InputError
from consilience.metrics.comparison import Difference, holm
from consilience.metrics.intervals import (
    Interval,
    averaged,
    averaged_replicates,
    percentile_interval,
    resample_blocks,
)
from consilience.metrics.metric import Metric
from consilience.metrics.scores import FloatArray, Scores
from consilience.trust.group_calibration import Calibration, calibration_of
from consilience.trust.strata import strata_of

Y = npt.NDArray[Any]
REPLICATES = 1_000
SMALLEST = 20  # patients in a group that is not marked as small
FEWEST_EVENTS = 5  # or patients of either class


@dataclass(frozen=True)
class Subgroup:
    """How good a model is in one group of patients.

    Attributes
    ----------
    column, group : str
        Column of `patients`, and its value or span.
    n : int
        Patients.
    positives : int or None
        Patients with the later of two classes, or with an event; None for other outcomes.
    small : bool
        Too few patients, or events, for the numbers to mean much. Never hidden.
    score : Interval
        The metric, with a bootstrap interval; NaN where it is undefined.
    calibration : tuple of Calibration
        Observed against expected.
    difference : Difference
        The metric in the group less that in all other patients; its p-value is adjusted for
        all groups of the table (Holm). NaN where there are no others, and the p-value
        where the group or the others are few: resamples of few patients vary too little.
    differs : bool
        Whether that adjusted p-value is below 1 - level.
    """

    column: str
    group: str
    n: int
    positives: int | None
    small: bool
    score: Interval
    calibration: tuple[Calibration, ...]
    difference: Difference
    differs: bool


def subgroup_table(
    metric: Metric,
    y: Y,
    scores_list: Sequence[Scores],
    groups: pd.DataFrame,
    *,
    level: float = 0.95,
    seed: int = 0,
    horizon: float | None = None,
) -> list[Subgroup]:
    """Score a model in each group of patients, and compare the group with the rest.

    Groups are cut as `strata_of` says. Intervals hold percentiles of 1,000 stratified
    bootstrap resamples of the group's patients, and for the difference of the group's and
    the others' independently; its p-value takes the difference over the standard deviation
    of its resamples as standard normal.

    Parameters
    ----------
    metric : Metric
    y : ndarray of shape (n_patients,)
    scores_list : sequence of Scores
        One a repeat of cross-validation, for the same patients in the same order.
    groups : DataFrame of shape (n_patients, n_columns)
        Columns of `cohort.patients` to group by, in the same order.
    level : float
    seed : int
    horizon : float, optional
        Survival: the time at which calibration is told, the median event time by default.

    Returns
    -------
    list of Subgroup
        Column after column.

    Raises
    ------
    InputError
        If there are no scores, or lengths differ.
    """
    if not scores_list:
        raise InputError("there are no scores to look at by subgroup.")
    if not len(groups) == len(y) == len(scores_list[0]):
        raise InputError(
            f"subgroups: {len(groups)} rows of groups, {len(y)} outcomes and "
            f"{len(scores_list[0])} scores; give one of each a patient."
        )
    whole = _Whole(metric, y, scores_list, level, seed, horizon)
    found = [
        whole.subgroup(str(column), stratum.label, stratum.members)
        for column in groups.columns
        for stratum in strata_of(groups[column])
    ]
    adjusted = holm([group.difference.p_value for group in found])
    return [
        replace(
            group,
            difference=replace(group.difference, p_value=float(p)),
            differs=bool(p < 1 - level),
        )
        for group, p in zip(found, adjusted, strict=True)
    ]


@dataclass(frozen=True)
class _Whole:
    """All patients, of whom groups are taken."""

    metric: Metric
    y: Y
    scores_list: Sequence[Scores]
    level: float
    seed: int
    horizon: float | None

    def subgroup(self, column: str, label: str, members: npt.NDArray[np.bool_]) -> Subgroup:
        y, scores = self.y[members], [one.take(members) for one in self.scores_list]
        estimate, replicates = self._bootstrap(members, self.seed)
        low, high, undefined = percentile_interval(replicates, self.level)
        positives = self._events(y)[0]
        return Subgroup(
            column,
            label,
            int(members.sum()),
            positives,
            self._small(y),
            Interval(estimate, low, high, undefined),
            calibration_of(scores[0], scores, y, self.level, self._horizon()),
            self._difference(members, estimate, replicates),
            differs=False,
        )

    def _bootstrap(self, members: npt.NDArray[np.bool_], seed: int) -> tuple[float, FloatArray]:
        y, scores = self.y[members], [one.take(members) for one in self.scores_list]
        estimate = averaged(self.metric, y, scores)
        if math.isnan(estimate):
            return estimate, np.full(REPLICATES, np.nan)
        blocks = resample_blocks(y, REPLICATES, seed)
        parts = [averaged_replicates(self.metric, y, scores, counts) for counts in blocks]
        return estimate, np.concatenate(parts)

    def _difference(
        self, members: npt.NDArray[np.bool_], estimate: float, replicates: FloatArray
    ) -> Difference:
        if members.all():
            return Difference(math.nan, math.nan, math.nan, math.nan)
        of_rest, rest = self._bootstrap(~members, self.seed + 1)
        values = replicates - rest
        low, high, undefined = percentile_interval(values, self.level)
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else math.nan
        p_value = math.nan
        few = self._small(self.y[members]) or self._small(self.y[~members])
        if spread > 0 and not math.isnan(low) and not few:
            p_value = float(2 * stats.norm.sf(abs(estimate - of_rest) / spread))
        return Difference(estimate - of_rest, low, high, p_value, undefined)

    def _small(self, y: Y) -> bool:
        return len(y) < SMALLEST or self._events(y)[1] < FEWEST_EVENTS

    def _events(self, y: Y) -> tuple[int | None, int]:
        """Return the number of positives, and of the rarer class or events."""
        if y.dtype.names:
            return int(y["event"].sum()), int(y["event"].sum())
        classes = np.unique(self.y)
        if y.dtype.kind == "f":
            return None, len(y)
        counts = [int((y == label).sum()) for label in classes]
        return (counts[1] if len(classes) == 2 else None), min(counts)

    def _horizon(self) -> float:
        if self.horizon is not None:
            return self.horizon
        """Return the median time of the events seen, at which survival is calibrated."""
        return float(np.median(self.y["time"][self.y["event"]])) if self.y.dtype.names else math.nan
