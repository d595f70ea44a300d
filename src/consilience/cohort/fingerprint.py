"""One number for all that a cohort holds."""

from __future__ import annotations

import hashlib
import json
from functools import singledispatch
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.cohort import Cohort
from consilience.cohort.images import Images
from consilience.cohort.modality import Modality, Positions
from consilience.cohort.table import Table
from consilience.errors import InputError

CHUNK = 1_000_000  # numbers at once


def fingerprint(cohort: Cohort) -> str:
    """Return a SHA-256 over everything measured and known of the patients.

    Patients are taken in the order of their ids, modalities and columns in the order
    of their names, so that the order of patients and the form of storage (in memory,
    on disk) change nothing. Any other id, name, kind, unit or value changes it, and
    so does the order of a modality's features, which the results may depend on. The
    cohort's name and what reading left out are not part of it.

    Returns
    -------
    str
        64 hexadecimal digits.

    Examples
    --------
    >>> from consilience.cohort import fingerprint, synthetic_cohort
    >>> cohort, _ = synthetic_cohort(50, seed=0)
    >>> fingerprint(cohort) == fingerprint(cohort[::-1])
    True
    """
    total = hashlib.sha256(b"consilience cohort 1")
    _add_patients(total, cohort.patients)
    for name in sorted(cohort.modalities):
        modality = cohort.modalities[name]
        order = _by_id(modality.index)
        _add_json(total, [name, type(modality).__name__, list(modality.index[order])])
        add_values(modality, total, order)
    return total.hexdigest()


@singledispatch
def add_values(modality: Modality, total: Any, order: Positions) -> None:
    """Add a modality's values to a hash, patients in this order; a new kind registers its own.

    Raises
    ------
    InputError
        If nothing is registered for the kind.
    """
    raise InputError(f"a modality of kind {type(modality).__name__} has no fingerprint.")


@add_values.register
def _(modality: Table, total: Any, order: Positions) -> None:
    _add_json(total, [list(modality.kinds.items()), sorted(modality.units.items())])
    step = max(1, CHUNK // max(1, modality.n_features))
    if modality.numeric_features:
        for start in range(0, len(order), step):
            _add_array(total, modality.numeric_at(order[start : start + step]))
    if modality.categorical_features:
        text = modality.categorical
        for column in modality.categorical_features:
            _add_json(total, list(text[column].iloc[order]))


@add_values.register
def _(modality: Bag, total: Any, order: Positions) -> None:
    _add_json(total, [list(modality.features), modality.unit])
    for i in order:
        _add_array(total, modality.instances(int(i)))
        places = modality.coordinates(int(i))
        _add_json(total, places is None)
        if places is not None:
            _add_array(total, places)


@add_values.register
def _(modality: Images, total: Any, order: Positions) -> None:
    _add_json(total, modality.channels)
    for i in order:
        _add_array(total, modality.image(int(i)))
        spacing = modality.spacing(int(i))
        _add_json(total, None if spacing is None else [float(size) for size in spacing])


def _by_id(ids: pd.Index) -> Positions:
    return np.argsort(ids.to_numpy(dtype=str), kind="stable")


def _add_patients(total: Any, patients: pd.DataFrame) -> None:
    order = _by_id(patients.index)
    _add_json(total, list(patients.index[order]))
    for place in np.argsort([str(name) for name in patients.columns], kind="stable"):
        column = patients.iloc[order, int(place)]
        _add_json(total, [str(patients.columns[place]), [_plain(v) for v in column.tolist()]])


def _plain(value: Any) -> Any:
    """Return a patient's value as JSON has it, missing ones all alike."""
    if pd.isna(value):
        return None
    known = value.item() if isinstance(value, np.generic) else value
    return known if isinstance(known, bool | int | float | str) else str(known)


def _add_json(total: Any, value: Any) -> None:
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()
    total.update(len(text).to_bytes(8, "little"))
    total.update(text)


def _add_array(total: Any, values: npt.NDArray[Any]) -> None:
    """Add shape, type and values, with one NaN and one zero for the many there are."""
    if values.dtype.kind == "f":
        values = values + values.dtype.type(0)
        values[np.isnan(values)] = np.nan
    values = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    _add_json(total, [values.shape, values.dtype.str])
    total.update(values.data.cast("B") if values.size else b"")
