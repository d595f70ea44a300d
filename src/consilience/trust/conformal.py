"""Conformal prediction: sets of classes and intervals that hold the truth as often as they say.

Split conformal prediction (Papadopoulos et al., ECML 2002; Vovk, Gammerman and Shafer,
2005): of n patients whom the model had not seen it is known how badly each one's truth
fitted (the conformity score). A new patient's set holds all that fits no worse than the
ceil((n + 1) level)-th smallest of these. If he is exchangeable with them, it holds his
truth with a probability of at least `level`, and of at most 1 / (n + 1) more where scores
do not tie, whatever the model is worth. A poor model shows in large sets.

`consilience.trust.thresholds` says how groups are dealt with, and what is kept of patients.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from consilience.metrics.scores import FloatArray, Probabilities, Values
from consilience.records import Interval, Record
from consilience.trust.taxonomy import Labels
from consilience.trust.thresholds import LEVELS, Threshold, Thresholds


@dataclass(frozen=True)
class PredictionSet:
    """The classes that cannot be ruled out.

    Attributes
    ----------
    labels : tuple of str
        The likeliest first, never empty.
    level : float
    threshold : Threshold
        With the group it was learned from.
    """

    labels: tuple[str, ...]
    level: float
    threshold: Threshold


class ClassSets(Record):
    """Sets of classes.

    Parameters
    ----------
    score : {"lac", "aps"}
        "lac": one less the probability of the class, with the smallest sets on average
        (Sadinle, Lei and Wasserman, JASA 2019, 114:223). "aps": the probability of the class
        and of all likelier ones, fairer to the hard cases (Romano, Sesia and Candes, NeurIPS
        2020; without randomisation), for models that tell many classes apart: of few or
        poorly told classes its sets hold more than they need.
    labels : tuple of str
        The classes, as the model has them.
    thresholds : Thresholds
    """

    score: Literal["lac", "aps"]
    labels: tuple[str, ...]
    thresholds: Thresholds

    @classmethod
    def of(
        cls,
        scores: Sequence[Probabilities],
        y: npt.NDArray[Any],
        groups: Sequence[Labels],
        *,
        score: Literal["lac", "aps"] = "lac",
        levels: tuple[float, ...] = LEVELS,
    ) -> Self:
        """Learn from probabilities of patients whom the model had not seen.

        Parameters
        ----------
        scores : sequence of Probabilities
            One a repeat, of the same patients.
        y : ndarray of shape (n_patients,)
        groups : sequence of tuple of str or None
        score : {"lac", "aps"}
        levels : tuple of float
        """
        classes = scores[0].classes
        own = np.searchsorted(classes, y)
        rows = np.arange(len(y))
        found = np.array([CONFORMITY[score](one.values)[rows, own] for one in scores])
        labels = tuple(str(label) for label in classes)
        return cls(
            score=score, labels=labels, thresholds=Thresholds.of(found, groups, levels=levels)
        )

    def sets(
        self, scores: Probabilities, groups: Sequence[Labels], level: float
    ) -> list[PredictionSet]:
        """Return each patient's set; it holds the likeliest class whatever the threshold."""
        found = []
        each = CONFORMITY[self.score](scores.values)
        for labels, conformity, row in zip(groups, each, scores.values, strict=True):
            threshold = self.thresholds.of_patient(labels, level)
            order = np.argsort(-row, kind="stable")
            kept = [place for place in order if conformity[place] <= threshold.value]
            names = tuple(self.labels[place] for place in kept or order[:1])
            found.append(PredictionSet(names, level, threshold))
        return found


def least_ambiguous(probabilities: FloatArray) -> FloatArray:
    """Return one less each class's probability, (n_patients, n_classes)."""
    return 1.0 - probabilities


def cumulative(probabilities: FloatArray) -> FloatArray:
    """Return for each class its probability with that of all likelier ones."""
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=1), axis=1)
    found = np.empty_like(sums)
    np.put_along_axis(found, order, sums, axis=1)
    return found


CONFORMITY = {"lac": least_ambiguous, "aps": cumulative}


class ValueIntervals(Record):
    """Intervals around a value: as far to both sides as the residuals reach.

    The conformity score is the absolute residual (Lei et al., JASA 2018, 113:1094).
    Within a group every patient's interval is as wide.
    """

    thresholds: Thresholds

    @classmethod
    def of(
        cls,
        scores: Sequence[Values],
        y: FloatArray,
        groups: Sequence[Labels],
        *,
        levels: tuple[float, ...] = LEVELS,
    ) -> Self:
        """Learn from values of patients whom the model had not seen; as `ClassSets.of`."""
        found = np.array([np.abs(y - one.values[:, 0]) for one in scores])
        return cls(thresholds=Thresholds.of(found, groups, levels=levels))

    def intervals(
        self, scores: Values, groups: Sequence[Labels], level: float
    ) -> list[tuple[Interval, Threshold]]:
        """Return each patient's interval, without ends where nothing can be ruled out."""
        found = []
        for labels, value in zip(groups, scores.values[:, 0].tolist(), strict=True):
            threshold = self.thresholds.of_patient(labels, level)
            ends = (value - threshold.value, value + threshold.value)
            low, high = (end if math.isfinite(end) else None for end in ends)
            found.append((Interval(low=low, high=high, level=level), threshold))
        return found
