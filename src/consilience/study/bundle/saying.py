"""From the scores of a model to what is said of each patient."""

from __future__ import annotations

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np

from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves, Values


@singledispatch
def said_of_each(scores: Scores, horizons: Sequence[float]) -> list[dict[str, Any]]:
    """Return, for each patient, the fields of a `Prediction` that hold what is predicted.

    Raises
    ------
    TypeError
        For scores of an unknown kind.
    """
    raise TypeError(f"scores of kind {type(scores).__name__} have no form as a prediction")


@said_of_each.register
def _(scores: Probabilities, horizons: Sequence[float]) -> list[dict[str, Any]]:
    labels = [str(label) for label in scores.classes]
    rows = np.clip(scores.values, 0.0, 1.0).tolist()
    parts = [zip(labels, row, strict=True) for row in rows]
    return [
        {"probabilities": tuple({"label": name, "probability": p} for name, p in row)}
        for row in parts
    ]


@said_of_each.register
def _(scores: Values, horizons: Sequence[float]) -> list[dict[str, Any]]:
    return [{"value": value} for value in scores.values[:, 0].tolist()]


@said_of_each.register
def _(scores: SurvivalCurves, horizons: Sequence[float]) -> list[dict[str, Any]]:
    curves = np.clip(scores.at(list(horizons)), 0.0, 1.0).tolist()
    return [
        {
            "risk": risk,
            "survival": tuple(
                {"time": time, "probability": p} for time, p in zip(horizons, curve, strict=True)
            ),
        }
        for risk, curve in zip(scores.risk.tolist(), curves, strict=True)
    ]
