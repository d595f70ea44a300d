"""The fingerprint follows the data, and nothing else."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import (
    Cohort,
    Images,
    Table,
    bag_of,
    fingerprint,
    open_cohort,
    save_cohort,
    synthetic_cohort,
    tcga_acc,
)

IDS = ["c", "a", "b"]


def _parts() -> dict:
    return {
        "patients": pd.DataFrame({"age": [61, 48, 70], "sex": ["f", np.nan, "m"]}, index=IDS),
        "frame": pd.DataFrame(
            {"x": [1.0, np.nan, 0.0], "site": ["u", None, "v"], "y": [4.0, 5.0, 7.5]}, index=IDS
        ),
        "units": {"y": "mm"},
        "kinds": {"x": "continuous"},
        "bag": {"a": np.arange(6.0).reshape(3, 2), "b": np.ones((1, 2))},
        "places": np.arange(8.0).reshape(4, 2),
        "image": np.arange(4.0).reshape(2, 2),
        "spacing": np.array([0.5, 0.5]),
        "names": ["labs", "tiles", "scan"],
    }


def _cohort(parts: dict) -> Cohort:
    labs = Table(parts["frame"], units=parts["units"], kinds=parts["kinds"])
    tiles = bag_of(parts["bag"], coordinates=parts["places"])
    scan = Images(pd.Index(["b"]), [parts["image"]], spacing=parts["spacing"])
    return Cohort(parts["patients"], dict(zip(parts["names"], [labs, tiles, scan], strict=True)))


@pytest.fixture
def whole() -> str:
    return fingerprint(_cohort(_parts()))


def test_order_of_patients_and_of_modalities_do_not_matter(whole: str) -> None:
    cohort = _cohort(_parts())
    assert fingerprint(cohort[[2, 0, 1]]) == whole
    assert fingerprint(cohort.only(["scan", "labs", "tiles"])) == whole
    assert fingerprint(cohort[np.array([True, True, True])]) == whole


def test_form_of_storage_does_not_matter(whole: str, tmp_path: Path) -> None:
    assert fingerprint(open_cohort(save_cohort(_cohort(_parts()), tmp_path / "x"))) == whole
    stored = open_cohort(save_cohort(tcga_acc()[::-1], tmp_path / "acc"))
    assert fingerprint(stored) == fingerprint(tcga_acc())


def test_one_nan_and_one_zero(whole: str) -> None:
    parts = _parts()
    other_nan = np.array([0x7FF8000000000001], dtype=np.uint64).view(float)[0]
    parts["frame"].loc["a", "x"], parts["frame"].loc["b", "x"] = other_nan, -0.0
    assert fingerprint(_cohort(parts)) == whole


def _age(p: dict) -> None:
    p["patients"].loc["a", "age"] = 49


def _sex(p: dict) -> None:
    p["patients"].loc["b", "sex"] = np.nan


def _number(p: dict) -> None:
    p["frame"].loc["c", "y"] = np.nextafter(4.0, 5.0)


def _swap(p: dict) -> None:
    p["frame"].loc[["c", "b"], "y"] = [7.5, 4.0]


def _gap(p: dict) -> None:
    p["frame"].loc["c", "x"] = np.nan


def _level(p: dict) -> None:
    p["frame"].loc["c", "site"] = "v"


def _feature(p: dict) -> None:
    p["frame"] = p["frame"].rename(columns={"x": "z"})
    p["kinds"] = {}


def _kind(p: dict) -> None:
    p["kinds"] = {"x": "count"}


def _unit(p: dict) -> None:
    p["units"] = {"y": "cm"}


def _order_of_features(p: dict) -> None:
    p["frame"] = p["frame"][["y", "site", "x"]]


def _left_out(p: dict) -> None:
    p["frame"] = p["frame"].drop(index="c")


def _instance(p: dict) -> None:
    p["bag"]["a"][1, 1] += 1e-9


def _counts(p: dict) -> None:
    p["bag"] = {"a": np.arange(4.0).reshape(2, 2), "b": np.array([[4.0, 5.0], [1.0, 1.0]])}


def _place(p: dict) -> None:
    p["places"][0, 0] = 1


def _pixel(p: dict) -> None:
    p["image"][0, 1] = 9


def _shape(p: dict) -> None:
    p["image"] = p["image"].reshape(1, 4)


def _spacing(p: dict) -> None:
    p["spacing"] = np.array([0.5, 0.6])


def _name(p: dict) -> None:
    p["names"] = ["labs", "tiles", "ct"]


def _id(p: dict) -> None:
    p["patients"] = p["patients"].rename(index={"c": "d"})
    p["frame"] = p["frame"].rename(index={"c": "d"})


CHANGES = [
    _age, _sex, _number, _swap, _gap, _level, _feature, _kind, _unit, _order_of_features,
    _left_out, _instance, _counts, _place, _pixel, _shape, _spacing, _name, _id,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_any_change_is_seen(change, whole: str) -> None:
    parts = _parts()
    change(parts)
    assert fingerprint(_cohort(parts)) != whole


def test_all_changes_differ_from_each_other() -> None:
    prints = set()
    for change in CHANGES:
        parts = _parts()
        change(parts)
        prints.add(fingerprint(_cohort(parts)))
    assert len(prints) == len(CHANGES)


def test_it_is_stable_across_versions(whole: str) -> None:
    """Bundles and audit logs hold it: a change here is a change of format."""
    assert whole == "7f84a1d9672eda8326e1f00cb042aa584fb0f6819df689e4d3e2a2061c3e017c"


def test_it_is_fast() -> None:
    cohort, _ = synthetic_cohort(20_000, modalities=1, features=200, seed=0)
    start = time.perf_counter()
    fingerprint(cohort)
    assert time.perf_counter() - start < 2.0  # 32 MB; a second for 100 MB is slow
