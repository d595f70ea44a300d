"""What a record system sends: strict where the text says MUST, deaf to whatever it adds."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, TypeVar
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from consilience.clinic.hooks.refusal import Refusal

FHIR_ID = r"^[A-Za-z0-9\-.]{1,64}$"
DRAFTS = {
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "VisionPrescription",
}

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=512)]
FhirId = Annotated[str, StringConstraints(pattern=FHIR_ID)]
Reference = Annotated[str, StringConstraints(pattern=r"^(?:[A-Za-z]+/)?[A-Za-z0-9\-.]{1,64}$")]


def _canonical(value: Any, handler: ValidatorFunctionWrapHandler) -> UUID:
    """Only the common form: 8-4-4-4-12; not braces, not ``urn:uuid:``."""
    if isinstance(value, str) and len(value) != 36:
        raise ValueError("not a UUID")
    found: UUID = handler(value)
    return found


Uuid = Annotated[UUID, WrapValidator(_canonical)]


class Sent(BaseModel):
    """What is sent; fields that the text does not name, `extension` among them, are let pass."""

    model_config = ConfigDict(frozen=True, extra="ignore", alias_generator=to_camel)


class PatientContext(Sent):
    """Of ``patient-view``: who looks at whom."""

    user_id: Text
    patient_id: FhirId
    encounter_id: FhirId | None = None


class EncounterContext(PatientContext):
    """Of ``encounter-start``: the encounter is always known."""

    encounter_id: FhirId


def _of_orders(bundle: dict[str, Any]) -> dict[str, Any]:
    if bundle.get("resourceType") != "Bundle" or not isinstance(bundle.get("entry", []), list):
        raise ValueError("not a Bundle")
    return bundle


class SigningContext(PatientContext):
    """Of ``order-sign``: orders about to be signed."""

    draft_orders: Annotated[dict[str, Any], AfterValidator(_of_orders)]

    def drafts(self) -> tuple[dict[str, Any], ...]:
        """Return the orders that are drafts; what else the Bundle holds is no order to sign."""
        resources = (
            entry.get("resource")
            for entry in self.draft_orders.get("entry", [])
            if isinstance(entry, dict)
        )
        return tuple(
            one
            for one in resources
            if isinstance(one, dict)
            and one.get("resourceType") in DRAFTS
            and one.get("status") == "draft"
        )


class SelectingContext(SigningContext):
    """Of ``order-select``: orders being written, and which of them were just chosen."""

    selections: tuple[Reference, ...]


class FhirAuthorization(Sent):
    """A short-lived token for the caller's FHIR server."""

    model_config = ConfigDict(alias_generator=str)  # named as in OAuth 2.0

    access_token: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,8192}$")]
    token_type: Literal["Bearer"]
    expires_in: int = Field(ge=0)
    scope: str
    subject: str
    patient: str | None = None


class HookCall(Sent):
    """A call of a service.

    Attributes
    ----------
    hook : str
    hook_instance : UUID
    context : PatientContext
        Of the class that belongs to the hook.
    fhir_server : str, optional
    fhir_authorization : FhirAuthorization, optional
    prefetch : dict, optional
        Key of the template to a resource, a Bundle, or None where there is no such data.
    """

    hook: Text
    hook_instance: Uuid
    context: PatientContext
    fhir_server: Annotated[str, StringConstraints(min_length=1, max_length=2048)] | None = None
    fhir_authorization: FhirAuthorization | None = None
    prefetch: dict[str, dict[str, Any] | None] | None = None

    def drafts(self) -> tuple[dict[str, Any], ...]:
        """Return the draft orders of the call, none where the hook has none."""
        return self.context.drafts() if isinstance(self.context, SigningContext) else ()


class PatientViewCall(HookCall):
    """A call of a service for ``patient-view``."""

    hook: Literal["patient-view"]


class EncounterStartCall(HookCall):
    """A call of a service for ``encounter-start``."""

    hook: Literal["encounter-start"]
    context: EncounterContext


class OrderSelectCall(HookCall):
    """A call of a service for ``order-select``."""

    hook: Literal["order-select"]
    context: SelectingContext


class OrderSignCall(HookCall):
    """A call of a service for ``order-sign``."""

    hook: Literal["order-sign"]
    context: SigningContext


Read = TypeVar("Read", bound=BaseModel)


def read_as(kind: type[Read], sent: dict[str, Any]) -> Read:
    """Return what was sent as a model.

    Raises
    ------
    Refusal
        400, naming the first field that is missing or cannot be used; never what it held.
    """
    try:
        return kind.model_validate(sent)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_context=False, include_input=False)[0]
        where = _place(kind, first["loc"])
        says = "is missing" if first["type"] == "missing" else "cannot be used"
        raise Refusal(400, f"{where} {says}; see the CDS Hooks 2.0 specification.") from None


def _place(kind: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """Return the field's name, of names that the text defines: a key of the caller's may tell."""
    own = re.compile(r"[A-Za-z_]{1,32}")
    if location and location[0] == "prefetch":
        return "prefetch"
    parts = [str(part) for part in location if isinstance(part, int) or own.fullmatch(part)]
    return ".".join(parts) or "the body"
