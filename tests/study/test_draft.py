"""A drafted study runs as it is, or is refused before it is written."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from consilience.cohort import Cohort, Table, save_cohort
from consilience.errors import InputError
from consilience.study import load_study
from consilience.study.draft import draft

ODD = 'we"ird\\ \n\x7f\x01[name]\u2028 😀'


def stored(folder: Path, patients: dict[str, object], name: str = "made up") -> str:
    ids = pd.Index([f"p{i:02d}" for i in range(60)], name="patient")
    table = Table(pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), index=ids))
    cohort = Cohort(pd.DataFrame(patients, index=ids), {"labs": table}, name=name)
    save_cohort(cohort, folder / "cohort")
    return str(folder / "cohort")


def test_names_with_any_letters_survive_the_file(tmp_path: Path) -> None:
    spare = 'spare\ncolumn = "x"'
    place = stored(tmp_path, {ODD: [0, 1] * 30, spare: np.arange(60.0)}, name=ODD)
    draft(place, ODD, out=tmp_path / "study.toml")
    assert load_study(tmp_path / "study.toml").outcome.columns == (ODD,)


def test_a_time_is_kept_to_the_last_digit(tmp_path: Path) -> None:
    times = np.linspace(1, 3000, 60)
    place = stored(tmp_path, {"died": [0, 1] * 30, "days": times})
    draft(place, "died", time="days", by=1234.56789, out=tmp_path / "study.toml")
    text = (tmp_path / "study.toml").read_text()
    assert tomllib.loads(text)["outcome"]["by"] == 1234.56789


@pytest.mark.parametrize("died", [[1] * 60, [1] * 59 + [0]])
def test_survival_where_nearly_everybody_died_can_be_studied(
    tmp_path: Path, died: list[int]
) -> None:
    place = stored(tmp_path, {"died": died, "days": np.linspace(1, 3000, 60)})
    draft(place, "died", time="days", out=tmp_path / "study.toml")
    study = load_study(tmp_path / "study.toml")
    assert study.protocol.folds == 5 and study.target.y["event"].sum() == sum(died)


@pytest.mark.parametrize("column", [["a"] * 59 + ["b"], [f"code {i}" for i in range(60)]])
def test_a_class_of_one_patient_is_refused_before_anything_is_written(
    tmp_path: Path, column: list[str]
) -> None:
    place = stored(tmp_path, {"kind": column})
    with pytest.raises(InputError, match="too few"):
        draft(place, "kind", out=tmp_path / "study.toml")
    assert not (tmp_path / "study.toml").exists()


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    place = stored(tmp_path, {"died": [0, 1] * 30})
    (tmp_path / "thesis").write_text("years of work")
    with pytest.raises(InputError, match="thesis"):
        draft(place, "died", out=tmp_path / "thesis" / "study.toml")
