"""What an expert says of patients it has not seen."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import KNeighborsRegressor
from tests.laws.cohorts import gappy_cohort
from tests.laws.methods import KINDS, LEARNERS

from consilience.fusion.expert import Expert
from consilience.fusion.out_of_fold import out_of_fold
from consilience.fusion.task import task_of


def test_no_patient_helps_to_predict_himself():
    """The nearest neighbour of a seen patient is himself; unseen, it never is."""
    cohort, y = gappy_cohort("continuous", nobody=0, missing=0)
    learner = KNeighborsRegressor(1)
    task, y = task_of(y, learner)
    expert = Expert(["beta"], learner, {})
    seen = expert.fit(cohort, y, task).values(cohort, task)
    np.testing.assert_allclose(seen[:, 0], y)
    values, informed, _ = out_of_fold(expert, cohort, y, task, folds=5, seed=0)
    assert informed.all()
    assert (values[:, 0] != y).all()


def test_it_is_the_expert_fitted_without_the_fold():
    cohort, y = gappy_cohort("binary")
    task, y = task_of(y, LEARNERS["binary"])
    expert = Expert(["alpha"], LEARNERS["binary"], {})
    values, informed, _ = out_of_fold(expert, cohort, y, task, folds=4, seed=3)
    np.testing.assert_array_equal(informed, cohort.has("alpha"))
    for train, test in task.folds(y, 4, 3):
        alone = Expert(["alpha"], LEARNERS["binary"], {}).fit(cohort[train], y[train], task)
        np.testing.assert_array_equal(values[test], alone.values(cohort[test], task))
    np.testing.assert_array_equal(values[~informed], np.tile(task.prior, ((~informed).sum(), 1)))


def test_encoders_learn_nothing_from_the_fold_left_out():
    """One patient's absurd value moves the others' standardisation, not that of his own model."""
    cohort, y = gappy_cohort("continuous", nobody=0, missing=0)
    task, y = task_of(y, LEARNERS["continuous"])
    train, test = task.folds(y, 3, 0)[0]
    expert = Expert(["beta"], LEARNERS["continuous"], {}).fit(cohort[train], y[train], task)
    numbers = cohort.modalities["beta"].numeric
    np.testing.assert_allclose(
        expert.stack_.fitted_["beta"].mean_, np.nanmean(numbers[np.sort(train)], axis=0)
    )
    assert len(test)


def test_a_repeated_patient_does_not_help_to_predict_himself():
    cohort, y = gappy_cohort("continuous", nobody=0, missing=0)
    rows = np.sort(np.random.default_rng(0).integers(0, 90, 90))
    learner = KNeighborsRegressor(1)
    task, y = task_of(y[rows], learner)
    expert = Expert(["beta"], learner, {})
    values, informed, _ = out_of_fold(expert, cohort[rows], y, task, folds=5, seed=0)
    assert informed.all()
    assert len(np.unique(rows)) < 70
    assert (values[:, 0] != y).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_prior_beside_it_is_of_the_same_patients_without_their_features(kind):
    cohort, y = gappy_cohort(kind)
    task, y = task_of(y, LEARNERS[kind])
    found = out_of_fold(Expert(["beta"], LEARNERS[kind], {}), cohort, y, task, folds=4, seed=3)
    for train, test in task.folds(y, 4, 3):
        seen = y[train][cohort.has("beta")[train]]
        np.testing.assert_array_equal(
            found.prior[test], np.tile(task.prior_of(seen), (len(test), 1))
        )
