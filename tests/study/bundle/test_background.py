"""Condensed patients: five behind every number, nobody in them, and the law of their order."""

from __future__ import annotations

import time

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table, bag_of, synthetic_cohort
from consilience.study.bundle.background import AT_LEAST, MOST, condensed
from consilience.study.bundle.background_file import background_bytes
from consilience.study.bundle.microaggregation import alike


def mixed(n: int, seed: int = 0, *, columns: int = 4) -> Cohort:
    """Return patients with numbers, text, yes-or-no, gaps, and a modality that not all have."""
    rng = np.random.default_rng(seed)
    index = [f"p{i:05d}" for i in range(n)]
    labs = pd.DataFrame(rng.normal(size=(n, columns)), index=index).add_prefix("x")
    labs = labs.mask(rng.random(labs.shape) < 0.1)
    labs["stage"] = rng.choice(["i", "ii", "iii"], n)
    labs["yes"] = (rng.random(n) < 0.4).astype(float)
    scan = pd.DataFrame({"volume": rng.lognormal(size=n)}, index=index)[rng.random(n) < 0.7]
    return Cohort(pd.DataFrame(index=index), {"labs": Table(labs), "scan": Table(scan)})


def table(cohort: Cohort | None, name: str) -> Table:
    assert cohort is not None
    found = cohort.modalities[name]
    assert isinstance(found, Table)
    return found


@pytest.mark.parametrize("n", [10, 11, 14, 17, 92, 299, 301, 1000])
def test_groups_hold_everybody_once_and_are_neither_small_nor_large(n: int) -> None:
    matrix = np.random.default_rng(n).normal(size=(n, 3))
    groups = alike(matrix, AT_LEAST)
    assert sorted(np.concatenate(groups).tolist()) == list(range(n))
    assert all(AT_LEAST <= len(group) < 2 * AT_LEAST for group in groups)


def test_groups_are_of_patients_who_are_alike() -> None:
    rng = np.random.default_rng(1)
    centres = rng.normal(scale=50, size=(12, 4))
    which = rng.permutation(np.repeat(np.arange(12), 6))
    groups = alike(centres[which] + rng.normal(size=(72, 4)), 6)
    assert all(len(set(which[group])) == 1 for group in groups)


def test_tight_groups_lose_less_than_slices_along_one_axis() -> None:
    matrix = np.random.default_rng(2).normal(size=(300, 3))

    def within(groups: list[np.ndarray]) -> float:
        return sum(((matrix[g] - matrix[g].mean(axis=0)) ** 2).sum() for g in groups)

    slices = np.array_split(np.argsort(matrix[:, 0]), 60)
    assert within(alike(matrix, 5)) < 0.5 * within(slices)


@pytest.mark.parametrize("n", [10, 23, 92, 350, 2000])
def test_five_patients_are_behind_every_number(n: int) -> None:
    cohort = mixed(n)
    found = condensed(cohort, ("labs", "scan"))
    assert found is not None and len(found) <= MOST
    sizes = found.patients["patients"]
    assert sizes.min() >= AT_LEAST and sizes.sum() == n
    assert not set(found.index) & set(cohort.index)


def test_what_fewer_than_five_have_is_not_in_it() -> None:
    index = [f"p{i:02d}" for i in range(40)]
    rng = np.random.default_rng(3)
    labs = pd.DataFrame({"a": rng.normal(size=40), "rare": np.nan, "text": None}, index=index)
    labs.loc[index[:4], "rare"] = 7.0
    labs.loc[index[:4], "text"] = "only four have it"
    few = Table(pd.DataFrame({"b": rng.normal(size=4)}, index=index[:4]))
    kinds = {"text": "categorical"}
    cohort = Cohort(
        pd.DataFrame(index=index),
        {"labs": Table(labs, kinds=kinds), "few": few},  # type: ignore[arg-type]
    )
    found = condensed(cohort, ("labs", "few"))
    assert found is not None and list(found.modalities) == ["labs"]
    frame = table(found, "labs").frame
    assert frame["rare"].isna().all() and frame["text"].isna().all()
    assert frame["a"].notna().all()


def test_a_level_that_few_have_is_never_named() -> None:
    index = [f"p{i:02d}" for i in range(60)]
    level = ["common"] * 56 + ["rare"] * 4
    frame = pd.DataFrame({"a": np.r_[np.zeros(56), np.full(4, 9.0)], "t": level}, index=index)
    found = condensed(Cohort(pd.DataFrame(index=index), {"labs": Table(frame)}), ("labs",))
    assert set(table(found, "labs").frame["t"].dropna()) == {"common"}


def test_one_extreme_patient_does_not_show() -> None:
    rng = np.random.default_rng(4)
    index = [f"p{i:03d}" for i in range(200)]
    values = rng.normal(size=200)
    with_him, without = values.copy(), values.copy()
    with_him[0], without[0] = 1e9, 10.0
    made = [
        condensed(
            Cohort(
                pd.DataFrame(index=index),
                {"labs": Table(pd.DataFrame({"a": v}, index=index), kinds={"a": "continuous"})},
            ),
            ("labs",),
        )
        for v in (with_him, without)
    ]
    one, two = (table(found, "labs").frame["a"].to_numpy() for found in made)
    assert np.array_equal(one, two)
    assert one.max() <= np.sort(values)[-4]


def test_nobody_is_found_by_taking_four_known_patients_from_a_mean() -> None:
    rng = np.random.default_rng(5)
    index = [f"p{i:02d}" for i in range(60)]
    values = rng.normal(100, 10, 60)
    frame = pd.DataFrame({"a": values}, index=index)
    found = condensed(Cohort(pd.DataFrame(index=index), {"labs": Table(frame)}), ("labs",))
    means = table(found, "labs").frame["a"].to_numpy()
    # Rounded to tenths, so that five times a mean is known to half a unit, no better.
    assert np.allclose(means, np.round(means, 1))


def test_the_means_are_those_of_the_patients() -> None:
    cohort = mixed(400, seed=6)
    found = condensed(cohort, ("labs", "scan"))
    assert found is not None
    weights = found.patients["patients"].to_numpy()
    for feature in ("x0", "x1", "yes"):
        own = table(cohort, "labs").frame[feature]
        groups = table(found, "labs").frame[feature]
        assert groups.notna().mean() > 0.8
        held = groups.notna().to_numpy()
        mean = np.average(groups[held], weights=weights[held])
        assert mean == pytest.approx(own.mean(), abs=0.05)
    assert table(found, "labs").frame["yes"].between(0, 1).all()
    assert table(found, "labs").kinds == table(cohort, "labs").kinds


@pytest.mark.parametrize("gaps", [0.1, 0.3, 0.6])
def test_gaps_make_groups_larger_rather_than_empty(gaps: float) -> None:
    rng = np.random.default_rng(9)
    index = [f"p{i:03d}" for i in range(500)]
    frame = pd.DataFrame(rng.normal(size=(500, 6)), index=index).add_prefix("x")
    frame = frame.mask(rng.random(frame.shape) < gaps)
    found = condensed(Cohort(pd.DataFrame(index=index), {"labs": Table(frame)}), ("labs",))
    assert table(found, "labs").frame.notna().to_numpy().mean() > 2 / 3  # 0.71 of 60 % gaps


def test_the_order_of_patients_does_not_matter() -> None:
    cohort = mixed(150, seed=7)
    names = ("labs", "scan")
    due = condensed(cohort, names)
    assert due is not None
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(150)
        again = condensed(cohort[order], names)
        assert again is not None and background_bytes(again) == background_bytes(due)


def test_a_pattern_of_missing_modalities_is_kept() -> None:
    cohort, _ = synthetic_cohort(200, modalities=3, features=3, missing=0.4, seed=8)
    found = condensed(cohort, tuple(cohort.modalities))
    assert found is not None
    for name in cohort.modalities:
        assert found.has(name).mean() == pytest.approx(cohort.has(name).mean(), abs=0.15)


def test_too_few_patients_and_nothing_that_has_a_mean() -> None:
    assert condensed(mixed(9), ("labs", "scan")) is None
    cohort = mixed(30)
    tiles = bag_of({name: np.ones((2, 2)) for name in cohort.index})
    assert condensed(cohort.with_modality("tiles", tiles), ("tiles",)) is None
    both = condensed(cohort.with_modality("tiles", tiles), ("tiles", "labs"))
    assert both is not None and list(both.modalities) == ["labs"]


@pytest.mark.parametrize(("n", "columns"), [(92, 1000), (100_000, 20), (3_000, 1_500)])
def test_wide_and_long_cohorts_take_seconds(n: int, columns: int) -> None:
    cohort = mixed(n, columns=columns)
    start = time.perf_counter()
    found = condensed(cohort, ("labs", "scan"))
    assert time.perf_counter() - start < 10
    assert found is not None and len(found) <= MOST
    assert table(found, "labs").n_features == columns + 2
