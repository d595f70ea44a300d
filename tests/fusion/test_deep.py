"""What every deep method has from its base: ensembles, who is held back, cohorts with little."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import IntermediateFusion
from consilience.fusion.deep import LEAST_HELD_BACK, held_back
from consilience.nn.training import Training

QUICK = Training(3, batch_size=32)


@pytest.fixture(scope="module")
def cohort() -> tuple[Cohort, np.ndarray]:
    return synthetic_cohort(60, missing=0.2, seed=0)


def test_equal_shares_of_each_stratum_are_held_back():
    strata = np.repeat([0, 1], [80, 20])
    train, held = held_back(strata, 0.2, seed=1)
    assert sorted([*train, *held]) == list(range(100))
    np.testing.assert_array_equal(np.bincount(strata[held]), [16, 4])
    assert set(held) != set(held_back(strata, 0.2, seed=2)[1])


@pytest.mark.parametrize(
    ("strata", "share"),
    [
        (np.zeros(LEAST_HELD_BACK * 4), 0.2),  # fewer than eight would be held back
        (np.array([0] * 99 + [1]), 0.2),  # a stratum of one
        (np.zeros(100), 0.0),
    ],
)
def test_nobody_is_held_back_where_it_would_tell_nothing(strata, share):
    train, held = held_back(strata, share, seed=0)
    assert len(train) == len(strata)
    assert not len(held)


def test_an_ensemble_says_the_mean_of_its_members(cohort):
    patients, y = cohort
    model = IntermediateFusion(members=3, training=QUICK).fit(patients, y)
    known = patients[model.informed(patients)]
    said = [
        member.head_.values(outputs, model.task_) for member, _, outputs in model._answers(known)
    ]
    np.testing.assert_allclose(model.values(known), np.mean(said, axis=0), atol=1e-12)
    assert np.abs(said[0] - said[1]).max() > 1e-3
    assert model.transform(known).shape[1] == 3 * model.networks()[0].embedding_width


def test_the_first_members_of_a_larger_ensemble_are_those_of_a_smaller_one(cohort):
    patients, y = cohort
    one, two = (IntermediateFusion(members=n, training=QUICK).fit(patients, y) for n in (1, 2))
    for name, array in one.members_[0].weights_.arrays_.items():
        np.testing.assert_array_equal(array, two.members_[0].weights_.arrays_[name])


def test_networks_are_built_once_and_anew_after_fitting(cohort):
    patients, y = cohort
    model = IntermediateFusion(training=QUICK).fit(patients, y)
    first = model.networks()
    assert model.networks() is first
    assert model.fit(patients, y).networks() is not first


def test_networks_first_asked_for_without_gradients_can_still_be_explained(cohort):
    import torch

    patients, y = cohort
    model = IntermediateFusion(training=QUICK).fit(patients, y)
    with torch.inference_mode():
        model.networks()
    assert np.isfinite(model.attributions(patients[:3]).modalities.to_numpy()).all()


def small(n: int) -> tuple[Cohort, np.ndarray]:
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(n)]
    frame = pd.DataFrame(rng.normal(size=(n, 2)), index=ids, columns=["a", "b"])
    return Cohort(pd.DataFrame(index=ids), {"lab": Table(frame)}), np.arange(n) % 2


@pytest.mark.parametrize("n", [2, 5, 10])
def test_a_handful_of_patients_is_learned_from(n):
    patients, y = small(n)
    values = IntermediateFusion(training=QUICK).fit(patients, y).predict_proba(patients)
    assert values.shape == (n, 2)
    np.testing.assert_allclose(values.sum(axis=1), 1.0)


def test_where_the_measured_have_one_class_the_prior_is_said():
    patients, y = small(10)
    lab = patients.modalities["lab"].take(np.flatnonzero(y == 0))
    only = patients.with_modality("lab", lab)
    model = IntermediateFusion(training=QUICK).fit(only, y)
    assert not model.informed(only).any()
    np.testing.assert_array_equal(model.predict_proba(only), np.full((10, 2), 0.5))


def test_a_cohort_without_any_value_says_the_prior():
    patients, y = small(10)
    empty = pd.DataFrame(np.nan, index=patients.index, columns=["a", "b"])
    model = IntermediateFusion(training=QUICK)
    blank = patients.with_modality("lab", Table(empty))
    np.testing.assert_array_equal(model.fit(blank, y).predict_proba(blank), np.full((10, 2), 0.5))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"outcome": "death"}, "outcome must be"),
        ({"width": 0}, "width must be a whole number"),
        ({"members": 0}, "members must be a whole number"),
        ({"modality_dropout": 1.0}, "modality_dropout must be"),
        ({"survival": "weibull"}, "survival must be"),
        ({"training": Training(0)}, "max_epochs"),
    ],
)
def test_bad_settings_are_named(options, said, cohort):
    with pytest.raises(InputError, match=said):
        IntermediateFusion(**options).fit(*cohort)
