"""Bringing a patient in: first shown what would be read of him, then kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.responses import Response

from consilience.clinic.fhir import Mapped, map_patient, read_bundle
from consilience.clinic.store import UnknownPatient
from consilience.clinic.web.forms import LARGEST
from consilience.clinic.web.refusals import Refused
from consilience.clinic.web.rendering import HEADERS
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.row import columns, row_to_fhir, template
from consilience.clinic.web.visit import Page, Visit
from consilience.cohort import Table
from consilience.errors import InputError
from consilience.study.bundle.schema import Schema


@dataclass(frozen=True)
class ValueRead:
    """A value as the model would read it, and where it is from."""

    feature: str
    value: str
    resource: str
    at: str
    note: str


def values_read(mapped: Mapped, schema: Schema) -> list[ValueRead]:
    """Return the values of a patient, in the schema's units."""
    known = columns(schema)
    found = []
    for taken in mapped.taken:
        name = f"{taken.modality}/{taken.feature}"
        value = _value(mapped, taken.modality, taken.feature)
        unit = known[name].unit if name in known else ""
        text = f"{value} {unit}".strip()
        found.append(ValueRead(name, text, taken.resource, taken.at, taken.note))
    return found


def _value(mapped: Mapped, modality: str, feature: str) -> str:
    table = mapped.cohort.modalities.get(modality)
    if not isinstance(table, Table):
        return ""
    if feature in table.numeric_features:
        number = float(np.asarray(table.numeric)[0, table.numeric_features.index(feature)])
        return f"{number:.6g}"
    return str(table.categorical[feature].iloc[0])


def form(visit: Visit) -> Response:
    """Show the form."""
    visit.note("upload opened")
    return visit.page("upload")


def empty_table(visit: Visit) -> Response:
    """Return the columns of the schema as an empty CSV table."""
    text = template(visit.clinic.served().bundle.schema)
    headers = {**HEADERS, "Content-Disposition": 'attachment; filename="patient.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def preview(visit: Visit) -> Response:
    """Show what would be read of a file; nothing is kept."""
    data = visit.form.files.get("file", b"")
    if not data:
        raise Refused("Choose a file first: a FHIR Bundle as JSON, or a table as CSV.")
    schema = visit.clinic.served().bundle.schema
    is_json = data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")
    fhir: Any = data if is_json else row_to_fhir(data, schema, visit.now)
    record = read_bundle(fhir, source="the file")
    mapped = map_patient(record, schema, now=visit.now)
    read = values_read(mapped, schema)
    visit.note("upload previewed", values=len(read), unmapped=len(mapped.unmapped))
    return visit.page(
        "preview",
        mapped=mapped,
        values=read,
        features=len(columns(schema)),
        known=_known(visit, mapped.patient),
        record=json.dumps(record.raw, separators=(",", ":")),
    )


def _known(visit: Visit, patient: str) -> bool:
    """Return whether the tenant has this patient already."""
    try:
        visit.clinic.store.patients.get(visit.tenant, patient)
    except UnknownPatient:
        return False
    return True


def keep(visit: Visit) -> Response:
    """Keep the previewed patient, assess him, and show him."""
    text = visit.form.text("record", longest=LARGEST)
    try:
        fhir = read_bundle(text, source="the record").raw
    except InputError as reason:
        raise Refused("The record was changed on the way. Upload the file again.") from reason
    found = visit.clinic.consult(visit.tenant, visit.who.name, fhir)
    record = visit.clinic.store.patients.get(visit.tenant, found.assessment.patient)
    return visit.go(f"/patients/{record.key}")


PAGES = (
    Page("GET", "/upload", form, Permission.UPLOAD),
    Page("GET", "/upload/patient.csv", empty_table, Permission.UPLOAD),
    Page("POST", "/upload", preview, Permission.UPLOAD),
    Page("POST", "/upload/keep", keep, Permission.UPLOAD),
)
