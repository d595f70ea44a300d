"""What was said of patients, whole, as it was said."""

from __future__ import annotations

from sqlalchemy import func, insert, select

from consilience.clinic.store.access import Access, Job
from consilience.clinic.store.tables import assessments
from consilience.records import Assessment

_mine = assessments.c


class Assessments:
    """Assessments of every tenant, in the order in which they were kept.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def keep(self, tenant: str, assessment: Assessment) -> None:
        """Keep what was said; earlier ones stay."""
        self._access.write(self.keeping(tenant, assessment))

    def keeping(self, tenant: str, assessment: Assessment) -> Job:
        """Return what `keep` writes, to be written together with what belongs to it."""
        row = {
            "tenant": tenant,
            "patient": assessment.patient,
            "model": assessment.model,
            "at": assessment.at,
            "body": assessment.model_dump_json(),
        }
        return lambda connection: connection.execute(insert(assessments), row)

    def latest(self, tenant: str) -> dict[str, Assessment]:
        """Return the newest assessment of every patient of a tenant, by id."""
        newest = (
            select(func.max(_mine.id)).where(_mine.tenant == tenant).group_by(_mine.patient)
        ).scalar_subquery()
        query = select(_mine.patient, _mine.body).where(_mine.id.in_(newest))
        rows = self._access.read(lambda connection: connection.execute(query).all())
        return {row.patient: Assessment.model_validate_json(row.body) for row in rows}

    def newest(self, tenant: str, patient: str) -> Assessment | None:
        """Return the newest assessment of a patient; None if there is none."""
        found = self.history(tenant, patient, newest=1)
        return found[0] if found else None

    def history(self, tenant: str, patient: str, *, newest: int = 200) -> list[Assessment]:
        """Return the newest assessments of a patient, the oldest of them first."""
        query = (
            select(_mine.body)
            .where(_mine.tenant == tenant, _mine.patient == patient)
            .order_by(_mine.id.desc())
            .limit(newest)
        )
        bodies = self._access.read(lambda connection: connection.execute(query).scalars().all())
        return [Assessment.model_validate_json(body) for body in reversed(bodies)]
