"""Lower bounds on the time to an event, under right censoring.

"At least 26 months, for 90 of 100 such patients." The bound of a patient is where his own
predicted curve has come down to a share q, and q is chosen so that among patients whom the
model had not seen at most one in ten had the event before his bound. That nested family
with one parameter is the adaptive cutoff of Gui, Hore, Ren and Barber (Biometrika 2024,
111:459), after Candes, Lei and Ren (JRSS B 2023, 85:24).

Both assume that every patient's censoring time is known, as when a trial ends on one day.
Here it is not known of those who had the event. So those who had the event before their
bound are counted with the weight 1 / G(t-), G being the Kaplan-Meier estimate of
remaining uncensored (Robins and Rotnitzky 1992): the count is unbiased for all who had
it. G is estimated from all patients together, for groups are small. Assumed: **censoring is
independent of the time to the event, of what the model reads and of the groups within which
uncertainty is judged**; where one group is followed for less time, its bounds are too late.
Without censoring the rule is split conformal prediction to the letter; with it the promise
holds approximately, and better the more patients there are. No bound is above the time at
which fewer than a tenth remain uncensored: beyond it weights are too large to count with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from consilience.metrics.censoring import FollowUp
from consilience.metrics.scores import FloatArray, SurvivalCurves
from consilience.records import Interval, Record
from consilience.trust.taxonomy import Labels
from consilience.trust.thresholds import LEVELS, Threshold, Thresholds

Y = npt.NDArray[Any]
LEAST_UNCENSORED = 0.1


@dataclass(frozen=True)
class Uncensored:
    """The Kaplan-Meier estimate of remaining uncensored.

    Attributes
    ----------
    times : ndarray of shape (n_times,)
    share : ndarray of shape (n_times,)
        Just before each of the times, G(t-).
    """

    times: FloatArray
    share: FloatArray

    @classmethod
    def of(cls, y: Y) -> Self:
        """Estimate it from a structured outcome (event, time)."""
        follow = FollowUp.of(y)
        after = follow.kaplan_meier(np.ones((1, len(y))))[1][0]
        return cls(follow.times, np.concatenate([[1.0], after[:-1]]))

    @property
    def cutoff(self) -> float:
        """The last time before which at least a tenth remain uncensored."""
        return float(self.times[self.share >= LEAST_UNCENSORED][-1])

    def before(self, times: FloatArray) -> FloatArray:
        """Return G(t-) at any times."""
        place = np.minimum(np.searchsorted(self.times, times), len(self.times) - 1)
        return self.share[place]

    def weights(self, y: Y) -> FloatArray:
        """Return 1 / G(t-) of who had the event by the cutoff, 0 of the others."""
        counted = y["event"] & (y["time"] <= self.cutoff)
        share = np.maximum(self.before(y["time"]), LEAST_UNCENSORED)
        return np.where(counted, 1.0 / share, 0.0)


class TimeBounds(Record):
    """Lower bounds on time.

    Parameters
    ----------
    thresholds : Thresholds
        How far a patient's curve has come down at his bound; None: no bound.
    cutoff : float
        No bound is later, in the outcome's unit.
    censored : float
        The share of the patients learned from who were censored.
    """

    thresholds: Thresholds
    cutoff: float
    censored: float

    @classmethod
    def of(
        cls,
        scores: Sequence[SurvivalCurves],
        y: Y,
        groups: Sequence[Labels],
        *,
        levels: tuple[float, ...] = LEVELS,
    ) -> Self:
        """Learn from curves of patients whom the model had not seen.

        Parameters
        ----------
        scores : sequence of SurvivalCurves
            One a repeat, of the same patients.
        y : structured ndarray (event, time) of shape (n_patients,)
        groups : sequence of tuple of str or None
        levels : tuple of float
        """
        uncensored = Uncensored.of(y)
        free = np.array([survival_at(one, y["time"]) for one in scores])
        weights = uncensored.weights(y)
        return cls(
            thresholds=Thresholds.of(free, groups, weights=weights, levels=levels),
            cutoff=uncensored.cutoff,
            censored=float(1 - y["event"].mean()),
        )

    def bounds(
        self, scores: SurvivalCurves, groups: Sequence[Labels], level: float
    ) -> list[tuple[Interval, Threshold]]:
        """Return each patient's bound as an interval without upper end."""
        found = []
        for labels, curve in zip(groups, scores.values, strict=True):
            threshold = self.thresholds.of_patient(labels, level)
            low: float | None = None
            if math.isfinite(threshold.value):
                low = min(time_of(curve, scores.times, threshold.value), self.cutoff)
            found.append((Interval(low=low, level=level), threshold))
        return found


def survival_at(scores: SurvivalCurves, times: FloatArray) -> FloatArray:
    """Return each patient's predicted survival beyond his own time."""
    place = np.searchsorted(scores.times, times, side="right")
    padded = np.concatenate([np.ones((len(scores.values), 1)), scores.values], axis=1)
    return np.asarray(padded[np.arange(len(times)), place])


def time_of(curve: FloatArray, times: FloatArray, share: float) -> float:
    """Return when a survival curve has come down to a share; its last time if never."""
    reached = curve <= share
    return float(times[int(np.argmax(reached))] if reached.any() else times[-1])
