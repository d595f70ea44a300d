"""What is odd about a column is found, and what is not odd is left alone."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from consilience.cohort.suspicion import suspicions


def found(values) -> list[str]:
    return [odd.what for odd in suspicions(pd.Series(values))]


AGES = list(range(30, 80))


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ([np.nan] * 4, "empty"),
        ([3.0] * 4, "constant"),
        (["x"] * 4, "constant"),
        ([1.0, 2.0] + [np.nan] * 30, "almost all missing"),
        ([*AGES, 999, 999], "code for missing?"),
        ([*AGES, -9], "code for missing?"),
        ([0, 1, 2, 3, 1, 2, 9], "code for missing?"),
        ([*(20.0 + np.arange(50)), -99], "code for missing?"),
        ([*range(180, 280), 0, 0], "zero for missing?"),
        ([*np.linspace(1.50, 1.95, 50), 175.0], "far off"),
        ([1, 2, 3, 4] * 10, "codes of categories?"),
        ([f"note {i}" for i in range(20)], "ids?"),
        (["2020-01-05", "2020-02-01", None], "dates"),
        (["05.01.2020", "1/2/20"], "dates"),
        (["low", "high", "2", "low"], "numbers in text"),
        (["Male", "male", "female"], "spellings"),
        (["male ", "male", "female"], "spellings"),
    ],
)
def test_oddities_are_found(values, what) -> None:
    assert what in found(values)


def test_plain_columns_are_not_odd() -> None:
    random = np.random.default_rng(0)
    assert found(AGES) == []
    assert found([0, 1] * 20) == []
    assert found(["f", "m"] * 20) == []
    assert sum(bool(found(random.normal(size=200))) for _ in range(200)) == 0
    # Skewed amounts, such as counts of RNA, have tails by nature.
    assert sum(bool(found(random.lognormal(3, 2, size=100))) for _ in range(200)) <= 2
    assert sum("zero for missing?" in found(random.poisson(20, size=100)) for _ in range(50)) == 0


def test_figures_are_given() -> None:
    (odd,) = suspicions(pd.Series([*AGES, 999, 999]))
    assert odd.why == "999 stands apart from the rest, 2 times"
