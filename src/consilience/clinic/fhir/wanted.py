"""What a model reads, found by the codes that a record may write it with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from consilience.clinic.fhir.codes import (
    FEATURE_SYSTEM,
    PATIENT_SYSTEM,
    SNOMED,
    Code,
    Concept,
    code_of,
    concept_of,
    plain_name,
)
from consilience.study.bundle.schema import FeatureSchema, Schema

# What is read off the Patient, by the names of features that mean it.
_OF_THE_PATIENT = {
    "age": "age", "age years": "age", "age in years": "age", "age at assessment": "age",
    "sex": "sex", "gender": "sex", "male": "male", "is male": "male", "sex male": "male",
    "female": "female", "is female": "female", "sex female": "female",
}  # fmt: skip


_MEDICINES = ("MedicationRequest", "MedicationStatement")


def kinds_of(resource: str) -> tuple[str, ...]:
    """Return the types in which a type of thing may stand: medicines stand in two."""
    return _MEDICINES if resource in _MEDICINES else (resource,)


@dataclass(frozen=True)
class Wanted:
    """One feature of a table of the model's.

    Attributes
    ----------
    modality : str
    feature : FeatureSchema
    concept : Concept or None
        The common feature it is.
    resources : mapping of Code to str
        For codes whose being there means 1: the type of resource.
    of_patient : str
        What of the Patient it is: "age", "sex", "male", "female", "deceased", or nothing.
    codes : tuple of Code
        All that mean it; the first is its address.
    closed : bool
        Whether its codes are all that mean it, so that none of them means 0: the user
        named the type of resource.
    """

    modality: str
    feature: FeatureSchema
    concept: Concept | None
    resources: Mapping[Code, str]
    of_patient: str = ""
    codes: tuple[Code, ...] = ()
    closed: bool = False

    @property
    def name(self) -> str:
        """What it is called in a list."""
        return f"{self.modality}/{self.feature.name}"

    @property
    def key(self) -> tuple[str, str]:
        """Modality and feature."""
        return self.modality, self.feature.name

    @property
    def by_presence(self) -> bool:
        """Whether it is 1 where something is there, and 0 where it is not."""
        return bool(self.resources) and self.feature.kind == "binary"

    def shown_by(self, codes: Iterable[Code], resource: str) -> bool:
        """Return whether a resource of a type, with these codes, means that it is there."""
        for code in (wide for narrow in codes for wide in narrow.above):
            due = self.resources.get(code)
            if due is not None and resource in kinds_of(due):
                return True
            if due is None and code.system == SNOMED and code in self.codes:
                return resource in ("Condition", "Procedure")
        return False

    @property
    def numeric(self) -> bool:
        """Whether it is a number."""
        return self.feature.kind != "categorical"


class Reading:
    """All that a schema wants, by code.

    Parameters
    ----------
    schema : Schema

    Raises
    ------
    InputError
        If a code of the schema's is none.
    """

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.all: list[Wanted] = []
        self.by_code: dict[Code, list[Wanted]] = {}
        self.unreadable = tuple(m.name for m in schema.modalities if m.kind != "table")
        for modality in schema.modalities:
            if modality.kind == "table":
                for feature in modality.features:
                    self._add(modality.name, feature)
        self.of_patient = tuple(one for one in self.all if one.of_patient)
        self._by_key = {one.key: one for one in self.all}
        self.by_presence = tuple(one for one in self.all if one.by_presence)

    def _add(self, modality: str, feature: FeatureSchema) -> None:
        concept = concept_of(feature)
        if feature.codes:
            where = f"feature {modality}/{feature.name}"
            given = [code_of(text, where) for text in feature.codes]
        else:
            resource = concept.resource if concept else ""
            given = [(code, resource) for code in concept.codes] if concept else []
        resources = {code: resource for code, resource in given if resource}
        own = _of_patient(feature, [code for code, _ in given])
        address = Code(FEATURE_SYSTEM, f"{modality}/{feature.name}")
        codes = tuple(dict.fromkeys([address, *(code for code, _ in given)]))
        closed = bool(feature.codes) and bool(resources)
        wanted = Wanted(modality, feature, concept, resources, own, codes, closed)
        self.all.append(wanted)
        for code in codes:
            self.by_code.setdefault(code, []).append(wanted)

    def feature(self, modality: str, name: str) -> Wanted:
        """Return one feature by its modality and name."""
        return self._by_key[modality, name]

    def wanted(self, codes: Iterable[Code]) -> list[Wanted]:
        """Return the features that any of the codes means, each once."""
        wide = (above for code in codes for above in code.above)
        found = {id(w): w for code in wide for w in self.by_code.get(code, ())}
        return list(found.values())


def _of_patient(feature: FeatureSchema, codes: list[Code]) -> str:
    said = [code.code for code in codes if code.system == PATIENT_SYSTEM]
    if said:
        return said[0]
    return "" if feature.codes else _OF_THE_PATIENT.get(plain_name(feature.name), "")


def reading_of(schema: Schema) -> Reading:
    """Return what a schema wants; worked out once for each of the last few schemas."""
    return _reading(_Same(schema))


class _Same:
    """A schema that is compared by being the same object: comparing all of it takes long."""

    def __init__(self, schema: Schema) -> None:
        self.schema = schema

    def __hash__(self) -> int:
        return id(self.schema)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and other.schema is self.schema


@lru_cache(maxsize=8)
def _reading(same: _Same) -> Reading:
    return Reading(same.schema)
