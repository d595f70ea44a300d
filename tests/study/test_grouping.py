"""What became of the patients of each subtype."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from sksurv.compare import compare_survival

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.metrics import kaplan_meier
from consilience.study.grouping import MOST_STEPS, groups_of, round_times

LABELS = np.array(["a", "b"] * 100)


def survival(seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    y = np.empty(200, dtype=SURVIVAL_DTYPE)
    y["time"] = rng.exponential(np.where(LABELS == "a", 400.0, 1500.0)) + 1
    y["event"] = rng.random(200) < 0.7
    return y


def test_curves_are_kaplan_meiers_and_the_test_is_the_log_rank_test() -> None:
    y = survival()
    found = groups_of(LABELS, y, "survival")
    assert found.test == "log-rank"
    assert found.p_value == pytest.approx(compare_survival(y, LABELS)[1])
    for group in found.groups:
        own = y[group.name == LABELS]
        whole = kaplan_meier(own["event"], own["time"])
        assert group.curve is not None and len(group.curve.time) == min(len(whole), MOST_STEPS)
        place = np.searchsorted(whole["time"], group.curve.time)
        np.testing.assert_allclose(group.curve.survival, whole["survival"].to_numpy()[place])
        assert (group.patients, group.events) == (100, own["event"].sum())
        for time, free, followed in zip(found.times, group.free, group.followed, strict=True):
            assert followed == (own["time"] >= time).sum()
            if time <= own["time"].max():
                after = whole["survival"][whole["time"] <= time].iloc[-1]
                assert free == pytest.approx(after)
            else:
                assert free is None


def test_shares_of_two_classes_have_wilsons_interval() -> None:
    y = np.where(np.arange(200) % 3 == 0, "yes", "no")
    found = groups_of(LABELS, y, "binary")
    for group in found.groups:
        own = y[group.name == LABELS] == "yes"
        p, n, z = own.mean(), len(own), 1.959964
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        assert group.shares == pytest.approx({"no": 1 - p, "yes": p})
        assert [group.low, group.high] == pytest.approx([middle - half, middle + half], abs=1e-6)


def test_several_classes_are_compared_by_chi_squared() -> None:
    y = np.random.default_rng(0).choice(["x", "y", "z"], 200)
    found = groups_of(LABELS, y, "multiclass")
    table = [[(y[g == LABELS] == c).sum() for c in "xyz"] for g in "ab"]
    assert found.p_value == pytest.approx(stats.chi2_contingency(table)[1])
    assert all(sum((g.shares or {}).values()) == pytest.approx(1) for g in found.groups)
    assert all(g.low is None for g in found.groups)


def test_means_have_students_interval() -> None:
    y = np.random.default_rng(0).normal(size=200) + (LABELS == "b")
    found = groups_of(LABELS, y, "continuous")
    for group in found.groups:
        own = y[group.name == LABELS]
        ends = stats.t.interval(0.95, 99, own.mean(), stats.sem(own))
        assert [group.low, group.high] == pytest.approx(list(ends))
    assert found.p_value == pytest.approx(stats.kruskal(y[::2], y[1::2]).pvalue)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "continuous", "survival"])
def test_one_group_or_none_has_nothing_to_compare(kind: str) -> None:
    y = survival() if kind == "survival" else np.arange(200.0)
    y = np.arange(200) % 2 if kind in ("binary", "multiclass") else y
    one = groups_of(np.full(200, "all"), y, kind)  # type: ignore[arg-type]
    assert [group.patients for group in one.groups] == [200] and np.isnan(one.p_value)
    assert not groups_of(LABELS[:0], y[:0], kind).groups  # type: ignore[arg-type]


def test_p_values_are_uniform_where_groups_do_not_differ() -> None:
    rng = np.random.default_rng(0)
    y = survival()
    p = [groups_of(rng.permutation(LABELS), y, "survival").p_value for _ in range(200)]
    assert stats.kstest(p, "uniform").pvalue > 0.01


@pytest.mark.parametrize("last", [0.0, 0.37, 3.0, 59.0, 1000.0, 2990.0, 123456.0])
def test_times_are_round_and_reach_the_end(last: float) -> None:
    times = round_times(last)
    assert times[0] == 0 and times[-1] <= last * (1 + 1e-6)
    if last:
        assert 3 <= len(times) <= 7
        assert all(float(f"{time:.3g}") == pytest.approx(time) for time in times)
