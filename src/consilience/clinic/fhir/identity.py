"""Whether a reference means the patient of the bundle, another one, or does not say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self


class Whose(Enum):
    """What a reference to a patient means."""

    HIS = "his"
    ANOTHERS = "another's"
    UNSAID = "not said"


@dataclass(frozen=True)
class Identity:
    """How references may name one patient.

    Attributes
    ----------
    id : str
        His logical id; that of his address where he has none.
    url : str
        The address of his entry (``fullUrl``), or empty.
    identifiers : frozenset of (system, value)
    """

    id: str
    url: str
    identifiers: frozenset[tuple[str, str]]

    @classmethod
    def of(cls, patient: Mapping[str, Any], url: str) -> Self:
        """Return the identity of a Patient resource that stands under an address."""
        own = patient.get("id") or url.rstrip("/").rpartition("/")[2].removeprefix("urn:uuid:")
        pairs = (_pair(one) for one in patient.get("identifier") or ())
        return cls(str(own or ""), url, frozenset(p for p in pairs if p is not None))

    def whose(self, reference: Any) -> Whose:
        """Return whom a FHIR Reference means.

        References are compared by address, else by type and id, else by identifier. The
        same id on another server is another patient.
        """
        if not isinstance(reference, Mapping):
            return Whose.UNSAID
        address = reference.get("reference")
        if isinstance(address, str) and address:
            return self._by_address(address.partition("/_history/")[0])
        return self._by_identifier(_pair(reference.get("identifier")))

    def _by_address(self, address: str) -> Whose:
        if self.url and address == self.url:
            return Whose.HIS
        if address.startswith("#"):  # a patient described within the resource: nobody's id
            return Whose.UNSAID
        if address.startswith("urn:"):
            return Whose.ANOTHERS
        before, _, own = address.rpartition("/")
        base, _, kind = before.rpartition("/")
        if kind != "Patient":
            return Whose.UNSAID
        if own != self.id:
            return Whose.ANOTHERS
        home = _base(self.url)
        elsewhere = bool(base and home) and _base(address) != home
        return Whose.ANOTHERS if elsewhere else Whose.HIS

    def _by_identifier(self, pair: tuple[str, str] | None) -> Whose:
        if pair is None:
            return Whose.UNSAID
        if pair in self.identifiers:
            return Whose.HIS
        same_system = any(system == pair[0] for system, _ in self.identifiers)
        return Whose.ANOTHERS if same_system else Whose.UNSAID


def _base(url: str) -> str:
    """Return the server of an address such as https://host/fhir/Patient/1, or an empty text."""
    scheme, _, rest = url.partition("://")
    parts = rest.rstrip("/").rsplit("/", 2)
    known = scheme.lower() in ("http", "https") and len(parts) == 3
    return parts[0].lower() if known else ""


def _pair(identifier: Any) -> tuple[str, str] | None:
    if not isinstance(identifier, Mapping):
        return None
    system, value = identifier.get("system"), identifier.get("value")
    known = isinstance(system, str) and isinstance(value, str) and system and value
    return (str(system), str(value)) if known else None
