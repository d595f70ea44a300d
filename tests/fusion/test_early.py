"""EarlyFusion is its learner on the standardised features side by side."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import complete_cohort, gappy_cohort
from tests.laws.methods import KINDS, LEARNERS

from consilience.cohort import Cohort, Table
from consilience.fusion import EarlyFusion, encoding, stack


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chunk", [50, 10**6])
def test_on_complete_data_it_is_the_learner_on_the_stacked_matrix(kind, chunk, monkeypatch):
    monkeypatch.setattr(encoding, "CHUNK", chunk)
    monkeypatch.setattr(stack, "CHUNK", chunk)
    cohort, y, matrices = complete_cohort(kind)
    X = StandardScaler().fit_transform(np.hstack(matrices))
    plain = LEARNERS[kind].__class__(**LEARNERS[kind].get_params()).fit(X, y)
    model = EarlyFusion(LEARNERS[kind]).fit(cohort, y)
    if kind == "survival":
        steps = plain.predict_survival_function(X)
        expected = np.array([step(model.unique_times_) for step in steps])
        np.testing.assert_array_equal(
            np.argsort(model.predict(cohort)), np.argsort(plain.predict(X))
        )
    elif kind == "continuous":
        expected = plain.predict(X)[:, None]
    else:
        expected = plain.predict_proba(X)
    np.testing.assert_allclose(model.values(cohort), expected, rtol=0, atol=1e-8)


def test_columns_are_the_standardised_features_then_who_was_measured():
    cohort, y = gappy_cohort("binary")
    model = EarlyFusion(LogisticRegression()).fit(cohort, y)
    fitted = model.expert_.stack_
    seen = cohort[model.informed(cohort)]
    columns = fitted.transform(seen)
    names = fitted.columns
    assert columns.shape == (len(seen), len(names))
    assert names[-3:] == [("alpha", "measured"), ("beta", "measured"), ("gamma", "measured")]
    for place, name in enumerate(("alpha", "beta", "gamma")):
        np.testing.assert_array_equal(columns[:, place - 3], seen.has(name))
        own = [
            i for i, (modality, what) in enumerate(names) if modality == name and what != "measured"
        ]
        assert not columns[np.ix_(~seen.has(name), own)].any()
        numbers = seen.modalities[name].numeric
        expected = (numbers - np.nanmean(numbers, axis=0)) / np.nanstd(numbers, axis=0)
        np.testing.assert_allclose(
            columns[seen.has(name)][:, own[:4]], np.nan_to_num(expected), rtol=0, atol=1e-10
        )


def test_missingness_that_tells_the_outcome_is_used():
    """The features are noise, but who was measured is the outcome."""
    rng = np.random.default_rng(0)
    y = np.repeat([0, 1], 40)
    frame = gappy_cohort("binary", 80, nobody=0, missing=0)[0].modalities["beta"].frame
    frame.iloc[:, :] = rng.normal(size=frame.shape)
    other = frame[y == 1].add_prefix("other ")
    cohort = Cohort(frame[[]], {"all": Table(frame), "some": Table(other)})
    assert EarlyFusion(LogisticRegression()).fit(cohort, y).score(cohort, y) == 1.0


@pytest.mark.parametrize("kind", ["continuous", "survival"])
def test_more_features_than_patients(kind):
    cohort, y, _ = complete_cohort(kind, 40, widths=(80, 60))
    axes = PCA(svd_solver="full")
    learner = Ridge(alpha=50.0) if kind == "continuous" else CoxPHSurvivalAnalysis(alpha=50.0)
    turned = EarlyFusion(make_pipeline(axes, learner)).fit(cohort, y).predict(cohort)
    plain = EarlyFusion(learner).fit(cohort, y).predict(cohort)
    # A ridge penalty does not see a rotation, so the principal axes lose nothing.
    np.testing.assert_allclose(turned, plain, rtol=1e-4)


def test_encoders_take_the_place_of_the_kinds_own():
    cohort, y, matrices = complete_cohort("continuous")
    encoder = make_pipeline(StandardScaler(), PCA(2, svd_solver="full"))
    model = EarlyFusion(Ridge(), encoders={"beta": encoder}).fit(cohort, y)
    axes = make_pipeline(StandardScaler(), PCA(2, svd_solver="full")).fit_transform(matrices[1])
    rest = [StandardScaler().fit_transform(matrices[i]) for i in (0, 2)]
    X = np.hstack([rest[0], axes, rest[1]])
    np.testing.assert_allclose(
        model.predict(cohort), Ridge().fit(X, y).predict(X), rtol=0, atol=1e-8
    )
    assert not hasattr(encoder, "n_features_in_")  # the user's own stays as it was
