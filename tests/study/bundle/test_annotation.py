"""Notes on features: read, checked by key, carried into a bundle that predicts as before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from consilience.cohort import Binary, Cohort, Table, save_cohort
from consilience.errors import InputError
from consilience.fusion import EarlyFusion
from consilience.study import Protocol, Study, load_study
from consilience.study.bundle import Bundle, FeatureSchema
from consilience.study.bundle.annotation import (
    Notes,
    actionable_of,
    annotate_bundle,
    annotated,
    costs_of,
    notes_template,
    plausible_of,
    read_notes,
)

GOOD = """
[features.labs.ldh]
label = "Lactate dehydrogenase"
codes = ["http://loinc.org|2532-0", "http://loinc.org|14804-9"]
unit = "U / L"
reference = [135, 225]
cost = 6

[features.labs.bmi]
unit = "kg/m2"
reference = { high = 25 }
actionable = true

[features.labs."smoking status"]
label = "Smoking"
actionable = true
"""
YAML = """
features:
  labs:
    ldh:
      label: Lactate dehydrogenase
      reference: [null, 225]
    bmi: {actionable: true}
"""


def patients(n: int = 80) -> Cohort:
    rng = np.random.default_rng(0)
    index = [f"p{i:02d}" for i in range(n)]
    labs = pd.DataFrame(
        {
            "ldh": rng.normal(200, 40, n),
            "bmi": rng.normal(26, 4, n),
            "smoking status": rng.choice(["never", "current"], n),
        },
        index=index,
    )
    rna = pd.DataFrame({"g1": rng.normal(size=n)}, index=index)
    columns = pd.DataFrame({"died": rng.integers(0, 2, n)}, index=index)
    return Cohort(columns, {"labs": Table(labs, units={"ldh": "U/L"}), "rna": Table(rna)})


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    cohort = patients()
    y = cohort.patients["died"].to_numpy()
    return Bundle.of(EarlyFusion(LogisticRegression()).fit(cohort, y), cohort, Binary("died"))


def written(folder: Path, text: str, name: str = "notes.toml") -> Path:
    (folder / name).write_text(text)
    return folder / name


def feature(bundle: Bundle, name: str) -> FeatureSchema:
    return next(f for m in bundle.schema.modalities for f in m.features if f.name == name)


def test_notes_stand_in_the_schema_and_nothing_else_changes(bundle: Bundle, tmp_path: Path) -> None:
    noted = annotated(bundle, read_notes(written(tmp_path, GOOD)))
    ldh, bmi = feature(noted, "ldh"), feature(noted, "bmi")
    assert ldh.label == "Lactate dehydrogenase" and ldh.cost == 6.0
    assert ldh.codes == ("http://loinc.org|2532-0", "http://loinc.org|14804-9")
    assert ldh.unit == "U/L" and ldh.reference == (135.0, 225.0)
    assert (bmi.unit, bmi.reference, bmi.actionable) == ("kg/m2", (None, 25.0), True)
    assert feature(noted, "smoking status").label == "Smoking"
    assert feature(noted, "g1") == feature(bundle, "g1")
    assert ldh.low == feature(bundle, "ldh").low
    assert noted.fingerprint == bundle.fingerprint
    cohort = patients()
    assert noted.predict(cohort[:3])[0].probabilities == bundle.predict(cohort[:3])[0].probabilities


def test_the_command_s_function_writes_a_bundle_that_loads(bundle: Bundle, tmp_path: Path) -> None:
    bundle.save(tmp_path / "old")
    made = annotate_bundle(tmp_path / "old", written(tmp_path, GOOD), tmp_path / "new")
    again = Bundle.load(tmp_path / "new")
    assert again.schema == made.schema != bundle.schema
    assert again.fingerprint == bundle.fingerprint
    assert Bundle.load(tmp_path / "old").schema == bundle.schema
    with pytest.raises(InputError, match="a bundle is there already"):
        annotate_bundle(tmp_path / "old", tmp_path / "notes.toml", tmp_path / "new")


def test_yaml_says_the_same(bundle: Bundle, tmp_path: Path) -> None:
    noted = annotated(bundle, read_notes(written(tmp_path, YAML, "notes.yaml")))
    assert feature(noted, "ldh").reference == (None, 225.0)
    assert feature(noted, "bmi").actionable


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("features = ", "not valid TOML"),
        ("", "features: this section is needed"),
        ("[featurs.labs.ldh]\n", "this section is needed"),
        (GOOD + "[other]\n", "other: there is no such key; allowed: 'features'"),
        ("[features.labs.ldh]\nlable = 'x'\n", "features.labs.ldh.lable: .*Did you mean 'label'"),
        ("[features.lab.ldh]\n", r"features.lab: there is no such modality.*mean 'labs'"),
        ("[features.labs.LHD]\n", "features.labs.LHD: 'labs' has no such feature. .*'ldh'"),
        ("[features.labs.ldh]\ncost = -1\n", "features.labs.ldh.cost: .*greater than or equal"),
        ("[features.labs.ldh]\ncost = nan\n", "features.labs.ldh.cost: .*finite"),
        ("[features.labs.ldh]\nactionable = 'yes'\n", "features.labs.ldh.actionable: .*boolean"),
        ("[features.labs.ldh]\nreference = [5, 1]\n", "ends \\(1\\) before it starts \\(5\\)"),
        ("[features.labs.ldh]\nreference = [5]\n", "features.labs.ldh.reference"),
        ("[features.labs.ldh]\nreference = { up = 1 }\n", 'give two numbers, or "low" or "high"'),
        ("[features.labs.ldh]\ncodes = ['2532-0']\n", "'2532-0' is not of the form system|code"),
        ("[features.labs.ldh]\nunit = 'mmol/L'\n", "unit: the model was trained in 'U/L', not"),
        ("[features.labs.'smoking status']\nunit = 'x'\n", "a category has neither a unit"),
        (
            "[features.labs.ldh]\ncodes = ['a|1']\n[features.rna.g1]\ncodes = ['a|1']\n",
            "features.rna.g1.codes: 'a|1' is that of features.labs.ldh too",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_key(
    bundle: Bundle, tmp_path: Path, text: str, said: str
) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=said) as caught:
        annotated(bundle, read_notes(path))
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        read_notes(tmp_path / "nothing.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="it is no text"):
        read_notes(tmp_path / "binary.toml")
    with pytest.raises(InputError, match="not valid YAML"):
        read_notes(written(tmp_path, "features: [", "a.yml"))
    hostile = "features: !!python/object/apply:os.system ['true']"
    with pytest.raises(InputError, match="not valid YAML"):
        read_notes(written(tmp_path, hostile, "b.yml"))
    with pytest.raises(InputError, match="dictionary"):
        read_notes(written(tmp_path, "- 1\n- 2\n", "c.yml"))


def test_the_template_lists_every_feature_and_is_read_again(bundle: Bundle, tmp_path: Path) -> None:
    text = notes_template(bundle)
    assert "[features.labs.ldh]" in text and '[features.labs."smoking status"]' in text
    assert "# levels: 'current', 'never'" in text
    empty = read_notes(written(tmp_path, text))
    assert annotated(bundle, empty).schema == bundle.schema
    noted = annotated(bundle, read_notes(written(tmp_path, GOOD)))
    again = read_notes(written(tmp_path, notes_template(noted), "again.toml"))
    assert annotated(bundle, again).schema == noted.schema


def test_what_trust_is_told_of_features(bundle: Bundle, tmp_path: Path) -> None:
    schema = annotated(bundle, read_notes(written(tmp_path, GOOD))).schema
    assert set(actionable_of(schema)) == {("labs", "bmi"), ("labs", "smoking status")}
    assert costs_of(schema) == {("labs", "ldh"): 6.0}
    known = plausible_of(schema)
    assert known["labs", "smoking status"].levels == ("current", "never")
    assert known["labs", "ldh"].label == "Lactate dehydrogenase"
    assert known["labs", "ldh"].low == feature(bundle, "ldh").low


STUDY = """
cohort = "cohort"
[outcome]
kind = "binary"
column = "died"
[protocol]
folds = 2
repeats = 1
inner_folds = 2
bootstrap = 100
permutations = 0
importance = false
leave_one_out = false
discoveries = false
robustness = false
"""


def test_a_study_carries_its_notes_into_its_bundle(tmp_path: Path) -> None:
    save_cohort(patients(), tmp_path / "cohort")
    notes = '[features.labs.ldh]\nlabel = "LDH"\n[features.rna.g1]\nlabel = "Gene 1"\n'
    study = load_study(written(tmp_path, STUDY + notes, "study.toml"))
    study.run(tmp_path / "out")
    bundle = Bundle.load(tmp_path / "out" / "bundle")
    labels = {f.name: f.label for m in bundle.schema.modalities for f in m.features}
    due = {"ldh": "LDH", "g1": "Gene 1", "bmi": "", "smoking status": ""}
    assert labels == {name: due[name] for name in labels}
    assert bundle.background is not None


def test_a_study_can_leave_condensed_patients_out(tmp_path: Path) -> None:
    save_cohort(patients(), tmp_path / "cohort")
    text = STUDY + "[bundle]\nbackground = false\n"
    load_study(written(tmp_path, text, "study.toml")).run(tmp_path / "out")
    assert Bundle.load(tmp_path / "out" / "bundle").background is None
    assert not (tmp_path / "out" / "bundle" / "background.npz").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[features.labs.ldhh]\n", "features.labs.ldhh: 'labs' has no such feature. .*'ldh'"),
        ("[features.labs.ldh]\ncots = 1\n", "features.labs.ldh.cots: .*Did you mean 'cost'"),
        ("[features.labs.ldh]\nunit = 'g'\n", "the model was trained in 'U/L', not in 'g'"),
        ("[bundle]\nbackgroud = true\n", "bundle.backgroud: .*Did you mean 'background'"),
    ],
)
def test_a_mistake_in_study_toml_is_told_before_anything_is_run(
    tmp_path: Path, text: str, said: str
) -> None:
    save_cohort(patients(), tmp_path / "cohort")
    with pytest.raises(InputError, match=said) as caught:
        load_study(written(tmp_path, STUDY + text, "study.toml"))
    assert "study.toml" in str(caught.value)


def test_notes_can_be_given_in_python() -> None:
    notes = Notes({"labs": {}}, "here")
    study = Study(patients(), Binary("died"), protocol=Protocol(folds=2), notes=notes)
    assert not study.notes and study.background
