"""The way to the organisation's sign-in, and back."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from consilience.clinic.web.organisation import PENDING, Organisation
from consilience.clinic.web.refusals import NotFound
from consilience.clinic.web.rendering import HEADERS
from consilience.clinic.web.signing_in import begin
from consilience.clinic.web.visit import Page, Visit


def leave(visit: Visit) -> Response:
    """Lead to the provider."""
    place, kept = _organisation(visit).begin()
    response = RedirectResponse(place, 303, headers=dict(HEADERS))
    # Another site sends the browser back: only a lax cookie comes with it.
    visit.cookies.keep(response, "organisation", kept, PENDING, lax=True)
    return response


def back(visit: Visit) -> Response:
    """Open a session for who comes back.

    The page then opens the next one itself: on a redirect that another site began, browsers
    leave strict cookies out.
    """
    kept = visit.sent.get(visit.cookies.name("organisation"), "")
    user = _organisation(visit).finish(visit.query, kept, visit.now)
    response = visit.page("opening")
    begin(visit, user, response)
    visit.cookies.drop(response, "organisation")
    return response


def _organisation(visit: Visit) -> Organisation:
    if visit.organisation is None:
        raise NotFound
    return visit.organisation


PAGES = (
    Page("GET", "/sign-in/organisation", leave),
    Page("GET", "/sign-in/back", back),
)
