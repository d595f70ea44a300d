"""Conformal sets and bounds on patients of HANCOCK held out: do they hold what they promise?

Twenty repeats, for time; `bench/conformal.py` does 200 and writes tables to bench/results.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from consilience.trust.abstention import risk_coverage

REPEATS = 20
POINTS = 2.0  # off the level, in points, and three times the error of drawing so few splits


@pytest.fixture(scope="module")
def bench(root: Path) -> ModuleType:
    """The benchmark, with the folder of its neighbours on the path."""
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(root / "bench"))
    spec = importlib.util.spec_from_file_location("conformal", root / "bench" / "conformal.py")
    module = importlib.util.module_from_spec(spec)
    patch.setitem(importlib.import_module("sys").modules, "conformal", module)
    spec.loader.exec_module(module)
    yield module
    patch.undo()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hancock-conformal-death-5-years", "hancock-conformal-survival"])
def test_coverage_is_within_two_points_also_by_sex_and_age(
    bench: ModuleType, data: Path, name: str
) -> None:
    cohort, y = bench.clinic(bench.OUTCOMES[name])
    repeats = list(bench.held_out(cohort, y, REPEATS))
    table = bench.coverage(cohort, repeats)
    assert set(table["level"]) == {0.8, 0.9, 0.95}
    assert len(table) == 3 * 6  # all, two sexes, three age groups
    slack = POINTS + 3 * table["error of splits"]
    off = table[table["points off"].abs() > slack]
    assert off.empty, off.to_string()
    whole = table[table["group"] == "all"]
    assert (whole["points off"].abs() < POINTS).all()


def test_abstention_lowers_the_error_among_answered_patients(bench: ModuleType, data: Path) -> None:
    """Death within five years: the surest half is wrong less often than all."""
    cohort, y = bench.clinic(bench.OUTCOMES["hancock-conformal-death-5-years"])
    wrong, sure = [], []
    for held in bench.held_out(cohort, y, 6):
        values = held.scores.values
        wrong.append((held.scores.classes[np.argmax(values, axis=1)] != held.y).astype(float))
        sure.append(values.max(axis=1))
    curve = risk_coverage(np.concatenate(wrong), np.concatenate(sure))
    half = next(point for point in curve if point.share >= 0.5)
    assert half.error < curve[-1].error - 0.05
    assert half.error < curve[-1].low
