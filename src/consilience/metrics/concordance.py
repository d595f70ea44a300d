"""Survival: the one with the higher risk should have the event first.

Harrell's and Uno's concordance: from scikit-survival for one set of patients, except that
beyond a few thousand patients its quadratic time is too long and our own count is taken,
and always ours for bootstrap replicates: exact, O(n log^2 n) a set and O(n log n) a replicate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics.censoring import FollowUp
from consilience.metrics.metric import Y, ratio
from consilience.metrics.scores import FloatArray

LARGE = 5_000  # patients from which the own count is taken
TIE = 1e-9  # relative to the largest risk: rounding must not break a tie


def harrell_concordance(y: Y, risk: FloatArray) -> float:
    """Return the share of comparable pairs in which the higher risk has the event first.

    A pair is comparable if the earlier time is an event's; a censoring at the time of an
    event counts as later; equal risks count half (Harrell et al., Stat Med 1996). NaN if
    there is no comparable pair.

    Parameters
    ----------
    y : structured ndarray of shape (n_patients,)
        Fields event and time.
    risk : ndarray of shape (n_patients,)
        Higher is worse.
    """
    from sksurv.metrics import concordance_index_censored

    if not _has_pair(y, y["event"]):
        return math.nan
    if len(y) > LARGE:
        return float(weighted_harrell(y, risk, np.ones((1, len(y))))[0])
    ranks = _tied_ranks(risk).astype(float)
    return float(concordance_index_censored(y["event"], y["time"], ranks)[0])


def uno_concordance(y: Y, risk: FloatArray, train_y: Y | None = None) -> float:
    """Return Uno's concordance: Harrell's with pairs weighted against the censoring.

    Each event weighs 1 / G(t)^2, G the Kaplan-Meier estimate of staying uncensored in
    `train_y` (by default y), so that the value does not depend on how patients were
    censored (Uno et al., Stat Med 2011). Events after the follow-up of `train_y`, or where
    G is 0, do not count: the truncation time is the last one with G above 0. NaN if no
    comparable pair is left, or `train_y` holds no event.

    Parameters
    ----------
    y, risk
        As for `harrell_concordance`.
    train_y : structured ndarray, optional
    """
    from sksurv.metrics import concordance_index_ipcw

    reference = y if train_y is None else train_y
    weight = _event_weights(y, reference)
    if not _has_pair(y, weight) or not reference["event"].any():
        return math.nan
    if len(y) > LARGE:
        ones = np.ones((1, len(y)))
        return float(_shares(y, risk, weight[None, :], ones)[0])
    tau = float(np.nextafter(y["time"][weight > 0].max(), np.inf))
    plain = [np.array(a, dtype=SURVIVAL_DTYPE) for a in (reference, y)]
    return float(concordance_index_ipcw(*plain, _tied_ranks(risk).astype(float), tau=tau)[0])


def weighted_harrell(y: Y, risk: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `harrell_concordance` of each replicate."""
    return _shares(y, risk, counts * y["event"], counts)


def weighted_uno(y: Y, risk: FloatArray, counts: FloatArray) -> FloatArray:
    """Return `uno_concordance` of each replicate, its censoring distribution estimated anew."""
    follow_up = FollowUp.of(y)
    _, uncensored = follow_up.kaplan_meier(counts[:, follow_up.order])
    weights = np.empty_like(counts)
    weights[:, follow_up.order] = _inverse_square(uncensored)[:, follow_up.step]
    return _shares(y, risk, counts * y["event"] * weights, counts)


def _event_weights(y: Y, reference: Y) -> FloatArray:
    """Return 1 / G(t)^2 for events at times with G > 0 within the follow-up, else 0."""
    follow_up = FollowUp.of(reference)
    ones = np.ones((1, len(reference)))
    _, uncensored = follow_up.kaplan_meier(ones)
    steps = np.concatenate([[1.0], _inverse_square(uncensored)[0]])
    place = np.searchsorted(follow_up.times, y["time"], side="right")
    within = y["time"] <= follow_up.times[-1]
    return np.where(y["event"] & within, steps[place], 0.0)


def _inverse_square(uncensored: FloatArray) -> FloatArray:
    return np.divide(1.0, uncensored**2, out=np.zeros_like(uncensored), where=uncensored > 0)


def _has_pair(y: Y, weight: FloatArray) -> bool:
    """Return whether anyone can be compared with an event that counts."""
    counted = weight > 0
    if not counted.any():
        return False
    first = y["time"][counted].min()
    return bool((y["time"] > first).any() or (~y["event"] & (y["time"] == first)).any())


def _tied_ranks(risk: FloatArray) -> Y:
    """Return dense ranks; risks a rounding error apart share one."""
    order = np.argsort(risk, kind="stable")
    gaps = np.diff(risk[order])
    ranks = np.zeros(len(risk), dtype=np.intp)
    ranks[order[1:]] = np.cumsum(gaps > TIE * np.abs(risk).max())
    return ranks


def _shares(y: Y, risk: FloatArray, earlier: FloatArray, later: FloatArray) -> FloatArray:
    """Return concordant / comparable pairs of each replicate.

    `earlier` and `later`, (n_replicates, n_patients), weigh a patient as the first and as
    the second of a pair. Divide and conquer on the binary digits of the order in time: the
    pair's first differing digit says at which level it is counted, patients of one event
    time share all digits and are never compared, and within a level one sort by risk and
    cumulative sums count every pair (Bentley, Comm. ACM 1980, in the manner of Knight's
    tau, JASA 1966).
    """
    ranks = _tied_ranks(risk)
    _, time_step = np.unique(y["time"], return_inverse=True)
    key = 2 * time_step + ~y["event"]  # at equal times, events come before censoring
    first, second = np.ascontiguousarray(earlier.T), np.ascontiguousarray(later.T)
    concordant, comparable = np.zeros(len(later)), np.zeros(len(later))
    for level in range(int(key.max()).bit_length()):
        pairs = _Level.of(key, ranks, y["event"], level)
        passed = np.zeros((len(pairs.seconds) + 1, len(later)))
        np.cumsum(second[pairs.seconds], axis=0, out=passed[1:])
        weight = first[pairs.firsts]
        start = passed[pairs.start]
        comparable += np.einsum("ib,ib->b", weight, passed[pairs.end] - start)
        won = 0.5 * (passed[pairs.below] + passed[pairs.upto]) - start
        concordant += np.einsum("ib,ib->b", weight, won)
    return ratio(concordant, comparable)


@dataclass(frozen=True)
class _Level:
    """Pairs whose order in time first differs in one binary digit.

    `firsts` and `seconds` are rows; a pair's second lies, in the order of `seconds`, between
    `start` and `end` of its first, those with smaller risk before `below`, equal before `upto`.
    """

    firsts: Y
    seconds: Y
    start: Y
    end: Y
    below: Y
    upto: Y

    @classmethod
    def of(cls, key: Y, ranks: Y, event: Y, level: int) -> _Level:
        block, late = key >> (level + 1), (key >> level) & 1 == 1
        firsts, seconds = np.flatnonzero(event & ~late), np.flatnonzero(late)
        # block and rank in one number: sorting by it sorts by risk within blocks
        width = int(ranks.max()) + 1
        place = block[seconds] * width + ranks[seconds]
        order = np.argsort(place, kind="stable")
        place = place[order]
        mine = block[firsts] * width
        sought = (mine, mine + width, mine + ranks[firsts], mine + ranks[firsts] + 1)
        bounds = [np.searchsorted(place, value) for value in sought]
        return cls(firsts, seconds[order], *bounds)
