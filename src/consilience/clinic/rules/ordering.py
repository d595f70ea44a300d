"""What a clinician may accept with one click: a rule's suggestion as FHIR, for CDS Hooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from consilience.clinic.rules.chart import Chart
from consilience.clinic.rules.entries import Entry
from consilience.clinic.rules.ruleset import RuleSet
from consilience.clinic.rules.valuesets import ValueSets
from consilience.records import Advice


@dataclass(frozen=True)
class Suggested:
    """A suggestion of a card.

    Attributes
    ----------
    label : str
    actions : tuple of dict
        As CDS Hooks 2.0 writes them: type, description, resource or resourceId.
    """

    label: str
    actions: tuple[dict[str, Any], ...]


def suggested(
    rules: RuleSet, advice: Advice, fhir_bundle: dict[str, Any], *, now: datetime
) -> Suggested | None:
    """Return what advice suggests to order or to stop; None where there is nothing to do.

    Parameters
    ----------
    rules : RuleSet
        Those that gave the advice.
    advice : Advice
    fhir_bundle : dict
        The Bundle that it was given for.
    now : datetime

    Raises
    ------
    InputError
        If the advice is of no rule in the set, or of another version of it.
    """
    order = rules[advice.rule].suggestion
    if order is None:
        return None
    chart = rules.chart(fhir_bundle, advice.patient, now, drafts=True)
    if order.stop is not None:
        actions = tuple(_stops(chart, order.stop))
    else:
        resource = _ordered(chart, rules.sets, str(order.order), order.resource)
        actions = ({"type": "create", "description": order.label, "resource": resource},)
    return Suggested(order.label, actions) if actions else None


def _stops(chart: Chart, value_set: str) -> Iterator[dict[str, Any]]:
    for entry in chart.of("medication", value_set):
        resource = entry.resource
        if not entry.current or resource.get("resourceType") != "MedicationRequest":
            continue
        name = entry.text or entry.where
        if resource.get("status") == "draft":
            yield _deleted(entry, name)
        else:
            stopped = {**resource, "status": "stopped"}
            yield {"type": "update", "description": f"Stop {name}", "resource": stopped}


def _deleted(entry: Entry, name: str) -> dict[str, Any]:
    return {
        "type": "delete",
        "description": f"Take {name} off the order",
        "resourceId": [entry.where],
    }


def _ordered(chart: Chart, sets: ValueSets, name: str, kind: str) -> dict[str, Any]:
    one = sets[name]
    (system, code), display = next(iter(one.codes.items()))
    concept = {
        "coding": [{"system": system, "code": code, "display": display}],
        "text": one.title,
    }
    patient = str(chart.patient.get("id", ""))
    key = "medicationCodeableConcept" if kind == "MedicationRequest" else "code"
    return {
        "resourceType": kind,
        "status": "draft",
        "intent": "proposal",
        "subject": {"reference": f"Patient/{patient}"},
        key: concept,
    }
