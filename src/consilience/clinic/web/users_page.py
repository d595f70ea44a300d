"""Who may sign in, for administrators."""

from __future__ import annotations

from starlette.responses import Response

from consilience.clinic.store import User
from consilience.clinic.web.refusals import NotFound, Refused
from consilience.clinic.web.roles import ROLES, Permission
from consilience.clinic.web.visit import Page, Visit


def users(visit: Visit) -> Response:
    """Show who may sign in."""
    return _page(visit)


def add(visit: Visit) -> Response:
    """Add a user; his one-time password is shown once, here."""
    name, role = visit.form.text("name", longest=200), visit.form.text("role")
    if not name:
        raise Refused("A user needs a name.")
    known = next((one for one in ROLES if one == role), None)
    if known is None:
        raise Refused("Choose a role.")
    visit.note("user added", user=name, role=known)
    user, password = visit.clinic.store.users.add_one_time(name, known, visit.tenant, visit.now)
    return _page(visit, fresh=user.name, password=password)


def reset(visit: Visit) -> Response:
    """Give a user a new one-time password; his sessions end."""
    user = _named(visit)
    visit.note("password reset", user=user.name)
    password = visit.clinic.store.users.reset(user.name, visit.now)
    return _page(visit, fresh=user.name, password=password)


def remove(visit: Visit) -> Response:
    """Remove a user; what he did stays in the audit trail."""
    user = _named(visit)
    if user.name == visit.who.name:
        raise Refused("You cannot remove yourself; another administrator can.")
    visit.note("user removed", user=user.name)
    visit.clinic.store.users.remove(user.name)
    return visit.go("/users")


def _named(visit: Visit) -> User:
    """Return the user that a form names, of the visitor's own tenant."""
    name = visit.form.text("name", longest=200)
    for user in visit.clinic.store.users.all(visit.tenant):
        if user.name == name:
            return user
    raise NotFound


def _page(visit: Visit, *, fresh: str = "", password: str = "") -> Response:
    known = visit.clinic.store.users.all(visit.tenant)
    return visit.page("users", users=known, roles=tuple(ROLES), fresh=fresh, password=password)


PAGES = (
    Page("GET", "/users", users, Permission.USERS),
    Page("POST", "/users/add", add, Permission.USERS),
    Page("POST", "/users/reset", reset, Permission.USERS),
    Page("POST", "/users/remove", remove, Permission.USERS),
)
