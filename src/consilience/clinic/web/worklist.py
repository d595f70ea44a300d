"""The worklist: every patient of a tenant, the highest risk first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.responses import Response

from consilience.clinic.store import PatientBrief
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit
from consilience.clinic.web.wording import Badge, Labels, feature, urgency
from consilience.records import Advice, Assessment

ORDER = ("critical", "warning", "info")


@dataclass(frozen=True)
class Row:
    """One patient in the list.

    Attributes
    ----------
    brief : PatientBrief
    assessment : Assessment, optional
        The newest; None where he was never assessed.
    labels : mapping
        What features are called.
    off_target : bool
        Whether he misses a target of the practice's.
    """

    brief: PatientBrief
    assessment: Assessment | None
    labels: Labels = field(default_factory=dict, repr=False)
    off_target: bool = False

    @property
    def advice(self) -> int:
        """How many rules speak."""
        return 0 if self.assessment is None else len(self.assessment.advice)

    @property
    def urgent(self) -> Badge | None:
        """The most urgent of them."""
        given = () if self.assessment is None else self.assessment.advice
        return urgency(most_urgent(given)[0].urgency) if given else None

    @property
    def probability(self) -> bool:
        """Whether the number is a probability that can be drawn."""
        said = None if self.assessment is None else self.assessment.prediction
        told = self.assessment is not None and self.assessment.number is not None
        return told and (said is None or said.kind != "continuous")

    @property
    def reason(self) -> str:
        """What moved the number most, in words."""
        if self.assessment is None:
            return ""
        if self.assessment.silent:
            return self.assessment.silent[0]
        why = self.assessment.explanation
        parts = [p for p in (why.contributions if why else ()) if p.feature is not None]
        if not parts:
            return ""
        first = max(parts, key=lambda part: abs(part.effect))
        verb = "raises it" if first.effect > 0 else "lowers it"
        return f"{feature(first, self.labels)} {first.value or ''}".strip() + f" {verb}"


def most_urgent(advice: Sequence[Advice]) -> list[Advice]:
    """Return advice with the most urgent first, else in its own order."""
    return sorted(advice, key=lambda one: ORDER.index(one.urgency))


def rank(row: Row) -> tuple[bool, bool, float, str]:
    """Return what rows are sorted by: not assessed and silent last, the highest first."""
    said = row.assessment
    number = None if said is None else said.number
    return said is None, number is None, -(number or 0.0), row.brief.name.casefold()


def _level(level: str) -> Callable[[Row], bool]:
    return lambda row: row.assessment is not None and row.assessment.level == level


FILTERS: Mapping[str, tuple[str, Callable[[Row], bool]]] = MappingProxyType(
    {
        "": ("All", lambda row: True),
        "high": ("High", _level("high")),
        "middle": ("Middle", _level("middle")),
        "low": ("Low", _level("low")),
        "not-at-target": ("Not at target", lambda row: row.off_target),
        "silent": (
            "No number told",
            lambda row: row.assessment is None or bool(row.assessment.silent),
        ),
    }
)


@dataclass(frozen=True)
class Filter:
    """A filter as it is offered."""

    name: str
    label: str
    count: int
    chosen: bool


@dataclass(frozen=True)
class Worklist:
    """What the page shows.

    Attributes
    ----------
    rows : tuple of Row
        Of this page.
    all : int
        Patients of the tenant.
    filters : tuple of Filter
    show, search : str
        What was chosen, and looked for.
    page, pages : int
    caption : str
        What the table holds, in words.
    """

    rows: tuple[Row, ...]
    all: int
    filters: tuple[Filter, ...]
    show: str
    search: str
    page: int
    pages: int
    caption: str


def rows_of(visit: Visit) -> list[Row]:
    """Return all patients of the visitor's tenant, ranked."""
    store = visit.clinic.store
    latest = store.assessments.latest(visit.tenant)
    labels, missed = visit.labels, visit.practices.of(visit.tenant).off_target
    rows = [
        Row(one, latest.get(one.patient), labels, one.patient in missed)
        for one in store.patients.brief(visit.tenant)
    ]
    return sorted(rows, key=rank)


def chosen(rows: list[Row], show: str, search: str, page: int, size: int) -> Worklist:
    """Return the part of the list that fits.

    Parameters
    ----------
    rows : list of Row
    show : str
        A key of `FILTERS`; another one shows all.
    search : str
        Part of a name; capitals count for nothing.
    page : int
        From 1; beyond the last: the last.
    size : int
        Rows on a page.
    """
    show = show if show in FILTERS else ""
    fits = FILTERS[show][1]
    found = [row for row in rows if fits(row) and search.casefold() in row.brief.name.casefold()]
    pages = max(1, -(-len(found) // size))
    page = min(max(1, page), pages)
    start = (page - 1) * size
    shown = tuple(found[start : start + size])
    filters = tuple(
        Filter(name, label, sum(map(test, rows)), name == show)
        for name, (label, test) in FILTERS.items()
    )
    of_all = f"{len(found)} of {len(rows)} patients" if len(found) < len(rows) else "All patients"
    span = f", {start + 1} to {start + len(shown)}" if pages > 1 else ""
    return Worklist(shown, len(rows), filters, show, search, page, pages, of_all + span)


def worklist(visit: Visit) -> Response:
    """Show the list."""
    number = visit.query.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    size = visit.settings.rows
    found = chosen(rows_of(visit), visit.query.get("show", ""), "", page, size)
    visit.note("worklist shown", patients=len(found.rows), filter=found.show)
    return visit.page("worklist", list=found)


def search(visit: Visit) -> Response:
    """Show those whose name fits; the name comes in a form, so that it is in no address."""
    name = visit.form.text("search", longest=100)
    found = chosen(rows_of(visit), "", name, 1, 4 * visit.settings.rows)
    visit.note("worklist searched", patients=len(found.rows))
    return visit.page("worklist", list=found)


PAGES = (
    Page("GET", "/worklist", worklist, Permission.PATIENTS),
    Page("POST", "/worklist", search, Permission.PATIENTS),
)
