"""What the store gives back, and how it says that it cannot."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from consilience.errors import InputError

Role: TypeAlias = Literal["clinician", "auditor", "administrator"]
ROLES: tuple[Role, ...] = ("clinician", "auditor", "administrator")


class StoreUnavailable(InputError):  # noqa: N818 - it says a state, which passes
    """The database cannot be used now, in one sentence; a service answers 503."""


class UnknownPatient(InputError):  # noqa: N818
    """No such patient in this tenant; a service answers 404."""


@dataclass(frozen=True)
class PatientBrief:
    """A patient in a list.

    Attributes
    ----------
    tenant : str
        Whose patient.
    patient : str
        His id there.
    key : str
        Random; stands in URLs and logs in place of the id.
    name : str
    at : str
        When his record was last kept, UTC.
    """

    tenant: str
    patient: str = field(repr=False)
    key: str
    name: str = field(repr=False)
    at: str


@dataclass(frozen=True)
class PatientRecord(PatientBrief):
    """A patient with his record.

    Attributes
    ----------
    fhir : dict
        His FHIR Bundle.
    """

    fhir: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Answer:
    """What a clinician answered to a card.

    Attributes
    ----------
    tenant, patient : str
    card : str
        Its uuid.
    rule : str
        By name and version.
    outcome : {"accepted", "overridden"}
    reason : str
        Why it was overridden.
    by : str
        Who answered.
    at : str
        When, ISO 8601.
    model : str
        Fingerprint of the model that the card rested on; empty if on none.
    """

    tenant: str
    patient: str = field(repr=False)
    card: str
    rule: str
    outcome: Literal["accepted", "overridden"]
    reason: str
    by: str
    at: str
    model: str = ""


@dataclass(frozen=True)
class Card:
    """A card that was shown, remembered for its answer.

    Attributes
    ----------
    tenant, uuid, patient, rule, model, at : str
    """

    tenant: str
    uuid: str
    patient: str = field(repr=False)
    rule: str
    model: str
    at: str


@dataclass(frozen=True)
class User:
    """Somebody who may sign in.

    Attributes
    ----------
    name : str
    role : {"clinician", "auditor", "administrator"}
    tenant : str
    must_change : bool
        Whether he signed in with a one-time password and must choose his own first.
    local : bool
        Whether the password is kept here; False where another service vouches for him.
    """

    name: str
    role: Role
    tenant: str
    must_change: bool = False
    local: bool = True
