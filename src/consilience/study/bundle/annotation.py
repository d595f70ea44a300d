"""Notes on features: what a clinician calls them, codes, units, usual range, what care can change.

None of it can be read off the numbers of a cohort, so that a person writes it: in a file of
notes, or under ``[features]`` in ``study.toml``, in the same form:

    [features.labs.ldh]
    label = "Lactate dehydrogenase"
    codes = ["http://loinc.org|2532-0"]
    unit = "U/L"
    reference = [135, 225]
    actionable = false
    cost = 6.5
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from consilience.cohort import Bag, Cohort, Table
from consilience.errors import InputError, listing, suggestion
from consilience.extras import require
from consilience.study.bundle.bundle import Bundle
from consilience.study.bundle.folder import read_regular
from consilience.study.bundle.schema import FeatureSchema, ModalitySchema, Schema
from consilience.study.bundle.units import same_unit
from consilience.study.toml_text import to_toml, toml_key
from consilience.trust.plausible import Key, Plausible

LARGEST = 2**24  # bytes of a file of notes
SECTION = "features"


class FeatureNote(BaseModel):
    """What is known of one feature beside its values; what is left out stays as it was.

    Parameters
    ----------
    label : str, optional
        What a clinician calls it.
    codes : list of str, optional
        "system|code" of FHIR, such as ``"http://loinc.org|2532-0"``; any of them means it.
    unit : str, optional
        In which its values are, UCUM; it must not contradict the training data's.
    reference : list of two numbers or null, optional
        What is usual in the healthy, in that unit. In TOML, which has no null, an open side
        is left out: ``reference = { high = 5 }``.
    actionable : bool, optional
        Whether care can change it.
    treatment : bool, optional
        Whether its levels, or 0 and 1, are treatments to choose from.
    cost : float, optional
        Of measuring it, in a currency of yours.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    label: str | None = Field(None, max_length=200)
    codes: list[str] | None = None
    unit: str | None = None
    reference: list[float | None] | None = Field(None, min_length=2, max_length=2)
    actionable: bool | None = None
    treatment: bool | None = None
    cost: float | None = Field(None, ge=0)

    @field_validator("reference", mode="before")
    @classmethod
    def _of_sides(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        strange = sorted(set(map(str, given)) - {"low", "high"})
        if strange or not given:
            raise ValueError('give two numbers, or "low" or "high"')
        return [given.get("low"), given.get("high")]

    @field_validator("codes")
    @classmethod
    def _system_and_code(cls, given: list[str] | None) -> list[str] | None:
        for code in given or ():
            system, _, own = code.partition("|")
            if not system.strip() or not own.strip() or "|" in own or code != code.strip():
                raise ValueError(f"{code!r} is not of the form system|code")
        return given

    @model_validator(mode="after")
    def _low_below_high(self) -> Self:
        low, high = self.reference or (None, None)
        if low is not None and high is not None and low > high:
            raise ValueError(f"the reference range ends ({high:g}) before it starts ({low:g})")
        return self

    def changes(self) -> dict[str, Any]:
        """Return the fields of a `FeatureSchema` that the note fills."""
        given = self.model_dump(exclude_none=True)
        for key in ("codes", "reference"):
            if key in given:
                given[key] = tuple(given[key])
        if self.reference is not None:  # a dump drops what is None within it
            given["reference"] = tuple(self.reference)
        return given


FeatureNotes = dict[str, dict[str, FeatureNote]]  # by modality and feature


class _NotesFile(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    features: FeatureNotes


@dataclass(frozen=True)
class Notes:
    """Notes on features, and where they stand.

    Attributes
    ----------
    features : dict of str to dict of str to FeatureNote
        By modality and feature.
    source : str
        Of the notes, for sentences about mistakes: a file's name.
    """

    features: FeatureNotes = field(default_factory=dict)
    source: str = "notes"

    def check(self, known: Mapping[str, Sequence[str]]) -> None:
        """Refuse notes on what is not there, and one code for two features.

        Parameters
        ----------
        known : mapping of str to sequence of str
            The features of each modality.

        Raises
        ------
        InputError
            Naming the file and the key.
        """
        for modality, feature, _ in self:
            place = f"{self.source}: {SECTION}.{modality}"
            if modality not in known:
                raise InputError(
                    f"{place}: there is no such modality; there are "
                    f"{listing(known, most=20)}.{suggestion(modality, known)}"
                )
            if feature not in known[modality]:
                raise InputError(
                    f"{place}.{feature}: {modality!r} has no such feature."
                    f"{suggestion(feature, known[modality])}"
                )
        self._check_codes()

    def _check_codes(self) -> None:
        seen: dict[str, str] = {}
        for modality, feature, note in self:
            for code in note.codes or ():
                place = f"{SECTION}.{modality}.{feature}"
                if seen.setdefault(code, place) != place:
                    raise InputError(
                        f"{self.source}: {place}.codes: {code!r} is that of {seen[code]} too; a "
                        "code must mean one feature."
                    )

    def only(self, modalities: Collection[str]) -> Notes:
        """Return the notes on some modalities."""
        kept = {name: own for name, own in self.features.items() if name in modalities}
        return Notes(kept, self.source)

    def __iter__(self) -> Iterator[tuple[str, str, FeatureNote]]:
        for modality, notes in self.features.items():
            for feature, note in notes.items():
                yield modality, feature, note

    def __bool__(self) -> bool:
        return any(self.features.values())


def read_notes(path: str | Path) -> Notes:
    """Read notes on features from a file: TOML, or YAML by its ending.

    Parameters
    ----------
    path : path
        With one section, ``features``; see `FeatureNote`.

    Raises
    ------
    InputError
        Naming the file, the key and what is allowed there.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"{place}: there is no such file; give a file of notes on features.")
    try:
        text = read_regular(place.resolve(), LARGEST).decode("utf-8-sig")
    except UnicodeDecodeError as reason:
        raise InputError(f"{place}: it is no text ({reason}).") from reason
    read = _yaml if place.suffix.lower() in (".yaml", ".yml") else _toml
    try:
        return Notes(_NotesFile.model_validate(read(text, place)).features, str(place))
    except ValidationError as reason:
        raise InputError(f"{place}: {mistake_in_notes(reason)}") from reason
    except RecursionError as reason:
        raise InputError(f"{place}: lists or tables in it are nested too deep.") from reason


def _toml(text: str, place: Path) -> Any:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as reason:
        raise InputError(f"{place}: not valid TOML: {reason}.") from reason


def _yaml(text: str, place: Path) -> Any:
    yaml: Any = require("yaml", extra="clinic", purpose="notes in YAML")
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as reason:
        problem = " ".join(str(reason).split())
        raise InputError(f"{place}: not valid YAML: {problem}.") from reason


def mistake_in_notes(reason: ValidationError) -> str:
    """Return the first mistake as a sentence that names the key and what is allowed."""
    error = reason.errors()[0]
    place = [str(step) for step in error["loc"]]
    key = ".".join(place) or "the file"
    if error["type"] == "extra_forbidden":
        known = [SECTION] if len(place) == 1 else list(FeatureNote.model_fields)
        hint = suggestion(place[-1], known)
        return f"{key}: there is no such key; allowed: {listing(known, most=30)}.{hint}"
    if error["type"] == "missing":
        return f'{key}: this section is needed, such as [{SECTION}.labs.ldh] with label = "LDH".'
    return f"{key}: {error['msg'].removeprefix('Value error, ')}. It is {error['input']!r}."


def check_notes(cohort: Cohort, notes: Notes) -> None:
    """Refuse notes that the bundle of a study on a cohort could not take.

    Features are looked for in tables and bags; those of images have no names beforehand.

    Raises
    ------
    InputError
        Naming the source of the notes and the key.
    """
    named = {n: m for n, m in cohort.modalities.items() if isinstance(m, Table | Bag)}
    others = {n: list(notes.features.get(n, ())) for n in cohort.modalities if n not in named}
    notes.check({**{n: m.features for n, m in named.items()}, **others})
    for modality, feature, note in notes:
        table = named.get(modality)
        if isinstance(table, Table):
            unit = table.units.get(feature, "")
            known = FeatureSchema(name=feature, kind=table.kinds[feature], unit=unit)
            _feature(known, note, f"{notes.source}: {SECTION}.{modality}.{feature}")


def annotated(bundle: Bundle, notes: Notes) -> Bundle:
    """Return a bundle with notes in its schema; the model and its fingerprint stay.

    Parameters
    ----------
    bundle : Bundle
    notes : Notes

    Raises
    ------
    InputError
        If a note is on what the model does not read, or its unit contradicts the schema's.
    """
    notes.check({m.name: [f.name for f in m.features] for m in bundle.schema.modalities})
    modalities = tuple(_modality(one, notes) for one in bundle.schema.modalities)
    schema = Schema(patients=bundle.schema.patients, modalities=modalities)
    return replace(bundle, schema=schema)


def _modality(modality: ModalitySchema, notes: Notes) -> ModalitySchema:
    own = notes.features.get(modality.name, {})
    features = tuple(
        _feature(f, own[f.name], f"{notes.source}: {SECTION}.{modality.name}.{f.name}")
        if f.name in own
        else f
        for f in modality.features
    )
    return modality.model_copy(update={"features": features})


def _feature(feature: FeatureSchema, note: FeatureNote, place: str) -> FeatureSchema:
    if note.unit is not None and feature.unit and not same_unit(note.unit, feature.unit):
        raise InputError(
            f"{place}.unit: the model was trained in {feature.unit!r}, not in {note.unit!r}; "
            "leave the unit out, or train with values in the other."
        )
    if feature.kind == "categorical" and (note.unit or note.reference):
        raise InputError(f"{place}: a category has neither a unit nor a reference range.")
    if note.treatment and feature.minimum is not None and (feature.low, feature.high) != (0, 1):
        raise InputError(
            f"{place}.treatment: treatments to choose from are the levels of a category, or 0 and "
            "1; this is a number."
        )
    changes = note.changes()
    if note.unit is not None and feature.unit:
        changes.pop("unit")  # the same, as training wrote it
    return feature.model_copy(update=changes)


def annotate_bundle(source: str | Path, notes: str | Path, out: str | Path) -> Bundle:
    """Write a bundle with notes on its features into a new folder, and return it.

    Parameters
    ----------
    source : path
        The bundle's folder.
    notes : path
        See `read_notes`.
    out : path
        A new folder.

    Raises
    ------
    InputError
        If the bundle or the notes cannot be used, or something is in `out`.
    """
    bundle = annotated(Bundle.load(source), read_notes(notes))
    bundle.save(out)
    return bundle


def notes_template(bundle: Bundle) -> str:
    """Return a file of notes in TOML that lists every feature, with what is known of it.

    Lines to be filled in stand behind the sign #.
    """
    lines = [
        "# Notes on the features of a bundle. Fill in what you know and take the sign # away;",
        "# leave out the rest. Then: consilience clinic annotate BUNDLE THIS-FILE --out NEW",
    ]
    for modality in bundle.schema.modalities:
        for feature in modality.features:
            lines += ["", *_template(modality.name, feature)]
    return "\n".join(lines) + "\n"


def _template(modality: str, feature: FeatureSchema) -> Iterator[str]:
    yield f"[{SECTION}.{toml_key(modality)}.{toml_key(feature.name)}]"
    if feature.low is not None and feature.high is not None:
        yield f"# most training patients: {feature.low:.4g} to {feature.high:.4g}"
    elif feature.levels:
        yield f"# levels: {listing(feature.levels, most=10)}"
    yield _line("label", to_toml(feature.label) if feature.label else "", '"..."')
    codes = to_toml(list(feature.codes)) if feature.codes else ""
    yield _line("codes", codes, '["http://loinc.org|..."]')
    if feature.kind != "categorical":
        yield _line("unit", to_toml(feature.unit) if feature.unit else "", '"..."')
        yield _line("reference", _sides(feature), "[0, 1]")
    yield _line("actionable", "true" if feature.actionable else "", "true")
    if feature.kind == "categorical" or (feature.low, feature.high) == (0, 1):
        yield _line("treatment", "true" if feature.treatment else "", "true")
    yield _line("cost", "" if feature.cost is None else f"{feature.cost!r}", "0.0")


def _line(key: str, given: str, example: str) -> str:
    return f"{key} = {given}" if given else f"# {key} = {example}"


def _sides(feature: FeatureSchema) -> str:
    if feature.reference is None:
        return ""
    sides = zip(("low", "high"), feature.reference, strict=True)
    inside = ", ".join(f"{side} = {value!r}" for side, value in sides if value is not None)
    return f"{{ {inside} }}" if inside else ""


def plausible_of(schema: Schema) -> dict[Key, Plausible]:
    """Return ranges, name, unit and levels of every feature, as `trust` takes them."""
    return {
        (modality.name, feature.name): Plausible(
            feature.low,
            feature.high,
            feature.label,
            feature.unit,
            feature.levels or (),
            feature.reference or (None, None),
        )
        for modality in schema.modalities
        for feature in modality.features
    }


def actionable_of(schema: Schema) -> dict[Key, Plausible]:
    """Return the same of the features that care can change."""
    can = {(m.name, f.name) for m in schema.modalities for f in m.features if f.actionable}
    return {key: known for key, known in plausible_of(schema).items() if key in can}


def treatments_of(schema: Schema) -> dict[Key, Plausible]:
    """Return range and levels of the features whose levels are treatments."""
    are = {(m.name, f.name) for m in schema.modalities for f in m.features if f.treatment}
    return {key: known for key, known in plausible_of(schema).items() if key in are}


def costs_of(schema: Schema) -> dict[Key, float]:
    """Return what it costs to measure the features of which it is known."""
    return {
        (modality.name, feature.name): feature.cost
        for modality in schema.modalities
        for feature in modality.features
        if feature.cost is not None
    }
