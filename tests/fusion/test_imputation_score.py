"""Scores of imputation: what is hidden, and that the measures measure it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from tests.laws.cohorts import gappy_cohort

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion.factor_model import MOFA
from consilience.fusion.imputation_score import (
    hide_entries,
    hide_modalities,
    imputation_scores,
)
from consilience.fusion.stacked_imputation import StackedImputation


class Oracle(BaseEstimator):
    """Knows the truth, and adds noise of a given size in units of each feature's spread."""

    def __init__(self, truth: Cohort, noise: float = 0.0) -> None:
        self.truth = truth
        self.noise = noise

    def fit(self, cohort: Cohort, y: Any = None) -> Self:
        return self

    def impute(self, cohort: Cohort) -> Cohort:
        rng = np.random.default_rng(0)
        for name in cohort.modalities:
            frame = self.truth.modalities[name].frame
            noise = self.noise * rng.normal(size=frame.shape) * frame.std().to_numpy()
            cohort = cohort.with_modality(name, Table(frame + noise))
        return cohort


class Silent(Oracle):
    """Fills nothing."""

    def impute(self, cohort: Cohort) -> Cohort:
        return cohort


def plain(n: int = 300, *, seed: int = 0) -> Cohort:
    """Return two complete tables in very different units, with two factors in common."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(n, 2))
    ids = [f"p{i:03d}" for i in range(n)]
    tables = {}
    for name, unit in (("rna", 1.0), ("blood", 1000.0)):
        matrix = factors @ rng.normal(size=(2, 15)) + 0.5 * rng.normal(size=(n, 15)) + 7
        columns = [f"{name}{j}" for j in range(15)]
        tables[name] = Table(pd.DataFrame(unit * matrix, index=ids, columns=columns))
    return Cohort(pd.DataFrame(index=ids), tables)


def shares_lost(before: Cohort, after: Cohort) -> dict[str, float]:
    found = {}
    for name in before.modalities:
        known = before.modalities[name].frame.reindex(before.index).notna().to_numpy()
        left = after.only(name)[after.has(name)]
        frame = left.modalities[name].frame.set_axis(left.index).reindex(before.index)
        found[name] = 1 - float(frame.notna().to_numpy()[known].mean())
    return found


class TestHiding:
    def test_entries_are_lost_at_the_share_asked_for(self):
        cohort = plain()
        hidden = hide_entries(cohort, 0.2, np.random.default_rng(0))
        for share in shares_lost(cohort, hidden).values():
            assert share == pytest.approx(0.2, abs=0.02)
        assert not cohort.modalities["rna"].frame.isna().any().any()

    def test_what_is_left_is_what_was_measured(self):
        cohort, _ = gappy_cohort("binary")
        hidden = hide_entries(cohort, 0.3, np.random.default_rng(0))
        before, after = (part.modalities["beta"].frame for part in (cohort, hidden))
        left = after.notna().to_numpy()
        np.testing.assert_array_equal(after.to_numpy()[left], before.to_numpy()[left])
        assert (
            hidden.modalities["alpha"]
            .frame["stage"]
            .equals(cohort.modalities["alpha"].frame["stage"])
        )

    def test_modalities_are_lost_as_a_whole_and_nobody_loses_all(self):
        cohort, _ = gappy_cohort("binary", 400)
        hidden = hide_modalities(cohort, 0.5, np.random.default_rng(0))
        before, after = cohort.measured, hidden.measured
        assert not (after & ~before).any().any()
        had = before.any(axis=1)
        assert after.any(axis=1)[had].all()
        several = before.sum(axis=1) > 1
        lost = 1 - after[several].to_numpy().sum() / before[several].to_numpy().sum()
        assert 0.3 < lost < 0.5

    def test_views_of_a_cohort_keep_their_patients(self):
        cohort = plain()
        part = cohort[::3]
        hidden = hide_entries(part, 0.1, np.random.default_rng(0))
        left = hidden.modalities["rna"].frame
        whole = cohort.modalities["rna"].frame.loc[left.index]
        known = left.notna().to_numpy()
        np.testing.assert_array_equal(left.to_numpy()[known], whole.to_numpy()[known])


class TestMeasures:
    @pytest.mark.parametrize("hide", [hide_entries, hide_modalities])
    def test_the_truth_has_no_error(self, hide):
        cohort = plain()
        scores = imputation_scores(cohort, {"oracle": Oracle(cohort)}, hide=hide, repeats=2)
        np.testing.assert_allclose(scores["nrmse"], 0, atol=1e-12)
        np.testing.assert_allclose(scores["correlation"], 1)
        assert (scores["filled"] == 1).all()

    def test_an_error_is_in_standard_deviations_whatever_the_unit(self):
        cohort = plain()
        scores = imputation_scores(cohort, {"noisy": Oracle(cohort, 0.5)}, repeats=3)
        np.testing.assert_allclose(scores["nrmse"], 0.5, rtol=0.05)
        np.testing.assert_allclose(scores["correlation"], 1 / np.sqrt(1.25), rtol=0.03)

    def test_the_mean_makes_an_error_of_one_and_has_no_correlation(self):
        scores = imputation_scores(plain(), {"mean": StackedImputation()}, repeats=3)
        np.testing.assert_allclose(scores["nrmse"], 1, atol=0.05)
        assert scores["correlation"].isna().all()

    def test_what_a_method_leaves_empty_counts_as_the_mean_and_is_told(self):
        cohort = plain()
        methods = {"silent": Silent(cohort), "mean": StackedImputation()}
        scores = imputation_scores(cohort, methods, repeats=2).set_index(["method", "modality"])
        assert (scores.loc["silent"]["filled"] == 0).all()
        np.testing.assert_allclose(scores.loc["silent"]["nrmse"], scores.loc["mean"]["nrmse"])

    def test_intervals_are_those_of_student_over_repeats(self):
        cohort = plain(60)
        whole = imputation_scores(cohort, {"mean": StackedImputation()}, repeats=3)
        single = []
        for seed in np.random.SeedSequence(0).spawn(3):
            hidden = hide_entries(cohort, 0.1, np.random.default_rng(seed))
            before, after = (part.modalities["rna"].frame for part in (cohort, hidden))
            away = ((before - after.mean()) / after.std(ddof=0)).to_numpy()
            single.append(np.sqrt(np.mean(away[after.isna().to_numpy()] ** 2)))
        row = whole.set_index("modality").loc["rna"]
        half = 4.302653 * np.std(single, ddof=1) / np.sqrt(3)
        assert row["nrmse"] == pytest.approx(np.mean(single))
        assert row["nrmse_low"] == pytest.approx(np.mean(single) - half)
        assert row["nrmse_high"] == pytest.approx(np.mean(single) + half)

    def test_the_same_seed_hides_the_same(self):
        cohort = plain(80)
        one, two, other = (
            imputation_scores(cohort, {"MOFA": MOFA(n_factors=2)}, repeats=2, random_state=seed)
            for seed in (0, 0, 1)
        )
        pd.testing.assert_frame_equal(one.drop(columns="seconds"), two.drop(columns="seconds"))
        assert not np.allclose(one["nrmse"], other["nrmse"])

    def test_factors_beat_the_mean_where_there_are_factors(self):
        methods = {"mean": StackedImputation(), "MOFA": MOFA(n_factors=3)}
        for hide in (hide_entries, hide_modalities):
            scores = imputation_scores(plain(150), methods, hide=hide, repeats=2)
            table = scores.pivot(index="modality", columns="method", values="nrmse")
            assert (table["MOFA"] < 0.75 * table["mean"]).all()


class TestBadInput:
    @pytest.mark.parametrize(
        ("options", "sentence"),
        [
            ({"share": 0.0}, "share must be between 0 and 1, not 0.0"),
            ({"share": 1.5}, "share must be between 0 and 1"),
            ({"share": "a"}, "share must be between 0 and 1, not 'a'"),
            ({"repeats": 1}, "repeats must be a whole number of at least 2, not 1"),
        ],
    )
    def test_a_setting_is_refused(self, options, sentence):
        with pytest.raises(InputError, match=sentence):
            imputation_scores(plain(20), {"mean": StackedImputation()}, **options)

    def test_a_method_without_the_verb(self):
        with pytest.raises(InputError, match="the verb impute, .* 'other'"):
            imputation_scores(plain(20), {"other": BaseEstimator()})

    def test_no_method(self):
        with pytest.raises(InputError, match="give at least one method"):
            imputation_scores(plain(20), {})

    def test_one_modality_alone_cannot_be_hidden(self):
        with pytest.raises(InputError, match="no number that can be hidden"):
            imputation_scores(
                plain(20).only("rna"), {"mean": StackedImputation()}, hide=hide_modalities
            )
