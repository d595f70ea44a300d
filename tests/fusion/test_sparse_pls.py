"""Sparse PLS of a number: its limits, planted features, missing modalities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSRegression

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.sparse_pls import BlockSparsePLS

WIDTH, PLANTED = 50, 6


def planted_cohort(n: int = 200, *, seed: int = 0, missing: float = 0.0, noise: float = 1.0):
    """Three modalities, each with a part of the outcome in its first six features."""
    rng = np.random.default_rng(seed)
    ids = [f"p{i:05d}" for i in range(n)]
    y, tables = np.zeros(n), {}
    for name in "abc":
        part = rng.normal(size=n)
        values = rng.normal(size=(n, WIDTH))
        values[:, :PLANTED] += part[:, None]
        y += part
        frame = pd.DataFrame(values, index=ids, columns=[f"{name}{i}" for i in range(WIDTH)])
        tables[name] = Table(frame[rng.random(n) >= missing])
    return Cohort(pd.DataFrame(index=ids), tables), 10.0 + 2.0 * y + noise * rng.normal(size=n)


@pytest.mark.parametrize("n_components", [1, 3])
def test_one_modality_whole_is_scikit_learns_pls_regression(n_components):
    """Before the evidence is calibrated, which shrinks it to what held in inner folds."""
    cohort, y = planted_cohort(seed=1)
    one = cohort.only(["a"])
    model = BlockSparsePLS(n_components=n_components, keep=WIDTH, tol=1e-24, max_iter=1000)
    model.fit(one, y)
    matrix = one.modalities["a"].frame.to_numpy()
    theirs = PLSRegression(n_components).fit(matrix, y).predict(matrix).ravel()
    ours = y.mean() + model.evidence_.of_block(0, model.variates(one)["a"])[:, 0]
    np.testing.assert_allclose(ours, theirs, atol=1e-6)
    said = model.predict(one)
    np.testing.assert_allclose(
        said - y.mean(),
        (theirs - y.mean()) * model.weights_["a"] * model.pool_.strengths_[0],
        atol=1e-6,
    )


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_planted_features_are_found(missing):
    cohort, y = planted_cohort(400, seed=2, missing=missing)
    model = BlockSparsePLS(n_components=1, keep=PLANTED, random_state=0).fit(cohort, y)
    for loadings in model.loadings_.values():
        found = set(np.flatnonzero(loadings[:, 0]))
        assert len(found & set(range(PLANTED))) / PLANTED >= 0.9


def test_modalities_that_each_know_a_part_add_up():
    train, y = planted_cohort(300, seed=3)
    test, truth = planted_cohort(1000, seed=4)
    model = BlockSparsePLS(n_components=1, keep=10, random_state=0).fit(train, y)
    explained = [model.score(test.only(list(names)), truth) for names in ("a", "ab", "abc")]
    assert explained[0] == pytest.approx(1 / 3, abs=0.12)
    assert explained[0] < explained[1] < explained[2]
    assert explained[2] > 0.75


def test_a_null_outcome_is_told_by_its_mean():
    cohort, _ = planted_cohort(seed=5)
    y = np.random.default_rng(0).normal(size=200)
    said = BlockSparsePLS(n_components=1, keep=10, random_state=0).fit(cohort, y).predict(cohort)
    assert said.std() < 0.3 * y.std()


def test_the_unit_of_the_outcome_is_of_no_account():
    cohort, y = planted_cohort(seed=6, missing=0.2)
    one = BlockSparsePLS(random_state=0).fit(cohort, y)
    other = BlockSparsePLS(random_state=0).fit(cohort, 1e4 * y - 7.0)
    assert one.keep_ == other.keep_
    np.testing.assert_allclose(1e4 * one.predict(cohort) - 7.0, other.predict(cohort), rtol=1e-8)


def test_a_modality_of_one_feature_does_not_stop_the_others():
    cohort, y = planted_cohort(seed=7)
    age = pd.DataFrame({"age": np.random.default_rng(1).normal(size=200)}, index=cohort.index)
    cohort = cohort.with_modality("clinical", Table(age))
    keep = {"a": 10, "b": 10, "c": 10, "clinical": 1}
    model = BlockSparsePLS(n_components=3, keep=keep, random_state=0).fit(cohort, y)
    assert [len(np.flatnonzero(one)) for one in model.loadings_["clinical"].T] == [1, 0, 0]
    assert np.isfinite(model.predict(cohort)).all()


def test_keep_by_modality_and_component_is_kept():
    cohort, y = planted_cohort(seed=8)
    keep = {"a": [3, 7], "b": [5, 1], "c": [50, 2]}
    model = BlockSparsePLS(keep=keep, random_state=0).fit(cohort, y)
    assert model.keep_ == keep and model.n_components_ == 2
    for name, loadings in model.loadings_.items():
        assert list((loadings != 0).sum(axis=0)) == keep[name]


def test_training_variates_come_back():
    cohort, y = planted_cohort(seed=9, missing=0.2)
    model = BlockSparsePLS(n_components=2, keep=5, random_state=0).fit(cohort, y)
    for name, variates in model.variates(cohort).items():
        had = cohort.has(name)
        assert np.isfinite(variates[had]).all() and np.isnan(variates[~had]).all()
        agreement = np.corrcoef(variates[had][:, 0], y[had])[0, 1]
        assert agreement == pytest.approx(model.agreement_[name][0], abs=1e-6)


def test_an_outcome_in_classes_is_refused():
    cohort, y = planted_cohort(60)
    with pytest.raises(InputError, match="number"):
        BlockSparsePLS().fit(cohort, np.where(y > 10, "high", "low"))
    with pytest.raises(InputError, match="cannot learn an outcome that is binary"):
        BlockSparsePLS.for_outcome("binary")
