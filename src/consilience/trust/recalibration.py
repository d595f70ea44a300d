"""Whether the number told should be moved, and by how much: a line on the scale of its link.

Cox (Biometrika 1958, 45:562): the outcome is regressed on the linked prediction. A slope of
1 and an intercept of 0 leave it as it is; a slope under 1 says that predictions are too
extreme. The line is learned from predictions of patients whom the model had not seen. It is
applied only if it makes predictions better that it was not learned from (fold by fold),
by more than chance explains; otherwise the model's own number stands, and that is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize, stats

from consilience.metrics.scores import FloatArray, Probabilities, Scores, Values
from consilience.records import Record
from consilience.trust.number import Number, PredictedValue, ProbabilityOf

LEVEL = 0.95
LEAST = 1e-6  # probabilities are this far from 0 and 1 when a loss is taken
STEEPEST = 10.0
FEWEST = 10  # patients of either kind, to learn a line of two numbers from


class Recalibration(Record):
    """A line on the scale of the link: slope times the linked number, plus intercept.

    Parameters
    ----------
    slope, intercept : float
        1 and 0 where nothing is applied.
    applied : bool
    sentence : str
        What was found, for a reader.
    """

    slope: float = 1.0
    intercept: float = 0.0
    applied: bool = False
    sentence: str = "Recalibration was not looked into."

    def of(self, numbers: FloatArray, number: Number) -> FloatArray:
        """Return numbers as they should be told, (n_patients,)."""
        if not self.applied:
            return numbers
        return number.unlinked(self.intercept + self.slope * number.linked(numbers))

    def moved(self, scores: Scores) -> Scores:
        """Return scores that agree with the number told, so that sets and intervals do.

        Values, and the probabilities of two classes (the line being that of the last one).
        Curves stay as they are: moved by the line they would come down to another share at
        the same time, and bounds on time would be the same.
        """
        return _moved(scores, self) if self.applied else scores

    @classmethod
    def learned(
        cls,
        number: Number,
        numbers: FloatArray,
        outcome: FloatArray,
        weights: FloatArray,
        folds: Sequence[npt.NDArray[np.intp]],
    ) -> Self:
        """Learn a line, and apply it if that is shown to help.

        Parameters
        ----------
        number : Number
        numbers : ndarray of shape (n_patients,)
            Of patients whom the model had not seen.
        outcome : ndarray of shape (n_patients,)
            What came about: 0 or 1 of a probability, or the value.
        weights : ndarray of shape (n_patients,)
            Of each patient; 0: his outcome is not known (censored before the time).
        folds : sequence of ndarray of int
            Positions; each fold is judged with the line of the others.
        """
        known = weights > 0
        if not _enough(number, outcome[known]):
            return cls(sentence="Too few patients to say whether the number should be moved.")
        gain = np.zeros(len(numbers))
        for fold in folds:
            rest = known.copy()
            rest[fold] = False
            if not _enough(number, outcome[rest]):
                return cls(sentence="Too few patients to say whether the number should be moved.")
            line = cls.fitted(number, numbers[rest], outcome[rest], weights[rest])
            before = loss(number, numbers[fold], outcome[fold])
            gain[fold] = before - loss(number, line.of(numbers[fold], number), outcome[fold])
        return cls._decided(number, (numbers, outcome, weights), gain)

    @classmethod
    def fitted(
        cls, number: Number, numbers: FloatArray, outcome: FloatArray, weights: FloatArray
    ) -> Self:
        """Return the line with the least loss, whether or not it helps; as `learned`."""
        intercept, slope = _line(number, numbers, outcome, weights)
        return cls(slope=slope, intercept=intercept, applied=True)

    @classmethod
    def _decided(
        cls, number: Number, told: tuple[FloatArray, FloatArray, FloatArray], gain: FloatArray
    ) -> Self:
        numbers, outcome, weights = told
        known = weights > 0
        intercept, slope = _line(number, numbers[known], outcome[known], weights[known])
        weighted = (weights * gain)[known] * known.sum() / weights[known].sum()
        reach = float(stats.norm.ppf((1 + LEVEL) / 2) * stats.sem(weighted))
        mean = float(weighted.mean())
        told_gain = f"{mean:.2g} ({LEVEL:.0%} interval {mean - reach:.2g} to {mean + reach:.2g})"
        found = f"slope {slope:.2f}, intercept {intercept:+.2f} on the scale of {number.scale}"
        if slope <= 0 or mean - reach <= 0:
            sentence = (
                f"The model's own number is told: moving it ({found}) is not shown to be better; "
                f"out of sample the loss would fall by {told_gain}."
            )
            return cls(sentence=sentence)
        sentence = f"The number is moved ({found}): out of sample the loss falls by {told_gain}."
        return cls(slope=slope, intercept=intercept, applied=True, sentence=sentence)


@singledispatch
def _moved(scores: Scores, line: Recalibration) -> Scores:
    return scores


@_moved.register
def _(scores: Values, line: Recalibration) -> Scores:
    return Values(line.intercept + line.slope * scores.values)


@_moved.register
def _(scores: Probabilities, line: Recalibration) -> Scores:
    event = ProbabilityOf("", str(scores.classes[-1]))
    p = line.of(event.of(scores), event)
    return Probabilities(np.column_stack([1 - p, p]), scores.classes)


@singledispatch
def loss(number: Number, numbers: FloatArray, outcome: FloatArray) -> FloatArray:
    """Return how far each number is from what came about: the log loss, or the squared error."""
    p = np.clip(numbers, LEAST, 1 - LEAST)
    return np.asarray(-(outcome * np.log(p) + (1 - outcome) * np.log1p(-p)))


@loss.register
def _(number: PredictedValue, numbers: FloatArray, outcome: FloatArray) -> FloatArray:
    return np.asarray((outcome - numbers) ** 2)


def _enough(number: Number, outcome: FloatArray) -> bool:
    if isinstance(number, PredictedValue):
        return len(outcome) >= 2 * FEWEST
    return bool(min(outcome.sum(), (1 - outcome).sum()) >= FEWEST)


def _line(
    number: Number, numbers: FloatArray, outcome: FloatArray, weights: FloatArray
) -> tuple[float, float]:
    """Return intercept and slope with the least loss."""
    linked = number.linked(numbers)
    middle, scale = float(linked.mean()), float(linked.std()) or 1.0
    standard = (linked - middle) / scale

    def badness(line: Any) -> float:
        moved = number.unlinked(line[0] + line[1] * standard)
        return float(np.average(loss(number, moved, outcome), weights=weights))

    start = np.array([middle, scale])
    precise: Any = {"xatol": 1e-6 * scale, "fatol": 1e-9 * badness(start), "maxiter": 2000}
    found = optimize.minimize(badness, start, method="Nelder-Mead", options=precise)
    slope = float(np.clip(found.x[1] / scale, -STEEPEST, STEEPEST))
    return float(found.x[0] - slope * middle), slope
