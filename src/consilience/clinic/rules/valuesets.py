"""Value sets: what a rule means by "diabetes", as codes of several systems."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from consilience.clinic.fhir.ucum import NOTHING_KNOWN, Substance
from consilience.clinic.rules.codes import PREFIX_SYSTEMS, SYSTEMS, check_code
from consilience.clinic.rules.yaml_files import validated, yaml_of
from consilience.errors import InputError, suggestion

Code = tuple[str, str]
_LONGEST_PREFIX = 16  # no ATC or ICD code is longer; what is sent may be anything


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class _Declared(_Strict):
    """One value set as it stands in the file."""

    title: str
    includes: tuple[str, ...] = ()
    codes: dict[str, dict[str, str]] = {}
    molar_mass: float | None = Field(None, gt=0)
    charge: int | None = None
    ifcc: bool = False


class _File(_Strict):
    sets: dict[str, _Declared] = {}
    medicines: dict[str, dict[str, str | tuple[str, ...]]] = {}


@dataclass(frozen=True)
class ValueSet:
    """A named set of codes.

    Attributes
    ----------
    name, title : str
        As a rule calls it, and as a clinician does.
    codes : mapping of (system, code) to str
        To the concept's name. ATC and ICD codes stand for everything below them too.
    substance : Substance
        What is known of what is measured, for turning one unit into another.
    """

    name: str
    title: str
    codes: Mapping[Code, str]
    substance: Substance = NOTHING_KNOWN


class ValueSets:
    """All value sets, asked by name or by code.

    Parameters
    ----------
    sets : mapping of str to ValueSet
    """

    def __init__(self, sets: Mapping[str, ValueSet]) -> None:
        self.sets = dict(sets)
        self._by_code: dict[Code, set[str]] = {}
        self._names: dict[Code, str] = {}
        for one in self.sets.values():
            for code, name in one.codes.items():
                self._by_code.setdefault(code, set()).add(one.name)
                self._names.setdefault(code, name)

    def __getitem__(self, name: str) -> ValueSet:
        return self.sets[name]

    def __contains__(self, name: object) -> bool:
        return name in self.sets

    def containing(self, code: Code) -> frozenset[str]:
        """Return the names of the sets that a code belongs to."""
        return frozenset().union(*(self._by_code.get(one, ()) for one in _above(code)))

    def concept(self, code: Code) -> str | None:
        """Return the name of exactly this code, if the sets know it."""
        return self._names.get(code)


def _above(code: Code) -> tuple[Code, ...]:
    """Return a code and, where its system is a tree by spelling, all that it begins with."""
    system, text = code
    if system not in PREFIX_SYSTEMS or len(text) > _LONGEST_PREFIX:
        return (code,)
    plain = text.replace(".", "")
    return tuple((system, plain[:end]) for end in range(1, len(plain) + 1))


def _code(system: str, code: str, where: str) -> Code:
    if system not in SYSTEMS:
        raise InputError(f"{where}: unknown code system {system!r}.{suggestion(system, SYSTEMS)}")
    check_code(system, code, where)
    return SYSTEMS[system], code.replace(".", "") if SYSTEMS[system] in PREFIX_SYSTEMS else code


def _medicine(name: str, codes: Mapping[str, str | tuple[str, ...]], file: Path) -> _Declared:
    listed = {
        system: dict.fromkeys([given] if isinstance(given, str) else given, name)
        for system, given in codes.items()
    }
    return _Declared(title=name.replace("-", " "), codes=listed)


def _read(file: Path) -> dict[str, tuple[_Declared, Path]]:
    whole: Any = yaml_of(file)
    parsed = validated(_File, whole, file)
    declared = {name: (one, file) for name, one in parsed.sets.items()}
    for name, codes in parsed.medicines.items():
        if name in declared:
            raise InputError(f"{file.name}: {name!r} is both a set and a medicine; rename one.")
        declared[name] = (_medicine(name, codes, file), file)
    return declared


class _Resolver:
    """Fills the sets that include others."""

    def __init__(self, declared: Mapping[str, tuple[_Declared, Path]]) -> None:
        self._declared = declared
        self._done: dict[str, dict[Code, str]] = {}

    def codes(self, name: str, path: tuple[str, ...] = ()) -> dict[Code, str]:
        if name in self._done:
            return self._done[name]
        one, file = self._declared[name]
        where = f"{file.name}, value set {name!r}"
        if name in path:
            raise InputError(f"{where} includes itself; take one of the includes out.")
        found = {
            _code(system, code, where): text
            for system, codes in one.codes.items()
            for code, text in codes.items()
        }
        for other in one.includes:
            if other not in self._declared:
                hint = suggestion(other, self._declared)
                raise InputError(f"{where} includes {other!r}, which is no value set.{hint}")
            # its own codes stay first: the first is what an order is written with
            found |= {c: t for c, t in self.codes(other, (*path, name)).items() if c not in found}
        self._done[name] = found
        return found


def read_value_sets(files: tuple[Path, ...]) -> ValueSets:
    """Read value sets; a set of a later file may include those of an earlier one.

    Raises
    ------
    InputError
        If a file cannot be read, a name is given twice, or a code cannot be right.
    """
    declared: dict[str, tuple[_Declared, Path]] = {}
    for file in files:
        for name, one in _read(file).items():
            if name in declared:
                first = declared[name][1].name
                raise InputError(
                    f"{file}: value set {name!r} is already in {first}; give yours another name."
                )
            declared[name] = one
    resolver = _Resolver(declared)
    return ValueSets(
        {
            name: ValueSet(
                name,
                one.title,
                resolver.codes(name),
                Substance(molar_mass=one.molar_mass, charge=one.charge, ifcc=one.ifcc),
            )
            for name, (one, _) in declared.items()
        }
    )
