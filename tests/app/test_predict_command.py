"""`consilience predict`, as it is typed."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from sklearn.linear_model import LogisticRegression
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import gappy_cohort
from typer.testing import CliRunner

from consilience.app import predict_command
from consilience.cohort import Binary, Cohort, Survival, Table, save_cohort
from consilience.errors import InputError
from consilience.fusion import LateFusion
from consilience.records import Prediction
from consilience.study.bundle import Bundle

app = typer.Typer()
app.command()(predict_command.predict)
runner = CliRunner()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A bundle of each of two kinds, and patients as a stored cohort."""
    folder = tmp_path_factory.mktemp("predict")
    for kind, outcome, learner in (
        ("binary", Binary("died"), LogisticRegression()),
        ("survival", Survival("died", "days"), CoxPHSurvivalAnalysis(alpha=1.0)),
    ):
        cohort, y = gappy_cohort(kind)
        Bundle.of(LateFusion(learner).fit(cohort, y), cohort, outcome).save(folder / kind)
    save_cohort(cohort, folder / "patients")
    return folder


@pytest.fixture
def cohort():
    return gappy_cohort("survival")[0]


def run(*words: object, fails: type[BaseException] | None = None):
    result = runner.invoke(app, [str(word) for word in words])
    if fails is None:
        assert result.exit_code == 0, result.output
    else:
        assert isinstance(result.exception, fails)
    return result


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("kind", ["binary", "survival"])
def test_the_table_holds_what_the_library_says(place, cohort, tmp_path, form, kind):
    out = tmp_path / f"said.{form}"
    run(place / kind, place / "patients", "--out", out)
    read = {"csv": pd.read_csv, "parquet": pd.read_parquet}[form](out)
    said = Bundle.load(place / kind).predict(cohort)
    assert read["patient"].tolist() == [one.patient for one in said]
    assert read["informed"].tolist() == [one.informed for one in said]
    if kind == "binary":
        expected = [one.probability_of("1") for one in said]
        np.testing.assert_allclose(read["probability:1"], expected, rtol=1e-12)
    else:
        np.testing.assert_allclose(read["risk"], [one.risk for one in said], rtol=1e-12)
        first = said[0].survival[0].time
        expected = [one.survival[0].probability for one in said]
        np.testing.assert_allclose(read[f"survival:{first!r}"], expected, rtol=1e-12)
    assert read["sources"].fillna("")[0] == ";".join(said[0].sources)


def test_json_holds_the_records(place, cohort, tmp_path):
    out = tmp_path / "said.json"
    run(place / "survival", place / "patients", "--out", out)
    records = [Prediction.model_validate(record) for record in json.loads(out.read_text())]
    assert records == Bundle.load(place / "survival").predict(cohort)


def test_the_form_can_be_said(place, tmp_path):
    run(place / "binary", place / "patients", "--out", tmp_path / "said", "--format", "json")
    assert len(json.loads((tmp_path / "said").read_text())) == 90


def test_what_is_odd_is_told_in_summary(place, cohort, tmp_path):
    frame = cohort.modalities["beta"].frame
    frame.iloc[0, 0] = 100.0
    save_cohort(cohort.with_modality("beta", Table(frame)), tmp_path / "odd")
    result = run(place / "survival", tmp_path / "odd", "--out", tmp_path / "said.csv")
    patient = frame.index[0]
    assert "'beta', range: 1 of 90 patients" in result.stderr
    assert f"{patient}: 'beta': 1 of 4 values outside" in result.stderr
    nothing = int((~cohort.measured.to_numpy().any(axis=1)).sum())
    assert f"{nothing} of 90 patients have nothing measured" in result.stderr
    table = pd.read_csv(tmp_path / "said.csv", index_col="patient")
    assert "outside the training range" in table.loc[patient, "warnings"]


def test_a_file_is_not_written_over_unless_told(place, tmp_path):
    out = tmp_path / "said.csv"
    out.write_text("mine")
    result = run(place / "binary", place / "patients", "--out", out, fails=InputError)
    assert "--force" in str(result.exception)
    assert out.read_text() == "mine"
    run(place / "binary", place / "patients", "--out", out, "--force")
    assert out.read_text().startswith("patient,informed,probability:0,probability:1,")


@pytest.mark.parametrize(
    ("out", "words"),
    [("said.xlsx", "'xlsx'"), ("said", "--format"), ("no/said.csv", "no folder"), ("", "folder")],
)
def test_a_place_that_cannot_be_written_is_refused_at_once(place, tmp_path, out, words):
    asked = ["--format", "csv"] if not out else []
    result = run(
        place / "binary", place / "patients", "--out", tmp_path / out, *asked, fails=InputError
    )
    assert words in str(result.exception)


def test_nothing_is_written_where_the_patients_do_not_fit(place, tmp_path):
    frame = pd.DataFrame({"alpha0": [1.0]}, index=["a"])
    save_cohort(Cohort(pd.DataFrame(index=["a"]), {"alpha": Table(frame)}), tmp_path / "few")
    result = run(
        place / "binary", tmp_path / "few", "--out", tmp_path / "said.csv", fails=InputError
    )
    assert "'alpha' lacks 4 of the 5 features" in str(result.exception)
    assert sorted(os.listdir(tmp_path)) == ["few"]


def test_no_bundle_and_no_cohort(place, tmp_path):
    out = tmp_path / "said.csv"
    result = run(tmp_path / "x", place / "patients", "--out", out, fails=InputError)
    assert str(tmp_path / "x") in str(result.exception)
    result = run(place / "binary", tmp_path / "x", "--out", out, fails=InputError)
    assert str(tmp_path / "x") in str(result.exception)


def test_help_teaches_with_an_example():
    text = " ".join(run("--help").output.split())
    assert "consilience predict results/bundle new-patients --out predictions.csv" in text


def test_a_file_is_as_readable_as_any_other(place, tmp_path):
    run(place / "binary", place / "patients", "--out", tmp_path / "said.csv")
    (tmp_path / "other").write_text("")
    modes = {oct(Path(tmp_path / name).stat().st_mode) for name in ("said.csv", "other")}
    assert len(modes) == 1


def test_a_source_made_of_patient_columns_is_made_again(tmp_path):
    rng = np.random.default_rng(0)
    ids = pd.Index([f"p{i:02d}" for i in range(40)], name="patient")
    patients = pd.DataFrame({"died": [0, 1] * 20, "age": rng.normal(60, 9, 40)}, index=ids)
    labs = Table(pd.DataFrame({"ldh": rng.normal(size=40)}, index=ids))
    cohort = Cohort(patients, {"labs": labs})
    whole = cohort.with_modality("clinical", Table(patients[["age"]]))
    outcome = Binary("died")
    model = LateFusion(LogisticRegression()).fit(whole, outcome.of(whole).y)
    bundle = Bundle.of(model, whole, outcome)
    bundle.save(tmp_path / "bundle")
    save_cohort(cohort, tmp_path / "new")
    result = run(tmp_path / "bundle", tmp_path / "new", "--out", tmp_path / "said.csv")
    assert "'clinical' was read from the columns of the patients" in result.output
    said = pd.read_csv(tmp_path / "said.csv")["probability:1"]
    expected = [one.probability_of("1") for one in bundle.predict(whole)]
    np.testing.assert_allclose(said, expected, rtol=1e-12)
    assert not np.allclose(expected, [one.probability_of("1") for one in bundle.predict(cohort)])
