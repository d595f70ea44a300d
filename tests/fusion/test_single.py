"""SingleModality is its learner on the patients of one table."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from tests.laws.cohorts import NAMES, complete_cohort, gappy_cohort
from tests.laws.methods import KINDS, LEARNERS

from consilience.errors import InputError
from consilience.fusion import EarlyFusion, SingleModality


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", range(3))
def test_it_is_the_learner_on_that_table(kind, place):
    cohort, y, matrices = complete_cohort(kind)
    X = StandardScaler().fit_transform(matrices[place])
    plain = LEARNERS[kind].__class__(**LEARNERS[kind].get_params()).fit(X, y)
    model = SingleModality(LEARNERS[kind], modality=NAMES[place]).fit(cohort, y)
    values = model.values(cohort)
    if kind == "survival":
        steps = plain.predict_survival_function(X)
        expected = np.array([step(model.unique_times_) for step in steps])
    else:
        expected = plain.predict(X)[:, None] if kind == "continuous" else plain.predict_proba(X)
    np.testing.assert_allclose(values, expected, rtol=0, atol=1e-8)


def test_only_the_patients_it_measured_teach_it():
    cohort, y = gappy_cohort("continuous")
    known = cohort.has("beta")
    model = SingleModality(Ridge(), modality="beta").fit(cohort, y)
    alone = SingleModality(Ridge(), modality="beta").fit(cohort[known], y[known])
    np.testing.assert_allclose(
        model.predict(cohort[known]), alone.predict(cohort[known]), rtol=0, atol=1e-10
    )
    np.testing.assert_allclose(model.predict(cohort[~known]), y.mean())


def test_it_is_early_fusion_of_one():
    cohort, y = gappy_cohort("survival")
    single = SingleModality(LEARNERS["survival"], modality="alpha").fit(cohort, y)
    early = EarlyFusion(LEARNERS["survival"], modalities=["alpha"]).fit(cohort, y)
    np.testing.assert_array_equal(single.values(cohort), early.values(cohort))


def test_the_name_may_be_left_out_where_there_is_one():
    cohort, y = gappy_cohort("binary")
    one = SingleModality(LogisticRegression()).fit(cohort.only("alpha"), y)
    assert one.modalities_ == ["alpha"]
    with pytest.raises(InputError, match="say which modality to use alone; the cohort has 3"):
        SingleModality(LogisticRegression()).fit(cohort, y)
