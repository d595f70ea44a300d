"""A fusion method tuned on inner folds: what it chooses, what it passes on, what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import Cohort, synthetic_cohort
from consilience.errors import InputError, InputWarning
from consilience.fusion import EarlyFusion, LateFusion, SingleModality
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.study.bundle.safe_model import dump_model, load_model

LEARNERS = {
    "binary": LogisticRegression(),
    "multiclass": LogisticRegression(),
    "continuous": Ridge(),
    "survival": CoxPHSurvivalAnalysis(alpha=1.0),
}
GRIDS = {
    "binary": {"learner__C": [1e-6, 0.1]},
    "multiclass": {"learner__C": [1e-6, 0.1]},
    "continuous": {"learner__alpha": [1e6, 10.0]},
    "survival": {"learner__alpha": [1e6, 10.0]},
}


class Picky(EarlyFusion):
    """Refuses a learner with C = 7 once it sees the patients."""

    def _fit(self, cohort: Cohort, y: Any) -> None:
        if self.learner.C == 7:
            raise InputError("seven is not for these patients.")
        super()._fit(cohort, y)


def cohort_of(kind: str, n: int = 90) -> tuple[Cohort, Any]:
    return synthetic_cohort(n, kind=kind, modalities=2, features=4, missing=0.2, seed=1)


@pytest.mark.parametrize("kind", LEARNERS)
def test_the_losses_are_those_of_the_inner_folds_done_by_hand(kind: str) -> None:
    cohort, y = cohort_of(kind)
    method = EarlyFusion(LEARNERS[kind])
    tuned = TunedFusion(method, GRIDS[kind], random_state=3).fit(cohort, y)
    known = cohort.measured.to_numpy().any(axis=1)
    order = np.flatnonzero(known)[np.argsort(cohort.index[known].to_numpy(dtype=str))]
    cohort, y = cohort[order], tuned.task_.check(y)[order]
    for settings, loss in tuned.losses_:
        by_hand = []
        for train, test in tuned.task_.folds(y, 3, 3):
            model = clone(method).set_params(**settings).fit(cohort[train], y[train])
            told = tuned.task_.ask(model, cohort[test])
            by_hand.append(tuned.task_.loss(y[test], told).mean())
        assert loss == pytest.approx(np.mean(by_hand), rel=1e-12)
    assert tuned.best_params_ == min(tuned.losses_, key=lambda pair: pair[1])[0]


@pytest.mark.parametrize("kind", LEARNERS)
def test_it_predicts_as_the_method_with_what_was_chosen(kind: str) -> None:
    cohort, y = cohort_of(kind)
    method = EarlyFusion(LEARNERS[kind])
    tuned = TunedFusion(method, GRIDS[kind], random_state=0).fit(cohort, y)
    plain = clone(method).set_params(**tuned.best_params_).fit(cohort, y)
    np.testing.assert_array_equal(tuned.values(cohort), plain.values(cohort))
    np.testing.assert_array_equal(tuned.informed(cohort), plain.informed(cohort))
    assert get_tags(tuned).outcomes == get_tags(method).outcomes
    assert hasattr(tuned, "predict_proba") == hasattr(plain, "predict_proba")
    back = load_model(dump_model(tuned), "model")
    np.testing.assert_array_equal(back.values(cohort), tuned.values(cohort))


def test_a_refused_combination_is_passed_over_and_told() -> None:
    cohort, y = cohort_of("binary")
    tuned = TunedFusion(Picky(LogisticRegression()), {"learner__C": [7, 0.1]}, random_state=0)
    with pytest.warns(InputWarning, match="learner__C = 7: seven is not"):
        tuned.fit(cohort, y)
    (_, refused), (_, fitted) = tuned.losses_
    assert np.isnan(refused) and np.isfinite(fitted)
    assert tuned.best_params_ == {"learner__C": 0.1}


@pytest.mark.filterwarnings("ignore::consilience.errors.InputWarning")
def test_where_all_are_refused_the_first_reason_is_given() -> None:
    cohort, y = cohort_of("binary")
    tuned = TunedFusion(Picky(LogisticRegression(C=7)), {"learner__tol": [1e-4, 1e-3]})
    with pytest.raises(InputError, match="none of the 2 combinations.*seven is not"):
        tuned.fit(cohort, y)


def test_a_single_combination_is_not_compared() -> None:
    cohort, y = cohort_of("binary")
    tuned = TunedFusion(LateFusion(LogisticRegression()), {"folds": [4]}).fit(cohort, y)
    assert tuned.best_params_ == {"folds": 4}
    assert np.isnan(tuned.losses_[0][1])


def test_modalities_given_go_before_the_methods_own() -> None:
    cohort, y = cohort_of("binary")
    method = LateFusion(LogisticRegression(), modalities=["m2"], random_state=0)
    grid = {"weights": ["equal", "validated"]}
    own = TunedFusion(method, grid, random_state=0).fit(cohort, y)
    given = TunedFusion(method, grid, modalities=["m1"], random_state=0).fit(cohort, y)
    assert own.modalities_ == own.best_.modalities_ == ["m2"]
    assert given.modalities_ == given.best_.modalities_ == ["m1"]


def test_one_modality_alone_can_be_tuned() -> None:
    cohort, y = cohort_of("binary")
    method = SingleModality(LogisticRegression(), modality="m1")
    tuned = TunedFusion(method, GRIDS["binary"], random_state=0).fit(cohort, y)
    assert tuned.modalities_ == ["m1"]


def test_it_can_be_set_up_for_another_outcome() -> None:
    method = LateFusion(Ridge(), folds=4)
    tuned = TunedFusion.for_outcome("continuous", method=method, grid={"folds": [2]}, folds=2)
    assert tuned.method.folds == 4 and tuned.folds == 2


@pytest.mark.parametrize(
    ("grid", "said"),
    [
        ({"weight": ["equal"]}, "no setting 'weight'.*Did you mean 'weights'"),
        ({"weights": "equal"}, r"give grid\['weights'\] as a list: \['equal'\]"),
        ({"weights": []}, "list of values of 'weights' is empty"),
        ({"weights": ["equl", "equal"]}, "grid: weights = 'equl': weights must be"),
        ({"folds": [1]}, "grid: folds = 1"),
    ],
)
def test_a_grid_that_cannot_be_is_named(grid: dict[str, Any], said: str) -> None:
    cohort, y = cohort_of("binary")
    with pytest.raises(InputError, match=said):
        TunedFusion(LateFusion(LogisticRegression()), grid).fit(cohort, y)


def test_what_is_no_method_is_refused() -> None:
    cohort, y = cohort_of("binary")
    with pytest.raises(InputError, match="must be a fusion method"):
        TunedFusion(LogisticRegression(), {"C": [1.0]}).check_settings()
    with pytest.raises(InputError, match="folds must be a whole number"):
        TunedFusion(LateFusion(LogisticRegression()), {}, folds=1).fit(cohort, y)


def test_the_folds_are_stratified_and_follow_the_seed() -> None:
    cohort, y = cohort_of("binary")
    losses = [
        TunedFusion(EarlyFusion(LogisticRegression()), GRIDS["binary"], random_state=seed)
        .fit(cohort, y)
        .losses_
        for seed in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]
