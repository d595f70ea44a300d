"""What clinicians answered to cards."""

from __future__ import annotations

from dataclasses import asdict

from sqlalchemy import Row, Select, insert, select

from consilience.clinic.store.access import Access, Job
from consilience.clinic.store.instant import stamp
from consilience.clinic.store.records import Answer
from consilience.clinic.store.tables import answers

_FIELDS = ("tenant", "patient", "card", "rule", "outcome", "reason", "by", "at", "model")


class Answers:
    """Answers of every tenant; none is ever changed.

    Parameters
    ----------
    access : Access
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def keep(self, answer: Answer) -> None:
        """Keep an answer; earlier ones to the same card stay."""
        self._access.write(self.keeping(answer))

    def keeping(self, answer: Answer) -> Job:
        """Return what `keep` writes, to be written together with what belongs to it."""
        row = asdict(answer) | {"at": stamp(answer.at)}
        return lambda connection: connection.execute(insert(answers), row)

    def of(self, tenant: str, patient: str) -> list[Answer]:
        """Return the answers about one patient, the oldest first."""
        mine = (answers.c.tenant == tenant) & (answers.c.patient == patient)
        return self._found(select(answers).where(mine).order_by(answers.c.id))

    def all(self, tenant: str, *, newest: int = 1000) -> list[Answer]:
        """Return a tenant's newest answers, the newest first."""
        mine = select(answers).where(answers.c.tenant == tenant)
        return self._found(mine.order_by(answers.c.id.desc()).limit(newest))

    def _found(self, query: Select[tuple[object, ...]]) -> list[Answer]:
        rows = self._access.read(lambda connection: connection.execute(query).all())
        return [_answer(row) for row in rows]


def _answer(row: Row[tuple[object, ...]]) -> Answer:
    return Answer(**{name: getattr(row, name) for name in _FIELDS})
