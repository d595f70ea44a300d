"""LateFusion is the weighted mean of its experts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sksurv.util import Surv
from tests.laws.cohorts import NAMES, complete_cohort, gappy_cohort
from tests.laws.methods import KINDS, LEARNERS

from consilience.cohort import Cohort, Table
from consilience.fusion import LateFusion, SingleModality


def singles(kind, cohort, y):
    return {n: SingleModality(LEARNERS[kind], modality=n).fit(cohort, y) for n in NAMES}


@pytest.mark.parametrize("kind", KINDS)
def test_the_mean_is_that_of_the_single_modalities(kind):
    cohort, y, _ = complete_cohort(kind)
    expected = np.mean([m.values(cohort) for m in singles(kind, cohort, y).values()], axis=0)
    late = LateFusion(LEARNERS[kind]).fit(cohort, y)
    np.testing.assert_allclose(late.values(cohort), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", ["equal", "validated"])
def test_weights_of_what_a_patient_has_are_brought_to_one(kind, weights):
    cohort, y = gappy_cohort(kind)
    late = LateFusion(LEARNERS[kind], weights=weights, random_state=0).fit(cohort, y)
    values = np.stack([m.values(cohort) for m in singles(kind, cohort, y).values()])
    share = np.array([late.weights_[name] * cohort.has(name) for name in NAMES])
    told = share.sum(axis=0) > 0
    np.testing.assert_array_equal(late.informed(cohort), told)
    share = share[:, told] / share[:, told].sum(axis=0)
    expected = np.einsum("mi,mik->ik", share, values[:, told])
    np.testing.assert_allclose(late.values(cohort)[told], expected, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(
        late.values(cohort[~told]), np.tile(late.task_.prior, ((~told).sum(), 1))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_noise_weighs_next_to_nothing(kind):
    found = []
    for seed in range(5):
        cohort, y, _ = complete_cohort(kind, 200, seed=seed)
        rng = np.random.default_rng(1000 + seed)
        noise = pd.DataFrame(rng.normal(size=(200, 8)), index=cohort.index)
        cohort = cohort.only("alpha").with_modality("noise", Table(noise))
        late = LateFusion(LEARNERS[kind], weights="validated", random_state=0).fit(cohort, y)
        assert sum(late.weights_.values()) == pytest.approx(1.0)
        found.append(late.weights_["noise"])
    assert np.mean(found) < 0.05


def test_equal_weights_where_no_modality_has_skill():
    rng = np.random.default_rng(0)
    cohort, y = gappy_cohort("binary", null=True)
    frames = {n: Table(pd.DataFrame(rng.normal(size=(90, 40)), index=cohort.index)) for n in "ab"}
    for name, table in frames.items():
        cohort = cohort.with_modality(name, table)
    late = LateFusion(LogisticRegression(C=100), modalities=["a", "b"], weights="validated")
    assert late.set_params(random_state=0).fit(cohort, y).weights_ == {"a": 0.5, "b": 0.5}


def test_one_expert_more_informed_weighs_more():
    cohort, y, _ = complete_cohort("continuous", 200, widths=(4, 4, 4))
    frame = cohort.modalities["beta"].frame
    noisy = frame + np.random.default_rng(0).normal(size=frame.shape) * 4 * frame.std().to_numpy()
    cohort = cohort.with_modality("beta", Table(noisy))
    late = LateFusion(LEARNERS["continuous"], weights="validated", random_state=0).fit(cohort, y)
    assert late.weights_["beta"] < 0.5 * late.weights_["alpha"]


def test_a_class_that_a_modality_never_saw():
    cohort, y = gappy_cohort("multiclass", nobody=0, missing=0)
    frame = cohort.modalities["beta"].frame
    cohort = cohort.with_modality("beta", Table(frame[y != "mid"]))
    late = LateFusion(LEARNERS["multiclass"], weights="validated", random_state=0).fit(cohort, y)
    beta = late.experts_["beta"].values(cohort[y != "mid"], late.task_)
    np.testing.assert_array_equal(beta[:, list(late.classes_).index("mid")], 0.0)
    np.testing.assert_allclose(late.predict_proba(cohort).sum(axis=1), 1.0)


@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_a_modality_whose_patients_are_all_alike_says_the_prior(kind):
    cohort, y = gappy_cohort(kind, nobody=0, missing=0)
    event = y["event"] if kind == "survival" else y == 1
    frame = cohort.modalities["beta"].frame
    cohort = cohort.with_modality("beta", Table(frame[~event]))
    late = LateFusion(LEARNERS[kind]).fit(cohort, y)
    assert late.experts_["beta"].silent_
    rest = LateFusion(LEARNERS[kind], modalities=["alpha", "gamma"]).fit(cohort, y)
    np.testing.assert_allclose(late.values(cohort), rest.values(cohort), rtol=0, atol=1e-12)
    alone = cohort[~event].only("beta")
    assert not late.informed(alone).any()
    np.testing.assert_array_equal(late.values(alone)[0], late.task_.prior)


def test_a_weak_survival_modality_is_not_beaten_by_a_prior_that_has_seen_its_patients():
    """Weak as genes are: the in-sample Kaplan-Meier curve beat it, and all weights were equal."""
    told, fell_back = [], 0
    for seed in range(10):
        rng = np.random.default_rng(seed)
        signal = rng.normal(size=200)
        time = rng.exponential(np.exp(-0.3 * signal)) * 100
        end = rng.exponential(200, size=200)
        y = Surv.from_arrays(time <= end, np.minimum(time, end) + 1)
        ids = [f"p{i:03}" for i in range(200)]
        frames = {"signal": signal[:, None], "noise": rng.normal(size=(200, 5))}
        tables = {n: Table(pd.DataFrame(v, index=ids)) for n, v in frames.items()}
        cohort = Cohort(pd.DataFrame(index=ids), tables)
        late = LateFusion(LEARNERS["survival"], weights="validated", random_state=0).fit(cohort, y)
        told.append(late.weights_["signal"])
        fell_back += late.weights_["signal"] == late.weights_["noise"]
    assert fell_back <= 1
    assert np.mean(told) > 0.8
