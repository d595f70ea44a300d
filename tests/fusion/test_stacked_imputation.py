"""scikit-learn's imputers under the verb give what they give by themselves."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import KNNImputer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from consilience.cohort import Cohort, Table
from consilience.fusion.stacked_imputation import StackedImputation, usual_imputers


def gappy(n: int = 60, *, seed: int = 0) -> Cohort:
    rng = np.random.default_rng(seed)
    factor = rng.normal(size=(n, 1))
    ids = [f"p{i:03d}" for i in range(n)]
    tables = {}
    for name in ("rna", "blood"):
        matrix = 5 + factor @ rng.normal(size=(1, 6)) + 0.5 * rng.normal(size=(n, 6))
        matrix[rng.random(matrix.shape) < 0.1] = np.nan
        tables[name] = Table(
            pd.DataFrame(matrix, index=ids, columns=[f"{name}{j}" for j in range(6)])
        )
    return Cohort(pd.DataFrame(index=ids), tables)


def stacked(cohort: Cohort) -> np.ndarray:
    return np.hstack([table.frame.to_numpy() for table in cohort.modalities.values()])


def test_nearest_patients_are_those_of_standardised_features():
    cohort = gappy()
    matrix = stacked(cohort)
    mean, scale = np.nanmean(matrix, axis=0), np.nanstd(matrix, axis=0)
    expected = KNNImputer(n_neighbors=4).fit_transform((matrix - mean) / scale) * scale + mean
    filled = StackedImputation(KNNImputer(n_neighbors=4)).fit(cohort).impute(cohort)
    np.testing.assert_allclose(stacked(filled), expected)


def test_the_mean_is_that_of_the_training_patients():
    old, new = gappy(seed=0), gappy(seed=1)
    filled = stacked(StackedImputation().fit(old).impute(new))
    lost = np.isnan(stacked(new))
    means = np.broadcast_to(np.nanmean(stacked(old), axis=0), lost.shape)
    np.testing.assert_allclose(filled[lost], means[lost])


@pytest.mark.parametrize("name", list(usual_imputers()))
def test_the_usual_imputers_fill_everything(name):
    cohort = gappy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # five rounds, as documented
        filled = usual_imputers()[name].fit(cohort).impute(cohort)
    assert np.isfinite(stacked(filled)).all()


def test_a_learner_learns_from_the_completed_features():
    cohort = gappy()
    y = (np.nan_to_num(stacked(cohort)[:, 0], nan=5) > 5).astype(int)
    model = StackedImputation(learner=LogisticRegression()).fit(cohort, y)
    completed = StandardScaler().fit_transform(stacked(model.impute(cohort)))
    by_hand = LogisticRegression().fit(completed, y).predict_proba(completed)
    np.testing.assert_allclose(model.predict_proba(cohort), by_hand, atol=1e-6)
