"""The patient's record of a call: what came with it, what is fetched, and what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from consilience.clinic.fhir.server import check_secure
from consilience.clinic.hooks.discovery import NECESSARY, TEMPLATES, Service
from consilience.clinic.hooks.refusal import Refusal
from consilience.clinic.hooks.requests import HookCall
from consilience.errors import InputError

Json: TypeAlias = dict[str, Any]
# A filled template, such as "Condition?patient=1", to the resource or Bundle it answers.
Fetch: TypeAlias = Callable[[str], Json]
# Base address of a FHIR server and an access token for it, to what fetches there.
Connect: TypeAlias = Callable[[str, str], Fetch]


@dataclass(frozen=True)
class Record:
    """What is known of the patient of a call.

    Attributes
    ----------
    bundle : dict
        A FHIR Bundle: Patient, and what belongs to him.
    patient : dict
        The Patient.
    unread : tuple of str
        Keys of templates that were not given; of these nothing is known, which is not
        the same as nothing being there.
    """

    bundle: Json
    patient: Json
    unread: tuple[str, ...]

    @property
    def resources(self) -> tuple[Json, ...]:
        """All of it, one by one."""
        return tuple(entry["resource"] for entry in self.bundle["entry"])

    def with_drafts(self, drafts: tuple[Json, ...]) -> Json:
        """Return the Bundle with draft orders beside, for the rules on prescribing."""
        entries = [*self.bundle["entry"], *({"resource": draft} for draft in drafts)]
        return {**self.bundle, "entry": entries}


class Allowed:
    """FHIR servers that may be asked; whatever else a call names is never contacted.

    Parameters
    ----------
    servers : tuple of str
        Base addresses, given by the operator.
    connect : callable

    Raises
    ------
    InputError
        If an address is not https, or of this machine: a token would go there in the clear.
    """

    def __init__(self, servers: tuple[str, ...], connect: Connect) -> None:
        for server in servers:
            check_secure(server)
        self._servers = {server.rstrip("/") for server in servers}
        self._connect = connect

    def fetch(self, call: HookCall) -> Fetch | None:
        """Return what fetches from the server of a call; None if there is none to ask."""
        granted, server = call.fhir_authorization, (call.fhir_server or "").rstrip("/")
        if granted is None or server not in self._servers:
            return None
        return self._connect(server, granted.access_token)


def record_of(call: HookCall, service: Service, allowed: Allowed) -> Record:
    """Return the record of a call's patient.

    Raises
    ------
    Refusal
        412 if what is necessary neither came nor could be fetched; 400 if the Patient
        is another than the call is about.
    """
    given, missing = _sorted(call, service)
    if missing and (fetch := allowed.fetch(call)) is not None:
        given |= _fetched(call, service, missing, fetch)
    unread = tuple(key for key in service.prefetch if key not in given)
    lacking = [key for key in NECESSARY if key not in given]
    if not lacking and not given["patient"]:
        lacking = ["patient"]  # null: but there must be one
    if lacking:
        raise Refusal(
            412,
            f"the call lacks the prefetched data {', '.join(lacking)}, and no FHIR server that "
            "is allowed here gave them.",
        )
    resources = [part for key in given for part in given[key]]
    patient = _patient_of(resources, call.context.patient_id)
    entries = [{"resource": part} for part in resources]
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return Record(bundle, patient, unread)


def prefetched(resources: Iterable[Json]) -> dict[str, Json | None]:
    """Return resources as a record system sends them: what every template finds.

    Parameters
    ----------
    resources : iterable of dict
        Of one patient; those of kinds that no template asks for are left out.
    """
    listed = list(resources)
    found: dict[str, Json | None] = {}
    for key, template in TEMPLATES.items():
        kind, search, _ = template.partition("?")
        own = [one for one in listed if one.get("resourceType") == kind.partition("/")[0]]
        entries = [{"resource": one} for one in own]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(own)}
        found[key] = ({**bundle, "entry": entries} if search else own[0]) if own else None
    return found


def _sorted(call: HookCall, service: Service) -> tuple[dict[str, list[Json]], list[str]]:
    """Return the resources of every key that was answered, and the keys that were not."""
    given: dict[str, list[Json]] = {}
    sent = call.prefetch or {}
    for key in service.prefetch:
        if key in sent and (found := _resources(sent[key])) is not None:
            given[key] = found
    return given, [key for key in service.prefetch if key not in given]


def _resources(answer: Json | None) -> list[Json] | None:
    """Return what answers a template; None if it is no answer: failed, or a first page."""
    if answer is None:
        return []
    kind = answer.get("resourceType")
    if kind != "Bundle":
        return [answer] if isinstance(kind, str) and kind != "OperationOutcome" else None
    links = answer.get("link")
    pages = links if isinstance(links, list) else []
    if any(isinstance(link, dict) and link.get("relation") == "next" for link in pages):
        return None
    return list(_entries(answer))


def _entries(bundle: Json) -> Iterator[Json]:
    entries = bundle.get("entry")
    for entry in entries if isinstance(entries, list) else []:
        part = entry.get("resource") if isinstance(entry, dict) else None
        if isinstance(part, dict) and part.get("resourceType") != "OperationOutcome":
            yield part


def _fetched(
    call: HookCall, service: Service, keys: list[str], fetch: Fetch
) -> dict[str, list[Json]]:
    """Return what a server gives for some keys; those that it refuses stay missing."""
    found: dict[str, list[Json]] = {}
    for key in keys:
        query = service.prefetch[key].replace("{{context.patientId}}", call.context.patient_id)
        try:
            answer = _resources(fetch(query))
        except InputError:
            continue  # stays among the missing, and is named there
        if answer is not None:
            found[key] = answer
    return found


def _patient_of(resources: list[Json], patient: str) -> Json:
    """Return the Patient; refuse a call whose Patient is not the one it is about."""
    found = [part for part in resources if part.get("resourceType") == "Patient"]
    if [one.get("id") for one in found] != [patient]:
        raise Refusal(400, "the prefetched Patient is not the one of context.patientId.")
    return found[0]
