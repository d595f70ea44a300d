"""What a clinician may accept with one click: the orders that a rule suggests."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from consilience.clinic.hooks.summary import shortened

if TYPE_CHECKING:
    from consilience.clinic.rules import RuleSet
    from consilience.clinic.rules.valuesets import ValueSet

Json: TypeAlias = dict[str, Any]
LABEL = 80  # characters on a button
MOST = 10  # actions of one suggestion
CODED = ("medicationCodeableConcept", "code", "vaccineCode")


@dataclass(frozen=True)
class Offers:
    """The suggestions of rules for one patient.

    Parameters
    ----------
    rules : RuleSet
    patient : str
        His id.
    resources : tuple of dict
        His record: what is taken now can be stopped.
    drafts : tuple of dict
        Orders being written: they can be taken back.
    """

    rules: RuleSet
    patient: str
    resources: tuple[Json, ...] = ()
    drafts: tuple[Json, ...] = ()

    def of(self, name: str) -> list[Json]:
        """Return the suggestions of a rule, by name and version; none if it makes none."""
        rule = next((one for one in self.rules if one.name == name), None)
        offer = None if rule is None else rule.suggestion
        if offer is None:
            return []
        if offer.order is not None:
            wanted = self.rules.sets[offer.order]
            actions = [self._ordered(wanted, offer.resource)]
        else:
            actions = list(self._stopped(self.rules.sets[str(offer.stop)]))
        return [{"label": shortened(offer.label, LABEL), "actions": actions}] if actions else []

    def _ordered(self, wanted: ValueSet, kind: str) -> Json:
        system, code = next(iter(wanted.codes))
        concept = {"coding": [{"system": system, "code": code}], "text": wanted.title}
        field = "medicationCodeableConcept" if kind == "MedicationRequest" else "code"
        order = {
            "resourceType": kind,
            "status": "draft",
            "intent": "proposal",
            "subject": {"reference": f"Patient/{self.patient}"},
            field: concept,
        }
        words = shortened(f"Order: {wanted.title}")
        return {"type": "create", "description": words, "resource": order}

    def _stopped(self, meant: ValueSet) -> Iterator[Json]:
        """Yield what ends the medicines of a set: drafts are deleted, prescriptions stopped."""
        for draft in self._in(self.drafts, meant)[:MOST]:
            yield {
                "type": "delete",
                "description": shortened(f"Take back the draft order: {meant.title}"),
                "resourceId": f"MedicationRequest/{draft['id']}",
            }
        if self.drafts:
            return  # what is being written is the question; what is taken stays as it is
        for order in self._in(self.resources, meant)[:MOST]:
            if order.get("status") == "active":
                yield {
                    "type": "update",
                    "description": shortened(f"Stop: {meant.title}"),
                    "resource": {**order, "status": "stopped"},
                }

    def _in(self, resources: tuple[Json, ...], meant: ValueSet) -> list[Json]:
        return [
            one
            for one in resources
            if one.get("resourceType") == "MedicationRequest"
            and isinstance(one.get("id"), str)
            and any(meant.name in self.rules.sets.containing(code) for code in codes_of(one))
        ]


def codes_of(resource: Json) -> Iterator[tuple[str, str]]:
    """Yield system and code of what a resource is about."""
    for field in CODED:
        concept = resource.get(field)
        codings = concept.get("coding") if isinstance(concept, dict) else None
        for coding in codings if isinstance(codings, list) else ():
            if not isinstance(coding, dict):
                continue
            system, code = coding.get("system"), coding.get("code")
            if isinstance(system, str) and isinstance(code, str):
                yield system, code
