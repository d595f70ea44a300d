"""Outcomes read off the patients: who has one, who is left out, and why."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Binary, Cohort, Continuous, EventBy, Multiclass, Survival, Table
from consilience.errors import InputError


def _cohort(**columns: Any) -> Cohort:
    n = len(next(iter(columns.values())))
    ids = [f"p{i}" for i in range(n)]
    patients = pd.DataFrame(columns, index=ids)
    labs = Table(pd.DataFrame({"x": np.arange(n, dtype=float)}, index=ids))
    return Cohort(patients, {"labs": labs})


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        ([0, 1, 0], None, [0, 1, 0]),
        ([0.0, 1.0, np.nan], None, [0, 1]),
        ([True, False, True], None, [1, 0, 1]),
        ([True, None, False], None, [1, 0]),
        (["yes", "no", " yes "], None, [1, 0, 1]),
        (["Dead", "alive", "alive"], None, [1, 0, 0]),
        (["living", "deceased", ""], None, [0, 1]),
        (["b", "a", "a"], None, [1, 0, 0]),  # neither is a usual yes: the later one
        (["b", "a", "a"], "a", [0, 1, 1]),
        ([1, 2, 2], 2, [0, 1, 1]),
        ([1.0, 2.0, np.nan], 2, [0, 1]),
        (pd.Categorical(["lo", "hi", None]), "lo", [1, 0]),
        (pd.array([True, None, False], dtype="boolean"), None, [1, 0]),
        (pd.array([0, 1, None], dtype="Int64"), None, [0, 1]),
    ],
)
def test_binary(values: Any, positive: Any, expected: list[int]) -> None:
    target = Binary("dead", positive).of(_cohort(dead=values))
    assert target.y.tolist() == expected
    assert target.y.dtype == np.int64
    assert len(target.cohort) + len(target.left_out) == 3


def test_left_out_are_named_with_the_reason_and_the_rest_aligned() -> None:
    target = Multiclass("type").of(_cohort(type=["a", None, "b", "", "c"]))
    assert list(target.cohort.index) == ["p0", "p2", "p4"]
    assert target.y.tolist() == ["a", "b", "c"]
    assert target.cohort.modalities["labs"].numeric.ravel().tolist() == [0.0, 2.0, 4.0]
    assert target.left_out["patient"].tolist() == ["p1", "p3"]
    assert set(target.left_out["reason"]) == {"'type' is missing"}
    assert set(target.left_out["source"]) == {"outcome 'type'"}


def test_a_view_with_repeated_patients_has_its_outcome() -> None:
    cohort = _cohort(dead=[1, 0, None], time=[5.0, 7.0, 2.0])[[0, 0, 1, 2, 2, 1]]
    assert Binary("dead").of(cohort).y.tolist() == [1, 1, 0, 0]
    y = Survival("dead", "time").of(cohort).y
    assert y["event"].tolist() == [True, True, False, False]
    assert y["time"].tolist() == [5.0, 5.0, 7.0, 7.0]


def test_continuous() -> None:
    target = Continuous("bmi").of(_cohort(bmi=[20.5, None, "31", 25]))
    assert target.y.tolist() == [20.5, 31.0, 25.0]
    assert target.left_out["patient"].tolist() == ["p1"]


def test_survival_leaves_out_what_says_nothing() -> None:
    cohort = _cohort(dead=[1, 0, None, 1, 0], time=[10.0, 20.0, 5.0, None, 0.0])
    target = Survival("dead", "time").of(cohort)
    assert target.y.dtype.names == ("event", "time")
    assert target.y.tolist() == [(True, 10.0), (False, 20.0)]
    assert dict(zip(target.left_out["patient"], target.left_out["reason"], strict=True)) == {
        "p2": "'dead' is missing",
        "p3": "'time' is missing",
        "p4": "'time' is 0: no follow-up",
    }


def test_event_by_a_time_at_the_very_edge() -> None:
    cohort = _cohort(dead=[1, 1, 1, 0, 0, 0], time=[9.0, 10.0, 11.0, 9.0, 10.0, 11.0])
    target = EventBy("dead", "time", by=10).of(cohort)
    assert list(target.cohort.index) == ["p0", "p1", "p2", "p4", "p5"]
    assert target.y.tolist() == [1, 1, 0, 0, 0]
    assert target.left_out["reason"].tolist() == ["censored before 10 days"]
    assert target.left_out["patient"].tolist() == ["p3"]


@pytest.mark.parametrize(
    ("outcome", "columns", "said"),
    [
        (Binary("ded"), {"dead": [0, 1]}, r"no patient column 'ded'.*Did you mean 'dead'\?"),
        (Binary("dead"), {"dead": [1, 1]}, "has 1 values"),
        (Binary("dead"), {"dead": [0, 1, 2]}, "has 3 values"),
        (Binary("dead", "x"), {"dead": [0, 1]}, "positive value 'x' does not occur"),
        (Binary("dead"), {"dead": [None, None]}, "has 0 values"),
        (Multiclass("t"), {"t": ["a", "a"]}, "has one class"),
        (Continuous("t"), {"t": [1.0, "high"]}, "holds 'high' for patient 'p1'"),
        (Continuous("t"), {"t": [1.0, np.inf]}, "infinite for patient 'p1'"),
        (Continuous("t"), {"t": [2.0, 2.0]}, "is 2 for every patient"),
        (Continuous("t"), {"t": [2.0, None]}, "known for 1 patients"),
        (Survival("e", "t"), {"e": [0, 1], "t": [3.0, -1.0]}, r"negative \(-1\) for patient 'p1'"),
        (Survival("e", "t"), {"e": [0, 1], "t": [3.0, "?"]}, r"holds '\?' for patient 'p1'"),
        (Survival("e", "t"), {"e": [0, 0, 1], "t": [3.0, 1, 0]}, "no event was seen"),
        (Survival("e", "t"), {"e": [0, 0], "t": [3.0, 1.0]}, "has 1 values"),
        (EventBy("e", "t", 5), {"e": [0, 1, 1], "t": [1.0, 2, 3]}, "the same for all 2 patients"),
    ],
)
def test_what_cannot_be_an_outcome_is_refused(outcome: Any, columns: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        outcome.of(_cohort(**columns))


def test_names_and_columns() -> None:
    assert EventBy("dead", "time", 5, unit="years").name == "dead by 5 years"
    assert (
        EventBy("dead", "time", 5).columns == Survival("dead", "time").columns == ("dead", "time")
    )
    kinds = [o.kind for o in (Binary("a"), Multiclass("a"), Continuous("a"), EventBy("a", "b", 1))]
    assert kinds == ["binary", "multiclass", "continuous", "binary"]


def test_an_event_coded_one_and_two_is_not_guessed() -> None:
    """Some software writes 1 for censored and 2 for died, other software 1 for the event."""
    patients = pd.DataFrame({"status": [1, 2, 2], "days": [5.0, 6.0, 7.0]}, index=list("abc"))
    cohort = Cohort(patients, {})
    for outcome in (Binary("status"), Survival("status", "days"), EventBy("status", "days", 6)):
        with pytest.raises(InputError, match="say which means that it happened"):
            outcome.of(cohort)
    assert Survival("status", "days", positive=2).of(cohort).y["event"].tolist() == [0, 1, 1]


def test_an_event_without_a_clear_word_is_not_guessed() -> None:
    patients = pd.DataFrame({"status": ["alive", "lost"], "days": [5.0, 6.0]}, index=list("ab"))
    with pytest.raises(InputError, match="'alive', 'lost'"):
        Survival("status", "days").of(Cohort(patients, {}))


@pytest.mark.parametrize("positive", [None, 1, "1"])
def test_everybody_may_have_had_the_event(positive: Any) -> None:
    cohort = _cohort(died=[1, 1, 1, None], days=[5.0, 6.0, 7.0, 8.0])
    target = Survival("died", "days", positive).of(cohort)
    assert target.y["event"].all() and len(target.y) == 3
    by = EventBy("died", "days", 5.5, positive).of(cohort)
    assert by.y.tolist() == [1, 0, 0]


def test_that_everybody_had_the_event_is_not_guessed() -> None:
    with pytest.raises(InputError, match="1 values"):
        Survival("died", "days").of(_cohort(died=["a", "a"], days=[5.0, 6.0]))


def test_the_event_is_not_its_own_time() -> None:
    with pytest.raises(InputError, match="both the event and its time"):
        Survival("died", "died")


@pytest.mark.parametrize("by", [float("nan"), float("inf"), 0.0, -1.0])
def test_by_is_a_time(by: float) -> None:
    with pytest.raises(InputError, match="above 0"):
        EventBy("died", "days", by)


@pytest.mark.parametrize(
    "dates", [pd.date_range("2020-01-01", periods=3), pd.to_timedelta([1, 2, 3], unit="D")]
)
def test_dates_are_no_numbers(dates: Any) -> None:
    cohort = _cohort(seen=dates, died=[1, 0, 1])
    with pytest.raises(InputError, match="number of days"):
        Continuous("seen").of(cohort)
    with pytest.raises(InputError, match="number of days"):
        Survival("died", "seen").of(cohort)
