"""The path: parity with R multiview, optimality in every family, and the known limits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Lasso, LogisticRegression, PoissonRegressor
from sksurv.linear_model import CoxnetSurvivalAnalysis
from tests.fusion.numerics.test_families import families
from tests.fusion.optimality import violation

from consilience.cohort import tcga_acc
from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.fusion.numerics.cooperative_path import (
    Penalty,
    begin,
    follow,
    lambda_path,
    loss_at,
    restandardised,
    stacked,
)
from consilience.fusion.numerics.families import Binomial, Cox, Gaussian

FIXTURES = Path(__file__).parents[1] / "fixtures"
VIEWS = ("mrna", "protein", "mirna")
MATCHED = {0: 1.0, 0.1: 3.2, 0.5: 3.15, 1: 3.15}  # effective penalties of multiview's logistic


def standardised(values):
    return (values - values.mean(axis=0)) / values.std(axis=0)


def reference(entry):
    out = np.zeros((len(entry["lambda"]), entry["n_features"]))
    for row, pairs in enumerate(entry["nonzero"]):
        for place, value in pairs:
            out[row, int(place)] = value
    return out


def breast(data, kind):
    folder = data / "breast-tcga"
    views = {v: pd.read_csv(folder / f"train_{v}.csv", index_col=0).to_numpy(float) for v in VIEWS}
    subtype = pd.read_csv(folder / "train_subtype.csv")["subtype"]
    family = Binomial.of(subtype == "Basal")
    if kind == "gaussian":
        family = Gaussian.of(views["mrna"][:, 0])
        views["mrna"] = views["mrna"][:, 1:]
    scale = np.concatenate([values.std(axis=0) for values in views.values()])
    return stacked({name: standardised(v) for name, v in views.items()}), family, scale


@pytest.mark.parametrize("rho", [0, 0.1, 0.5, 1])
def test_gaussian_coefficients_are_those_of_multiview(data, rho):
    design, family, scale = breast(data, "gaussian")
    entry = json.loads((FIXTURES / "cooperative_multiview.json").read_text())[f"gaussian_rho_{rho}"]
    lambdas = np.array(entry["lambda"]) * (1 if rho == 0 else 4)
    penalty = Penalty(rho, np.ones(len(scale)), tolerance=1e-9)
    fitted = follow(begin(design, family, penalty), lambdas, whole=True)
    ours, theirs = fitted.coefficients[:, 0] / scale, reference(entry)
    assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)
    assert ((ours != 0) == (theirs != 0)).all()


@pytest.mark.parametrize("rho", [0, 0.1, 0.5, 1])
def test_logistic_coefficients_are_near_those_of_multiview_and_ours_are_optimal(data, rho):
    design, family, scale = breast(data, "binomial")
    entry = json.loads((FIXTURES / "cooperative_multiview.json").read_text())[f"binomial_rho_{rho}"]
    lambdas = np.array(entry["lambda"]) * MATCHED[rho]
    penalty = Penalty(rho, np.ones(len(scale)), tolerance=1e-9)
    fitted = follow(begin(design, family, penalty), lambdas, whole=True)
    theirs = reference(entry)
    for place, strength in enumerate(lambdas):
        ours = fitted.coefficients[place, 0] / scale
        state = (fitted.coefficients[place], fitted.intercepts[place])
        assert violation(design, family, penalty, strength, *state) < 1e-8
        if rho == 0:
            assert np.linalg.norm(ours - theirs[place]) < 1e-3 * np.linalg.norm(theirs[place])
        elif theirs[place].any():
            assert np.corrcoef(ours, theirs[place])[0, 1] > 0.98


def acc(entry):
    tables = tcga_acc().modalities
    columns = {"rna": entry["rna_columns"], "mirna": entry["mirna_columns"]}
    raw = {  # embedded on the log scale that the reference used
        name: tables[name].frame.loc[entry["ids"], names].to_numpy(float)
        for name, names in columns.items()
    }
    y = np.empty(len(entry["ids"]), dtype=SURVIVAL_DTYPE)
    y["event"], y["time"] = entry["event"], entry["time"]
    scale = np.concatenate([values.std(axis=0) for values in raw.values()])
    blocks = {name: standardised(values) for name, values in raw.items()}
    return stacked(blocks), Cox.of(y), scale


def value(design, family, beta, strength):
    return loss_at(family, (beta @ design.columns)[None]) + strength * np.abs(beta).sum()


def test_cox_is_that_of_multiview_without_agreement_and_optimal_with_it():
    entry = json.loads((FIXTURES / "cooperative_cox_multiview.json").read_text())
    design, family, scale = acc(entry)
    lambdas = entry["rho_0"]["lambda"]
    alone = Penalty(0.0, np.ones(len(scale)), tolerance=1e-9)
    fitted = follow(begin(design, family, alone), lambdas, whole=True)
    theirs = reference(entry["rho_0"]) * scale
    # The reference was stopped early: it misses its own optimality conditions by 3e-4.
    for place, strength in enumerate(lambdas):
        ours = fitted.coefficients[place, 0]
        assert ((ours != 0) == (theirs[place] != 0)).all()
        assert np.linalg.norm(ours - theirs[place]) < 0.02 * np.linalg.norm(ours)
        assert value(design, family, ours, strength) < value(
            design, family, theirs[place], strength
        )
    for rho in (0.5, 3.0):
        penalty = alone._replace(rho=rho)
        agreed = follow(begin(design, family, penalty), lambdas, whole=True)
        assert agreed.converged.all() and agreed.coefficients[-1].any()
        for place, strength in enumerate(lambdas):
            state = (agreed.coefficients[place], agreed.intercepts[place])
            assert violation(design, family, penalty, strength, *state) < 1e-8


def blocks_with_gaps(n=30, seed=5):
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=(n, 2))
    blocks = {}
    for name, p in (("a", 20), ("b", 30), ("c", 15)):
        values = rng.normal(size=(n, p))
        values[:, :2] += shared
        values[rng.random((n, p)) < 0.05] = np.nan
        values[rng.random(n) < 0.2] = np.nan
        blocks[name] = values
    return blocks


@pytest.mark.parametrize("rho", [0.0, 0.5, 4.0])
@pytest.mark.parametrize("l1_ratio", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", tuple(families()))
def test_the_optimality_conditions_hold_in_every_family(name, l1_ratio, rho):
    family = families()[name]
    design = restandardised(blocks_with_gaps(), np.arange(30))
    factors = np.repeat([1.0, 0.5, 2.0], [20, 30, 15])
    penalty = Penalty(rho, factors, l1_ratio, tolerance=1e-9)
    start = begin(design, family, penalty)
    lambdas = lambda_path(start, 8, 0.05)
    fitted = follow(start, lambdas, whole=True)
    assert fitted.converged.all()
    scale = max(lambdas[0] * max(l1_ratio, 1e-3), 1e-3)
    for place, strength in enumerate(lambdas):
        state = (fitted.coefficients[place], fitted.intercepts[place])
        assert violation(design, family, penalty, strength, *state) < 1e-7 * scale
    if l1_ratio:
        assert not fitted.coefficients[0].any() and fitted.coefficients[-1].any()


def complete(n=60, seed=6):
    rng = np.random.default_rng(seed)
    blocks = {name: standardised(rng.normal(size=(n, 12))) for name in ("a", "b")}
    signal = blocks["a"][:, 0] + blocks["b"][:, 1] - blocks["b"][:, 2]
    return blocks, signal, rng


def one(blocks, family, rho, strength, **options):
    design = stacked(blocks)
    penalty = Penalty(rho, np.ones(len(design.columns)), tolerance=1e-10, **options)
    fitted = follow(begin(design, family, penalty), [strength], whole=True)
    return fitted.coefficients[0, 0], fitted.intercepts[0, 0]


def test_without_agreement_it_is_the_lasso_of_scikit_learn():
    blocks, signal, rng = complete()
    y = signal + rng.normal(size=60)
    X = np.hstack(list(blocks.values()))
    ours, intercept = one(blocks, Gaussian.of(y), 0.0, 0.1)
    peer = Lasso(0.1, tol=1e-12, max_iter=100_000).fit(X, y)
    assert ours == pytest.approx(peer.coef_, abs=1e-8)
    assert intercept == pytest.approx(peer.intercept_, abs=1e-8)


def test_without_agreement_it_is_logistic_and_poisson_and_cox_regression():
    blocks, signal, rng = complete()
    X = np.hstack(list(blocks.values()))
    labels = (signal + rng.normal(size=60) > 0).astype(float)
    ours, _ = one(blocks, Binomial.of(labels), 0.0, 0.05)
    settings = {"solver": "saga", "tol": 1e-10, "max_iter": 100_000, "l1_ratio": 1.0}
    logistic = LogisticRegression(C=1 / (60 * 0.05), **settings).fit(X, labels)
    assert ours == pytest.approx(logistic.coef_[0], abs=1e-6)

    from consilience.fusion.numerics.families import Poisson

    counts = rng.poisson(np.exp(0.3 * signal))
    ours, _ = one(blocks, Poisson.of(counts), 0.0, 0.2, l1_ratio=0.0)
    peer = PoissonRegressor(alpha=0.2, tol=1e-10, max_iter=10_000).fit(X, counts)
    assert ours == pytest.approx(peer.coef_, abs=1e-5)

    y = np.empty(60, dtype=SURVIVAL_DTYPE)
    y["time"], y["event"] = np.exp(-0.5 * signal + rng.normal(size=60)), rng.random(60) < 0.7
    ours, _ = one(blocks, Cox.of(y), 0.0, 0.05)
    peer = CoxnetSurvivalAnalysis(l1_ratio=1.0, alphas=[0.05], tol=1e-12, max_iter=100_000)
    assert ours == pytest.approx(peer.fit(X, y).coef_[:, 0], abs=1e-5)


def test_at_rho_one_two_modalities_are_fitted_apart():
    blocks, signal, rng = complete()
    y = signal + rng.normal(size=60)
    ours, _ = one(blocks, Gaussian.of(y), 1.0, 0.1)
    apart = [
        Lasso(0.05, tol=1e-12, max_iter=100_000).fit(values, y / 2).coef_
        for values in blocks.values()
    ]
    assert ours == pytest.approx(np.concatenate(apart), abs=1e-8)


def test_more_agreement_makes_the_modalities_agree():
    blocks, signal, rng = complete()
    y = signal + rng.normal(size=60)
    gaps = []
    for rho in (0.0, 0.5, 2.0, 20.0):
        beta, _ = one(blocks, Gaussian.of(y), rho, 0.01)
        gaps.append(np.linalg.norm(blocks["a"] @ beta[:12] - blocks["b"] @ beta[12:]))
    assert gaps == sorted(gaps, reverse=True) and gaps[-1] < 0.2 * gaps[0]


def test_screening_and_warm_starts_change_no_solution():
    blocks, signal, rng = complete()
    family = Gaussian.of(signal + rng.normal(size=60))
    design = stacked(blocks)
    penalty = Penalty(0.5, np.ones(24), tolerance=1e-10)
    lambdas = lambda_path(begin(design, family, penalty), 20, 0.01)
    path = follow(begin(design, family, penalty), lambdas, whole=True)
    for place in (3, 11, 19):
        alone = follow(begin(design, family, penalty), lambdas[place : place + 1], whole=True)
        assert alone.coefficients[0] == pytest.approx(path.coefficients[place], abs=1e-8)


def test_an_unpenalised_modality_is_fitted_from_the_start():
    blocks, signal, rng = complete()
    y = signal + rng.normal(size=60)
    design = stacked(blocks)
    penalty = Penalty(0.0, np.repeat([0.0, 1.0], 12), tolerance=1e-10)
    start = begin(design, Gaussian.of(y), penalty)
    first = follow(start, lambda_path(start, 5, None), whole=True).coefficients[0, 0]
    centred = y - y.mean()
    assert first[:12] == pytest.approx(np.linalg.lstsq(blocks["a"], centred)[0], abs=1e-7)
    assert not first[12:].any()


def test_a_path_of_our_own_ends_where_nothing_is_left_to_explain():
    blocks, signal, _ = complete()
    design = stacked(blocks)
    start = begin(design, Gaussian.of(signal), Penalty(0.0, np.ones(24)))
    fitted = follow(start, lambda_path(start, 100, 1e-6), whole=False)
    assert len(fitted.lambdas) < 100
    assert fitted.explained[-1] > 0.999 and (np.diff(fitted.explained) > 0).all()
