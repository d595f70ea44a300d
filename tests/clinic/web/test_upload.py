"""Bringing patients in: looked at first, kept when said so, whatever is in the file."""

from __future__ import annotations

import html
import json
import re
import time

import pytest
from tests.clinic.web.clinic_example import NOW, SICK, as_json, key_of, record

from consilience.clinic.web.row import row_to_fhir, template
from consilience.errors import InputError

ROW = (
    "patient,name,sex,birth_date,clinical/systolic,clinical/stage,labs/LDH,labs/albumin\n"
    "p7,Rosa Row,female,1950-01-31,150,II,300,\n"
)


def upload(someone, name: str, data: bytes):
    return someone.post("/upload", {}, files={"file": (name, data, "application/octet-stream")})


def kept(someone, preview):
    found = re.search(r'name="record" value="([^"]*)"', preview.text)
    data = {"record": html.unescape(found[1])}
    files = {"nothing": ("", b"", "text/plain")}
    return someone.post("/upload/keep", data, page="/upload", files=files)


def test_a_bundle_is_looked_at_then_kept(clinic, visitor) -> None:
    someone = visitor("clinician")
    fhir = record(**SICK)
    fhir["entry"][2]["resource"]["valueString"] = "XIV"  # a stage that the model does not know
    preview = upload(someone, "p.json", as_json(fhir))
    assert preview.status_code == 200
    assert "Ada Example" in preview.text and "412" in preview.text and "U/L" in preview.text
    assert "none of the categories" in preview.text
    assert clinic.store.patients.brief("local") == []

    answer = kept(someone, preview)
    page = f"/patients/{key_of(clinic, 'p1')}"
    assert (answer.status_code, answer.headers["location"]) == (303, page)
    assert "Ada Example" in someone.get(page).text
    again = upload(someone, "p.json", as_json(fhir))
    assert "here already" in again.text


def test_a_row_of_a_table_is_read_in_the_schemas_units(clinic, visitor) -> None:
    someone = visitor("clinician")
    assert kept(someone, upload(someone, "p.csv", ROW.encode())).status_code == 303
    said = clinic.store.assessments.newest("local", "p7")
    values = {p.feature: p.value for p in said.explanation.contributions}
    assert values["LDH"] == "300 U/L" and values["systolic"] == "150 mmHg"
    assert values["stage"] == "II" and values["age"] == "76 years"
    assert values["albumin"] == "not measured"
    assert clinic.store.patients.get("local", "p7").name == "Rosa Row"


def test_the_empty_table_has_the_columns_that_are_read(clinic, visitor) -> None:
    someone = visitor("clinician")
    answer = someone.get("/upload/patient.csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="patient.csv"'
    schema = clinic.served().bundle.schema
    assert answer.text == template(schema)
    names = answer.text.strip().split(",")
    assert "labs/LDH" in names and "clinical/stage" in names
    filled = answer.text + ",".join(["p5" if n == "patient" else "" for n in names]) + "\n"
    assert row_to_fhir(filled.encode(), schema, NOW)["entry"][0]["resource"]["id"] == "p5"


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("labs/LDH", "labs/LHD", "Did you mean 'labs/LDH'?"),
        ("150", "high", "Column 'clinical/systolic' needs a number"),
        ("150", "nan", "Column 'clinical/systolic' needs a finite number"),
        ("p7", "p 7/..", "Column 'patient' needs an id"),
        ("1950-01-31", "31.1.1950", "Column 'birth_date'"),
        ("female", "f", "Column 'sex'"),
        ("labs/albumin", "labs/LDH", "twice: 'labs/LDH'"),
        ("300,\n", "300\n", "as many cells"),
        ("\n", "\x00\n", "model has no columns"),
    ],
)
def test_a_table_that_will_not_do_is_named(clinic, before, after, sentence) -> None:
    data = ROW.replace(before, after).encode()
    with pytest.raises(InputError) as refused:
        row_to_fhir(data, clinic.served().bundle.schema, NOW)
    assert sentence in str(refused.value)
    assert "Rosa" not in str(refused.value)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"\xff\xfe\x00", b"{}", b'{"resourceType": "Bundle"}', b"a", b"1,2\n3\n"],
)
def test_a_file_that_cannot_be_read_is_told_in_a_sentence(clinic, visitor, data) -> None:
    answer = upload(visitor("clinician"), "x", data)
    assert answer.status_code == 400 and "<h1>Not possible</h1>" in answer.text
    assert clinic.store.patients.brief("local") == []


def test_deep_json_is_refused(clinic, visitor) -> None:
    answer = upload(visitor("clinician"), "x.json", b'{"a":' * 5000 + b"1" + b"}" * 5000)
    assert answer.status_code == 400


def test_a_form_that_is_too_large_is_refused_unread(clinic, visitor) -> None:
    someone = visitor("clinician")
    headers = {"content-length": str(10**9), "content-type": "multipart/form-data; boundary=x"}
    answer = someone.client.post("/upload", content=b"", headers=headers)
    assert answer.status_code == 413
    broken = someone.client.post(
        "/upload", content=b"nonsense", headers={"content-type": "multipart/form-data; boundary=x"}
    )
    assert broken.status_code in (400, 403)


def test_a_record_changed_between_is_read_again_and_refused(clinic, visitor) -> None:
    someone = visitor("clinician")
    answer = someone.post("/upload/keep", {"record": "{}"}, page="/upload")
    assert answer.status_code == 400 and clinic.store.patients.brief("local") == []


def test_scripts_in_a_record_stay_text(clinic, visitor) -> None:
    someone = visitor("clinician")
    evil = '"><script>alert(1)</script>'
    fhir = record("p1", f"Eve {evil}", **{**SICK, "clinical__stage": evil})
    fhir["entry"].append(
        {
            "resource": {
                "resourceType": "Observation",
                "id": "odd",
                "status": "final",
                "code": {"coding": [{"system": "http://x", "code": evil}], "text": evil},
                "valueString": evil,
            }
        }
    )
    preview = upload(someone, "p.json", as_json(fhir))
    assert preview.status_code == 200
    clinic.consult("local", "clinician", json.loads(as_json(fhir)))
    patient = f"/patients/{key_of(clinic, 'p1')}"
    auditor = visitor("administrator")
    pages = [preview, *(auditor.get(p) for p in (patient, "/worklist", "/audit", "/practice"))]
    for page in pages:
        assert page.status_code == 200
        assert re.findall(r"<script[^>]*>", page.text) == ['<script src="/static/clinic.js" defer>']
    assert all("&lt;script&gt;" in page.text for page in pages[:4])


def test_a_table_of_very_many_columns_is_refused_at_once(clinic, visitor) -> None:
    columns = 100_000
    header = ",".join(f"c{place}" for place in range(columns))
    began = time.perf_counter()
    answer = upload(visitor("clinician"), "p.csv", f"{header}\n{'1,' * (columns - 1)}1\n".encode())
    assert answer.status_code == 400 and "99997 more" in answer.text
    assert time.perf_counter() - began < 5
