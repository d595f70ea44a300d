"""Survival: the curves should be right and tell who will have the event by a time.

Integrated Brier score and time-dependent AUC. Both are evaluated at quantiles of the event
times inside the follow-up, so that models are judged at the same times whatever grid their
curves stand on; the last tenth of the events is left out, where hardly anyone is still
followed and a few patients would decide. From scikit-survival for one set of patients, ours
for bootstrap replicates.
"""

from __future__ import annotations

import math

import numpy as np

from consilience.metrics.censoring import FollowUp, cut_at, event_quantiles, last_time
from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray, SurvivalCurves

BRIER_LEVELS = np.linspace(0.0, 0.9, 37)
AUC_LEVELS = np.linspace(0.1, 0.9, 9)
DIGITS = 7  # survival is compared to so many, so that rounding cannot break a tie


def integrated_brier_score(y: Y, curves: SurvivalCurves, train_y: Y | None = None) -> float:
    """Return the Brier score of the survival curves, averaged over time; lower is better.

    Censoring is weighted out with the Kaplan-Meier estimate of staying uncensored in
    `train_y` (by default y) (Graf et al., Stat Med 1999). Evaluated at 37 quantiles of the
    event times, from the first event to the ninth decile, among events before the end of the
    follow-up that y and `train_y` share (there the estimate is above 0), and averaged by the
    trapezoidal rule. 0.25 is the value of predicting 0.5 always. NaN with fewer than two
    distinct times, or if `train_y` holds no event.

    Parameters
    ----------
    y : structured ndarray of shape (n_patients,)
        Fields event and time.
    curves : SurvivalCurves
    train_y : structured ndarray, optional
    """
    from sksurv.metrics import integrated_brier_score as score

    reference = y if train_y is None else train_y
    seen, times = _evaluation(y, reference, BRIER_LEVELS)
    if len(times) < 2:
        return math.nan
    return float(score(reference, seen, curves.at(times), times))


def time_dependent_auc(y: Y, curves: SurvivalCurves, train_y: Y | None = None) -> float:
    """Return the cumulative / dynamic AUC, averaged over time.

    At a time t: how well 1 - S(t) tells those who had the event by t from those still free
    of it, cases weighted against the censoring in `train_y` (by default y) (Uno et al., JASA
    2007; Hung & Chiang 2010). Evaluated at the nine deciles of the event times before the end
    of the follow-up that y and `train_y` share, and averaged with the drop of the
    Kaplan-Meier curve as weight (Lambert & Chevret 2016). NaN without such a time, or if
    `train_y` holds no event.

    Parameters
    ----------
    y, curves, train_y
        As for `integrated_brier_score`.
    """
    from sksurv.metrics import cumulative_dynamic_auc

    reference = y if train_y is None else train_y
    seen, times = _evaluation(y, reference, AUC_LEVELS)
    if not len(times):
        return math.nan
    return float(
        cumulative_dynamic_auc(reference, seen, 1 - np.round(curves.at(times), DIGITS), times)[1]
    )


def weighted_integrated_brier_score(y: Y, curves: SurvivalCurves, counts: FloatArray) -> FloatArray:
    """Return `integrated_brier_score` of each replicate."""
    follow_up = FollowUp.of(y)
    counts = counts[:, follow_up.order]
    _, uncensored = follow_up.kaplan_meier(counts)
    steps = _steps(follow_up, counts, BRIER_LEVELS)
    survival = _padded(curves)[:, follow_up.order]
    wrong_case, wrong_control = survival**2, (1 - survival) ** 2
    ends = np.searchsorted(follow_up.step, np.arange(len(follow_up.times)), side="right")
    columns = np.searchsorted(curves.times, follow_up.times, side="right")
    values = np.full(len(counts), np.nan)
    for b, mine in enumerate(steps):
        if mine[0] == mine[-1]:
            continue
        case = (
            counts[b]
            * follow_up.event
            / np.where(uncensored[b] > 0, uncensored[b], np.inf)[follow_up.step]
        )
        brier = [
            case[: ends[s]] @ wrong_case[columns[s], : ends[s]]
            + counts[b, ends[s] :] @ wrong_control[columns[s], ends[s] :] / uncensored[b, s]
            for s in mine
        ]
        times = follow_up.times[mine]
        area = np.trapezoid(np.array(brier), times)
        values[b] = area / (times[-1] - times[0]) / counts[b].sum()
    return values


def weighted_time_dependent_auc(y: Y, curves: SurvivalCurves, counts: FloatArray) -> FloatArray:
    """Return `time_dependent_auc` of each replicate."""
    follow_up = FollowUp.of(y)
    counts = counts[:, follow_up.order]
    free, uncensored = follow_up.kaplan_meier(counts)
    steps = _steps(follow_up, counts, AUC_LEVELS)
    ranked = _Ranked(np.round(_padded(curves)[:, follow_up.order], DIGITS))
    ends = np.searchsorted(follow_up.step, np.arange(len(follow_up.times)), side="right")
    columns = np.searchsorted(curves.times, follow_up.times, side="right")
    values = np.full(len(counts), np.nan)
    for b, mine in enumerate(steps):
        if mine[0] < 0:
            continue
        case = (
            counts[b]
            * follow_up.event
            / np.where(uncensored[b] > 0, uncensored[b], np.inf)[follow_up.step]
        )
        areas = np.array([ranked.area(columns[s], ends[s], case, counts[b]) for s in mine])
        drop = -np.diff(free[b, mine], prepend=1.0)
        values[b] = (areas * drop).sum() / (1 - free[b, mine[-1]])
    return values


def _evaluation(y: Y, reference: Y, levels: FloatArray) -> tuple[Y, FloatArray]:
    """Return the outcome cut at the end of the shared follow-up, and the times to evaluate at."""
    seen = cut_at(y, last_time(y, reference))
    if not seen["event"].any() or not reference["event"].any():
        return seen, np.empty(0)
    times = np.sort(seen["time"][seen["event"]])
    cumulative = np.arange(1.0, len(times) + 1)[None, :]
    return seen, np.unique(times[event_quantiles(cumulative, levels)[0]])


def _steps(follow_up: FollowUp, counts: FloatArray, levels: FloatArray) -> Y:
    """Return the distinct times each replicate is evaluated at, (n_replicates, n_levels).

    Repeated where events are few; -1 where there is none before the replicate's last time.
    """
    there = follow_up.by_time(counts) > 0
    last = len(follow_up.times) - 1 - there[:, ::-1].argmax(axis=1)
    events = follow_up.by_time(counts * follow_up.event)
    events[np.arange(len(follow_up.times)) >= last[:, None]] = 0.0
    steps = event_quantiles(np.cumsum(events, axis=1), levels)
    steps[events.sum(axis=1) == 0] = -1
    return steps


def _padded(curves: SurvivalCurves) -> FloatArray:
    """Return survival as (1 + n_times, n_patients), the first row 1: before the first time."""
    return np.concatenate([np.ones((1, len(curves))), curves.values.T])


class _Ranked:
    """Survival at each of the curves' times, sorted when first asked for."""

    def __init__(self, survival: FloatArray) -> None:
        self.survival = survival
        self.sorted: dict[int, tuple[Y, Y]] = {}

    def area(self, column: int, end: int, case: FloatArray, counts: FloatArray) -> float:
        """Return the AUC of the cases, places before `end`, against the controls, from there on."""
        if column not in self.sorted:
            order = np.argsort(-self.survival[column], kind="stable")
            starts = np.flatnonzero(np.diff(self.survival[column][order], prepend=np.inf))
            self.sorted[column] = order, starts
        order, starts = self.sorted[column]
        early = order < end
        cases = np.add.reduceat(np.where(early, case[order], 0.0), starts)
        controls = np.add.reduceat(np.where(early, 0.0, counts[order]), starts)
        beaten = np.cumsum(controls) - controls / 2
        return float(cases @ beaten / (cases.sum() * controls.sum()))
