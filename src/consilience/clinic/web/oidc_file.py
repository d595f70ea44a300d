"""An organisation's sign-in as a file, so that its secret stands in no command line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from consilience.clinic.web.settings import OidcSettings
from consilience.errors import InputError, listing, suggestion

KEYS = (
    *("issuer", "client_id", "client_secret", "tenant", "role_claim", "roles"),
    *("name_claim", "label"),
)
NEEDED = ("issuer", "client_id")


def read_oidc(path: Path) -> OidcSettings:
    """Read `OidcSettings` from TOML.

    Parameters
    ----------
    path : Path
        With `issuer` and `client_id`; `client_secret`, `tenant`, `role_claim`, a table
        `roles`, `name_claim` and `label` as needed.

    Raises
    ------
    InputError
        Naming the file and the key.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as reason:
        raise InputError(f"--oidc {path}: it cannot be read as TOML ({reason}).") from reason
    for key in said:
        if key not in KEYS:
            raise InputError(
                f"--oidc {path}: {key!r} is no key; the keys are "
                f"{listing(KEYS, most=10)}.{suggestion(key, KEYS)}"
            )
    absent = [key for key in NEEDED if not said.get(key)]
    if absent:
        raise InputError(f"--oidc {path}: it does not say {listing(absent)}.")
    return OidcSettings(**{key: _checked(path, key, value) for key, value in said.items()})


def _checked(path: Path, key: str, value: Any) -> Any:
    roles = key == "roles"
    kind: Any = dict[str, str] if roles else str
    try:
        found = TypeAdapter(kind).validate_python(value, strict=True)
    except ValidationError as reason:
        due = "a table of their roles and ours" if roles else "a text"
        raise InputError(f"--oidc {path}: {key} must be {due}.") from reason
    return MappingProxyType(found) if roles else found
