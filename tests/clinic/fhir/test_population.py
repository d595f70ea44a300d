"""A folder of records becomes a cohort that a study can be run on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.clinic.fhir.records import (
    NOW,
    bundle,
    coded,
    condition,
    feature,
    medicine,
    observed,
    patient,
    quantity,
    schema,
)

from consilience.clinic.fhir import (
    invented_patients,
    map_patient,
    read_bundle,
    read_map,
    read_population,
)
from consilience.cohort import Survival, open_cohort, save_cohort, tcga_acc
from consilience.errors import InputError
from consilience.study.bundle.schema import Schema

LDH = schema(feature("ldh", "U/L"))
MAP = """
name = "hospital"
window_days = 90

[index]
codes = ["snomed|363346000|Condition"]
until = "2026-01-01"

[tables.labs.ldh]
codes = ["loinc|2532-0"]
unit = "ukat/L"

[tables.clinical.dm]
kind = "binary"
codes = ["snomed|44054006|Condition"]

[tables.clinical.age]
codes = ["patient|age"]
unit = "years"

[tables.clinical.smoking]
kind = "categorical"
levels = ["never smoker", "smoker"]
codes = ["loinc|72166-2"]

[outcomes.death]
death = true

[outcomes.stroke]
codes = ["snomed|230690007"]
"""


def person(number: int, *resources: Any, **said: Any) -> dict[str, Any]:
    """A record of another patient than p1."""
    text = json.dumps(bundle(patient(birthDate="1960-05-05", **said), *resources))
    whole: dict[str, Any] = json.loads(
        text.replace('"p1"', f'"p{number}"').replace("Patient/p1", f"Patient/p{number}")
    )
    return whole


def write(folder: Path, **records: Any) -> Path:
    folder.mkdir(exist_ok=True)
    for name, record in records.items():
        (folder / f"{name}.json").write_text(json.dumps(record))
    return folder


@pytest.fixture
def hospital(tmp_path: Path) -> Path:
    """Four patients with a cancer, and one without."""
    ill = condition("363346000", onsetDateTime="2025-01-01T00:00:00Z")
    before = observed("2532-0", quantity(180, "U/L"), "2024-12-01")
    after = observed("2532-0", quantity(999, "U/L"), "2025-02-01")
    stroke = condition("230690007", onsetDateTime="2025-03-02T00:00:00Z")
    early = condition("230690007", onsetDateTime="2020-03-02")
    folder = write(
        tmp_path / "records",
        a=person(1, ill, before, after, deceasedDateTime="2025-07-20T00:00:00Z"),
        b=person(2, ill, stroke, before, condition("44054006", onsetDateTime="2010")),
        c=person(3, ill, early, after),
        d=person(4, ill, deceasedBoolean=True),
        e=person(5, before),
    )
    (folder / "broken.json").write_text("{")
    (tmp_path / "map.toml").write_text(MAP)
    return folder


def test_features_are_those_before_the_index_and_outcomes_those_after(hospital: Path) -> None:
    cohort = read_population(hospital, read_map(hospital.parent / "map.toml"), now=NOW)
    assert cohort.name == "hospital"
    assert cohort.index.tolist() == ["p1", "p2", "p3", "p4"]
    labs = cohort.modalities["labs"].frame["ldh"]
    assert labs.to_dict() == pytest.approx({"p1": 3.0, "p2": 3.0}, rel=1e-3)
    clinical = cohort.modalities["clinical"].frame
    assert clinical["dm"].tolist() == [0, 1, 0, 0]
    assert clinical["age"].round(2).tolist()[:3] == [64.66, 64.66, 64.66]
    outcome = cohort.patients
    assert outcome["death"].tolist()[:3] == [1, 0, 0]
    assert outcome["death_days"].tolist()[:3] == [200, 365, 365]
    assert outcome["stroke"].tolist()[:2] == [0, 1]
    assert outcome["stroke_days"].tolist()[:2] == [200, 60]  # death ends what is seen of p1
    assert outcome.loc[["p3"], "stroke"].isna().all()
    assert outcome.loc["p4", ["death", "stroke"]].isna().all()
    target = Survival("death", "death_days").of(cohort)
    assert target.y["event"].tolist() == [True, False, False]


def test_what_was_left_out_is_listed_with_who_and_why(hospital: Path) -> None:
    left = read_population(hospital, read_map(hospital.parent / "map.toml"), now=NOW).left_out
    lines = {(r.patient, r.source): r.reason for r in left.itertuples()}
    assert "not JSON" in lines["", "broken.json"]
    assert lines["p5", "e.json"] == "no index event."
    assert "before the index" in lines["p3", "outcome stroke"]
    assert "nothing says when" in lines["p4", "outcome death"]
    with pytest.raises(InputError, match=r"^broken.json: it is not JSON"):
        read_population(hospital, LDH, now=NOW, strict=True)


def test_a_bulk_export_gives_what_bundles_give(tmp_path: Path) -> None:
    acc = tcga_acc()
    whole = Schema.of(acc, ["clinical", "protein"])
    several = [one.fhir for one in invented_patients(whole, 8, seed=0, now=NOW)]
    bundles = write(tmp_path / "bundles", **{f"b{i}": one for i, one in enumerate(several)})
    export = tmp_path / "export"
    export.mkdir()
    by_type: dict[str, list[str]] = {}
    for one in several:
        for entry in one["entry"]:
            resource = entry["resource"]
            by_type.setdefault(resource["resourceType"], []).append(json.dumps(resource))
    for kind, lines in by_type.items():
        (export / f"{kind}.ndjson").write_text("\n".join(lines) + "\n")
    first, second = (read_population(place, whole, now=NOW) for place in (bundles, export))
    order = second.index.get_indexer(first.index)
    for name in whole.names:
        assert first.modalities[name].frame.equals(
            second[order].modalities[name].frame.reindex(first.modalities[name].index)
        )
    assert len(first) == 8
    mapped = map_patient(read_bundle(several[0]), whole, now=NOW)
    ours = first[[0]].modalities["clinical"].frame
    assert ours.equals(mapped.cohort.modalities["clinical"].frame)


def test_an_export_shares_its_medications_and_lists_lines_that_are_none(tmp_path: Path) -> None:
    order = medicine("x", medicationReference={"reference": "Medication/m"})
    del order["medicationCodeableConcept"]
    drug = {
        "resourceType": "Medication",
        "id": "m",
        "code": coded("6809", "http://www.nlm.nih.gov/research/umls/rxnorm"),
    }
    lines = [json.dumps(one) for one in (patient(), order, drug)]
    (tmp_path / "all.ndjson").write_text(
        "\n".join([*lines, "{", "[]", '{"resourceType": "Location"}', ""])
    )
    cohort = read_population(tmp_path, schema(feature("metformin", kind="binary")), now=NOW)
    assert cohort.modalities["clinical"].frame["metformin"].tolist() == [1]
    assert cohort.left_out["source"].tolist() == [f"all.ndjson, line {n}" for n in (4, 5, 6)]


def test_it_is_saved_and_read_again(hospital: Path, tmp_path: Path) -> None:
    cohort = read_population(hospital, read_map(hospital.parent / "map.toml"), now=NOW)
    save_cohort(cohort, tmp_path / "cohort")
    again = open_cohort(tmp_path / "cohort")
    assert again.modalities["labs"].units == {"ldh": "ukat/L"}
    assert again.modalities["clinical"].kinds["smoking"] == "categorical"
    assert len(again.left_out) == len(cohort.left_out)


def test_a_patient_in_two_files_is_taken_once(tmp_path: Path) -> None:
    result = observed("2532-0", quantity(180, "U/L"))
    folder = write(tmp_path / "r", a=person(1, result), b=person(1, result))
    cohort = read_population(folder, LDH, now=NOW)
    assert len(cohort) == 1
    assert "read before" in cohort.left_out["reason"].iloc[0]


def test_nothing_to_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_population(tmp_path / "none", LDH, now=NOW)
    with pytest.raises(InputError, match=r"no \.json"):
        read_population(tmp_path, LDH, now=NOW)
    write(tmp_path, a={"resourceType": "Bundle"})
    with pytest.raises(InputError, match=r"no patient that can be read. The first: a.json"):
        read_population(tmp_path, LDH, now=NOW)
    write(tmp_path, a=person(1))
    with pytest.raises(InputError, match="nothing could be mapped"):
        read_population(tmp_path, LDH, now=NOW)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tables.labs.ldh", "not TOML"),
        ("", "maps no feature"),
        ("tabels = 1", "Did you mean 'tables'"),
        ("tables = 1", "no section"),
        ('[tables.labs]\nldh = "x"', "as a section"),
        ('[tables.labs.ldh]\ncodes = "x"', "list of texts"),
        ('[tables.labs.ldh]\ncodes = ["x"]', r"system\|code"),
        ('[tables.labs.ldh]\nunits = "U/L"', "Did you mean 'unit'"),
        ("[tables.labs.ldh]\nunit = 3", "unit is a text"),
        ('[tables.labs.ldh]\nkind = "number"', "kind 'number'"),
        ('[tables.labs.ldh]\nkind = "categorical"', "levels go with"),
        ("window_days = 0\n[tables.labs.ldh]", "window_days"),
        ("window_days = nan\n[tables.labs.ldh]", "window_days"),
        ('[tables.labs.ldh]\n[index]\ndate = "soon"', "date such as"),
        ("[tables.labs.ldh]\n[outcomes.death]\ndeath = true", r"in \[index\]"),
        ("[tables.labs.ldh]\n[index]\ndate = 2025-01-01\n[outcomes.x]", "either codes or death"),
    ],
)
def test_a_map_that_is_wrong_is_explained(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "map.toml"
    file.write_text(text)
    with pytest.raises(InputError, match=said) as raised:
        read_map(file)
    assert str(file) in str(raised.value)
