"""A visit: who asks for which page with what, and the ways in which it can be answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from starlette.responses import RedirectResponse, Response

from consilience.clinic.web.cookies import Cookies, form_token
from consilience.clinic.web.forms import Form
from consilience.clinic.web.refusals import NotFound, NotSignedIn, Refused
from consilience.clinic.web.rendering import HEADERS, html
from consilience.clinic.web.roles import Permission, may
from consilience.clinic.web.settings import WebSettings
from consilience.clinic.web.wording import Labels
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.clinic import Clinic
    from consilience.clinic.store import PatientRecord, User
    from consilience.clinic.web.organisation import Organisation
    from consilience.clinic.web.practices import Practices

NAVIGATION = (
    ("/worklist", "Worklist", Permission.PATIENTS),
    ("/practice", "Practice", Permission.PRACTICE),
    ("/upload", "Upload", Permission.UPLOAD),
    ("/audit", "Audit", Permission.AUDIT),
    ("/model", "Model", Permission.MODEL),
    ("/users", "Users", Permission.USERS),
)


@dataclass(frozen=True)
class Visit:
    """One request to a page.

    Attributes
    ----------
    clinic : Clinic
    settings : WebSettings
    cookies : Cookies
    practices : Practices
        What was counted of each practice.
    where : str
        The page's place in the navigation, such as "/worklist".
    user : User, optional
        None where nobody is signed in.
    secret : str
        What the browser's cookie holds; the token of forms follows from it.
    path, query : mapping of str to str
        Parameters.
    form : Form
    sent : mapping of str to str
        Cookies that the browser sent.
    organisation : Organisation, optional
        Who else vouches for people.
    """

    clinic: Clinic
    settings: WebSettings
    cookies: Cookies
    practices: Practices
    where: str
    user: User | None
    secret: str
    path: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    query: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    form: Form = field(default_factory=Form)
    sent: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    organisation: Organisation | None = None

    @property
    def who(self) -> User:
        """The user.

        Raises
        ------
        NotSignedIn
        """
        if self.user is None:
            raise NotSignedIn
        return self.user

    @property
    def tenant(self) -> str:
        """Whose patients the user may see."""
        return self.who.tenant

    @property
    def now(self) -> datetime:
        """The clinic's clock."""
        return self.clinic.settings.now()

    def may(self, permission: Permission) -> bool:
        """Return whether the user has a permission."""
        return self.user is not None and may(self.user.role, permission)

    @property
    def labels(self) -> Labels:
        """What clinicians call the features of the model that is served."""
        modalities = self.clinic.served().bundle.schema.modalities
        return {(m.name, f.name): f.label for m in modalities for f in m.features if f.label}

    def patient(self) -> PatientRecord:
        """Return the patient whose key stands in the address.

        Raises
        ------
        NotFound
            If the user's tenant has no such patient; another's patient is not told apart.
        """
        return self.patient_of(self.path["key"])

    def patient_of(self, key: str) -> PatientRecord:
        """Return the patient of a key; as `patient`."""
        try:
            return self.clinic.store.patients.by_key(self.tenant, key)
        except InputError as reason:
            raise NotFound from reason

    def note(
        self,
        action: str,
        record: PatientRecord | None = None,
        *,
        model: str | None = None,
        **detail: Any,
    ) -> None:
        """Write into the audit trail what is about to be shown or done.

        Parameters
        ----------
        action : str
        record : PatientRecord, optional
            Of whom.
        model : str, optional
            Fingerprint of the model that said what is shown; the one served by default.
        **detail
            Further facts; never a name.
        """
        self.clinic.audit.write(
            self.who.name,
            action,
            tenant=self.tenant,
            patient=None if record is None else record.patient,
            model=model or self.clinic.served().fingerprint,
            detail=detail,
            at=self.now,
        )

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """Return a page."""
        links = [link[:2] for link in NAVIGATION if self.may(link[2])]
        common = {
            "who": self.user,
            "here": self.where,
            "may": {permission.name: self.may(permission) for permission in Permission},
            "links": links,
            "form_token": form_token(self.secret),
            "bundle": self.clinic.served().bundle.manifest,
        }
        return html(template, status, {**common, **values})

    def go(self, place: str) -> Response:
        """Return a redirect within this service, after a form.

        Raises
        ------
        ValueError
            If the place is elsewhere: places are written in the code, never taken from outside.
        """
        if not place.startswith("/") or place.startswith("//") or "\\" in place:
            raise ValueError("a redirect leads within this service")
        return RedirectResponse(place, 303, headers=dict(HEADERS))

    def refused(self, refusal: Refused) -> Response:
        """Return the page of a refusal."""
        return self.page(
            "error", status=refusal.status, title=refusal.title, sentence=refusal.sentence
        )


View = Callable[[Visit], Response]


@dataclass(frozen=True)
class Page:
    """One address, and the function that answers it.

    Attributes
    ----------
    method : {"GET", "POST"}
        Nothing changes on GET; every POST carries the form's token.
    path : str
        As FastAPI has it.
    view : callable
    permission : Permission, optional
        That the visitor needs.
    signed_in : bool
        Whether somebody must be signed in where no permission is needed.
    while_one_time : bool
        Whether it opens before the one-time password was changed.
    """

    method: str
    path: str
    view: View
    permission: Permission | None = None
    signed_in: bool = False
    while_one_time: bool = False

    @property
    def where(self) -> str:
        """The first part of the address."""
        return "/" + self.path.split("/")[1]
