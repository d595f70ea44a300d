"""How people sign in to the pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True)
class OidcSettings:
    """An organisation's own sign-in (OpenID Connect Core 1.0).

    Attributes
    ----------
    issuer : str
        Its address; ``/.well-known/openid-configuration`` below it describes it.
    client_id : str
        As it was registered there, with the redirect ``<this service>/sign-in/back``.
    client_secret : str, optional
        None for a public client; PKCE protects both.
    tenant : str
        Whose patients its people see.
    role_claim : str
        Claim of the ID token that holds roles; a text or a list. Dots go deeper.
    roles : mapping of str to str
        Their names of roles to ours; who has none of them is not let in.
    name_claim : str
        Claim that is the user's name here and in the audit trail.
    label : str
        What the button says.
    """

    issuer: str
    client_id: str
    client_secret: str | None = None
    tenant: str = "local"
    role_claim: str = "roles"
    roles: MappingProxyType[str, str] = field(
        default_factory=lambda: MappingProxyType(
            {name: name for name in ("clinician", "auditor", "administrator")}
        )
    )
    name_claim: str = "preferred_username"
    label: str = "Sign in with your organisation"


@dataclass(frozen=True)
class WebSettings:
    """How the pages are run.

    Attributes
    ----------
    hours : float
        After which a session ends, whatever was done in it.
    rows : int
        Patients on one page of the worklist.
    """

    hours: float = 10.0
    rows: int = 50
