"""Patients: the only place where names and records are."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from consilience.clinic.store.access import Access, Job
from consilience.clinic.store.instant import stamp
from consilience.clinic.store.records import PatientBrief, PatientRecord, UnknownPatient
from consilience.clinic.store.tables import answers, assessments, cards, patients

_BRIEF = (patients.c.tenant, patients.c.patient, patients.c.key, patients.c.name, patients.c.at)


class Patients:
    """Patients of every tenant; one tenant's are unknown to every other.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def keep(
        self, tenant: str, patient: str, name: str, fhir: dict[str, Any], at: datetime | str
    ) -> PatientBrief:
        """Keep a patient's record as it is now; his key stays.

        What in a name is no text (lone surrogates, NUL) is kept as U+FFFD.

        Returns
        -------
        PatientBrief
        """
        brief: PatientBrief = self._access.write(self.keeping(tenant, patient, name, fhir, at))
        return brief

    def keeping(
        self, tenant: str, patient: str, name: str, fhir: dict[str, Any] | str, at: datetime | str
    ) -> Job:
        """Return what `keep` writes, to be written together with what belongs to it.

        The record may be given as it is written, where that is at hand.
        """
        text = fhir if isinstance(fhir, str) else json.dumps(fhir, separators=(",", ":"))
        row = {
            "tenant": tenant,
            "patient": patient,
            "name": _text(name),
            "fhir": text,
            "at": stamp(at),
        }
        key = secrets.token_urlsafe(16)
        changed = {part: row[part] for part in ("name", "fhir", "at")}
        statement = (
            self._access.insert(patients)
            .values(**row, key=key)
            .on_conflict_do_update(index_elements=["tenant", "patient"], set_=changed)
            .returning(*_BRIEF)
        )
        return lambda connection: _brief(connection.execute(statement).one())

    def get(self, tenant: str, patient: str) -> PatientRecord:
        """Return a patient by his id.

        Raises
        ------
        UnknownPatient
            If the tenant has no such patient.
        """
        return self._one(patients.c.tenant == tenant, patients.c.patient == patient)

    def by_key(self, tenant: str, key: str) -> PatientRecord:
        """Return a patient by his key, as it stands in a URL.

        Raises
        ------
        UnknownPatient
            If the tenant has no such patient.
        """
        return self._one(patients.c.tenant == tenant, patients.c.key == key)

    def brief(self, tenant: str) -> list[PatientBrief]:
        """Return a tenant's patients without their records, by id."""
        query = select(*_BRIEF).where(patients.c.tenant == tenant).order_by(patients.c.patient)
        return self._access.read(lambda connection: [_brief(r) for r in connection.execute(query)])

    def all(self, tenant: str) -> list[PatientRecord]:
        """Return a tenant's patients with their records, by id; `each` needs less memory."""
        return list(self.each(tenant))

    def each(self, tenant: str) -> Iterator[PatientRecord]:
        """Yield a tenant's patients with their records, one at a time; see `all`."""
        for one in self.brief(tenant):
            try:
                yield self.get(tenant, one.patient)
            except UnknownPatient:  # forgotten meanwhile
                continue

    def forget(self, tenant: str, patient: str) -> None:
        """Remove a patient and all that was said of him; audit entries stay, with his id.

        Raises
        ------
        UnknownPatient
            If the tenant has no such patient.
        """

        def remove(connection: Connection) -> None:
            counted = 0
            for table in (answers, cards, assessments, patients):
                mine = (table.c.tenant == tenant) & (table.c.patient == patient)
                counted = connection.execute(delete(table).where(mine)).rowcount
            if not counted:
                raise _unknown()

        self._access.write(remove)

    def _one(self, *conditions: Any) -> PatientRecord:
        query = select(*_BRIEF, patients.c.fhir).where(*conditions)
        row = self._access.read(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            raise _unknown()
        known = _brief(row)
        return PatientRecord(
            known.tenant, known.patient, known.key, known.name, known.at, json.loads(row.fhir)
        )


def _brief(row: Any) -> PatientBrief:
    return PatientBrief(row.tenant, row.patient, row.key, row.name, row.at)


def _text(name: str) -> str:
    return (
        name.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    )


def _unknown() -> UnknownPatient:
    return UnknownPatient("There is no such patient here.")
