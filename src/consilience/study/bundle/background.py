"""Condensed training patients: what a model is explained against, with nobody in it.

Each is the mean of at least `AT_LEAST` patients who are alike (microaggregation:
Domingo-Ferrer and Mateo-Sanz, IEEE TKDE 2002, 14:189), so that a bundle can be explained
where its training patients may not go.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.errors import InputError

AT_LEAST = 5  # patients behind each number
MOST = 60  # condensed patients


def condensed(cohort: Cohort, names: tuple[str, ...]) -> Cohort | None:
    """Return condensed patients of some tables; None if there are too few to hide in.

    Parameters
    ----------
    cohort : Cohort
        Training patients.
    names : tuple of str
        The modalities that the model reads; bags and images have no mean and are left out.
    """
    tables = [n for n in names if isinstance(cohort.modalities[n], Table)]
    if not tables or len(cohort) < 2 * AT_LEAST:
        return None
    groups = np.array_split(_order(cohort, tables), min(MOST, len(cohort) // AT_LEAST))
    index = [f"like {len(group)} patients, {i}" for i, group in enumerate(groups, start=1)]
    modalities = {n: _means(cohort, n, groups, index) for n in tables}
    known = {n: table for n, table in modalities.items() if table is not None}
    return Cohort(pd.DataFrame(index=pd.Index(index)), known, name="background") if known else None


def _order(cohort: Cohort, tables: list[str]) -> Any:
    """Return the patients along the first principal axis of all their numbers."""
    columns = []
    for name in tables:
        table, places = cohort.modalities[name], cohort.positions(name)
        assert isinstance(table, Table)
        values = np.full((len(cohort), len(table.numeric_features)), np.nan)
        values[places >= 0] = np.asarray(table.numeric, dtype=float)[places[places >= 0]]
        columns.append(values)
    matrix = np.concatenate(columns, axis=1)
    known = ~np.isnan(matrix)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, matrix - np.where(known, matrix, 0).sum(axis=0) / count, 0.0)
    scale = np.sqrt((centred**2).sum(axis=0) / count)
    centred /= np.where(scale > 0, scale, 1.0)
    left, size, _ = np.linalg.svd(centred, full_matrices=False)
    return np.argsort(left[:, 0] * size[0] if left.size else np.arange(len(cohort)), kind="stable")


def _means(cohort: Cohort, name: str, groups: list[Any], index: list[str]) -> Table | None:
    """Return a table of the groups in which enough patients were measured."""
    table, places = cohort.modalities[name], cohort.positions(name)
    assert isinstance(table, Table)
    rows, kept = [], []
    for group, label in zip(groups, index, strict=True):
        own = table.take(places[group][places[group] >= 0]).frame
        if len(own) >= AT_LEAST:
            rows.append({column: _middle(own[column]) for column in own})
            kept.append(label)
    if not rows:
        return None
    frame = pd.DataFrame(rows, index=kept, columns=list(table.kinds))
    return Table(frame, kinds=dict(table.kinds), units=dict(table.units))


def _middle(column: pd.Series) -> Any:
    """Return the mean, or the commonest category; a gap where fewer than enough are known."""
    known = column.dropna()
    if len(known) < AT_LEAST:
        return np.nan
    return float(known.mean()) if pd.api.types.is_numeric_dtype(known) else known.mode().iloc[0]


def background_bytes(cohort: Cohort) -> bytes:
    """Return condensed patients as the file of a bundle: arrays, nothing to be run."""
    arrays: dict[str, Any] = {"index": np.array([str(i) for i in cohort.index])}
    for name, table in cohort.modalities.items():
        assert isinstance(table, Table)
        text = table.categorical
        arrays |= {
            f"{name}/index": np.array([str(i) for i in table.index]),
            f"{name}/features": np.array(list(table.kinds)),
            f"{name}/kinds": np.array(list(table.kinds.values())),
            f"{name}/units": np.array([table.units.get(f, "") for f in table.kinds]),
            f"{name}/numbers": np.asarray(table.numeric, dtype=float),
            f"{name}/words": text.fillna("").to_numpy(dtype=str),
        }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def read_background(data: bytes, path: Path) -> Cohort:
    """Return condensed patients from a bundle's file.

    Raises
    ------
    InputError
        If it is damaged or not of that form; naming the file.
    """
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            arrays = {key: found[key] for key in found.files}
        names = list(dict.fromkeys(k.rsplit("/", 1)[0] for k in arrays if "/" in k))
        tables = {name: _table(arrays, name) for name in names}
        index = pd.Index(arrays["index"].tolist())
        return Cohort(pd.DataFrame(index=index), tables, name="background")
    except (ValueError, KeyError, OSError, EOFError, IndexError) as reason:
        raise InputError(f"{path}: not in the form of a bundle's background.") from reason


def _table(arrays: dict[str, Any], name: str) -> Table:
    part = {key: arrays[f"{name}/{key}"] for key in ("index", "features", "kinds", "units")}
    kinds = dict(zip(part["features"].tolist(), part["kinds"].tolist(), strict=True))
    units = dict(zip(part["features"].tolist(), part["units"].tolist(), strict=True))
    numbers, words = arrays[f"{name}/numbers"], arrays[f"{name}/words"]
    numeric = [feature for feature, kind in kinds.items() if kind != "categorical"]
    text = [feature for feature, kind in kinds.items() if kind == "categorical"]
    index = pd.Index(part["index"].tolist())
    frame = pd.concat(
        [
            pd.DataFrame(numbers, index=index, columns=numeric),
            pd.DataFrame(words, index=index, columns=text, dtype=object).replace("", np.nan),
        ],
        axis=1,
    )[list(kinds)]
    return Table(frame, kinds=kinds, units={f: u for f, u in units.items() if u})
