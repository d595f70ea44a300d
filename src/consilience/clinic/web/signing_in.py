"""Signing in and out, and choosing a password."""

from __future__ import annotations

from datetime import timedelta

from starlette.responses import Response

from consilience.clinic.store import StoreUnavailable, User
from consilience.clinic.web.refusals import Refused
from consilience.clinic.web.visit import NAVIGATION, Page, Visit
from consilience.errors import InputError

SHORTEST = 12
WRONG = (
    "Name and password do not belong together, or there were too many attempts. "
    "Check both, or wait a quarter of an hour."
)
NOBODY = "(nobody)"


def home(visit: Visit) -> Response:
    """Lead to the first page that the visitor may see."""
    if visit.who.must_change:
        return visit.go("/password")
    return visit.go(next(path for path, _, needed in NAVIGATION if visit.may(needed)))


def form(visit: Visit) -> Response:
    """Show the form to sign in."""
    if visit.user is not None:
        return home(visit)
    return visit.page("sign_in", wrong="", oidc=visit.clinic.settings.oidc)


def sign_in(visit: Visit) -> Response:
    """Sign in with name and password.

    The answer is the same for an unknown name, a wrong password and a locked account.
    """
    name = visit.form.text("name")
    password = visit.form.fields.get("password", "")[:1000]
    user = visit.clinic.store.users.check(name, password, visit.now)
    if user is None:
        visit.clinic.audit.write(NOBODY, "sign-in refused", tenant="", detail={}, at=visit.now)
        return visit.page("sign_in", status=401, wrong=WRONG, oidc=visit.clinic.settings.oidc)
    response = visit.go("/password" if user.must_change else "/")
    begin(visit, user, response)
    return response


def begin(visit: Visit, user: User, response: Response) -> None:
    """Open a session of its own: whatever cookie the browser brought means nothing now."""
    if visit.user is not None:
        visit.clinic.store.sessions.close(visit.secret)
    lifetime = timedelta(hours=visit.settings.hours)
    token = visit.clinic.store.sessions.open(user, visit.now, lifetime)
    visit.clinic.audit.write(user.name, "signed in", tenant=user.tenant, detail={}, at=visit.now)
    visit.cookies.keep(response, "session", token, int(lifetime.total_seconds()))
    visit.cookies.drop(response, "visit")


def sign_out(visit: Visit) -> Response:
    """End the session, here and in the database."""
    visit.clinic.store.sessions.close(visit.secret)
    visit.clinic.audit.write(
        visit.who.name, "signed out", tenant=visit.tenant, detail={}, at=visit.now
    )
    response = visit.go("/sign-in")
    visit.cookies.drop(response, "session")
    return response


def password_form(visit: Visit) -> Response:
    """Show the form to choose a password."""
    return visit.page("password", wrong="", shortest=SHORTEST)


def change_password(visit: Visit) -> Response:
    """Set a password of the user's own, and end his other sessions."""
    fields = visit.form.fields
    old, new, again = (fields.get(name, "")[:1000] for name in ("old", "new", "again"))
    wrong = _objection(visit, old, new, again)
    try:
        if not wrong:
            visit.clinic.store.users.set_password(visit.who.name, new)
    except StoreUnavailable:
        raise
    except InputError as reason:
        wrong = str(reason).capitalize()
    if wrong:
        return visit.page("password", status=400, wrong=wrong, shortest=SHORTEST)
    visit.note("changed own password")
    response = visit.go("/")
    user = User(visit.who.name, visit.who.role, visit.tenant)
    begin(visit, user, response)
    return response


def _objection(visit: Visit, old: str, new: str, again: str) -> str:
    """Return why a password will not do, empty if it will."""
    if not visit.who.local:
        raise Refused("Your organisation keeps your password; change it there.")
    if len(new) < SHORTEST:
        return f"The new password needs at least {SHORTEST} characters."
    if new != again:
        return "The new password was not repeated alike."
    if new in (old, visit.who.name):
        return "The new password must be neither the old one nor your name."
    known = visit.who.must_change  # he came in with it, and it works no second time
    if not known and visit.clinic.store.users.check(visit.who.name, old, visit.now) is None:
        return "The present password is not right."
    return ""


PAGES = (
    Page("GET", "/", home, signed_in=True, while_one_time=True),
    Page("GET", "/sign-in", form),
    Page("POST", "/sign-in", sign_in),
    Page("POST", "/sign-out", sign_out, signed_in=True, while_one_time=True),
    Page("GET", "/password", password_form, signed_in=True, while_one_time=True),
    Page("POST", "/password", change_password, signed_in=True, while_one_time=True),
)
