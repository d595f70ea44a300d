"""Every named learner learns every kind of outcome and saves what it chose."""

from __future__ import annotations

import numpy as np
import pytest
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, SingleModality
from consilience.study import learners
from consilience.study.candidates import seeded

KINDS = ("binary", "multiclass", "continuous", "survival")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", learners.__all__)
def test_it_beats_guessing(name: str, kind: str) -> None:
    cohort, y = synthetic_cohort(240, kind=kind, modalities=2, features=4, seed=3)
    learner = getattr(learners, name)(kind).tuned(folds=2, seed=0)
    model = seeded(EarlyFusion(learner), 0).fit(cohort[:160], y[:160])
    guess = {"continuous": 0.0, "survival": 0.5}.get(kind, np.unique(y).size ** -1)
    assert model.score(cohort[160:], y[160:]) > guess


def test_ridge_cox_on_principal_axes_is_ridge_cox() -> None:
    """A ridge penalty does not see a rotation."""
    cohort, y = synthetic_cohort(80, kind="survival", modalities=1, features=30, seed=0)
    recipe = learners.ridge("survival")
    rotated = recipe.estimator.set_params(cox__alpha=5.0)
    plain = CoxPHSurvivalAnalysis(alpha=5.0)
    ranked = [SingleModality(each).fit(cohort, y).predict(cohort) for each in (rotated, plain)]
    np.testing.assert_allclose(ranked[0], ranked[1], rtol=1e-3)


def test_an_unknown_setting_is_named() -> None:
    with pytest.raises(InputError, match=r"no setting 'c'.*Did you mean"):
        learners.ridge("binary").tuned(folds=2, seed=0, grid={"c": [1.0]})
    with pytest.raises(InputError, match="a list of values"):
        learners.ridge("binary").tuned(folds=2, seed=0, grid={"C": 1.0})  # type: ignore[dict-item]
