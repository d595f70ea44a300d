"""Invented patients: valid FHIR, marked as invented, and read back exactly."""

from __future__ import annotations

import copy

import pytest
from tests.clinic.fhir.records import NOW, feature, schema

from consilience.clinic.fhir import (
    Mapped,
    invented_patients,
    map_patient,
    read_bundle,
    synthetic_patients,
)
from consilience.clinic.fhir.mapping import Value
from consilience.cohort import Table, tcga_acc
from consilience.study.bundle.background import condensed
from consilience.study.bundle.check import check_cohort
from consilience.study.bundle.schema import Schema

ACC = tcga_acc()
ACC_SCHEMA = Schema.of(ACC, list(ACC.modalities))
MIXED = schema(
    feature("age", "years", minimum=20.0, low=25.0, high=75.0, maximum=80.0),
    feature("sex", kind="categorical", levels=("f", "m")),
    feature("ldh", "U/L", minimum=80.0, low=90.0, high=900.0, maximum=1200.0, missing=0.3),
    feature("creatinine", "umol/L", minimum=40.0, maximum=400.0, missing=0.2),
    feature("temperature", "°F", minimum=95.0, maximum=105.0),
    feature("nodes", kind="count", minimum=0.0, maximum=30.0),
    feature("smoking_status", kind="categorical", levels=("never", "former", "current")),
    feature("mutated", kind="binary", minimum=0.0, maximum=1.0),
    feature("dm", kind="binary", minimum=0.0, maximum=1.0, codes=("snomed|44054006|Condition",)),
    feature("metformin", kind="binary", minimum=0.0, maximum=1.0),
    feature("flu", kind="binary", minimum=0.0, maximum=1.0, codes=("cvx|88|Immunization",)),
    feature("sodium", "mmol/L", minimum=130.0, maximum=150.0, codes=("loinc|2951-2",)),
    feature("never measured", "x"),
)


def held(mapped: Mapped) -> dict[tuple[str, str], Value]:
    """All values of a patient."""
    found: dict[tuple[str, str], Value] = {}
    for name, table in mapped.cohort.modalities.items():
        assert isinstance(table, Table)
        row = table.frame.iloc[0].dropna()
        found |= {(name, str(feature)): value for feature, value in row.items()}
    return found


@pytest.mark.parametrize("whole", [MIXED, ACC_SCHEMA], ids=["mixed", "tcga-acc"])
@pytest.mark.parametrize("resembling", [False, True])
def test_what_is_planted_is_read_back_exactly(whole: Schema, resembling: bool) -> None:
    like = condensed(ACC, ACC_SCHEMA.names) if resembling else None
    for invented in invented_patients(whole, 12, seed=4, now=NOW, like=like):
        read = read_bundle(invented.fhir)
        assert read.unmapped == ()  # all of it is valid
        mapped = map_patient(read, whole, now=NOW)
        assert held(mapped) == dict(invented.values)
        wrong = [
            n.sentence for n in check_cohort(mapped.cohort, whole) if n.matter != "not measured"
        ]
        assert wrong == []


def test_every_kind_of_feature_was_planted_and_some_are_missing() -> None:
    several = invented_patients(MIXED, 40, seed=1, now=NOW)
    planted = {key for one in several for key in one.values}
    due = {("clinical", f.name) for f in MIXED.modalities[0].features}
    assert planted == due - {("clinical", "never measured")}
    # None: a record without any diagnosis says nothing of this one.
    assert {one.values.get(("clinical", "dm")) for one in several} == {0.0, 1.0, None}
    assert {one.values.get(("clinical", "metformin")) for one in several} == {None, 1.0}
    lacking = sum(("clinical", "ldh") not in one.values for one in several)
    assert 3 <= lacking <= 25  # 30 % of 40


def test_a_seed_gives_the_same_patients_and_the_clock_is_not_passed() -> None:
    three, five = (synthetic_patients(MIXED, n, seed=2, now=NOW) for n in (3, 5))
    assert three == five[:3]
    assert copy.deepcopy(three) != synthetic_patients(MIXED, 3, seed=3, now=NOW)
    stamp = NOW.isoformat().replace("+00:00", "Z")
    for one in five:
        for entry in one["entry"]:
            for key in ("effectiveDateTime", "onsetDateTime", "authoredOn", "occurrenceDateTime"):
                assert entry["resource"].get(key, "") <= stamp


def test_all_of_it_says_that_it_is_invented() -> None:
    for one in synthetic_patients(MIXED, 3, seed=0, now=NOW):
        codes = [[tag["code"] for tag in e["resource"]["meta"]["tag"]] for e in one["entry"]]
        assert codes == [["HTEST", "invented"]] * len(codes)
        assert "invented" in one["entry"][0]["resource"]["name"][0]["family"]


def test_there_is_ordinary_care_for_rules_to_look_at() -> None:
    resources = [
        entry["resource"]
        for one in synthetic_patients(schema(feature("x", "u")), 40, seed=0, now=NOW)
        for entry in one["entry"]
    ]
    kinds = {one["resourceType"] for one in resources}
    assert kinds >= {
        "Condition",
        "MedicationRequest",
        "AllergyIntolerance",
        "Immunization",
        "Procedure",
    }
    texts = {
        (r.get("medicationCodeableConcept") or r.get("code") or {}).get("text") for r in resources
    }
    assert texts >= {"Warfarin", "Ibuprofen", "Metformin", "Hemoglobin A1c", "eGFR (CKD-EPI 2021)"}


def test_resembling_patients_keep_what_belongs_together() -> None:
    """Of genes that correlate in the cohort, the drawn values do too; drawn alone they do not."""
    import numpy as np

    like = condensed(ACC, ("rna",))
    assert like is not None
    rna = Schema.of(ACC, ["rna"])
    values = np.asarray(like.modalities["rna"].numeric)
    together = np.corrcoef(values.T)
    np.fill_diagonal(together, 0)
    one, other = np.unravel_index(np.nanargmax(together), together.shape)
    names = [rna.modalities[0].features[i].name for i in (one, other)]

    def correlation(**how: object) -> float:
        several = invented_patients(rna, 60, seed=0, now=NOW, **how)  # type: ignore[arg-type]
        pairs = [[s.values.get(("rna", n), np.nan) for n in names] for s in several]
        known = np.array(pairs, dtype=float)
        return float(np.corrcoef(known[~np.isnan(known).any(axis=1)].T)[0, 1])

    assert correlation(like=like) > 0.5 > 0.3 > abs(correlation())
