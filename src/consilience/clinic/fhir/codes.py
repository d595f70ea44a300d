"""Which codes mean a feature: its own, those of common features by name, and its address."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from consilience.clinic.fhir.ucum import NOTHING_KNOWN, Substance
from consilience.errors import InputError
from consilience.extras import require
from consilience.study.bundle.schema import FeatureSchema

FEATURE_SYSTEM = "urn:consilience:feature"
PATIENT_SYSTEM = "urn:consilience:patient"
LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
ATC = "http://www.whocc.no/atc"

_SYSTEMS = {"loinc": LOINC, "snomed": SNOMED, "rxnorm": RXNORM, "atc": ATC}
_SHORT = {
    **_SYSTEMS,
    "sct": SNOMED,
    "icd-10": "http://hl7.org/fhir/sid/icd-10",
    "icd-10-cm": "http://hl7.org/fhir/sid/icd-10-cm",
    "icd-10-gm": "http://fhir.de/CodeSystem/bfarm/icd-10-gm",
    "cvx": "http://hl7.org/fhir/sid/cvx",
    "feature": FEATURE_SYSTEM,
    "patient": PATIENT_SYSTEM,
    "urn:oid:2.16.840.1.113883.6.1": LOINC,
    "urn:oid:2.16.840.1.113883.6.96": SNOMED,
    "urn:oid:2.16.840.1.113883.6.88": RXNORM,
}
_RESOURCE_OF = {
    RXNORM: "MedicationRequest",
    ATC: "MedicationRequest",
    _SHORT["icd-10"]: "Condition",
    _SHORT["icd-10-cm"]: "Condition",
    _SHORT["icd-10-gm"]: "Condition",
    _SHORT["cvx"]: "Immunization",
}
_TREES = frozenset(
    {ATC, _SHORT["icd-10"], _SHORT["icd-10-cm"], _SHORT["icd-10-gm"]}
)  # in which a longer code lies below the shorter one it begins with
_FILE = Path(__file__).with_name("codes.yaml")


@dataclass(frozen=True)
class Code:
    """A code of a system.

    Attributes
    ----------
    system : str
        Its address.
    code : str
    """

    system: str
    code: str

    @property
    def text(self) -> str:
        """As it is written: ``system|code``."""
        return f"{self.system}|{self.code}"

    @property
    def above(self) -> tuple[Code, ...]:
        """The code itself, and those it lies below where a system is spelled as a tree."""
        if self.system not in _TREES:
            return (self,)
        return tuple(Code(self.system, self.code[:end]) for end in range(len(self.code), 2, -1))


@dataclass(frozen=True)
class Concept:
    """A common feature: its names, codes, and what is known of what is measured.

    Attributes
    ----------
    name : str
    names : frozenset of str
        As `plain_name` writes them.
    codes : tuple of Code
    substance : Substance
    resource : str
        The type of resource whose being there means 1; empty for what is observed.
    answers : mapping of Code to tuple of str
        Levels that a coded answer may be called.
    scores : mapping of Code to float
        The number that a coded answer stands for.
    """

    name: str
    names: frozenset[str]
    codes: tuple[Code, ...]
    substance: Substance = NOTHING_KNOWN
    resource: str = ""
    answers: Mapping[Code, tuple[str, ...]] = field(default_factory=dict)
    scores: Mapping[Code, float] = field(default_factory=dict)


def plain_name(name: str) -> str:
    """Return a name in small letters, with one blank for whatever is no letter or digit."""
    return re.sub(r"[^a-z0-9]+", " ", name.casefold()).strip()


def system_of(system: str) -> str:
    """Return the address of a coding system that is named, or written otherwise."""
    known = _SHORT.get(system.strip().casefold())
    return known or system.strip().rstrip("/").replace("https://loinc.org", LOINC)


def code_of(text: str, where: str = "codes") -> tuple[Code, str]:
    """Return the code in a text such as ``http://loinc.org|2160-0`` and its type of resource.

    Parameters
    ----------
    text : str
        ``system|code`` or ``system|code|type``; a system may be named ("loinc|2160-0"). The
        type ("Condition") says what being there means 1; medicines, ICD-10 and CVX need none.
    where : str
        What errors call the place.

    Raises
    ------
    InputError
        If it is not of that form.
    """
    system, _, rest = text.partition("|")
    code, _, resource = rest.partition("|")
    if not (system.strip() and code.strip()):
        raise InputError(
            f"{where}: {text!r} is no code; write it as system|code, such as loinc|2160-0."
        )
    found = coded(system, code)
    return found, resource.strip() or _RESOURCE_OF.get(found.system, "")


def coded(system: str, code: str) -> Code:
    """Return a code as it is compared: its system by address, trees without dots."""
    known = system_of(system)
    return Code(known, code.strip().replace(".", "") if known in _TREES else code.strip())


def concept_of(feature: FeatureSchema) -> Concept | None:
    """Return the common feature that has this one's name or label, if there is one."""
    by_name = _concepts()[0]
    names = (plain_name(name) for name in (feature.name, feature.label) if name)
    return next((by_name[name] for name in names if name in by_name), None)


def concept_coded(code: Code) -> Concept | None:
    """Return the common feature that a code means, if there is one."""
    return _concepts()[1].get(code)


@cache
def _concepts() -> tuple[dict[str, Concept], dict[Code, Concept]]:
    yaml = require("yaml", extra="clinic", purpose="reading the shipped codes")
    found = [
        _concept(name, said) for name, said in yaml.safe_load(_FILE.read_text("utf-8")).items()
    ]
    by_name = {name: concept for concept in found for name in concept.names}
    by_code: dict[Code, Concept] = {}
    for concept in found:
        for code in concept.codes:
            by_code.setdefault(code, concept)
    return by_name, by_code


def _concept(name: str, said: Mapping[str, Any]) -> Concept:
    names = frozenset(map(plain_name, (name, *said["names"])))
    codes = tuple(
        Code(system, str(code)) for key, system in _SYSTEMS.items() for code in said.get(key, ())
    )
    substance = Substance(
        said.get("molar_mass"),
        said.get("charge"),
        said.get("enzyme", False),
        said.get("ifcc", False),
    )
    answers = {code_of(k)[0]: tuple(map(plain_name, v)) for k, v in said.get("answers", {}).items()}
    scores = {code_of(k)[0]: float(v) for k, v in said.get("scores", {}).items()}
    resource = said.get("resource", "")
    return Concept(name, names, codes, substance, resource, answers, scores)
