"""What the base gives every embedding, shown on the plainest one: principal axes of all columns."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes


class Axes(Imputes, Embedding):
    """Principal axes of the columns side by side, gaps at the mean."""

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        _, _, self.axes_ = np.linalg.svd(self._columns(blocks), full_matrices=False)
        self.axes_ = self.axes_[:3]

    def _columns(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return np.nan_to_num(np.hstack(list(blocks.values())))

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return self._columns(blocks) @ self.axes_.T

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        whole, start, out = self._embed(blocks) @ self.axes_, 0, {}
        for name, matrix in blocks.items():
            out[name] = whole[:, start : start + matrix.shape[1]]
            start += matrix.shape[1]
        return out


def test_without_a_learner_it_is_fitted_on_a_cohort_alone():
    cohort, _ = gappy_cohort("binary")
    model = Axes().fit(cohort)
    embedding = model.transform(cohort)
    nothing = ~cohort.measured.to_numpy().any(axis=1)
    assert embedding.shape == (len(cohort), 3)
    assert nothing.any()
    np.testing.assert_array_equal(np.isnan(embedding).all(axis=1), nothing)
    assert not hasattr(model, "predict")
    assert not hasattr(model, "predict_proba")
    assert not hasattr(model, "predict_survival_function")
    assert get_tags(model).outcomes == frozenset()
    assert not get_tags(model).target_tags.required


@pytest.mark.parametrize(
    ("kind", "learner"),
    [
        ("binary", LogisticRegression()),
        ("continuous", Ridge()),
        ("survival", CoxPHSurvivalAnalysis(alpha=1.0)),
    ],
)
def test_with_a_learner_it_predicts(kind, learner):
    cohort, y = gappy_cohort(kind)
    model = Axes(learner).fit(cohort, y)
    assert model.score(cohort, y) > 0.3
    assert np.isfinite(model.values(cohort)).all()
    alone = Axes().fit(cohort).transform(cohort)
    np.testing.assert_array_equal(model.transform(cohort), alone)


def test_the_learner_sees_the_standardised_embedding():
    cohort, y, _ = complete_cohort("continuous")
    model = Axes(Ridge(alpha=2.0)).fit(cohort, y)
    embedding = model.transform(cohort)
    standard = (embedding - embedding.mean(axis=0)) / embedding.std(axis=0)
    order = np.argsort(cohort.index.to_numpy(dtype=str))
    by_hand = Ridge(alpha=2.0).fit(standard[order], y[order]).predict(standard)
    np.testing.assert_allclose(model.predict(cohort), by_hand, atol=1e-10)


def test_a_learner_needs_an_outcome():
    cohort, _ = gappy_cohort("binary")
    with pytest.raises(InputError, match="give the outcome y too"):
        Axes(LogisticRegression()).fit(cohort)


def test_refitting_without_a_learner_forgets_the_outcome():
    cohort, y = gappy_cohort("binary")
    model = Axes(LogisticRegression()).fit(cohort, y).set_params(learner=None).fit(cohort)
    assert not hasattr(model, "task_")


def test_a_patient_with_a_row_of_gaps_has_no_place():
    cohort, _ = gappy_cohort("binary")
    frames = {name: table.frame for name, table in cohort.modalities.items()}
    patient = next(iter(frames["beta"].index))
    tables = {}
    for name, frame in frames.items():
        if patient in frame.index:
            frame.loc[patient] = None
        tables[name] = Table(frame)
    emptied = Cohort(cohort.patients, tables)
    embedding = Axes().fit(emptied).transform(emptied)
    assert np.isnan(embedding[list(emptied.index).index(patient)]).all()


def test_nobody_with_a_place_still_has_rows_of_the_right_width():
    cohort, _ = gappy_cohort("binary")
    model = Axes().fit(cohort)
    nothing = cohort[~cohort.measured.to_numpy().any(axis=1)]
    assert model.transform(nothing).shape == (len(nothing), 3)
    assert model.transform(cohort[[]]).shape == (0, 3)


# --- imputation -----------------------------------------------------------------------------


def test_imputing_fills_gaps_and_leaves_what_was_measured():
    cohort, _ = gappy_cohort("binary")
    full = Axes().fit(cohort).impute(cohort)
    somebody = cohort.measured.to_numpy().any(axis=1)
    for name, table in cohort.modalities.items():
        np.testing.assert_array_equal(full.has(name), somebody)
        filled, measured = full.modalities[name].frame, table.frame
        known = measured.notna()
        assert filled.notna().all().all()
        pd.testing.assert_frame_equal(
            filled.loc[measured.index, measured.columns].where(known), measured.where(known)
        )
        assert full.modalities[name].features == table.features


def test_imputed_values_are_in_the_features_own_unit():
    cohort, _, matrices = complete_cohort("continuous")
    frame = cohort.modalities["beta"].frame
    truth = frame.iloc[:20, 0].to_numpy().copy()
    frame.iloc[:20, 0] = np.nan
    holed = cohort.with_modality("beta", Table(frame, units={"beta0": "U/L"}))
    full = Axes().fit(holed).impute(holed).modalities["beta"]
    found = full.frame.iloc[:20, 0]
    centre, spread = frame.iloc[20:, 0].mean(), frame.iloc[20:, 0].std()
    assert (np.abs(found - centre) < 6 * spread).all()
    assert np.corrcoef(found, truth)[0, 1] > 0.5
    assert full.units == {"beta0": "U/L"}


def test_a_modality_that_is_not_there_is_filled_for_new_patients():
    cohort, _, _ = complete_cohort("continuous")
    model = Axes().fit(cohort)
    new = Cohort(cohort.patients, {"alpha": cohort.modalities["alpha"]})
    full = model.impute(new)
    assert set(full.modalities) == {"alpha", "beta", "gamma"}
    assert full.modalities["beta"].features == cohort.modalities["beta"].features
    assert full.has("gamma").all()


# --- what leaves with the model ---------------------------------------------------------------


def test_ids_of_patients_stay_behind():
    cohort, y = gappy_cohort("binary")
    model = Axes(LogisticRegression()).fit(cohort, y)
    leaving = model.without_patients()
    assert set(model.patients_) <= set(cohort.index)
    assert not hasattr(leaving, "patients_")
    np.testing.assert_array_equal(leaving.values(cohort), model.values(cohort))
