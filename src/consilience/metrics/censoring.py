"""Event times and censoring times, ordered once, and Kaplan-Meier for many replicates at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics.metric import Y
from consilience.metrics.scores import FloatArray


@dataclass(frozen=True)
class FollowUp:
    """Patients in the order of their times.

    Attributes
    ----------
    order : ndarray of shape (n_patients,)
        Row of the outcome that stands at each place.
    event, time : ndarray of shape (n_patients,)
        In that order.
    step : ndarray of shape (n_patients,)
        Which of the distinct times a patient has.
    times : ndarray of shape (n_times,)
        The distinct times, rising.
    """

    order: Y
    event: Y
    time: FloatArray
    step: Y
    times: FloatArray

    @classmethod
    def of(cls, y: Y) -> FollowUp:
        """Order a structured outcome."""
        order = np.argsort(y["time"], kind="stable")
        times, step = np.unique(y["time"][order], return_inverse=True)
        return cls(order, y["event"][order], y["time"][order], step, times)

    def by_time(self, counts: FloatArray) -> FloatArray:
        """Return (n_replicates, n_patients) of patients as (n_replicates, n_times): sums."""
        starts = np.flatnonzero(np.diff(self.step, prepend=-1))
        sums: FloatArray = np.add.reduceat(counts, starts, axis=1)
        return sums

    def kaplan_meier(self, counts: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return survival and the censoring distribution after each distinct time.

        Parameters
        ----------
        counts : ndarray of shape (n_replicates, n_patients)
            In the order of the times.

        Returns
        -------
        survival, uncensored : ndarray of shape (n_replicates, n_times)
            P(event after t) and P(censored after t). At equal times events come before
            censoring, as in scikit-survival.
        """
        everyone = self.by_time(counts)
        events = self.by_time(counts * self.event)
        at_risk = np.cumsum(everyone[:, ::-1], axis=1)[:, ::-1]
        survival = np.cumprod(1 - events / np.maximum(at_risk, 1.0), axis=1)
        leaving = (everyone - events) / np.maximum(at_risk - events, 1.0)
        return survival, np.cumprod(1 - leaving, axis=1)


def last_time(y: Y, train_y: Y) -> float:
    """Return the end of the follow-up that both outcomes cover."""
    return float(min(y["time"].max(), train_y["time"].max()))


def cut_at(y: Y, limit: float) -> Y:
    """Return the outcome as seen when the study ends at a time."""
    cut = np.empty(len(y), dtype=SURVIVAL_DTYPE)
    cut["event"] = y["event"] & (y["time"] < limit)
    cut["time"] = np.minimum(y["time"], limit)
    return cut


def event_quantiles(cumulative: FloatArray, levels: FloatArray) -> Y:
    """Return where quantiles of event times lie among ordered places.

    Parameters
    ----------
    cumulative : ndarray of shape (n_replicates, n_times)
        Events up to and with each time.
    levels : ndarray of shape (n_levels,)
        Between 0 and 1.

    Returns
    -------
    ndarray of shape (n_replicates, n_levels)
        The first time by which that share of the events has come: the inverse of the
        empirical distribution, so that repeating rows moves nothing.
    """
    wanted = np.maximum(np.ceil(levels * cumulative[:, -1:] - 1e-9), 1.0)
    rows = [np.searchsorted(have, want) for have, want in zip(cumulative, wanted, strict=True)]
    return np.array(rows, dtype=np.intp).reshape(len(cumulative), len(levels))
