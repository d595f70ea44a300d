"""Who was measured by what, under every way of choosing patients."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    LeaveOneOut,
    LeavePGroupsOut,
    LeavePOut,
    PredefinedSplit,
    RandomizedSearchCV,
    RepeatedKFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    StratifiedShuffleSplit,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import resample

from consilience.cohort import Cohort, Images, Table, bag_of, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion

IDS = list("abcdef")


@pytest.fixture
def cohort() -> Cohort:
    patients = pd.DataFrame({"age": [10, 20, 30, 40, 50, 60]}, index=IDS)
    rna = pd.DataFrame({"x": [5.0, 1.0, 3.0], "y": [50.0, 10.0, 30.0]}, index=["e", "a", "c"])
    tiles = bag_of({"c": np.full((2, 1), 3.0), "f": np.full((1, 1), 6.0)})
    scan = Images(pd.Index(["f", "a"]), [np.full((1, 2), 6.0), np.full((1, 2), 1.0)])
    return Cohort(patients, {"rna": Table(rna), "tiles": tiles, "scan": scan}, name="six")


def _place(cohort: Cohort, name: str, i: int) -> int:
    return int(cohort.positions(name)[i])


def _consistent(cohort: Cohort) -> None:
    """Every patient must meet his own values: 1 for a, 2 for b, ... in each modality."""
    for i, patient in enumerate(cohort.index):
        number = IDS.index(patient) + 1
        assert cohort.patients["age"].iloc[i] == 10 * number
        if (k := _place(cohort, "rna", i)) >= 0:
            assert cohort.modalities["rna"].numeric[k].tolist() == [number, 10 * number]
            assert cohort.modalities["rna"].index[k] == patient
        if (k := _place(cohort, "tiles", i)) >= 0:
            assert np.all(cohort.modalities["tiles"].instances(k) == number)
        if (k := _place(cohort, "scan", i)) >= 0:
            assert np.all(cohort.modalities["scan"].image(k) == number)
    expected = {"rna": set("ace"), "tiles": set("cf"), "scan": set("af")}
    for name, measured in expected.items():
        assert cohort.has(name).tolist() == [patient in measured for patient in cohort.index]
        assert list(cohort.modalities[name].index) == [
            p for p in cohort.index if p in measured
        ] or (len(cohort) == len(IDS))


WAYS = {
    "positions": ([4, 0, 2], [4, 0, 2]),
    "an array": (np.array([5, 3]), [5, 3]),
    "repeated": ([0, 0, 2, 0], [0, 0, 2, 0]),
    "negative": ([-1, -6], [5, 0]),
    "a mask": (np.array([True, False, True, False, False, True]), [0, 2, 5]),
    "a list mask": ([False, True, False, False, True, True], [1, 4, 5]),
    "a pandas mask": (pd.Series([True, False, True, False, False, True]), [0, 2, 5]),
    "a slice": (slice(1, 5), [1, 2, 3, 4]),
    "a stride": (slice(None, None, -2), [5, 3, 1]),
    "one": (3, [3]),
    "a numpy integer": (np.int64(2), [2]),
    "none": ([], []),
    "rows and an ellipsis": ((np.array([2, 1]), Ellipsis), [2, 1]),
}


@pytest.mark.parametrize("way", WAYS)
def test_patients_meet_their_own_values(cohort: Cohort, way: str) -> None:
    key, rows = WAYS[way]
    chosen = cohort[key]
    assert list(chosen.index) == [IDS[i] for i in rows]
    assert len(chosen) == chosen.shape[0] == len(rows)
    _consistent(chosen)


def test_choices_compose(cohort: Cohort) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        first, second = rng.integers(6, size=5), rng.integers(5, size=7)
        ours, theirs = cohort[first][second], cohort[first[second]]
        assert list(ours.index) == list(theirs.index)
        _consistent(ours)
        for name in cohort.modalities:
            np.testing.assert_array_equal(ours.has(name), theirs.has(name))


def test_only_and_complete(cohort: Cohort) -> None:
    two = cohort.only(["scan", "rna"])
    assert list(two.modalities) == ["scan", "rna"]
    assert two.shape == (6, 4)
    assert list(two.complete().index) == ["a"]
    assert list(cohort.only("tiles").complete().index) == ["c", "f"]
    assert len(cohort.complete()) == 0
    with pytest.raises(InputError, match=r"Did you mean 'tiles'\?"):
        cohort.only("tile")


def test_measured_and_has_agree(cohort: Cohort) -> None:
    assert cohort.measured.sum().to_dict() == {"rna": 3, "tiles": 2, "scan": 2}
    for name in cohort.modalities:
        assert cohort.measured[name].tolist() == cohort.has(name).tolist()


def test_a_cohort_is_frozen(cohort: Cohort) -> None:
    cohort.patients["age"] = 0
    cohort.left_out["reason"] = "x"
    assert cohort.patients["age"].tolist() == [10, 20, 30, 40, 50, 60]
    with pytest.raises(TypeError):
        cohort.modalities["new"] = cohort.modalities["rna"]  # type: ignore[index]
    with pytest.raises(ValueError, match="read-only"):
        cohort.modalities["rna"].numeric[0, 0] = 9.0


def test_the_patients_given_stay_the_callers(cohort: Cohort) -> None:
    patients = pd.DataFrame({"age": [1, 2]}, index=["a", "b"])
    made = Cohort(patients, {})
    patients.loc["a", "age"] = 99
    assert made.patients["age"].tolist() == [1, 2]


def test_what_cannot_be_a_cohort_is_refused() -> None:
    table = Table(pd.DataFrame({"x": [1.0]}, index=["a"]))
    with pytest.raises(InputError, match="patient 'a' stands in more than one row"):
        Cohort(pd.DataFrame(index=["a", "a"]), {"rna": table})
    with pytest.raises(InputError, match="the patient id is missing in row 2"):
        Cohort(pd.DataFrame(index=["a", None]), {"rna": table})
    with pytest.raises(InputError, match=r"modality 'rna'.*'a'"):
        Cohort(pd.DataFrame(index=["b"]), {"rna": table})
    with pytest.raises(InputError, match="'rna' measured nobody"):
        Cohort(pd.DataFrame(index=["a"]), {"rna": table.take(np.array([], dtype=np.intp))})


def test_wrong_keys_are_refused(cohort: Cohort) -> None:
    with pytest.raises(InputError, match="mask has 2 entries for 6"):
        cohort[np.array([True, False])]
    with pytest.raises(InputError, match="by position or mask"):
        cohort["a"]
    with pytest.raises(InputError, match="by position or mask"):
        cohort[[0.5]]
    with pytest.raises(IndexError):
        cohort[6]


GROUPS = np.arange(60) % 6
FOLDS = np.arange(60) % 3
SPLITTERS = {
    "KFold": KFold(3),
    "KFold shuffled": KFold(3, shuffle=True, random_state=0),
    "StratifiedKFold": StratifiedKFold(3),
    "GroupKFold": GroupKFold(3),
    "StratifiedGroupKFold": StratifiedGroupKFold(3),
    "ShuffleSplit": ShuffleSplit(3, random_state=0),
    "StratifiedShuffleSplit": StratifiedShuffleSplit(3, random_state=0),
    "GroupShuffleSplit": GroupShuffleSplit(3, random_state=0),
    "TimeSeriesSplit": TimeSeriesSplit(3),
    "LeaveOneOut": LeaveOneOut(),
    "LeavePOut": LeavePOut(2),
    "LeaveOneGroupOut": LeaveOneGroupOut(),
    "LeavePGroupsOut": LeavePGroupsOut(2),
    "PredefinedSplit": PredefinedSplit(FOLDS),
    "RepeatedKFold": RepeatedKFold(n_splits=3, n_repeats=2, random_state=0),
    "RepeatedStratifiedKFold": RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=0),
}


@pytest.fixture(scope="module")
def drawn() -> tuple[Cohort, np.ndarray]:
    return synthetic_cohort(60, features=4, missing=0.2, seed=0)


@pytest.mark.parametrize("name", SPLITTERS)
def test_every_splitter_takes_a_cohort(name: str, drawn: tuple[Cohort, np.ndarray]) -> None:
    cohort, y = drawn
    groups = GROUPS if "Group" in name else None
    ours = list(SPLITTERS[name].split(cohort, y, groups))
    theirs = list(SPLITTERS[name].split(np.zeros((60, 1)), y, groups))
    assert len(ours) == len(theirs) > 1
    for (train, test), (train_too, test_too) in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(train, train_too)
        np.testing.assert_array_equal(test, test_too)
        assert not set(cohort[train].index) & set(cohort[test].index)


@pytest.fixture(scope="module")
def model() -> EarlyFusion:
    return EarlyFusion(LogisticRegression(C=0.1))


def test_cross_validation_equals_the_loop_by_hand(drawn, model) -> None:
    cohort, y = drawn
    folds = list(StratifiedKFold(3).split(cohort, y))
    by_hand = [model.fit(cohort[a], y[a]).score(cohort[b], y[b]) for a, b in folds]
    np.testing.assert_allclose(cross_val_score(model, cohort, y, cv=3), by_hand)
    found = cross_validate(model, cohort, y, cv=3, scoring=["roc_auc", "accuracy"])
    np.testing.assert_allclose(found["test_accuracy"], by_hand)
    expected = np.empty((60, 2))
    for train, test in folds:
        expected[test] = model.fit(cohort[train], y[train]).predict_proba(cohort[test])
    given = cross_val_predict(model, cohort, y, cv=3, method="predict_proba")
    np.testing.assert_allclose(given, expected)


@pytest.mark.parametrize("search", [GridSearchCV, RandomizedSearchCV])
def test_searches_take_a_cohort(search, drawn, model) -> None:
    cohort, y = drawn
    options = {"n_iter": 2, "random_state": 0} if search is RandomizedSearchCV else {}
    found = search(model, {"learner__C": [1e-6, 0.1]}, cv=3, scoring="neg_log_loss", **options).fit(
        cohort, y
    )
    means = [
        cross_val_score(
            EarlyFusion(LogisticRegression(C=c)), cohort, y, cv=3, scoring="neg_log_loss"
        ).mean()
        for c in [params["learner__C"] for params in found.cv_results_["params"]]
    ]
    np.testing.assert_allclose(found.cv_results_["mean_test_score"], means)
    assert found.predict(cohort).shape == (60,)


class OnArrays(ClassifierMixin, BaseEstimator):
    """The model by hand; like fusion it has probabilities and no decision function."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> OnArrays:
        self.model_ = make_pipeline(StandardScaler(), LogisticRegression(C=0.1)).fit(X, y)
        self.classes_ = self.model_.classes_
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict(X))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.model_.predict_proba(X))


@pytest.mark.parametrize("ensemble", [True, False])
@pytest.mark.parametrize("method", ["sigmoid", "isotonic"])
def test_calibration_equals_that_of_the_stacked_array(ensemble: bool, method: str, model) -> None:
    cohort, y = synthetic_cohort(150, features=4, seed=0)
    stacked = np.hstack([table.numeric for table in cohort.modalities.values()])
    options = {"method": method, "cv": 3, "ensemble": ensemble}
    ours = CalibratedClassifierCV(model, **options).fit(cohort, y).predict_proba(cohort)
    theirs = CalibratedClassifierCV(OnArrays(), **options).fit(stacked, y).predict_proba(stacked)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_other_tools_of_scikit_learn(drawn, model) -> None:
    cohort, y = drawn
    train, test, y_train, y_test = train_test_split(cohort, y, stratify=y, random_state=0)
    assert (len(train), len(test)) == (45, 15) == (len(y_train), len(y_test))
    assert isinstance(train, Cohort)
    known = dict(zip(cohort.index, y, strict=True))
    assert [known[patient] for patient in test.index] == y_test.tolist()
    again, y_again = resample(cohort, y, random_state=0)
    assert [known[patient] for patient in again.index] == y_again.tolist()
    assert again.index.has_duplicates
    assert LateFusion(LogisticRegression()).fit(again, y_again).predict(cohort).shape == (60,)
    sizes, *_ = learning_curve(model, cohort, y, cv=3, train_sizes=[0.5, 1.0])
    assert sizes.tolist() == [20, 40]
    score, permuted, p = permutation_test_score(
        model, cohort, y, cv=3, n_permutations=5, random_state=0
    )
    assert permuted.shape == (5,)
    assert 0 < p <= 1
    assert score == pytest.approx(cross_val_score(model, cohort, y, cv=3).mean())


def test_two_columns_of_one_name_are_refused() -> None:
    patients = pd.DataFrame(np.ones((2, 2)), columns=["age", "age"], index=["a", "b"])
    with pytest.raises(InputError, match="'age' stands more than once"):
        Cohort(patients, {})
