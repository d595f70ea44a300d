"""`study.toml`: what is wrong is named by key, with what is allowed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from consilience.cohort import Cohort, save_cohort, synthetic_cohort
from consilience.errors import InputError
from consilience.fusion import LateFusion
from consilience.study import Study, load_study
from consilience.study.draft import draft
from consilience.study.settings import read_settings

GOOD = """
cohort = "cohort"
[outcome]
kind = "binary"
column = "outcome"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    cohort, _ = synthetic_cohort(60, modalities=2, features=3, sites=2, seed=0)
    save_cohort(cohort, tmp_path / "cohort")
    return tmp_path


def load(folder: Path, text: str) -> Study:
    (folder / "study.toml").write_text(text)
    return load_study(folder / "study.toml")


def test_a_cohort_is_found_beside_the_file(folder: Path) -> None:
    study = load(folder, GOOD)
    assert len(study.target.y) == 60
    assert [c.name for c in study.candidates][:3] == ["m1 alone", "m2 alone", "late mean"]


def test_candidates_are_made_as_the_file_says(folder: Path) -> None:
    study = load(
        folder,
        GOOD
        + """
[[candidates]]
name = "ours"
method = "LateFusion"
learner = "ridge"
options = { weights = "validated" }
tune = { C = [0.5, 2.0] }
""",
    )
    ours = next(c for c in study.candidates if c.name == "ours").estimator
    assert isinstance(ours, LateFusion) and ours.weights == "validated"
    assert ours.learner.grid == {"C": [0.5, 2.0]}


def test_patient_columns_become_a_source(folder: Path) -> None:
    study = load(
        folder, GOOD + '[sources]\nmodalities = ["m1"]\npatient_columns = ["age", "sex"]\n'
    )
    assert list(study.cohort.modalities) == ["m1", "clinical"]
    assert study.cohort.modalities["clinical"].features == ("age", "sex")  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cohort = ", "not valid TOML"),
        ('cohort = "cohort"', "outcome: this key is needed"),
        (GOOD.replace("binary", "binry"), "outcome.kind: must be one of 'binary'"),
        (GOOD.replace('kind = "binary"', ""), "outcome.kind: must be one of"),
        (GOOD.replace("column", "colum"), "outcome.column"),
        (GOOD + "[protocol]\nfold = 3\n", "Did you mean 'folds'"),
        (GOOD + "[protocol]\nfolds = 'many'\n", "protocol.folds"),
        (GOOD + "[protocol]\nfolds = 1\n", "folds is 1"),
        (GOOD + "[protocl]\nfolds = 3\n", "Did you mean 'protocol'"),
        (GOOD + "[sources]\nmodalities = ['m3']\n", "no modality 'm3'"),
        (GOOD + "[sources]\npatient_columns = ['agee']\n", "Did you mean 'age'"),
        (GOOD + "[protocol]\nprimary = 'lat mean'\n", "no fused candidate"),
        (GOOD + "[[candidates]]\nname='a'\nmethod='EarlyFusio'\n", "Did you mean 'EarlyFusion'"),
        (GOOD + "[[candidates]]\nname='a'\nmethod='__init__'\n", "is none of"),
        (GOOD + "[[candidates]]\nname='a'\nmethod='EarlyFusion'\nlearner='rigde'\n", "'ridge'"),
        (
            GOOD + "[[candidates]]\nname='a'\nmethod='LateFusion'\noptions={weight='x'}\n",
            "Did you mean 'weights'",
        ),
        (
            GOOD + "[[candidates]]\nname='a'\nmethod='LateFusion'\noptions={weights='equl'}\n",
            "Did you mean 'equal'",
        ),
        (
            GOOD + "[[candidates]]\nname='a'\nmethod='StackedFusion'\noptions={folds=1}\n",
            "folds must be a whole number of at least 2, not 1",
        ),
        (
            GOOD + "[[candidates]]\nname='a'\nmethod='LateFusion'\ntune={alpha=[1]}\n",
            "no setting 'alpha'",
        ),
        (
            GOOD + "[[candidates]]\nname='late mean'\nmethod='LateFusion'\n",
            "name of two candidates",
        ),
        (GOOD.replace('"cohort"', '"elsewhere"'), "elsewhere"),
        (GOOD.replace('"outcome"', '"age"'), "a binary outcome needs two"),
    ],
)
def test_one_sentence_names_file_key_and_remedy(folder: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(folder, text)
    sentence = str(caught.value)
    assert said in sentence and "\n" not in sentence and "pydantic" not in sentence


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="study init"):
        load_study(tmp_path / "study.toml")


@pytest.mark.parametrize(
    ("kind", "outcome", "time", "by"),
    [
        ("binary", "outcome", None, None),
        ("multiclass", "outcome", None, None),
        ("continuous", "outcome", None, None),
        ("survival", "event", "time", None),
        ("survival", "event", "time", 300.0),
    ],
)
def test_a_draft_is_a_study_that_loads(
    tmp_path: Path, kind: str, outcome: str, time: str | None, by: float | None
) -> None:
    cohort, _ = synthetic_cohort(150, kind=kind, modalities=2, features=3, seed=2)
    save_cohort(cohort, tmp_path / "cohort")
    file = tmp_path / "study.toml"
    draft(str(tmp_path / "cohort"), outcome, time=time, by=by, out=file, force=False)
    assert read_settings(file).cohort == "cohort"
    study = load_study(file)
    assert {c.name for c in study.candidates} >= {"late mean", "early", "late weighted", "stacked"}
    with pytest.raises(InputError, match="--force"):
        draft(str(tmp_path / "cohort"), outcome, time=time, by=by, out=file, force=False)


def test_a_draft_of_names_that_need_quoting_loads(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(60, modalities=2, features=3, seed=0)
    patients = cohort.patients.rename(columns={"outcome": 'said "yes"\\no', "age": "age # years"})
    odd = type(cohort)(patients, dict(cohort.modalities), name='odd "name"')
    save_cohort(odd, tmp_path / "odd cohort")
    file = tmp_path / "study.toml"
    draft(str(tmp_path / "odd cohort"), 'said "yes"\\no', time=None, by=None, out=file, force=False)
    assert load_study(file).outcome.name == 'said "yes"\\no'


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("folds = true", "folds"),
        ('importance = "yes"', "importance"),
        ('level = "0.9"', "level"),
        ("horizon = inf", "horizon"),
        ("horizon = nan", "horizon"),
        ("seed = 4294967296", "seed"),
        ("bootstrap = 1000000000000", "bootstrap"),
        ("repeats = 1000000", "repeats"),
        ('leave_out = ""', "leave_out"),
        ('group = "outcome"', "group"),
        ('subgroups = ["outcome"]', "subgroups"),
        ('subgroups = ["nobody"]', "subgroups"),
        ('subgroups = ["sex", "sex"]', "subgroups"),
    ],
)
def test_a_setting_that_cannot_be_is_named_before_anything_runs(
    folder: Path, line: str, key: str
) -> None:
    with pytest.raises(InputError, match=key):
        load(folder, GOOD + f"[protocol]\n{line}\n")


@pytest.mark.parametrize("positive", ["1", "1.0", "true", '"1"'])
def test_the_positive_value_may_be_text_number_or_truth(folder: Path, positive: str) -> None:
    study = load(folder, GOOD + f"positive = {positive}\n")
    assert set(study.target.y) == {0, 1}


def test_a_file_that_an_editor_marked_as_utf_8_is_read(folder: Path) -> None:
    (folder / "study.toml").write_text(GOOD, encoding="utf-8-sig")
    assert read_settings(folder / "study.toml").cohort == "cohort"


def test_lists_nested_beyond_reading_are_refused(folder: Path) -> None:
    (folder / "study.toml").write_text("cohort = " + "[" * 5000 + "]" * 5000)
    with pytest.raises(InputError, match="nested"):
        read_settings(folder / "study.toml")


def test_a_date_is_no_source(folder: Path) -> None:
    cohort, _ = synthetic_cohort(60, modalities=1, features=3, seed=0)
    patients = cohort.patients.assign(born=pd.date_range("1950-01-01", periods=60))
    save_cohort(Cohort(patients, cohort.modalities), folder / "cohort", overwrite=True)
    with pytest.raises(InputError, match="'born' holds dates"):
        load(folder, GOOD + '[sources]\npatient_columns = ["born"]\n')


def test_a_patient_with_no_value_in_the_columns_was_not_measured_by_them(tmp_path: Path) -> None:
    cohort, _ = synthetic_cohort(60, modalities=1, features=3, seed=0)
    patients = cohort.patients
    patients.loc[patients.index[:4], ["age", "sex"]] = None
    save_cohort(type(cohort)(patients, dict(cohort.modalities)), tmp_path / "cohort")
    study = load(tmp_path, GOOD + '[sources]\npatient_columns = ["age", "sex"]\n')
    assert study.cohort.has("clinical").sum() == 56
