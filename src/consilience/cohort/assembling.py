"""A cohort from the files of a user."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.cohort import LEFT_OUT_COLUMNS, Cohort
from consilience.cohort.formats.sheet import Request
from consilience.cohort.ids import changed_ids, how_to_agree, unknown_ids
from consilience.cohort.modality import Modality, patient_index
from consilience.cohort.reading import PathLike, patients_of, read_modalities, request_of
from consilience.cohort.table import Table
from consilience.errors import InputError, InputWarning, suggestion

Strangers: TypeAlias = Literal["refuse", "leave out"]
LeftOut: TypeAlias = tuple[str, str, str]


@dataclass(frozen=True)
class Rules:
    """How files become a cohort.

    Attributes
    ----------
    request : Request
        How each file is read.
    unknown_ids : {"refuse", "leave out"}
        What to do with ids that no patient has.
    change_ids : str or None
        Transformation of all ids, a key of `TRANSFORMATIONS`.
    """

    request: Request = field(default_factory=lambda: Request(shared=True))
    unknown_ids: Strangers = "refuse"
    change_ids: str | None = None


@dataclass(frozen=True)
class _Part:
    """One modality on its way into the cohort, and where it came from.

    `source` is for messages and has the path as the user gave it; `file` is remembered.
    """

    name: str
    source: str
    modality: Modality
    file: str
    place: Callable[[str], str] | None = None


def read_cohort(
    patients: PathLike | pd.DataFrame | None = None,
    tables: Mapping[str, PathLike | Modality] | None = None,
    *,
    id_column: str | None = None,
    name: str | None = None,
    unknown_ids: Strangers = "refuse",
    missing_values: Iterable[str] = (),
    change_ids: str | None = None,
) -> Cohort:
    """Read a cohort: who the patients are, and what measured them.

    Parameters
    ----------
    patients : path or DataFrame, optional
        Demographics, site and outcome columns, one row a patient. Without it the
        patients are those of the tables, with no columns.
    tables : mapping of str to path or Modality
        What was measured, by name. An .h5mu file gives one modality for each of its own,
        called "name_own". To give kinds or units, use `read_table` and pass the result.
    id_column : str, optional
        Column with the patient ids in the files that have it; in others it is found by
        its name.
    name : str, optional
        What the cohort is called; the name of the patients' file by default.
    unknown_ids : {"refuse", "leave out"}
        What to do with measurements of people who are not in `patients`. Those left out
        are listed in ``cohort.left_out``.
    missing_values : iterable of str
        Text that means missing, besides "", NA, NaN, null and n/a.
    change_ids : str, optional
        Transformation of all ids that makes them agree, such as "upper case, dashes";
        nothing is changed unless it is asked for.

    Returns
    -------
    Cohort
        ``left_out`` lists who was left out of what, and why.

    Raises
    ------
    InputError
        With file, line and column, if anything cannot be used as it is.

    Examples
    --------
    >>> cohort = read_cohort("clinical.csv", {"rna": "rna.csv"})  # doctest: +SKIP
    """
    request = replace(request_of(id_column, None, missing_values), shared=True)
    rules = Rules(request, unknown_ids, change_ids)
    return assemble(patients, dict(tables or {}), rules, name=name)


def assemble(
    patients: PathLike | pd.DataFrame | None,
    tables: Mapping[str, PathLike | Modality],
    rules: Rules,
    *,
    name: str | None = None,
) -> Cohort:
    """Build a cohort as `read_cohort` does, by rules that also know kinds.

    Raises
    ------
    InputError
        As for `read_cohort`.
    """
    if not tables:
        raise InputError("a cohort needs at least one table of measurements; give one by its name.")
    if rules.unknown_ids not in ("refuse", "leave out"):
        raise InputError(f"unknown_ids is 'refuse' or 'leave out', not {rules.unknown_ids!r}.")
    parts, left_out, columns = _parts(tables, rules.request)
    frame, blank, more = _patients(patients, rules.request)
    _check_named(rules.request, columns | more, any_file=bool(columns | more))
    if rules.change_ids is not None:
        parts = [_renamed(part, rules.change_ids) for part in parts]
    if frame is None:
        everyone: pd.Index = reduce(
            lambda a, b: a.union(b, sort=False), (p.modality.index for p in parts)
        )
        frame = pd.DataFrame(index=everyone)
    elif rules.change_ids is not None:
        frame = frame.set_axis(
            changed_ids(frame.index, rules.change_ids, _called(patients)), axis=0
        )
    known = [_of_patients(part, frame.index, rules.unknown_ids) for part in parts]
    rows = [*blank, *left_out, *(row for _, strangers in known for row in strangers)]
    return Cohort(
        frame,
        {part.name: modality for part, (modality, _) in zip(parts, known, strict=True)},
        name=name or _default_name(patients),
        left_out=pd.DataFrame(rows, columns=list(LEFT_OUT_COLUMNS), dtype=object),
    )


def _parts(
    tables: Mapping[str, PathLike | Modality], request: Request
) -> tuple[list[_Part], list[LeftOut], set[str]]:
    parts: list[_Part] = []
    left_out: list[LeftOut] = []
    columns: set[str] = set()
    for name, given in tables.items():
        if isinstance(given, Modality):
            parts.append(_Part(name, f"table {name!r}", given, f"table {name!r}"))
            continue
        source = f"table {name!r} ({given})"
        for own, reading in read_modalities(given, request).items():
            parts.append(
                _Part(
                    f"{name}_{own}" if own else name,
                    source,
                    reading.modality,
                    _file(name, given),
                    reading.place,
                )
            )
            left_out += [(who, _file(name, given), why) for who, why in reading.left_out]
            columns |= reading.columns
    return parts, left_out, columns


def _file(name: str, given: PathLike) -> str:
    """Return what the cohort remembers a file by: no folders, which are the user's own."""
    return f"table {name!r} ({Path(given).name})"


def _patients(
    patients: PathLike | pd.DataFrame | None, request: Request
) -> tuple[pd.DataFrame | None, list[LeftOut], set[str]]:
    if patients is None:
        return None, [], set()
    if isinstance(patients, pd.DataFrame):
        return patients.set_axis(patient_index(patients.index, "patients"), axis=0), [], set()
    read = patients_of(patients, request)
    blank = [(row, f"patients ({Path(patients).name})", "the row is empty") for row in read.blank]
    return read.frame, blank, {*map(str, read.frame.columns), read.id_column}


def _check_named(request: Request, columns: set[str], *, any_file: bool) -> None:
    """Refuse a column that the user named and no file has."""
    named = [*request.kinds, *request.units, *([request.id_column] if request.id_column else [])]
    absent = [name for name in named if name not in columns]
    if any_file and absent:
        raise InputError(
            f"no file has a column {absent[0]!r}.{suggestion(absent[0], sorted(columns))}"
        )


def _renamed(part: _Part, transformation: str) -> _Part:
    index = changed_ids(part.modality.index, transformation, part.source)
    old = dict(zip(index, part.modality.index, strict=True))
    place = part.place
    return replace(
        part,
        modality=_with_ids(part.modality, index),
        place=None if place is None else lambda patient: place(old[patient]),
    )


def _with_ids(modality: Modality, index: pd.Index) -> Modality:
    """Return the same measurements under other ids."""
    if isinstance(modality, Table):
        frame = modality.frame.set_axis(index, axis=0)
        return Table(frame, kinds=modality.kinds, units=modality.units)
    if isinstance(modality, Bag):
        return _bag_with_ids(modality, index)
    raise InputError(
        f"ids of {type(modality).__name__} cannot be changed; change them in the source."
    )


def _bag_with_ids(bag: Bag, index: pd.Index) -> Bag:
    values = np.concatenate([bag.instances(i) for i in range(len(bag))])
    places = [bag.coordinates(i) for i in range(len(bag))]
    known = [place for place in places if place is not None]
    return Bag(
        index,
        values,
        bag.counts,
        coordinates=np.concatenate(known) if known else None,
        features=bag.features,
        unit=bag.unit,
    )


def _of_patients(
    part: _Part, known: pd.Index, strangers: Strangers
) -> tuple[Modality, list[LeftOut]]:
    """Return the measurements of the patients, and whose were left out."""
    ids = part.modality.index
    is_known = ids.isin(known)
    if is_known.all():
        return part.modality, []
    if strangers == "refuse":
        first = part.place(str(ids[~is_known][0])) if part.place else ""
        unknown_ids(ids, known, f"{part.source}, {first}" if first else part.source)
    if not is_known.any():
        raise InputError(
            f"{part.source} measured none of the {len(known)} patients.{how_to_agree(ids, known)}"
        )
    unknown = [(str(i), part.file, "not among the patients") for i in ids[~is_known]]
    warnings.warn(
        f"{part.source}: {len(unknown)} of {len(ids)} measured are not among the patients and were "
        "left out.",
        InputWarning,
        stacklevel=2,
    )
    return part.modality.take(np.flatnonzero(is_known).astype(np.intp)), unknown


def _called(patients: PathLike | pd.DataFrame | None) -> str:
    return "patients" if isinstance(patients, pd.DataFrame) else f"patients ({patients})"


def _default_name(patients: PathLike | pd.DataFrame | None) -> str:
    if patients is None or isinstance(patients, pd.DataFrame):
        return "cohort"
    return Path(patients).stem
