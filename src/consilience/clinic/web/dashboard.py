"""The practice: how many miss a target, and who should be seen first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.responses import Response

from consilience.clinic.rules.stewardship import Indicator
from consilience.clinic.store import PatientBrief
from consilience.clinic.web.practices import Counted
from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit

MOST_RANKED = 200


@dataclass(frozen=True)
class Listed:
    """A patient who misses a target."""

    brief: PatientBrief
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class IndicatorShown:
    """An indicator with the patients' names.

    Attributes
    ----------
    indicator : Indicator
    patients : tuple of Listed
        Who should be seen first comes first; at most `MOST_RANKED`.
    """

    indicator: Indicator
    patients: tuple[Listed, ...]


def indicators_shown(
    found: Sequence[Indicator], known: Mapping[str, PatientBrief]
) -> list[IndicatorShown]:
    """Return indicators with names; those who were forgotten meanwhile are left out."""
    return [
        IndicatorShown(
            one,
            tuple(
                Listed(known[each.patient], each.reason, each.evidence)
                for each in one.patients[:MOST_RANKED]
                if each.patient in known
            ),
        )
        for one in found
    ]


def practice(visit: Visit) -> Response:
    """Show the indicators as they were last counted."""
    return _page(visit, visit.practices.of(visit.tenant))


def count_again(visit: Visit) -> Response:
    """Count the indicators now."""
    visit.practices.of(visit.tenant, fresh=True)
    return visit.go("/practice")


def _page(visit: Visit, counted: Counted) -> Response:
    known = {one.patient: one for one in visit.clinic.store.patients.brief(visit.tenant)}
    visit.note("practice shown", patients=len(known))
    shown = indicators_shown(counted.indicators, known)
    return visit.page(
        "practice",
        indicators=[one for one in shown if one.indicator.denominator],
        others=[one.indicator.title for one in shown if not one.indicator.denominator],
        patients=len(known),
        unread=[known[one].name for one in counted.unread if one in known],
        at=counted.at,
    )


PAGES = (
    Page("GET", "/practice", practice, Permission.PRACTICE),
    Page("POST", "/practice", count_again, Permission.PRACTICE),
)
