"""A FHIR Bundle of one patient, read safely: limits, validation, and whose each resource is.

FHIR R4 and R4B (https://hl7.org/fhir/R4B/). What is not valid is listed and left out; what
belongs to another patient stops everything, for advice must never rest on a mixed record.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NoReturn, TypeAlias

from consilience.clinic.fhir.identity import Identity, Whose
from consilience.clinic.fhir.times import span_of
from consilience.errors import InputError
from consilience.extras import require
from consilience.records import Unmapped

Json: TypeAlias = dict[str, Any]

_MODULES = {
    "Patient": "patient",
    "Condition": "condition",
    "Observation": "observation",
    "MedicationRequest": "medicationrequest",
    "MedicationStatement": "medicationstatement",
    "AllergyIntolerance": "allergyintolerance",
    "Procedure": "procedure",
    "DiagnosticReport": "diagnosticreport",
    "ImagingStudy": "imagingstudy",
    "Immunization": "immunization",
    "Medication": "medication",
}
READ_TYPES = tuple(_MODULES)
_NOBODYS = frozenset({"Medication"})  # what others refer to, without a subject of its own


@dataclass(frozen=True)
class Limits:
    """How much is read of one bundle.

    Attributes
    ----------
    bytes : int
        Of its text.
    depth : int
        Of nested objects and lists.
    values : int
        Objects, lists and plain values in all.
    resources : int
        Entries, contained ones included.
    """

    bytes: int = 50_000_000
    depth: int = 40
    values: int = 5_000_000
    resources: int = 20_000


@dataclass(frozen=True)
class Resource:
    """One resource that is valid and the patient's.

    Attributes
    ----------
    type : str
    label : str
        Such as ``Observation/123``, or by its position where it has no id.
    content : dict
        As it was sent; not to be changed.
    url : str
        The address of its entry; empty where it has none.
    """

    type: str
    label: str
    content: Json
    url: str = ""


@dataclass(frozen=True)
class FhirBundle:
    """The resources of one patient.

    Attributes
    ----------
    patient : Resource
    patient_id : str
        The Patient's id.
    resources : tuple of Resource
        All others that were read, in their order.
    unmapped : tuple of Unmapped
        What was not read, and why.
    """

    patient: Resource
    patient_id: str
    resources: tuple[Resource, ...]
    unmapped: tuple[Unmapped, ...]

    def of_type(self, *types: str) -> tuple[Resource, ...]:
        """Return the resources of some types, in the bundle's order."""
        return tuple(one for one in self.resources if one.type in types)

    @cached_property
    def medications(self) -> Mapping[str, Json]:
        """Each Medication by the references that may name it."""
        own = {one.label: one.content for one in self.of_type("Medication")}
        return {**{one.url: one.content for one in self.of_type("Medication") if one.url}, **own}

    @cached_property
    def raw(self) -> Json:
        """Patient and resources as one FHIR Bundle of type collection, without the rest."""
        parts = (self.patient, *self.resources)
        return {
            "resourceType": "Bundle",
            "type": "collection",
            "entry": [{"resource": part.content} for part in parts],
        }


@dataclass(frozen=True)
class _Entry:
    """A resource where it stands: position from 1, and what contains it."""

    position: int
    content: Json
    url: str
    holder: _Entry | None = None

    @property
    def type(self) -> str:
        return str(self.content["resourceType"])

    @property
    def label(self) -> str:
        own = self.content.get("id")
        if self.holder is not None:
            return f"{self.holder.label}#{own or 'contained'}"
        known = isinstance(own, str) and 0 < len(own) <= 64
        return f"{self.type}/{own}" if known else f"{self.type}, entry {self.position}"


def read_bundle(
    data: bytes | str | Mapping[str, Any] | Sequence[Any],
    *,
    source: str = "the bundle",
    limits: Limits = Limits(),
) -> FhirBundle:
    """Read the record of one patient.

    Parameters
    ----------
    data : bytes, str, mapping or sequence
        A FHIR Bundle of any type, as JSON or parsed; or a list of resources and Bundles.
    source : str
        What errors call it.
    limits : Limits

    Returns
    -------
    FhirBundle
        Resources that are not valid, of types that are not read, or without a subject are
        in `unmapped`.

    Raises
    ------
    InputError
        If it is no FHIR, over a limit, has no Patient or several, or holds a resource of
        another patient. The sentence holds types and positions, and no patient data.

    Examples
    --------
    >>> from consilience.clinic.fhir import read_bundle
    >>> bundle = read_bundle([{"resourceType": "Patient", "id": "p1"}])
    >>> bundle.patient_id, bundle.resources
    ('p1', ())
    """
    entries = _entries(_parsed(data, source, limits), source, limits)
    first = _the_patient(entries, source)
    identity = Identity.of(first.content, first.url)
    if not identity.id:
        raise InputError(f"{source}: the Patient (entry {first.position}) has no id; give it one.")
    others = [entry for entry in entries if entry.type != "Patient"]
    _refuse_other_patients(others, identity, source)
    listed: list[Unmapped] = _of_other_types(others)
    kept = []
    for entry in _once(others, listed):
        resource = _checked(entry, identity, listed)
        if resource is not None:
            kept.append(resource)
    patient = Resource("Patient", first.label, first.content)
    return FhirBundle(patient, identity.id, tuple(kept), tuple(listed))


def _parsed(data: Any, source: str, limits: Limits) -> Any:
    if isinstance(data, bytes | bytearray | str):
        if len(data) > limits.bytes:
            raise InputError(
                f"{source}: it is larger than {limits.bytes / 1e6:g} MB; send less at once."
            )
        try:
            data = json.loads(data, parse_constant=_no_constant)
        except (ValueError, RecursionError) as reason:
            raise InputError(f"{source}: it is not JSON that can be read.") from reason
    _check_values(data, source, limits)
    return data


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _check_values(data: Any, source: str, limits: Limits) -> None:
    """Refuse what nests too deep, is too much, or is no finite number."""
    level, depth, count = [data], 0, 0
    while level:
        depth, count = depth + 1, count + len(level)
        if depth > limits.depth or count > limits.values:
            what = "nested too deep" if depth > limits.depth else "of too many values"
            raise InputError(f"{source}: it is {what} to be a patient's record.")
        deeper: list[Any] = []
        for value in level:
            if isinstance(value, dict):
                deeper.extend(value.values())
            elif isinstance(value, list):
                deeper.extend(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"{source}: it holds a number that is not finite.")
        level = deeper


def _entries(data: Any, source: str, limits: Limits) -> list[_Entry]:
    """Return all resources, those of bundles within and those contained included."""
    found: list[_Entry] = []
    for content, url in _outer(data, source):
        holder = _Entry(len(found) + 1, content, url)
        found.append(holder)
        contained = content.get("contained")
        for inner in contained if isinstance(contained, list) else ():
            if _is_resource(inner) and inner["resourceType"] != "Patient":
                found.append(_Entry(holder.position, inner, "", holder))
        if len(found) > limits.resources:
            raise InputError(
                f"{source}: it has more than {limits.resources:,} resources; send less at once."
            )
    return found


def _outer(data: Any, source: str) -> list[tuple[Json, str]]:
    if isinstance(data, Mapping) and data.get("resourceType") == "Bundle":
        entries = data.get("entry") or []
        if not isinstance(entries, list):
            raise InputError(f"{source}: the Bundle's entry is no list.")
        entries = [e if isinstance(e, Mapping) else {"resource": e} for e in entries]
        given = [(e["resource"], e.get("fullUrl")) for e in entries if "resource" in e]
    elif _is_resource(data):
        given = [(data, None)]
    elif isinstance(data, Sequence) and not isinstance(data, str | bytes):
        given = [(one, None) for one in data]
    else:
        raise InputError(f"{source}: it is neither a FHIR Bundle nor a list of resources.")
    outer: list[tuple[Json, str]] = []
    for place, (one, url) in enumerate(given, start=1):
        if not _is_resource(one):
            raise InputError(f"{source}: entry {place} is no FHIR resource (no resourceType).")
        nested = one["resourceType"] == "Bundle"
        outer += _outer(one, source) if nested else [(one, url if isinstance(url, str) else "")]
    return outer


def _is_resource(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("resourceType"), str)


def _the_patient(entries: list[_Entry], source: str) -> _Entry:
    """Return the one Patient; the same one sent twice counts once."""
    patients = [entry for entry in entries if entry.type == "Patient"]
    if not patients:
        raise InputError(f"{source}: it has no Patient; send the patient with his record.")
    first = next((entry for entry in patients if entry.url), patients[0])
    others = [p.position for p in patients if p.content != first.content]
    if others:
        raise InputError(
            f"{source}: it has more than one Patient (entries {first.position} and {others[0]}); "
            "send one patient at a time."
        )
    wrong = _fault(first)
    if wrong:
        raise InputError(f"{source}: the Patient (entry {first.position}) is {wrong}.")
    return first


def _refuse_other_patients(entries: list[_Entry], identity: Identity, source: str) -> None:
    for entry in entries:
        if _whose(entry, identity) is Whose.ANOTHERS:
            raise InputError(
                f"{source}: the {_kind(entry)} (entry {entry.position}) is of another patient than "
                "the Patient sent with it; nothing of the bundle was used."
            )


def _whose(entry: _Entry, identity: Identity) -> Whose:
    subject = entry.content.get("subject", entry.content.get("patient"))
    if subject is None and entry.holder is not None:
        return _whose(entry.holder, identity)
    return identity.whose(subject)


def _kind(entry: _Entry) -> str:
    """Return the type to name in an error; what is no type of ours is not repeated."""
    return entry.type if entry.type in _MODULES else "resource"


def _of_other_types(entries: list[_Entry]) -> list[Unmapped]:
    counted = Counter(entry.type for entry in entries if entry.type not in _MODULES)
    reason = "resources of this type are not read."
    return [
        Unmapped(resource=_times(kind[:40], n), reason=reason, asked=False)
        for kind, n in counted.items()
    ]


def _times(what: str, n: int) -> str:
    return what if n == 1 else f"{what} ({n} times)"


def _once(entries: list[_Entry], listed: list[Unmapped]) -> list[_Entry]:
    """Return each resource once; of several versions the last, if they say which it is."""
    kept: dict[str, _Entry] = {}
    unclear: set[str] = set()
    for place, entry in enumerate(entries):
        if entry.type not in _MODULES:
            continue
        own = entry.content.get("id")
        key = entry.label if own else f"{place}"
        before = kept.setdefault(key, entry)
        if before is entry or before.content == entry.content:
            continue
        old, new = _updated(before), _updated(entry)
        if old is None or new is None or old == new:
            unclear.add(key)
        else:
            kept[key] = entry if new > old else before
    for key in unclear:
        reason = "it is there twice, differently, and nothing says which is newer."
        listed.append(Unmapped(resource=kept.pop(key).label, reason=reason))
    return list(kept.values())


def _updated(entry: _Entry) -> datetime | None:
    meta = entry.content.get("meta")
    said = span_of(meta.get("lastUpdated")) if isinstance(meta, dict) else None
    return said.start if said is not None else None


def _checked(entry: _Entry, identity: Identity, listed: list[Unmapped]) -> Resource | None:
    """Return a resource that may be used, or list why it may not."""
    reason = _fault(entry)
    whose = Whose.HIS if entry.type in _NOBODYS else _whose(entry, identity)
    if not reason and whose is not Whose.HIS:
        reason = "without a subject that is known to be the patient"
    if reason:
        listed.append(Unmapped(resource=entry.label, reason=f"it is {reason}."))
        return None
    return Resource(entry.type, entry.label, entry.content, entry.url)


def _fault(entry: _Entry) -> str:
    """Return what is wrong with a resource as FHIR, or an empty text."""
    from pydantic import ValidationError

    try:
        _model(entry.type).model_validate(entry.content)
    except ValidationError as reason:
        first = reason.errors(include_url=False, include_context=False, include_input=False)[0]
        known = first["loc"][:-1] if first["type"] == "extra_forbidden" else first["loc"]
        place = ".".join(str(part) for part in known[:4] if str(part).isidentifier())
        return f"not valid FHIR R4 ({place or 'its form'})"
    return ""


def load_models() -> None:
    """Load all validators; else each is loaded when it is first needed."""
    for kind in _MODULES:
        _model(kind)


@cache
def _model(kind: str) -> Any:
    """Return the class that validates a type of resource."""
    name = f"fhir.resources.R4B.{_MODULES[kind]}"
    return getattr(require(name, extra="clinic", purpose="reading FHIR"), kind)
