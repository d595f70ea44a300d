"""Which services there are, when they are called, and what they need."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from consilience.clinic.hooks.requests import (
    EncounterStartCall,
    HookCall,
    OrderSelectCall,
    OrderSignCall,
    PatientViewCall,
)

PATIENT = "{{context.patientId}}"
PAGE = 1000  # resources of a kind; the answer to a template comes in a single page

# What rules and models read. Each value is a FHIR read or search with plain parameters only.
TEMPLATES = {
    "patient": f"Patient/{PATIENT}",
    "conditions": f"Condition?patient={PATIENT}&_count={PAGE}",
    "observations": f"Observation?patient={PATIENT}&_sort=-date&_count={PAGE}",
    "medicationRequests": f"MedicationRequest?patient={PATIENT}&_count={PAGE}",
    "medicationStatements": f"MedicationStatement?patient={PATIENT}&_count={PAGE}",
    "allergies": f"AllergyIntolerance?patient={PATIENT}&_count={PAGE}",
    "procedures": f"Procedure?patient={PATIENT}&_count={PAGE}",
    "reports": f"DiagnosticReport?patient={PATIENT}&_count={PAGE}",
    "imaging": f"ImagingStudy?patient={PATIENT}&_count={PAGE}",
    "immunizations": f"Immunization?patient={PATIENT}&_count={PAGE}",
}
# Without these there is nothing to go by. The others may be missing where a record system
# has no such data to give; what depends on them then says nothing (see `prefetch`).
NECESSARY = ("patient", "conditions", "observations", "medicationRequests")


@dataclass(frozen=True)
class Service:
    """One CDS Service.

    Attributes
    ----------
    id : str
        Of its address: ``{base}/cds-services/{id}``.
    call : type of HookCall
        What it is sent.
    hook, title, description : str
    tells_number : bool
        Whether the model's number is a card of its own; while orders are written, only
        what concerns them is said.
    """

    id: str
    call: type[HookCall]
    hook: str
    title: str
    description: str
    tells_number: bool
    prefetch: dict[str, str] = field(default_factory=lambda: dict(TEMPLATES))

    def described(self) -> dict[str, Any]:
        """Return it as discovery tells it."""
        return {
            "hook": self.hook,
            "title": self.title,
            "description": self.description,
            "id": self.id,
            "prefetch": self.prefetch,
            "usageRequirements": (
                "Needs the prefetched data, or access to a FHIR R4 server that the operator of "
                f"this service has allowed. At least: {', '.join(NECESSARY)}."
            ),
        }


SERVICES = {
    service.id: service
    for service in (
        Service(
            "consilience-patient-view",
            PatientViewCall,
            "patient-view",
            "Consilience: risk and guideline advice",
            "What the model says of this patient, why and how surely, and what guidelines advise.",
            True,
        ),
        Service(
            "consilience-encounter-start",
            EncounterStartCall,
            "encounter-start",
            "Consilience: risk and guideline advice at the start of an encounter",
            "What the model says of this patient, and what is due by guidelines.",
            True,
        ),
        Service(
            "consilience-order-select",
            OrderSelectCall,
            "order-select",
            "Consilience: appropriateness of orders being written",
            "Interactions, doses, duplications and contraindications of the draft orders.",
            False,
        ),
        Service(
            "consilience-order-sign",
            OrderSignCall,
            "order-sign",
            "Consilience: appropriateness of orders before they are signed",
            "Interactions, doses, duplications and contraindications of the draft orders.",
            False,
        ),
    )
}


def discovered() -> dict[str, Any]:
    """Return the answer to ``GET {base}/cds-services``."""
    return {"services": [service.described() for service in SERVICES.values()]}
