"""Cooperative regression by turns: its fixed point, and the direct solution."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from tests.fusion.test_cooperative import cohort_of

from consilience.errors import InputError
from consilience.fusion.cooperative import CooperativeLearning
from consilience.fusion.cooperative_backfitting import CooperativeBackfitting


def sample(n=120, seed=0):
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n, 4))
    z[:, 0] += x[:, 0]
    return cohort_of(x=x, z=z), x[:, 0] + z[:, 1] - x[:, 2] + rng.normal(size=n)


@pytest.mark.parametrize("rho", [0.0, 0.5, 1.0, 3.0])
def test_with_linear_regression_it_reaches_the_direct_solution(rho):
    cohort, y = sample()
    turns = CooperativeBackfitting(LinearRegression(), rho=rho, max_sweeps=300, tolerance=0.0)
    direct = CooperativeLearning(rho=rho, lambdas=1e-9)
    expected = direct.fit(cohort, y).predict(cohort)
    assert turns.fit(cohort, y).predict(cohort) == pytest.approx(expected, abs=1e-4)


def test_with_missing_modalities_it_ends_where_no_modality_can_lower_the_objective():
    rng = np.random.default_rng(1)
    x, z, v = rng.normal(size=(3, 150, 3))
    y = x[:, 0] + z[:, 0] + v[:, 0] + rng.normal(size=150)
    x[:40], z[30:70] = np.nan, np.nan
    model = CooperativeBackfitting(LinearRegression(), rho=0.7, max_sweeps=500, tolerance=0.0)
    cohort = cohort_of(x=x, z=z, v=v)
    model.fit(cohort, y)
    parts, present = {}, {"x": ~np.isnan(x[:, 0]), "z": ~np.isnan(z[:, 0]), "v": np.ones(150, bool)}
    for name, expert in model.experts_.items():
        parts[name] = np.zeros(150)
        known = expert.stack_.transform(cohort[present[name]])
        parts[name][present[name]] = expert.learner_.predict(known)
    slope = sum(parts.values()) - (y - model.centre_)
    for name, raw in (("x", x), ("z", z), ("v", v)):
        pairs = sum(present[o] * (parts[name] - parts[o]) for o in parts if o != name)
        force = (slope + 0.7 * pairs)[present[name]]
        features = np.column_stack([np.ones(len(force)), raw[present[name]]])
        assert np.abs(features.T @ force).max() < 1e-4


def test_the_objective_falls_with_every_sweep():
    cohort, y = sample()
    forest = RandomForestRegressor(20, max_depth=3, random_state=0)
    model = CooperativeBackfitting(forest, rho=0.5).fit(cohort, y)
    assert len(model.objectives_) >= 2 and (np.diff(model.objectives_) < 0).all()


def test_of_several_rho_the_best_on_inner_folds_is_taken():
    cohort, y = sample()
    model = CooperativeBackfitting(LinearRegression(), rho=(0.0, 50.0), random_state=0)
    model.fit(cohort, y)
    assert model.rho_ == 0.0 and model.losses_["0"] < model.losses_["50"]
    (path,) = model.discoveries()
    assert path.x == (0.0, 50.0) and path.chosen == 0.0


def test_what_it_cannot_do_is_refused():
    cohort, y = sample()
    for learner, options, sentence in [
        (LogisticRegression(), {}, "give a regressor, not LogisticRegression"),
        (LinearRegression(), {"rho": -1}, "rho must be a number of at least 0, not -1"),
        (LinearRegression(), {"rho": ()}, "rho is empty"),
        (LinearRegression(), {"max_sweeps": 0}, "max_sweeps must be a whole number"),
        (LinearRegression(), {"tolerance": 1.0}, "tolerance must be at least 0"),
        (LinearRegression(), {"rho": (0, 1), "folds": 999}, "999 folds need at least as many"),
    ]:
        with pytest.raises(InputError, match=sentence):
            CooperativeBackfitting(learner, **options).fit(cohort, y)
