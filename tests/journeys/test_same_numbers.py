"""One seed reproduces every number, whatever the worker count, the engine, or the row order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Survival, synthetic_cohort
from consilience.study import Protocol, Study

PROTOCOL = Protocol(folds=3, repeats=1, bootstrap=200, permutations=3)


Ran = tuple[pd.DataFrame, dict[str, Any]]


def run(folder: Path, *, shuffle: bool = False, **options: Any) -> Ran:
    cohort, _ = synthetic_cohort(80, kind="survival", modalities=2, features=4, missing=0.1, seed=0)
    if shuffle:
        cohort = cohort[np.random.default_rng(0).permutation(len(cohort))]
    finding = Study(cohort, Survival("event", "time"), protocol=PROTOCOL).run(folder, **options)
    numbers = finding.model_dump()
    numbers.pop("provenance")
    return pd.read_parquet(folder / "scores.parquet"), numbers


@pytest.fixture(scope="module")
def one_worker(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, dict[str, Any]]:
    return run(tmp_path_factory.mktemp("one") / "out")


def assert_same(a: tuple[pd.DataFrame, Any], b: tuple[pd.DataFrame, Any]) -> None:
    pd.testing.assert_frame_equal(a[0], b[0], check_exact=True)
    np.testing.assert_equal(a[1], b[1])


def test_two_workers(one_worker: Any, tmp_path: Path) -> None:
    assert_same(run(tmp_path / "out", jobs=2), one_worker)


def test_patients_in_another_order(one_worker: Any, tmp_path: Path) -> None:
    assert_same(run(tmp_path / "out", shuffle=True), one_worker)


@pytest.mark.timeout(300)
def test_ray(one_worker: Any, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="needs the extra 'ray'")
    try:
        assert_same(run(tmp_path / "out", jobs=2, engine="ray"), one_worker)
    finally:
        ray.shutdown()


@pytest.mark.timeout(300)
def test_dask(one_worker: Any, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs the extra 'dask'")
    try:
        assert_same(run(tmp_path / "out", jobs=2, engine="dask"), one_worker)
    finally:
        distributed.get_client().shutdown()
