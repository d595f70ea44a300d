"""One row of a table as a FHIR Bundle, so that it is read like any other record."""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from datetime import date, datetime
from typing import Any

from consilience.clinic.fhir.codes import FEATURE_SYSTEM
from consilience.errors import InputError, listing, suggestion
from consilience.study.bundle.schema import FeatureSchema, Schema

OWN = ("patient", "name", "sex", "birth_date")
SEXES = ("female", "male", "other", "unknown")
MOST_SHOWN = 3
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")


def columns(schema: Schema) -> dict[str, FeatureSchema]:
    """Return the columns that hold measurements: "modality/feature" to the feature."""
    return {
        f"{modality.name}/{feature.name}": feature
        for modality in schema.modalities
        if modality.kind == "table"
        for feature in modality.features
    }


def template(schema: Schema) -> str:
    """Return an empty table with the schema's columns, as CSV."""
    written = io.StringIO()
    csv.writer(written).writerow([*OWN, *columns(schema)])
    return written.getvalue()


def row_to_fhir(data: bytes, schema: Schema, now: datetime) -> dict[str, Any]:
    """Return the patient of a table with one row as a FHIR Bundle.

    Empty cells are not measured. Units are those of the schema.

    Raises
    ------
    InputError
        If it is no table of one row, a column is unknown, or a cell is not of its column's
        kind; naming the column, never the value.
    """
    cells = _cells(data, schema)
    entries: list[dict[str, Any]] = [{"resource": _patient(cells)}]
    known = columns(schema)
    for name, text in cells.items():
        if name in known and text:
            entries.append({"resource": _observation(name, text, known[name], cells, now)})
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _cells(data: bytes, schema: Schema) -> dict[str, str]:
    """Return the row's cells by column."""
    try:
        text = data.decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if any(row)]
    except (UnicodeDecodeError, csv.Error) as reason:
        raise InputError("The file is no CSV table in UTF-8.") from reason
    if len(rows) != 2 or len(rows[0]) != len(rows[1]):
        raise InputError("The table needs a line of column names and one row of as many cells.")
    names = [name.strip() for name in rows[0]]
    doubled = sorted(name for name, count in Counter(names).items() if count > 1)
    if doubled:
        raise InputError(f"The table has columns twice: {listing(doubled, MOST_SHOWN)}.")
    known = dict.fromkeys((*OWN, *columns(schema)))
    strange = [name for name in names if name not in known]
    if strange:
        hint = suggestion(strange[0], known)
        raise InputError(f"The model has no columns {listing(strange, MOST_SHOWN)}.{hint}")
    return dict(zip(names, map(str.strip, rows[1]), strict=True))


def _patient(cells: dict[str, str]) -> dict[str, Any]:
    if not _ID.fullmatch(cells.get("patient", "")):
        raise InputError(
            "Column 'patient' needs an id of up to 64 letters, digits, dots and hyphens."
        )
    person: dict[str, Any] = {"resourceType": "Patient", "id": cells["patient"]}
    if cells.get("name"):
        person["name"] = [{"text": cells["name"]}]
    if cells.get("sex"):
        if cells["sex"].lower() not in SEXES:
            raise InputError(f"Column 'sex' holds none of {listing(SEXES)}.")
        person["gender"] = cells["sex"].lower()
    if cells.get("birth_date"):
        try:
            person["birthDate"] = date.fromisoformat(cells["birth_date"]).isoformat()
        except ValueError as reason:
            raise InputError("Column 'birth_date' needs a day such as 1954-03-02.") from reason
    return person


def _observation(
    name: str, text: str, feature: FeatureSchema, cells: dict[str, str], now: datetime
) -> dict[str, Any]:
    coding = {"system": FEATURE_SYSTEM, "code": name}
    observed: dict[str, Any] = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [coding], "text": feature.label or feature.name},
        "subject": {"reference": f"Patient/{cells['patient']}"},
        "effectiveDateTime": now.isoformat(timespec="seconds"),
    }
    if feature.kind == "categorical":
        return observed | {"valueString": text}
    try:
        value = float(text)
    except ValueError as reason:
        raise InputError(f"Column {name!r} needs a number, with a point.") from reason
    if not abs(value) < float("inf"):
        raise InputError(f"Column {name!r} needs a finite number.")
    quantity: dict[str, Any] = {"value": value}
    return observed | {"valueQuantity": quantity | ({"unit": feature.unit} if feature.unit else {})}
