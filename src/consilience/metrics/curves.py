"""Curves a report draws, as tables of points.

Labels y are 0 / 1, p the probability of 1; survival outcomes are structured arrays with the
fields event and time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import binomtest
from sklearn.metrics import precision_recall_curve, roc_curve

from consilience.errors import InputError
from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray, SurvivalCurves


def roc_points(y: Y, p: FloatArray) -> pd.DataFrame:
    """Return the corners of the ROC curve from (0, 0) to (1, 1).

    Returns
    -------
    DataFrame
        Columns threshold, false_positive_rate, true_positive_rate.

    Raises
    ------
    InputError
        If y has one class.
    """
    _check_two_classes(y, "an ROC curve")
    false_positive, true_positive, threshold = roc_curve(y, p)
    return pd.DataFrame(
        {
            "threshold": threshold,
            "false_positive_rate": false_positive,
            "true_positive_rate": true_positive,
        }
    )


def pr_points(y: Y, p: FloatArray) -> pd.DataFrame:
    """Return the precision-recall curve, recall rising from 0.

    To be drawn as steps, not joined by lines: precision between two points is not on the
    line between them (Davis & Goadrich, ICML 2006).

    Returns
    -------
    DataFrame
        Columns threshold (infinite at recall 0), recall, precision.

    Raises
    ------
    InputError
        If y has one class.
    """
    _check_two_classes(y, "a precision-recall curve")
    precision, recall, threshold = precision_recall_curve(y, p)
    points = {"threshold": np.append(threshold, np.inf), "recall": recall, "precision": precision}
    return pd.DataFrame(points).iloc[::-1].reset_index(drop=True)


def calibration_points(y: Y, p: FloatArray, bins: int = 10, level: float = 0.95) -> pd.DataFrame:
    """Return observed against predicted risk in groups of about equal size.

    Groups are cut at quantiles of p; equal predictions are never parted, so there may be
    fewer groups than asked for.

    Parameters
    ----------
    y, p : ndarray of shape (n_patients,)
    bins : int
        Most groups.
    level : float
        Of the interval of the observed share, by Wilson's method (JASA 1927).

    Returns
    -------
    DataFrame
        One row a group: predicted (mean), observed (share), low, high, n, events.
    """
    rows = []
    for members in _groups(p, bins):
        n, events = len(members), int(y[members].sum())
        interval = binomtest(events, n).proportion_ci(level, method="wilson")
        rows.append((p[members].mean(), events / n, interval.low, interval.high, n, events))
    return pd.DataFrame(rows, columns=["predicted", "observed", "low", "high", "n", "events"])


def net_benefit(y: Y, p: FloatArray, thresholds: Sequence[float] | FloatArray) -> pd.DataFrame:
    """Return the decision curve: what treating above a risk is worth, against treating all.

    Net benefit at threshold t is TP / n - FP / n * t / (1 - t): true positives, less false
    ones at the rate at which the threshold trades them (Vickers & Elkin, Medical Decision
    Making 2006). Treating nobody is worth 0 at every threshold.

    Parameters
    ----------
    y, p : ndarray of shape (n_patients,)
    thresholds : array-like of shape (n_thresholds,)
        Risks from 0 to below 1 from which a patient is treated.

    Returns
    -------
    DataFrame
        Columns threshold, model, treat_all.

    Raises
    ------
    InputError
        If a threshold is not a risk below 1.
    """
    at = np.asarray(thresholds, dtype=float)
    if not ((at >= 0) & (at < 1)).all():
        raise InputError("thresholds of a decision curve are risks from 0 to below 1.")
    treated = p[None, :] >= at[:, None]
    odds = at / (1 - at)
    model = (treated @ y - odds * (treated @ (1 - y))) / len(y)
    share = float(np.mean(y))
    return pd.DataFrame({"threshold": at, "model": model, "treat_all": share - odds * (1 - share)})


def kaplan_meier(event: Y, time: FloatArray, level: float = 0.95) -> pd.DataFrame:
    """Return the Kaplan-Meier curve with log-log intervals, from survival 1 at time 0.

    Parameters
    ----------
    event : ndarray of bool, shape (n_patients,)
    time : ndarray of shape (n_patients,)
    level : float
        Of the pointwise interval (Kalbfleisch & Prentice 2002, section 1.4).

    Returns
    -------
    DataFrame
        One row a distinct time: time, survival, low, high, at_risk (just before it),
        events (at it), censored (at it). To be drawn as steps that fall at the times.
    """
    from sksurv.nonparametric import kaplan_meier_estimator

    event = np.asarray(event, dtype=bool)
    times, survival, (low, high) = kaplan_meier_estimator(
        event, time, conf_level=level, conf_type="log-log"
    )
    step = np.searchsorted(times, time)
    events = np.bincount(step, weights=event, minlength=len(times))
    everyone = np.bincount(step, minlength=len(times))
    curve = {
        "time": times,
        "survival": survival,
        "low": low,
        "high": high,
        "at_risk": everyone[::-1].cumsum()[::-1],
        "events": events.astype(int),
        "censored": everyone - events.astype(int),
    }
    start = pd.DataFrame([(0.0, 1.0, 1.0, 1.0, len(time), 0, 0)], columns=list(curve))
    return pd.concat([start, pd.DataFrame(curve)], ignore_index=True)


def survival_calibration_points(
    y: Y, curves: SurvivalCurves, horizon: float, bins: int = 5, level: float = 0.95
) -> pd.DataFrame:
    """Return Kaplan-Meier against predicted survival at a time, in groups of about equal size.

    Parameters
    ----------
    y : structured ndarray of shape (n_patients,)
    curves : SurvivalCurves
    horizon : float
        In the outcome's unit.
    bins : int
        Most groups, cut at quantiles of the predicted survival; equal predictions are
        never parted.
    level : float
        Of the interval.

    Returns
    -------
    DataFrame
        One row a group: predicted (mean survival), observed, low, high, n, events (by the
        horizon). Observed and its interval are NaN in a group nobody of which was
        followed to the horizon, unless all had the event before.
    """
    predicted = curves.at([horizon])[:, 0]
    rows = []
    for members in _groups(predicted, bins):
        event, time = y["event"][members], y["time"][members]
        observed = _survival_at(kaplan_meier(event, time, level), horizon)
        events = int((event & (time <= horizon)).sum())
        rows.append((predicted[members].mean(), *observed, len(members), events))
    return pd.DataFrame(rows, columns=["predicted", "observed", "low", "high", "n", "events"])


def _survival_at(curve: pd.DataFrame, horizon: float) -> tuple[float, float, float]:
    last = curve.iloc[-1]
    if horizon > last["time"] and last["survival"] > 0:
        return math.nan, math.nan, math.nan
    row = curve[curve["time"] <= horizon].iloc[-1]
    return float(row["survival"]), float(row["low"]), float(row["high"])


def _groups(values: FloatArray, bins: int) -> list[Y]:
    """Return rows in groups cut at quantiles of the values, lowest first."""
    cuts = np.unique(np.quantile(values, np.linspace(0, 1, bins + 1)[1:-1], method="inverted_cdf"))
    place = np.searchsorted(cuts, values, side="left")
    groups = [np.flatnonzero(place == k) for k in range(len(cuts) + 1)]
    return [members for members in groups if len(members)]


def _check_two_classes(y: Y, what: str) -> None:
    if not ((y == 1).any() and (y == 0).any()):
        raise InputError(f"{what} needs patients with and without the outcome.")
