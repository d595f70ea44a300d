"""The worklist: ranked, filtered, searched, one tenant's only."""

from __future__ import annotations

import re

from tests.clinic.web.clinic_example import SICK, WELL, key_of, record


def names(html: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/patients/[^"]+">([^<]*)</a>', html)


def diabetic(fhir: dict) -> dict:
    """Add type 2 diabetes without any HbA1c, of which a rule for the whole list speaks."""
    subject = {"reference": f"Patient/{fhir['entry'][0]['resource']['id']}"}
    active = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    condition = {
        "resourceType": "Condition",
        "id": "c1",
        "clinicalStatus": {"coding": [{"system": active, "code": "active"}]},
        "code": {"coding": [{"system": "http://snomed.info/sct", "code": "44054006"}]},
        "subject": subject,
    }
    fhir["entry"].append({"resource": condition})
    return fhir


def test_the_highest_risk_comes_first_and_silence_last(clinic, visitor) -> None:
    for count, ldh in enumerate((180.0, 420.0, 300.0)):
        values = {**SICK, "labs__LDH": ldh}
        clinic.consult("local", "x", record(f"p{count}", f"Patient {count}", **values))
    clinic.consult("local", "x", record("p8", "Silent One", born=""))
    clinic.store.patients.keep("local", "p9", "Not Assessed", {}, clinic.now())
    latest = clinic.store.assessments.latest("local")
    told = sorted((p for p in latest if latest[p].number), key=lambda p: -latest[p].number)
    found = names(visitor("clinician").get("/worklist").text)
    assert found == [f"Patient {p[1]}" for p in told] + ["Silent One", "Not Assessed"]


def test_filters_show_who_fits(clinic, visitor) -> None:
    clinic.consult("local", "x", record("p1", "High Risk", **SICK))
    clinic.consult("local", "x", diabetic(record("p2", "Sweet Tooth", **WELL)))
    clinic.consult("local", "x", record("p3", "Silent One", born=""))
    latest = clinic.store.assessments.latest("local")
    someone = visitor("clinician")
    for level in ("high", "middle", "low"):
        due = {p for p, one in latest.items() if one.level == level}
        shown = names(someone.get(f"/worklist?show={level}").text)
        assert {clinic.store.patients.get("local", p).name for p in due} == set(shown)
    assert names(someone.get("/worklist?show=not-at-target").text) == ["Sweet Tooth"]
    assert "Silent One" in names(someone.get("/worklist?show=silent").text)
    assert len(names(someone.get("/worklist?show=nonsense").text)) == 3


def test_a_name_is_searched_by_a_form_and_stands_in_no_address(seeded, visitor) -> None:
    someone = visitor("clinician")
    answer = someone.post("/worklist", {"search": "beISP"})
    assert answer.status_code == 200 and names(answer.text) == ["Bert Beispiel"]
    assert str(answer.url).endswith("/worklist")
    assert names(someone.get("/worklist?search=beispiel").text) == ["Ada Example", "Bert Beispiel"]
    assert "beisp" not in str(seeded.audit.entries("local")).lower()


def test_addresses_hold_keys_and_neither_ids_nor_names(seeded, visitor) -> None:
    html = visitor("clinician").get("/worklist").text
    links = re.findall(r'(?:href|action)="([^"]+)"', html)
    assert f"/patients/{key_of(seeded, 'p1')}" in links
    assert not [link for link in links if re.search(r"p1\b|p2\b|ada|bert", link, re.I)]


def test_long_lists_have_pages(clinic, visitor) -> None:
    for count in range(60):
        clinic.store.patients.keep("local", f"n{count}", f"Name {count:02}", {}, clinic.now())
    someone = visitor("clinician")
    first, second = (names(someone.get(f"/worklist?page={p}").text) for p in (1, 2))
    assert (len(first), len(second)) == (50, 10) and not set(first) & set(second)
    for odd in ("0", "-1", "99999999999999999999", "x", "²"):
        assert someone.get(f"/worklist?page={odd}").status_code == 200


def test_another_tenants_patients_are_not_there(seeded, visitor) -> None:
    assert "Cora Secret" not in visitor("clinician").get("/worklist").text
    assert names(visitor("clinician-elsewhere").get("/worklist").text) == ["Cora Secret"]


def test_an_empty_list_says_what_to_do(clinic, visitor) -> None:
    assert "/upload" in visitor("clinician").get("/worklist").text.partition("<main")[2]


def test_the_practice_counts_who_misses_a_target(clinic, visitor) -> None:
    clinic.consult("local", "x", diabetic(record("p1", "Sweet Tooth", **WELL)))
    clinic.consult("local", "x", record("p2", "Well Ok", **WELL))
    someone = visitor("clinician")
    html = someone.get("/practice").text
    assert "Sweet Tooth" in html and "Well Ok" not in html
    assert re.search(r"1 of 1</td>.*?100 %.*?21 % to 100 %", html, re.DOTALL)  # Wilson, 1 of 1

    clinic.consult("local", "x", diabetic(record("p2", "Well Ok", **WELL)))
    assert "2 of 2" not in someone.get("/practice").text  # kept for five minutes
    assert someone.post("/practice", {}).status_code == 303
    assert "2 of 2" in someone.get("/practice").text
    assert "Sweet Tooth" not in visitor("clinician-elsewhere").get("/practice").text
