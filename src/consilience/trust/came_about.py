"""What came about of a number that was told, and with what weight it counts."""

from __future__ import annotations

from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.metrics.scores import FloatArray
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf
from consilience.trust.survival_bounds import LEAST_UNCENSORED, Uncensored

Y = npt.NDArray[Any]


@singledispatch
def came_about(number: Number, y: Y) -> tuple[FloatArray, FloatArray]:
    """Return what came about of each patient, and his weight.

    Parameters
    ----------
    number : Number
        A probability: 1 where it happened, else 0. A value: the value. An event within
        a time: 1 where it was seen by then, 0 where it came later; who was censored before
        has weight 0, the others the inverse of the probability of being seen so long
        (Kaplan-Meier; censoring taken as independent).
    y : ndarray of shape (n_patients,)

    Returns
    -------
    outcome, weights : ndarray of shape (n_patients,)
    """
    raise TypeError(f"nothing says what came about of {type(number).__name__}")


@came_about.register
def _(number: ProbabilityOf, y: Y) -> tuple[FloatArray, FloatArray]:
    return (y.astype(str) == number.label).astype(float), np.ones(len(y))


@came_about.register
def _(number: PredictedValue, y: Y) -> tuple[FloatArray, FloatArray]:
    return y.astype(float), np.ones(len(y))


@came_about.register
def _(number: EventWithin, y: Y) -> tuple[FloatArray, FloatArray]:
    happened = y["event"] & (y["time"] <= number.horizon)
    known = happened | (y["time"] > number.horizon)
    seen = Uncensored.of(y).before(np.minimum(y["time"], number.horizon))
    weights = np.where(known, 1.0 / np.maximum(seen, LEAST_UNCENSORED), 0.0)
    return happened.astype(float), weights
