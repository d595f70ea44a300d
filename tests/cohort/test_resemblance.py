"""Patients who look alike and columns that say the same are found; others are not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Table
from consilience.cohort.resemblance import alike_patients, equal_columns


def table(values: np.ndarray) -> Table:
    return Table(pd.DataFrame(values, [f"p{i}" for i in range(len(values))]))


@pytest.mark.parametrize(("noise", "distance"), [(0.0, 0.0), (1e-3, 1e-3)])
def test_a_planted_copy_is_found(noise, distance) -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=(300, 30)) * 10 ** random.normal(size=30)
    values[17] = values[251] * (1 + noise * random.normal(size=30))
    (pair,) = alike_patients(table(values), "labs")
    assert (pair.first, pair.second, pair.modality) == ("p17", "p251", "labs")
    assert pair.distance == pytest.approx(distance, abs=2e-3)


def test_a_copy_in_a_large_table_is_found() -> None:
    values = np.random.default_rng(2).normal(size=(5200, 6))
    values[4000] = values[3]
    values[[3, 4000], 2] = np.nan
    (pair,) = alike_patients(table(values), "labs")
    assert (pair.first, pair.second, pair.distance) == ("p3", "p4000", 0.0)


def test_different_patients_are_not_alike() -> None:
    values = np.random.default_rng(3).normal(size=(400, 8))
    assert alike_patients(table(values), "labs") == ()


def test_tables_of_few_values_tell_nothing() -> None:
    values = np.random.default_rng(4).integers(0, 2, size=(200, 50)).astype(float)
    assert alike_patients(table(values), "mutation") == ()


def test_equal_columns_are_grouped_and_constants_left_aside() -> None:
    frame = pd.DataFrame(
        {
            "a": [1, 2, 3],
            "b": [1.0, 2.0, 3.0],
            "c": [1, 2, 4],
            "x": ["u", None, "v"],
            "y": ["u", None, "v"],
            "k": [0, 0, 0],
            "l": [0, 0, 0],
        }
    )
    assert equal_columns(frame) == (("a", "b"), ("x", "y"))
