"""The verb `impute`, tried on every method that has it."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.laws.cohorts import NAMES, gappy_cohort
from tests.laws.methods import SINGLE, Case, data, fitted, methods

from consilience.cohort import Cohort, Table
from consilience.fusion.deep import DeepFusion
from consilience.fusion.stacked_imputation import StackedImputation

IMPUTERS = sorted(name for name, method in methods().items() if hasattr(method, "impute"))


def case_of(name: str) -> Case:
    kinds = ("continuous", "binary", "multiclass", "survival")
    return Case(name, next(kind for kind in kinds if kind in methods()[name].learns))


@cache
def model_and_cohort(name: str) -> tuple[Any, Cohort]:
    case = case_of(name)
    return fitted(case), data(case.kind)[0]


def values(cohort: Cohort, name: str) -> pd.DataFrame:
    """Return a table with a row for every patient of the cohort."""
    return cohort.modalities[name].frame.reindex(cohort.index)


def numbers(cohort: Cohort, name: str) -> np.ndarray:
    frame = values(cohort, name)
    return frame[[f"{name}{i}" for i in range(4)]].to_numpy(dtype=float)


def low_rank(n: int = 160, *, seed: int = 0) -> tuple[Cohort, Cohort, np.ndarray]:
    """Return a cohort of two factors, the same with gaps, and a number that goes with one."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2))
    ids = [f"p{i:03d}" for i in range(n)]
    whole, gappy = {}, {}
    for name in NAMES:
        matrix = factors @ rng.normal(size=(2, 12)) + 0.4 * rng.normal(size=(n, 12)) + 8
        frame = pd.DataFrame(matrix, index=ids, columns=[f"{name}{j}" for j in range(12)])
        whole[name] = Table(frame)
        gappy[name] = Table(frame.mask(rng.random(frame.shape) < 0.15))
    patients = pd.DataFrame(index=ids)
    return Cohort(patients, whole), Cohort(patients, gappy), factors.sum(axis=1)


def outcome(kind: str, signal: np.ndarray) -> np.ndarray:
    if kind == "continuous":
        return signal
    if kind == "survival":
        y = np.empty(len(signal), dtype=[("event", bool), ("time", float)])
        y["event"], y["time"] = True, np.exp(-signal)
        return y
    return (signal > 0).astype(int)


def test_there_is_something_that_imputes():
    assert "MOFA" in IMPUTERS


@pytest.mark.parametrize("name", IMPUTERS)
class TestEveryMethod:
    def test_measured_values_are_untouched(self, name):
        model, cohort = model_and_cohort(name)
        filled = model.impute(cohort)
        for modality in NAMES:
            before, after = values(cohort, modality), values(filled, modality)
            known = before.notna().to_numpy()
            assert known.any()
            np.testing.assert_array_equal(
                after[list(before.columns)].to_numpy(object)[known], before.to_numpy(object)[known]
            )

    def test_everything_is_filled_for_those_with_anything_measured(self, name):
        model, cohort = model_and_cohort(name)
        filled = model.impute(cohort)
        anything = cohort.measured.to_numpy().any(axis=1)
        assert not anything.all()
        for modality in NAMES:
            frame = values(filled, modality)
            assert frame[anything].notna().all().all()
            assert frame[~anything].isna().all().all()
            np.testing.assert_array_equal(filled.has(modality), anything)

    def test_the_cohort_given_keeps_its_gaps(self, name):
        model, cohort = model_and_cohort(name)
        before = {modality: cohort.modalities[modality].frame for modality in NAMES}
        model.impute(cohort)
        for modality, frame in before.items():
            pd.testing.assert_frame_equal(cohort.modalities[modality].frame, frame)

    def test_it_is_on_the_scale_of_the_measurements(self, name):
        """The modalities differ by powers of ten; what is filled in lies where the values do."""
        model, cohort = model_and_cohort(name)
        filled = model.impute(cohort)
        for modality in NAMES:
            known = numbers(cohort, modality)
            gaps = np.isnan(known)
            mean, spread = np.nanmean(known, axis=0), np.nanstd(known, axis=0)
            away = ((numbers(filled, modality) - mean) / spread)[gaps]
            away = away[np.isfinite(away)]
            assert len(away) > 20
            assert np.quantile(np.abs(away), 0.95) < 4
            assert np.abs(np.median(away)) < 0.5

    def test_another_unit_gives_the_same_answer_in_that_unit(self, name):
        case = case_of(name)
        cohort, y = data(case.kind)
        frame = cohort.modalities["beta"].frame
        frame["beta1"] *= 1000.0
        other = cohort.with_modality("beta", Table(frame))
        one = numbers(model_and_cohort(name)[0].impute(cohort), "beta")
        two = numbers(case.model().fit(other, y).impute(other), "beta")
        np.testing.assert_allclose(two / [1, 1000, 1, 1], one, rtol=1e-4, atol=1e-4)

    def test_a_category_becomes_one_of_its_levels(self, name):
        model, cohort = model_and_cohort(name)
        filled = model.impute(cohort)
        stage = values(filled, "alpha")["stage"]
        assert set(stage.dropna()) <= {"I", "II"}
        lost = values(cohort, "alpha")["stage"].isna() & filled.has("alpha")
        assert lost.sum() > 10
        assert filled.modalities["alpha"].kinds["stage"] == "categorical"

    def test_new_patients(self, name):
        model, _ = model_and_cohort(name)
        new, _ = gappy_cohort(case_of(name).kind, 30, seed=9)
        filled = model.impute(new)
        anything = new.measured.to_numpy().any(axis=1)
        for modality in NAMES:
            assert values(filled, modality)[anything].notna().all().all()

    def test_a_patient_is_imputed_alike_alone_and_among_others(self, name):
        model, _ = model_and_cohort(name)
        new, _ = gappy_cohort(case_of(name).kind, 12, seed=9)
        together = model.impute(new)
        for i in np.flatnonzero(new.measured.to_numpy().any(axis=1)):
            alone = model.impute(new[[i]])
            for modality in NAMES:
                # Networks compute in single precision, on standardised numbers.
                scale = numbers(together, modality).std(axis=0)
                deep = issubclass(methods()[name], DeepFusion)
                np.testing.assert_allclose(
                    numbers(alone, modality)[0] / scale,
                    numbers(together, modality)[i] / scale,
                    rtol=1e-9,
                    atol=SINGLE if deep else 0.0,
                )

    def test_a_modality_that_nobody_has_is_filled(self, name):
        model, _ = model_and_cohort(name)
        new, _ = gappy_cohort(case_of(name).kind, 30, seed=9)
        for lacking in (new.only(["alpha", "beta"]), new[~new.has("gamma")]):
            others = lacking.measured[["alpha", "beta"]].to_numpy().any(axis=1)
            filled = model.impute(lacking)
            assert others.any()
            assert np.isfinite(numbers(filled, "gamma")[others]).all()

    def test_hidden_values_of_low_rank_data_are_found_better_than_by_the_mean(self, name):
        whole, gappy, signal = low_rank()
        case = case_of(name)
        model = case.model().fit(gappy, outcome(case.kind, signal))
        by_method, by_mean = (
            _error(imputer.impute(gappy), whole, gappy)
            for imputer in (model, StackedImputation().fit(gappy))
        )
        assert by_method < by_mean


def _error(filled: Cohort, whole: Cohort, gappy: Cohort) -> float:
    errors = []
    for name in NAMES:
        truth, known = values(whole, name).to_numpy(), values(gappy, name).to_numpy()
        away = values(filled, name).to_numpy() - truth
        errors.append(away[np.isnan(known)] ** 2)
    return float(np.mean(np.concatenate(errors)))
