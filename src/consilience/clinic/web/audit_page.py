"""The audit trail: who saw what and what was answered, and whether it is as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response

from consilience.clinic.audit import verify
from consilience.clinic.audit.entry import Entry
from consilience.clinic.store import PatientBrief
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit
from consilience.clinic.web.wording import Badge

NEWEST = 100


@dataclass(frozen=True)
class EntryShown:
    """An entry, with whom it is about as the reader knows him."""

    entry: Entry
    name: str
    key: str
    detail: str


def entries_shown(entries: Sequence[Entry], patients: Sequence[PatientBrief]) -> list[EntryShown]:
    """Return entries with patients' names in place of their ids."""
    known = {one.patient: one for one in patients}
    found = []
    for entry in entries:
        brief = known.get(entry.patient or "")
        unknown = "" if entry.patient is None else "(no longer kept)"
        told = {name: _plain(value) for name, value in entry.detail.items()}
        detail = "; ".join(f"{name}: {value}" for name, value in told.items() if value)
        name, key = (unknown, "") if brief is None else (brief.name or "(no name)", brief.key)
        found.append(EntryShown(entry, name, key, detail))
    return found


def _plain(value: object) -> str:
    """Return a value of an entry's detail to read; a long hash by its beginning."""
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, float):
        return f"{value:.3g}"
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if re.fullmatch(r"[0-9a-f]{40,}", text) else text


def audit(visit: Visit) -> Response:
    """Show the newest entries, all or those about one patient."""
    key, before = visit.query.get("patient", ""), visit.query.get("before", "")
    record = visit.patient_of(key) if key else None
    start = int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None
    visit.note("audit trail shown", record)
    entries = visit.clinic.audit.entries(
        visit.tenant,
        patient=None if record is None else record.patient,
        newest=NEWEST,
        before=start,
    )
    return _page(visit, entries, key=key, name="" if record is None else record.name, search="")


def search(visit: Visit) -> Response:
    """Offer the patients whose name fits; the name comes in a form, and is in no address."""
    name = visit.form.text("search", longest=100)
    visit.note("audit trail searched")
    return _page(visit, [], key="", name="", search=name)


def _page(visit: Visit, entries: Sequence[Entry], *, key: str, name: str, search: str) -> Response:
    patients = visit.clinic.store.patients.brief(visit.tenant)
    found = [one for one in patients if search.casefold() in one.name.casefold()][:NEWEST]
    checked = verify(visit.clinic.store)
    whole = Badge("✓", "Chain verified", "good")
    badge = whole if checked.broken_at is None else Badge("✗", "Chain broken", "bad")
    oldest = entries[-1].seq if len(entries) == NEWEST else None
    return visit.page(
        "audit",
        entries=entries_shown(entries, patients),
        key=key,
        name=name,
        search=search,
        found=found if search else [],
        badge=badge,
        sentence=checked.sentence,
        oldest=oldest,
    )


PAGES = (
    Page("GET", "/audit", audit, Permission.AUDIT),
    Page("POST", "/audit", search, Permission.AUDIT),
)
