"""Who is unlike the patients of training."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table
from consilience.trust.support import (
    Range,
    Support,
    held_out_distances,
    out_of_range,
    ranges_of,
    strangeness,
)


def cohort_of(values: np.ndarray, **units: str) -> Cohort:
    index = [f"p{i}" for i in range(len(values))]
    frame = pd.DataFrame(values, index=index, columns=[f"x{j}" for j in range(values.shape[1])])
    kinds = dict.fromkeys(frame.columns, "continuous")
    return Cohort(pd.DataFrame(index=index), {"labs": Table(frame, kinds=kinds, units=units)})


def alike(n: int, seed: int, width: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 3)) @ np.random.default_rng(99).normal(
        size=(3, width)
    ) + 0.5 * rng.normal(size=(n, width))


def test_about_one_in_a_hundred_of_the_same_kind_is_strange() -> None:
    shares = []
    for seed in range(30):
        learned = Support.of(cohort_of(alike(300, seed)), "labs")
        new = cohort_of(alike(1000, 1000 + seed))
        shares.append(np.mean([bool(said) for said in learned.strange(new)]))
    assert np.mean(shares) == pytest.approx(0.01, abs=0.006)


def test_another_kind_is_strange_although_every_value_is_usual() -> None:
    """The features no longer go together: each is shuffled by itself."""
    learned = Support.of(cohort_of(alike(400, 0)), "labs")
    rng = np.random.default_rng(1)
    apart = np.column_stack([rng.permutation(column) for column in alike(400, 2).T])
    assert out_of_range(cohort_of(apart), ranges_of(cohort_of(alike(400, 0)))).count([]) > 395
    said = learned.strange(cohort_of(apart))
    assert np.mean([bool(one) for one in said]) > 0.6
    assert "labs" in max(said, key=len)


def test_more_features_than_patients() -> None:
    learned = Support.of(cohort_of(alike(120, 0, width=700)), "labs")
    assert len(learned.features) == 500
    shares = np.mean([bool(said) for said in learned.strange(cohort_of(alike(500, 1, width=700)))])
    assert shares < 0.05
    assert all(learned.strange(cohort_of(alike(20, 2, width=700) + 8)))
    assert len(learned.model_dump_json()) < 150_000
    assert Support.model_validate_json(learned.model_dump_json()) == learned


def test_what_was_not_measured_makes_nobody_strange() -> None:
    whole = cohort_of(alike(200, 0))
    learned = Support.of(whole, "labs")
    values = alike(50, 1)
    before = learned.distances(cohort_of(values))
    values[:, 3:] = np.nan
    gappy = cohort_of(values)
    assert np.median(learned.distances(gappy)) < np.median(before)
    nobody = gappy.assigned("labs", gappy.modalities["labs"], np.full(50, -1))
    assert np.isnan(learned.distances(nobody)).all()
    assert learned.strange(nobody) == [""] * 50


def test_of_few_patients_nobody_is_called_strange() -> None:
    learned = Support.of(cohort_of(alike(60, 0)), "labs")
    assert learned.usual is None
    assert not any(learned.strange(cohort_of(alike(20, 1) + 100)))


def test_held_out_distances_are_larger_than_those_within() -> None:
    values = alike(100, 0)
    learned = Support.of(cohort_of(values), "labs")
    assert held_out_distances(values).mean() > learned.of_values(values).mean()


def test_a_value_far_out_is_named_with_its_range() -> None:
    values = alike(200, 0)
    ranges = ranges_of(cohort_of(values, x1="U/L"))
    new = values[:3].copy()
    new[1, 1] = 6120.0
    new[2, 1] = values[:, 1].max() * 1.01  # above the largest, not far
    said = out_of_range(cohort_of(new, x1="U/L"), ranges)
    assert said[0] == said[2] == []
    assert len(said[1]) == 1
    for word in ("labs", "x1", "6120 U/L", f"{values[:, 1].max():.6g} U/L"):
        assert word in said[1][0]


def test_constants_have_no_range_and_flags_may_be_both() -> None:
    values = np.column_stack([np.ones(50), np.arange(50) % 2, np.r_[1.0, np.zeros(49)]])
    ranges = {one.feature: one for one in ranges_of(cohort_of(values))}
    assert set(ranges) == {"x1", "x2"}
    assert all(one.low < 0 < 1 < one.high for one in ranges.values())
    assert isinstance(ranges["x1"], Range)


def test_strangeness_is_that_of_the_farthest_table() -> None:
    values = alike(100, 0)
    values[7] += 30
    found = strangeness(cohort_of(values))
    assert np.argmax(found) == 7
    assert strangeness(Cohort(pd.DataFrame(index=["a", "b"]), {})) is None
