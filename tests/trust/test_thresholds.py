"""Thresholds: the finite-sample quantile, groups by themselves, and groups that overlap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from consilience.errors import InputError
from consilience.trust.thresholds import FEWEST, Thresholds, conformal_quantile, rounded_up


@given(some.integers(1, 80), some.sampled_from([0.5, 0.8, 0.9, 0.95]), some.integers(1, 3))
def test_the_quantile_is_the_order_statistic_of_the_theorem(n: int, level: float, r: int) -> None:
    scores = np.random.default_rng(n).normal(size=n * r)
    # Each score is one r-th of a patient: so many of them may lie above.
    above = math.floor(round(((1 - level) * (n + 1) - 1) * r, 9))
    due = math.inf if above < 0 else np.sort(scores)[-1 - above]
    if r == 1:
        rank = math.ceil(round((n + 1) * level, 9))
        assert due == (math.inf if rank > n else np.sort(scores)[rank - 1])
    assert conformal_quantile(scores, level, repeats=r) == due


def test_coverage_is_exactly_that_of_the_theorem() -> None:
    """Among n + 1 exchangeable scores the last is at or below with ceil((n+1) level)/(n+1)."""
    n, level, rng = 29, 0.9, np.random.default_rng(0)
    draws = rng.exponential(size=(20_000, n + 1))
    held = [row[-1] <= conformal_quantile(row[:-1], level) for row in draws]
    exact = math.ceil((n + 1) * level - 1e-9) / (n + 1)
    assert abs(np.mean(held) - exact) < 4 * np.sqrt(exact * (1 - exact) / len(draws))


def test_weights_count_those_above() -> None:
    scores, weights = np.array([4.0, 3.0, 2.0, 1.0]), np.array([0.0, 2.0, 0.0, 1.0])
    # (1 + weight above) / 5 <= 0.4: only nothing above the threshold is few enough to lose.
    assert conformal_quantile(scores, 0.6, weights=weights) == 3.0
    # At 0.4, all but the last 3 - 1 = 2 of weight may lie above.
    assert conformal_quantile(scores, 0.4, weights=weights) == 1.0
    assert conformal_quantile(scores, 0.1, weights=weights) == -math.inf
    assert conformal_quantile(scores, 0.9, weights=weights) == math.inf


@given(some.floats(-1e6, 1e6, allow_subnormal=False))
def test_rounding_never_lowers_a_threshold(value: float) -> None:
    rounded = rounded_up(value)
    if abs(value) > 1e-9:
        assert rounded >= value
        assert rounded - value <= 1.1e-3 * abs(value)


def cells(learned: Thresholds) -> dict[tuple[str, ...], float | None]:
    return {cell.labels: cell.thresholds[0] for cell in learned.cells}


def test_large_groups_are_judged_by_themselves() -> None:
    rng = np.random.default_rng(1)
    sex = np.array(["m", "f"])[rng.integers(0, 2, 200)]
    scores = rng.exponential(size=200) * np.where(sex == "f", 3.0, 1.0)
    learned = Thresholds.of(scores[None], [(s,) for s in sex], levels=(0.9,))
    assert learned.how == "mondrian"
    for one in ("m", "f"):
        own = conformal_quantile(scores[sex == one], 0.9)
        assert cells(learned)[one,] == rounded_up(own)
    assert learned.of_patient(("f",), 0.9).group == "f"


def overlapping(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return labels of two columns, the first rare, and scores that grow with both."""
    rng = np.random.default_rng(seed)
    labels = np.column_stack([rng.random(n) < 0.15, rng.random(n) < 0.33])
    scores = rng.exponential(size=n) * (1 + 2 * labels[:, 0] + labels[:, 1])
    return labels, scores


def named(labels: np.ndarray) -> list[tuple[str, str]]:
    return [("ab"[int(a)], "xy"[int(b)]) for a, b in labels]


def test_overlapping_groups_each_have_their_coverage() -> None:
    """Rare a few of whom are y: no cell of their own, yet a and y are each held."""
    level, held = 0.9, {"a": [], "b": [], "x": [], "y": [], "all": []}
    plain: list[float] = []
    for seed in range(120):
        labels, scores = overlapping(180, seed)
        learned = Thresholds.of(scores[None], named(labels), levels=(level,))
        if learned.how == "mondrian":
            continue
        new, fresh = overlapping(400, 10_000 + seed)
        limits = np.array([learned.of_patient(g, level).value for g in named(new)])
        inside = fresh <= limits
        for name, rows in (
            ("a", ~new[:, 0]),
            ("b", new[:, 0]),
            ("x", ~new[:, 1]),
            ("y", new[:, 1]),
        ):
            held[name].append(inside[rows].mean())
        held["all"].append(inside.mean())
        plain.append((fresh <= learned.of_patient((None, None), level).value)[new[:, 0]].mean())
    assert len(held["all"]) > 60
    for name, shares in held.items():
        error = np.std(shares) / np.sqrt(len(shares))
        assert level - 3 * error <= np.mean(shares) <= level + 0.05, name
    # What it is for: one threshold for all breaks the promise in the rare group.
    assert np.mean(plain) < level - 0.08


def test_additive_thresholds_meet_their_gradient() -> None:
    """In every group that the new patient is of, (1 + those above) / (n + 1) is at most 0.1."""
    labels, scores = overlapping(150, 3)
    groups = named(labels)
    learned = Thresholds.of(scores[None], groups, levels=(0.8,))
    assert learned.how == "additive"
    found = cells(learned)
    assert set(found) == {(), ("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")}
    assert found["b", "x"] > found["a", "x"]
    assert found["a", "y"] > found["a", "x"]


def test_of_whom_a_group_is_not_known_it_is_said() -> None:
    labels, scores = overlapping(150, 3)
    learned = Thresholds.of(scores[None], named(labels), levels=(0.8,))
    unknown = learned.of_patient((None, "y"), 0.8)
    assert unknown.group == "all patients"
    assert "all patients" in unknown.fallback
    assert "y" in unknown.fallback
    assert learned.of_patient(("a", "y"), 0.8).fallback == ""
    with pytest.raises(InputError, match="level 0.77"):
        learned.of_patient(("a", "y"), 0.77)


def test_too_few_patients_rule_nothing_out() -> None:
    learned = Thresholds.of(np.ones((1, 8)), [()] * 8)
    by_level = dict(zip(learned.levels, learned.cells[0].thresholds, strict=True))
    assert by_level[0.9] is None
    assert by_level[0.8] == 1.0
    assert learned.of_patient((), 0.9).value == math.inf


def test_it_is_the_same_from_json() -> None:
    labels, scores = overlapping(10 * FEWEST, 4)
    learned = Thresholds.of(scores[None], named(labels))
    assert Thresholds.model_validate_json(learned.model_dump_json()) == learned


@pytest.mark.parametrize(
    "change",
    [
        {"cells": []},
        {"cells": [{"labels": ["female"], "patients": 9, "thresholds": [1.0]}]},
        {"cells": [{"labels": [], "patients": 9, "thresholds": []}]},
        {"levels": [0.8, 0.9]},
    ],
)
def test_thresholds_that_miss_somebody_or_a_level_are_refused(change):
    whole = {"labels": [], "patients": 9, "thresholds": [None]}
    given = {"levels": [0.8], "how": "all", "cells": [whole]}
    assert Thresholds.model_validate(given).of_patient((), 0.8).value == np.inf
    with pytest.raises(ValidationError, match="cell"):
        Thresholds.model_validate(given | change)
