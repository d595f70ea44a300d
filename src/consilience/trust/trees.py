"""Models that are one tree or many: Shapley values by `shap`'s TreeExplainer.

TreeExplainer knows the trees and needs no sampling (Lundberg et al., Nature Machine
Intelligence 2020, 2:56; here the interventional form, against the background). It explains
what the trees say, which is not always what is told: gradient boosting adds up log odds,
a forest averages probabilities. Its values are used where the trees' sum, moved by the line
of a recalibration if there is one, is the number told on its scale.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.extras import require
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Player
from consilience.trust.reasons import Reasons, gathered

METHOD = "exact Shapley values of the trees (TreeExplainer), against the background"
TOLERANCE = 1e-6  # between the trees' sum and the number told, on its scale
# Some learners round what they are given, and a value at a threshold then falls elsewhere.
PRECISIONS = (np.float32, np.float64)
SIGNS_OF_TREES = ("tree_", "estimators_", "_predictors", "get_booster", "booster_")


class Matrix(Protocol):
    """Patients as a learner sees them.

    Attributes
    ----------
    learner : fitted estimator
    matrix : ndarray of shape (n_patients, n_columns)
    owners : sequence of (str, str or None)
        The modality and feature of which each column is; None for a modality as a whole.
    """

    @property
    def learner(self) -> Any: ...
    @property
    def matrix(self) -> FloatArray: ...
    @property
    def owners(self) -> Sequence[tuple[str, str | None]]: ...


@runtime_checkable
class WithLearner(Protocol):
    """A model that is one learner on one matrix."""

    def inside(self, cohort: Cohort) -> Matrix | None:
        """Return the learner and its matrix; None if it has none."""


def tree_reasons(
    model: object, game: ModelGame, patient: Cohort, background: Cohort
) -> Reasons | None:
    """Return the Shapley values of a model of trees; None if it is none, or says another number.

    Categories' columns, and that of a gap, are summed into their feature.

    Parameters
    ----------
    model : fitted model
        With ``inside(cohort)``.
    game : ModelGame
    patient, background : Cohort
    """
    if not isinstance(model, WithLearner) or importlib.util.find_spec("shap") is None:
        return None
    own, others = model.inside(patient), model.inside(background)
    if own is None or others is None:
        return None
    if not any(hasattr(own.learner, sign) for sign in SIGNS_OF_TREES):
        return None
    told = float(game.linked(patient)[0])
    usual = float(game.linked(background).mean())
    owners = [Player(*owner) for owner in own.owners]
    line = game.number
    for dtype in PRECISIONS:
        found = _tree_shap(own.learner, own.matrix.astype(dtype), others.matrix.astype(dtype))
        for said, added in found:
            base, effects = line.intercept + line.slope * said, line.slope * added
            if abs(base - usual) <= TOLERANCE and abs(base + effects.sum() - told) <= TOLERANCE:
                pairs = zip(owners, effects.tolist(), strict=True)
                return Reasons(METHOD, base, gathered(game.players, pairs))
    return None


def _tree_shap(learner: Any, own: FloatArray, others: FloatArray) -> list[tuple[float, FloatArray]]:
    """Return base value and effects, (n_columns,), of each output; none if it is not trees."""
    shap = require("shap", extra="trust", purpose="explaining trees")
    refused = require("shap.utils._exceptions", extra="trust", purpose="explaining trees")
    try:
        explainer = shap.TreeExplainer(
            learner, data=others, feature_perturbation="interventional", model_output="raw"
        )
    except refused.InvalidModelError:
        return []
    values = np.asarray(explainer.shap_values(own, check_additivity=False), dtype=float)
    base = np.ravel(np.asarray(explainer.expected_value, dtype=float)).tolist()
    return list(zip(base, values.reshape(own.shape[1], len(base)).T, strict=True))
