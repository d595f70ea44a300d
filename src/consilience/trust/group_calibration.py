"""Whether what was predicted for a group came about in it, on the whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats
from sksurv.nonparametric import kaplan_meier_estimator

from consilience.cohort.modality import FloatArray
from consilience.metrics.intervals import Interval
from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves, Values

Y = npt.NDArray[Any]
RATIO, DIFFERENCE = "observed / expected", "observed - expected"


@dataclass(frozen=True)
class Calibration:
    """Calibration in the large.

    Attributes
    ----------
    of : str
        What is counted: a class, "events by 1355", "mean".
    measure : {"observed / expected", "observed - expected"}
        1, or 0, is right. Above: more came about than was predicted.
    interval : Interval
        NaN where it cannot be told.
    """

    of: str
    measure: str
    interval: Interval


@singledispatch
def calibration_of(
    scores: Scores, scores_list: Sequence[Any], y: Y, level: float, horizon: float
) -> tuple[Calibration, ...]:
    """Compare what came about with the mean of what was predicted.

    Classes: the share of patients with its Wilson interval over the mean probability
    (binary: of 1; else of each class). Numbers: mean of observed less predicted with its t
    interval. Survival: the Kaplan-Meier share with an event by a horizon, with its
    log-log interval, over the mean predicted share (observed / expected as in Debray et
    al., BMJ 2017; the expected is taken as known).

    Parameters
    ----------
    scores : Scores
        Any of the list, for its kind.
    scores_list : sequence of Scores
        One a repeat, of the same patients; averaged.
    y : ndarray of shape (n_patients,)
    level : float
    horizon : float
        For survival, in the outcome's unit.
    """
    raise TypeError(f"nothing says how to calibrate {type(scores).__name__}")


@calibration_of.register
def _(
    scores: Probabilities, scores_list: Sequence[Any], y: Y, level: float, horizon: float
) -> tuple[Calibration, ...]:
    mean = _mean([one.values for one in scores_list])
    classes = list(enumerate(scores.classes))
    return tuple(
        _share(str(label), y == label, mean[:, column], level)
        for column, label in (classes[1:] if len(classes) == 2 else classes)
    )


@calibration_of.register
def _(
    scores: Values, scores_list: Sequence[Any], y: Y, level: float, horizon: float
) -> tuple[Calibration, ...]:
    excess = y - _mean([one.values for one in scores_list])[:, 0]
    if len(y) < 2:
        return (Calibration("mean", DIFFERENCE, _unknown()),)
    reach = stats.t.ppf((1 + level) / 2, len(y) - 1) * excess.std(ddof=1) / np.sqrt(len(y))
    mean = float(excess.mean())
    interval = Interval(mean, mean - float(reach), mean + float(reach))
    return (Calibration("mean", DIFFERENCE, interval),)


@calibration_of.register
def _(
    scores: SurvivalCurves, scores_list: Sequence[Any], y: Y, level: float, horizon: float
) -> tuple[Calibration, ...]:
    of = f"events by {horizon:g}"
    expected = 1 - float(np.mean([one.at([horizon])[:, 0] for one in scores_list]))
    if not len(y) or y["time"].max() < horizon or expected <= 0:
        return (Calibration(of, RATIO, _unknown()),)
    time, survival, bounds = kaplan_meier_estimator(
        y["event"], y["time"], conf_level=level, conf_type="log-log"
    )
    place = int(np.searchsorted(time, horizon, side="right")) - 1
    if place < 0 or survival[place] == 1.0:  # no event yet: the interval has no width to tell
        return (Calibration(of, RATIO, Interval(0.0, math.nan, math.nan)),)
    seen, low, high = (1 - float(curve[place]) for curve in (survival, bounds[1], bounds[0]))
    interval = Interval(seen / expected, low / expected, high / expected)
    return (Calibration(of, RATIO, interval),)


def _share(
    of: str, seen: npt.NDArray[np.bool_], predicted: FloatArray, level: float
) -> Calibration:
    expected = float(predicted.mean()) if len(predicted) else 0.0
    if expected <= 0:
        return Calibration(of, RATIO, _unknown())
    test = stats.binomtest(int(seen.sum()), len(seen))
    bounds = test.proportion_ci(level, method="wilson")
    low, high = float(bounds.low), float(bounds.high)
    interval = Interval(float(seen.mean()) / expected, low / expected, high / expected)
    return Calibration(of, RATIO, interval)


def _mean(values: Sequence[FloatArray]) -> FloatArray:
    return np.asarray(np.mean(values, axis=0))


def _unknown() -> Interval:
    return Interval(math.nan, math.nan, math.nan)
