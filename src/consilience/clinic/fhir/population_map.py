"""What to read of a population: a user's file that says which codes are which features."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from consilience.clinic.fhir.codes import Code, code_of
from consilience.clinic.fhir.times import span_of
from consilience.cohort.table import KINDS
from consilience.errors import InputError, listing, suggestion
from consilience.study.bundle.schema import FeatureSchema, ModalitySchema, Schema

_FEATURE_KEYS = ("codes", "unit", "kind", "levels", "label")
_TOP_KEYS = ("name", "window_days", "index", "tables", "outcomes")
_INDEX_KEYS = ("date", "codes", "until")
_OUTCOME_KEYS = ("codes", "death")


@dataclass(frozen=True)
class FhirOutcome:
    """An outcome to read: columns ``name`` (0 or 1) and ``name_days``.

    Attributes
    ----------
    name : str
    codes : tuple of Code
        Conditions or Procedures whose first time is the event.
    death : bool
        Whether death is the event.
    """

    name: str
    codes: tuple[Code, ...] = ()
    death: bool = False


@dataclass(frozen=True)
class PopulationMap:
    """What to read of each patient of a population, and from when.

    Attributes
    ----------
    schema : Schema
        The features, with codes and units.
    name : str
        What reports call the cohort.
    window_days : float
        How old an observation may be at the index time.
    index_date : datetime or None
        When all patients are looked at.
    index_codes : tuple of Code
        Or: at the first Condition or Procedure with one of these codes.
    until : datetime or None
        When the records were drawn: to then a patient without an event was followed. The
        last date in his record where it is not given.
    outcomes : tuple of FhirOutcome
    """

    schema: Schema
    name: str = "cohort"
    window_days: float = 365.0
    index_date: datetime | None = None
    index_codes: tuple[Code, ...] = ()
    until: datetime | None = None
    outcomes: tuple[FhirOutcome, ...] = ()


def read_map(path: str | Path) -> PopulationMap:
    """Read a map file.

    Parameters
    ----------
    path : path
        TOML: ``[tables.NAME.FEATURE]`` with codes, unit, kind, levels, label;
        ``[index]`` with date or codes, and until; ``[outcomes.NAME]`` with codes or death.

    Raises
    ------
    InputError
        Naming file and key.
    """
    file = Path(path)
    try:
        said = tomllib.loads(file.read_text("utf-8"))
    except OSError as reason:
        raise InputError(f"{file}: it cannot be read ({reason.strerror}).") from reason
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as reason:
        raise InputError(f"{file}: it is not TOML ({reason}).") from reason
    return _Reader(str(file)).whole(said)


@dataclass(frozen=True)
class _Reader:
    """Reads the parts of a map; errors begin with the file."""

    file: str

    def whole(self, said: Mapping[str, Any]) -> PopulationMap:
        self._keys(said, _TOP_KEYS, "the file")
        tables = self._section(said, "tables")
        if not tables:
            raise InputError(
                f"{self.file}: it maps no feature; add a section such as [tables.labs.ldh]."
            )
        index = self._section(said, "index")
        self._keys(index, _INDEX_KEYS, "[index]")
        outcomes = tuple(
            self._outcome(n, one) for n, one in self._section(said, "outcomes").items()
        )
        codes = self._codes(index, "[index]")
        if outcomes and not (codes or "date" in index):
            raise InputError(
                f"{self.file}: an outcome is counted from a time; say which, as date or codes "
                "in [index]."
            )
        return PopulationMap(
            Schema(patients=0, modalities=tuple(self._table(n, t) for n, t in tables.items())),
            str(said.get("name", Path(self.file).stem)),
            self._days(said.get("window_days", 365)),
            self._date(index, "date"),
            tuple(code_of(text)[0] for text in codes),
            self._date(index, "until"),
            outcomes,
        )

    def _section(self, said: Mapping[str, Any], key: str) -> dict[str, Any]:
        found = said.get(key, {})
        if not isinstance(found, dict):
            raise InputError(f"{self.file}: {key} is no section; write [{key}].")
        return found

    def _keys(self, said: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
        for key in said:
            if key not in known:
                raise InputError(
                    f"{self.file}, {where}: {key!r} is none of {listing(known)}."
                    f"{suggestion(key, known)}"
                )

    def _table(self, name: str, said: Any) -> ModalitySchema:
        if not isinstance(said, dict) or not said:
            raise InputError(f"{self.file}: [tables.{name}] holds no features.")
        features = tuple(self._feature(f"{name}.{key}", key, one) for key, one in said.items())
        return ModalitySchema(
            name=name, kind="table", patients=0, always_measured=False, features=features
        )

    def _feature(self, where: str, name: str, said: Any) -> FeatureSchema:
        where = f"[tables.{where}]"
        if not isinstance(said, dict):
            raise InputError(f"{self.file}, {where}: write it as a section with codes and unit.")
        self._keys(said, _FEATURE_KEYS, where)
        kind = said.get("kind", "continuous")
        if kind not in KINDS:
            raise InputError(f"{self.file}, {where}: kind {kind!r} is none of {listing(KINDS)}.")
        levels = self._texts(said, "levels", where)
        if (kind == "categorical") != bool(levels):
            raise InputError(f'{self.file}, {where}: levels go with kind = "categorical".')
        return FeatureSchema(
            name=name,
            kind=kind,
            unit=self._text(said, "unit", where),
            label=self._text(said, "label", where),
            codes=self._codes(said, where),
            levels=levels or None,
        )

    def _outcome(self, name: str, said: Any) -> FhirOutcome:
        where = f"[outcomes.{name}]"
        if not isinstance(said, dict):
            raise InputError(f"{self.file}, {where}: write it as a section with codes or death.")
        self._keys(said, _OUTCOME_KEYS, where)
        codes, death = self._codes(said, where), said.get("death", False) is True
        if bool(codes) == death:
            raise InputError(f"{self.file}, {where}: give it either codes or death = true.")
        return FhirOutcome(name, tuple(code_of(text)[0] for text in codes), death)

    def _codes(self, said: Mapping[str, Any], where: str) -> tuple[str, ...]:
        codes = self._texts(said, "codes", where)
        for text in codes:
            code_of(text, f"{self.file}, {where}")
        return codes

    def _texts(self, said: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        found = said.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise InputError(f"{self.file}, {where}: {key} is a list of texts.")
        return tuple(found)

    def _text(self, said: Mapping[str, Any], key: str, where: str) -> str:
        found = said.get(key, "")
        if not isinstance(found, str):
            raise InputError(f"{self.file}, {where}: {key} is a text.")
        return found

    def _days(self, found: Any) -> float:
        if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
            raise InputError(f"{self.file}: window_days is a number of days above 0.")
        return float(found)

    def _date(self, said: Mapping[str, Any], key: str) -> datetime | None:
        if key not in said:
            return None
        span = span_of(str(said[key]))
        if span is None:
            raise InputError(f"{self.file}, [index]: {key} is a date such as 2025-01-31.")
        return span.start
