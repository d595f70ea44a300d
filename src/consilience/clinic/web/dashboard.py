"""The practice: how many are at target, and who is not."""

from __future__ import annotations

from starlette.responses import Response

from consilience.clinic.web.roles import Permission
from consilience.clinic.web.visit import Page, Visit


def practice(visit: Visit) -> Response:
    """Show the indicators."""
    visit.note("practice shown")
    return visit.page("practice", indicators=[])


PAGES = (Page("GET", "/practice", practice, Permission.PRACTICE),)
