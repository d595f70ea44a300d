"""Between the web framework and the views: who visits, whether he may, and what if not."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from consilience.clinic.store import StoreUnavailable
from consilience.clinic.web.cookies import Cookies, is_form_token
from consilience.clinic.web.forms import Form, read_form
from consilience.clinic.web.organisation import Organisation
from consilience.clinic.web.practices import Practices
from consilience.clinic.web.refusals import NotAllowed, NotSignedIn, Refused
from consilience.clinic.web.settings import WebSettings
from consilience.clinic.web.visit import Page, Visit
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic

VISIT_SECONDS = 3600  # that a sign-in form stays usable


class Door:
    """Opens pages: every request passes here, so that no view can forget a check.

    Parameters
    ----------
    clinic : Clinic
    settings : WebSettings
    """

    def __init__(self, clinic: Clinic, settings: WebSettings) -> None:
        self.clinic, self.settings = clinic, settings
        self.cookies = Cookies(secure=clinic.settings.secure)
        self.practices = Practices(clinic)
        oidc = clinic.settings.oidc
        self.organisation = None if oidc is None else Organisation(oidc, clinic.settings.audience)

    def endpoint(self, page: Page) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers requests for a page."""

        async def answer(request: Request) -> Response:
            form: Form | Refused = Form()
            if page.method == "POST":
                try:
                    form = await read_form(request)
                except Refused as reason:
                    form = reason
            return await run_in_threadpool(self.answer, page, request, form)

        return answer

    def answer(self, page: Page, request: Request, form: Form | Refused) -> Response:
        """Answer one request.

        Raises
        ------
        StoreUnavailable
            For the application to say.
        """
        visit = self._visit(page, request, form if isinstance(form, Form) else Form())
        try:
            if isinstance(form, Refused):
                raise form
            check(page, visit)
            response = page.view(visit)
        except NotSignedIn:
            response = visit.go("/sign-in")
        except Refused as reason:
            response = visit.refused(reason)
        except StoreUnavailable:
            raise
        except InputError as reason:
            response = visit.refused(Refused(str(reason)))
        if visit.user is None and not self.cookies.read(request, "visit"):
            self.cookies.keep(response, "visit", visit.secret, VISIT_SECONDS)
        return response

    def _visit(self, page: Page, request: Request, form: Form) -> Visit:
        token = self.cookies.read(request, "session")
        now = self.clinic.settings.now()
        user = self.clinic.store.sessions.get(token, now) if token else None
        stranger = self.cookies.read(request, "visit") or secrets.token_urlsafe(32)
        return Visit(
            clinic=self.clinic,
            settings=self.settings,
            cookies=self.cookies,
            practices=self.practices,
            where=page.where,
            user=user,
            secret=stranger if user is None else token,
            path={name: str(value) for name, value in request.path_params.items()},
            query=dict(request.query_params),
            form=form,
            sent=dict(request.cookies),
            organisation=self.organisation,
        )


def check(page: Page, visit: Visit) -> None:
    """Refuse a visit that is not allowed.

    Raises
    ------
    NotSignedIn, NotAllowed
    Refused
        If the form lacks its session's token, or the one-time password was not changed.
    """
    if page.permission is not None or page.signed_in:
        who = visit.who
        if who.must_change and not page.while_one_time:
            raise Refused(
                "Choose a password of your own first: open “Change password” below.",
                status=403,
                title="One step before you start",
            )
    if page.method == "POST" and not is_form_token(visit.secret, visit.form.text("form_token")):
        raise Refused(
            "The form is too old, or was not sent from this page. Open the page again and resend.",
            status=403,
            title="Please send it again",
        )
    if page.permission is not None and not visit.may(page.permission):
        raise NotAllowed
