"""Two-block PLS: scikit-learn's numbers, one side alone, groups of modalities."""

import numpy as np
import pandas as pd
import pytest
from sklearn.cross_decomposition import PLSCanonical, PLSRegression
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Cohort, Table
from consilience.errors import InputError, InputWarning
from consilience.fusion.two_block_pls import TwoBlockPLS


def paired_cohort(
    n: int = 150, *, seed: int = 0, names: str = "abc", missing: float = 0.0, copies: int = 1
):
    """Modalities that share two factors, in six of ten features each."""
    rng = np.random.default_rng(seed)
    weights = np.random.default_rng(7)
    factors = rng.normal(size=(n, 2)) * np.array([2.0, 1.0])
    ids = [f"p{i:04d}" for i in range(n)]
    tables = {}
    for name in names:
        values = rng.normal(size=(n, 10 * copies))
        values[:, :6] += factors @ weights.normal(size=(2, 6))
        frame = pd.DataFrame(values, index=ids, columns=[f"{name}{i}" for i in range(10 * copies)])
        tables[name] = Table(frame[rng.random(n) >= missing])
    return Cohort(pd.DataFrame(index=ids), tables), factors


def shuffled(cohort: Cohort) -> Cohort:
    """Return the cohort with the patients of one modality mixed up."""
    frame = cohort.modalities["b"].frame
    mixed = frame.sample(frac=1.0, random_state=0).set_axis(frame.index)
    return cohort.with_modality("b", Table(mixed))


@pytest.mark.parametrize(
    ("mode", "theirs"), [("canonical", PLSCanonical), ("regression", PLSRegression)]
)
@pytest.mark.parametrize("n", [150, 8])
def test_the_scores_are_those_of_scikit_learn(mode, theirs, n):
    """With more patients than features, and with so few that a shorter basis is taken."""
    cohort, _ = paired_cohort(n, names="ab", copies=1 if n > 10 else 5)
    model = TwoBlockPLS(n_components=2, mode=mode).fit(cohort)
    one, other = (cohort.modalities[name].frame.to_numpy() for name in "ab")
    x, y = theirs(2, max_iter=1000, tol=1e-14).fit(one, other).transform(one, other)
    for ours, expected in zip(model.variates(cohort), (x, y), strict=True):
        sign = np.sign((ours * expected).sum(axis=0))
        np.testing.assert_allclose(ours * sign, expected / expected.std(axis=0), atol=1e-3)


def test_a_place_is_the_mean_of_the_sides_a_patient_has():
    cohort, _ = paired_cohort(names="ab", missing=0.2)
    cohort = cohort[cohort.has("a") | cohort.has("b")]
    model = TwoBlockPLS().fit(cohort)
    expected = np.nanmean(np.stack(model.variates(cohort)), axis=0)
    np.testing.assert_allclose(model.transform(cohort), expected, atol=1e-12)


def test_correlations_hold_on_new_patients_and_not_where_nothing_is_shared():
    cohort, _ = paired_cohort(seed=1, names="ab")
    new, _ = paired_cohort(1000, seed=2, names="ab")
    model = TwoBlockPLS().fit(cohort)
    assert (model.correlations(new) > 0.5).all()
    np.testing.assert_allclose(model.correlations(cohort), model.correlations_, atol=1e-12)
    null = TwoBlockPLS().fit(shuffled(cohort))
    assert (np.abs(null.correlations(shuffled(new))) < 0.1).all()  # 3 / sqrt(1000)


def test_the_shared_factors_are_found():
    cohort, factors = paired_cohort(400, seed=3)
    for first in (None, "b", ["a", "c"]):
        places = TwoBlockPLS(first=first).fit(cohort).transform(cohort)
        design = np.column_stack([places, np.ones(400)])
        left = factors - design @ np.linalg.lstsq(design, factors, rcond=None)[0]
        assert 1 - left.var() / factors.var() > 0.9


def test_one_side_alone_finds_nearly_the_same_place():
    cohort, _ = paired_cohort(400, seed=4, names="ab")
    model = TwoBlockPLS().fit(cohort)
    whole = model.transform(cohort)
    for name in "ab":
        alone = model.transform(cohort.only([name]))
        for k in range(2):
            assert np.corrcoef(alone[:, k], whole[:, k])[0, 1] > 0.9


def test_modalities_of_a_side_count_alike():
    """Copies of a modality's columns give it no more weight."""
    cohort, _ = paired_cohort(seed=5)
    frame = cohort.modalities["c"].frame
    copies = pd.concat([frame, frame.add_suffix("x"), frame.add_suffix("z")], axis=1)
    wide = cohort.with_modality("c", Table(copies))
    one, other = (TwoBlockPLS().fit(each).variates(each)[1] for each in (cohort, wide))
    sign = np.sign((one * other).sum(axis=0))
    np.testing.assert_allclose(one * sign, other, atol=1e-4)


def test_with_a_learner_it_predicts():
    cohort, factors = paired_cohort(300, seed=6)
    y = (factors[:, 0] > 0).astype(int)
    model = TwoBlockPLS(LogisticRegression()).fit(cohort[:200], y[:200])
    assert model.score(cohort[200:], y[200:]) > 0.85


def test_discoveries_name_the_features_with_the_factor():
    cohort, _ = paired_cohort(400, seed=7, names="ab")
    first = TwoBlockPLS().fit(cohort).discoveries()[0].components[0]
    assert {int(loading.feature[1:]) for loading in first.loadings[:3]} <= set(range(6))
    assert first.strength == pytest.approx(TwoBlockPLS().fit(cohort).correlations_[0])


def test_sides_that_nobody_has_both_of_are_said():
    cohort, _ = paired_cohort(names="ab")
    tables = {
        "a": Table(cohort.modalities["a"].frame.iloc[:70]),
        "b": Table(cohort.modalities["b"].frame.iloc[70:]),
    }
    apart = Cohort(cohort.patients, tables)
    with pytest.warns(InputWarning, match="no patient has both 'a' and 'b'"):
        model = TwoBlockPLS().fit(apart)
    assert np.isfinite(model.transform(apart)).all()
    assert model.discoveries()[0].components[0].strength is None


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"n_components": 11}, "n_components=11 is more than the 10"),
        ({"n_components": 0}, "n_components must be a whole number"),
        ({"first": "d"}, "first names 'd'"),
        ({"first": ["a", "b", "c"]}, "needs a modality on each side"),
        ({"mode": "pls"}, "mode must be one of"),
        ({"max_iter": 0}, "max_iter must be a whole number"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(options, sentence):
    cohort, _ = paired_cohort(60)
    with pytest.raises(InputError, match=sentence):
        TwoBlockPLS(**options).fit(cohort)
