"""The benchmark's cohorts have the sizes and outcomes that their sources give."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from consilience.cohort import EventBy, Survival
from consilience.errors import InputError


@pytest.fixture(scope="module")
def loaders(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("loaders", root / "bench" / "loaders.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_hancock(loaders: ModuleType, data: Path) -> None:
    cohort = loaders.hancock()
    assert len(cohort) == 763
    assert len(cohort.modalities) == 13
    assert cohort.modalities["tma_HE"].numeric.dtype == np.float32
    assert Survival("death", "days_to_last_information").of(cohort).y["event"].sum() == 213
    recurrence = Survival("recurrence", "days_to_recurrence").of(cohort)
    assert recurrence.y["event"].sum() == 177
    assert len(recurrence.left_out) == 0
    assert cohort.patients["rfs_event"].sum() == 303
    five = EventBy("death", "days_to_last_information", by=5 * 365.25).of(cohort)
    assert len(five.y) + len(five.left_out) == 763


def test_breast(loaders: ModuleType, data: Path) -> None:
    train, test = loaders.breast_tcga()
    assert (len(train), len(test)) == (150, 70)
    assert set(train.modalities) - set(test.modalities) == {"protein"}
    for name in test.modalities:
        assert train.modalities[name].features == test.modalities[name].features
    assert set(train.patients["subtype"]) == set(test.patients["subtype"])


@pytest.mark.parametrize("cancer", ["blca", "kirc", "lusc"])
def test_tcga(loaders: ModuleType, data: Path, cancer: str) -> None:
    cohort = loaders.tcga_survival(cancer)
    assert not cohort.index.has_duplicates
    for k in range(5):
        assert set(cohort.patients[f"fold{k}"]) == {"train", "val"}
    in_val = sum(cohort.patients[f"fold{k}"] == "val" for k in range(5))
    assert (in_val == 1).mean() > 0.95  # published folds: each patient judged once
    assert not set(cohort.patients.columns) & {
        f for table in cohort.modalities.values() for f in table.features if f != "age"
    }


def test_heart(loaders: ModuleType, data: Path) -> None:
    cohort = loaders.heart()
    assert cohort.patients["site"].value_counts().to_dict() == {
        "cleveland": 303, "hungarian": 294, "va": 200, "switzerland": 123
    }  # fmt: skip
    basic = cohort.modalities["basic"].frame
    assert basic["chol"].min() > 0
    swiss = basic.index.str.startswith("switzerland")
    assert basic.loc[swiss, "chol"].isna().all()
    assert not {"num", "disease"} & {f for t in cohort.modalities.values() for f in t.features}


def test_fed_tcga_brca(loaders: ModuleType, data: Path) -> None:
    cohort = loaders.fed_tcga_brca()
    assert cohort.shape == (1096, 39)
    assert cohort.patients["site"].nunique() == 7
    assert cohort.patients["event"].sum() == 151


def test_absent_data_is_said(
    loaders: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaders, "ROOT", tmp_path)
    with pytest.raises(InputError, match="'hancock' is not beside the project"):
        loaders.hancock()
