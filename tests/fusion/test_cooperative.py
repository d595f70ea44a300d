"""CooperativeLearning: what is chosen, what a missing modality does, what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LassoCV, LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.fusion.cooperative import CooperativeLearning


def cohort_of(**tables):
    ids = [f"p{i:04d}" for i in range(len(next(iter(tables.values()))))]
    made = {}
    for name, values in tables.items():
        measured = ~np.isnan(values).all(axis=1)
        columns = [f"{name}{j}" for j in range(values.shape[1])]
        frame = pd.DataFrame(values, index=ids, columns=columns)
        made[name] = Table(frame[measured], kinds=dict.fromkeys(columns, "continuous"))
    return Cohort(pd.DataFrame(index=pd.Index(ids)), made)


def drawn(rng, n, width, t, b_x, b_z, sigma):
    """The design of the paper's simulations: 6 % of the features carry shared factors."""
    x, z = rng.normal(size=(2, n, width))
    important = width * 30 // 500
    u = rng.normal(size=(n, important))
    x[:, :important] += t * u
    z[:, :important] += t * u
    mean = b_x * x[:, :important].sum(axis=1) + b_z * z[:, :important].sum(axis=1)
    return x, z, mean, mean + sigma * rng.normal(size=n)


def late(x, z, y, new_x, new_z):
    """Late fusion as in the paper: a lasso each on 70 %, combined on the other 30 %.

    Features are standardised, as the paper's authors do: their scale would tell which carry
    the factors.
    """
    cut = int(0.7 * len(y))
    models = [make_pipeline(StandardScaler(), LassoCV(cv=10)).fit(p[:cut], y[:cut]) for p in (x, z)]

    def said(parts):
        return np.column_stack([m.predict(p) for m, p in zip(models, parts, strict=True)])

    combined = LinearRegression().fit(said([x[cut:], z[cut:]]), y[cut:])
    return combined.predict(said([new_x, new_z]))


@pytest.mark.parametrize(
    "regime", [(2.0, 2.0, 2.0, 1.8), (0.0, 2.0, 2.0, 1.0), (6.0, 2.0, 0.0, 3.5)]
)
def test_it_predicts_as_well_as_the_better_of_early_and_late_fusion(regime):
    t, b_x, b_z, ratio = regime
    rng = np.random.default_rng(20220919)
    errors = []
    for _ in range(6):
        variance = 6 * ((b_x**2 + b_z**2) + t**2 * (b_x + b_z) ** 2)
        x, z, mean, y = drawn(rng, 1100, 100, t, b_x, b_z, np.sqrt(variance / ratio))
        train, test = cohort_of(x=x[:100], z=z[:100]), cohort_of(x=x[100:], z=z[100:])
        options = {"folds": 10, "random_state": 0}
        ours = CooperativeLearning(**options).fit(train, y[:100]).predict(test)
        early = CooperativeLearning(rho=0.0, **options).fit(train, y[:100]).predict(test)
        other = late(x[:100], z[:100], y[:100], x[100:], z[100:])
        errors.append([np.mean((said - mean[100:]) ** 2) for said in (ours, early, other)])
    ours, early, other = np.array(errors).T
    best = early if early.mean() <= other.mean() else other
    difference = ours - best
    assert difference.mean() <= difference.std(ddof=1) / np.sqrt(len(difference))


def test_lambda_of_one_standard_error_is_sparser_and_both_are_in_the_table():
    cohort, y = gappy_cohort("continuous")
    models = {
        choice: CooperativeLearning(choice=choice, random_state=0).fit(cohort, y)
        for choice in ("min", "1se")
    }
    assert models["1se"].lambda_ > models["min"].lambda_
    table = models["min"].cv_
    row = int(np.flatnonzero(table["rho"] == models["min"].rho_)[0])
    place = int(np.nanargmin(table["loss"][row]))
    assert table["loss"][row, place] == np.nanmin(table["loss"])
    assert models["min"].lambda_ == table["lambdas"][row, place]
    bound = table["loss"][row, place] + table["error"][row, place]
    largest = table["lambdas"][row][table["loss"][row] <= bound].max()
    assert models["1se"].lambda_ == largest


def test_held_out_loss_of_the_table_is_that_of_models_fitted_on_the_folds():
    cohort, y = gappy_cohort("continuous")
    options = {"rho": 0.5, "lambdas": (0.3, 0.1), "tolerance": 1e-9, "random_state": 0}
    model = CooperativeLearning(**options).fit(cohort, y)
    known = np.flatnonzero(model.informed(cohort))
    order = known[np.argsort(cohort.index[known].to_numpy(dtype=str))]
    expected, weights = [], []
    for train, held in model.task_.folds(y[order], 5, 0):
        part = CooperativeLearning(rho=0.5, lambdas=0.1).fit(cohort[order[train]], y[order[train]])
        expected.append(np.mean((part.predict(cohort[order[held]]) - y[order[held]]) ** 2))
        weights.append(len(held))
    assert model.cv_["loss"][0, 1] == pytest.approx(np.average(expected, weights=weights), rel=1e-6)


def test_the_path_holds_the_model_that_is_kept():
    cohort, y = gappy_cohort("multiclass")
    model = CooperativeLearning.for_outcome("multiclass", tolerance=1e-8, random_state=0)
    model.fit(cohort, y)
    place = int(np.flatnonzero(model.path_["lambdas"] == model.lambda_)[0])
    for name, coefficients in model.coef_.items():
        kept = model.path_["coefficients"][name][place]
        assert kept == pytest.approx(coefficients, abs=1e-5)


def test_a_missing_modality_adds_nothing_to_a_prediction():
    cohort, y = synthetic_cohort(150, kind="continuous", seed=0)
    model = CooperativeLearning(rho=0.5, lambdas=0.05).fit(cohort, y)
    first = model.modalities_[0]
    alone = cohort.only([first])
    matrix = model.blocks_.matrices(cohort)[first]
    measured = np.isfinite(matrix).any(axis=1)
    expected = model.intercept_[0] + np.nan_to_num(matrix) @ model.coef_[first]
    assert model.predict(alone)[measured] == pytest.approx(expected[measured])


def test_counts_are_predicted_by_the_poisson_family():
    rng = np.random.default_rng(0)
    x, z = rng.normal(size=(2, 200, 10))
    rate = np.exp(0.5 + 0.6 * x[:, 0] + 0.4 * z[:, 1])
    cohort, y = cohort_of(x=x, z=z), rng.poisson(rate)
    model = CooperativeLearning(family="poisson", random_state=0).fit(cohort, y)
    assert (model.predict(cohort) > 0).all()
    assert np.corrcoef(model.predict(cohort), rate)[0, 1] > 0.9


def test_adaptive_factors_penalise_a_modality_of_noise_more():
    rng = np.random.default_rng(1)
    x, z = rng.normal(size=(2, 120, 30))
    y = x[:, :5].sum(axis=1) + rng.normal(size=120)
    cohort = cohort_of(x=x, z=z)
    model = CooperativeLearning(adaptive=True, rho=0.1, random_state=0).fit(cohort, y)
    assert model.factors_["z"] > model.factors_["x"]
    given = CooperativeLearning(rho=0.1, random_state=0, penalty_factors={"z": 50.0})
    assert not given.fit(cohort, y).coef_["z"].any()


def test_what_it_found_is_told():
    cohort, y = gappy_cohort("survival")
    model = CooperativeLearning.for_outcome("survival", random_state=0).fit(cohort, y)
    path, selected = model.discoveries()
    assert path.chosen == model.rho_ and min(path.y) == np.nanmin(model.cv_["loss"])
    (component,) = selected.components
    for loading in component.loadings:
        place = model.blocks_.features_[loading.modality].index(loading.feature)
        assert model.coef_[loading.modality][place] == loading.weight != 0


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"rho": -1.0}, "rho must be a number of at least 0, not -1.0"),
        ({"rho": "best"}, "rho must be a number, several of them or 'cv'"),
        ({"rho": ()}, "rho is empty"),
        ({"lambdas": 0.0}, "every lambda must be a number above 0, not 0.0"),
        ({"l1_ratio": 1.5}, "l1_ratio must be a number from 0 to 1, not 1.5"),
        ({"family": "binomal"}, "Did you mean 'binomial'"),
        ({"choice": "best"}, "choice must be 'min' or '1se'"),
        ({"folds": 1}, "folds must be a whole number of at least 2"),
        ({"folds": 1000}, "1000 folds need at least as many patients"),
        ({"penalty_factors": {"alphq": 1.0}}, "Did you mean 'alpha'"),
        ({"penalty_factors": {"alpha": -1.0}}, "at least 0, not -1.0"),
        ({"lambda_min_ratio": 2.0}, "lambda_min_ratio must be a number between 0 and 1"),
        ({"n_lambdas": 0}, "n_lambdas must be a whole number of at least 1"),
        ({"family": "poisson"}, "poisson family needs counts of at least 0"),
    ],
)
def test_settings_out_of_range_are_refused_in_one_sentence(options, sentence):
    cohort, y = gappy_cohort("continuous")
    with pytest.raises(InputError, match=sentence):
        CooperativeLearning(**options).fit(cohort, y)


def test_three_classes_are_too_many_for_the_binomial_family():
    cohort, y = gappy_cohort("multiclass")
    with pytest.raises(InputError, match="use the multinomial family"):
        CooperativeLearning(family="binomial").fit(cohort, y)


def test_a_survival_model_ranks_those_who_die_first():
    rng = np.random.default_rng(2)
    x, z = rng.normal(size=(2, 200, 10))
    y = np.empty(200, dtype=SURVIVAL_DTYPE)
    y["time"] = rng.exponential(np.exp(-x[:, 0] - z[:, 0]))
    y["event"] = rng.random(200) < 0.8
    cohort = cohort_of(x=x, z=z)
    model = CooperativeLearning.for_outcome("survival", random_state=0).fit(cohort[:100], y[:100])
    assert model.score(cohort[100:], y[100:]) > 0.7


def test_too_few_events_to_choose_by_are_refused_in_a_sentence():
    cohort, y = gappy_cohort("survival", 30, seed=1)
    y = y.copy()
    y["event"] = False
    y["event"][[3, 7]] = True
    with pytest.raises(InputError, match="too few to choose rho and lambda"):
        CooperativeLearning.for_outcome("survival", random_state=0).fit(cohort, y)
    given = CooperativeLearning.for_outcome("survival", rho=0.5, lambdas=0.3).fit(cohort, y)
    assert np.isfinite(given.values(cohort)).all()


def test_a_whole_number_is_a_penalty_too():
    cohort, y = gappy_cohort("binary", 60, seed=1)
    model = CooperativeLearning.for_outcome("binary", lambdas=1, random_state=0).fit(cohort, y)
    assert model.lambda_ == 1.0
