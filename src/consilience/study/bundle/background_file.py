"""The file of condensed patients in a bundle: arrays, read as a stranger's.

`background.npz` is a zip of `.npy` arrays. Before one is unpacked, its number, sizes and
headers are looked at; nothing in it is pickled or run.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, get_args
from zipfile import BadZipFile, ZipFile

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.table import Kind
from consilience.errors import InputError
from consilience.study.bundle.audit import Refused, array_header
from consilience.trust.group_columns import WEIGHT

LARGEST = 2**27  # bytes, unpacked
LARGEST_NUMBER = 1e100  # its square is still a number, and so are sums of them
MOST_TABLES = 1_000
MOST_PATIENTS = 10_000  # condensed ones; `condensed` makes 60
OF_ALL = ("index", "sizes", "tables")
OF_TABLE = ("index", "features", "kinds", "units", "numbers", "words")
KINDS: tuple[Kind, ...] = get_args(Kind)


def background_bytes(cohort: Cohort) -> bytes:
    """Return condensed patients as the file of a bundle, the same for the same patients.

    Arrays `index` and `sizes` (how many patients each stands for), `tables` (their names),
    and for the i-th table `i/index`, `i/features`, `i/kinds`, `i/units`, `i/numbers`
    (n, n_numeric) and `i/words` (n, n_categorical; "" is missing).
    """
    patients = cohort.patients
    sizes = patients[WEIGHT] if WEIGHT in patients else pd.Series(1, index=cohort.index)
    arrays: dict[str, Any] = {
        "index": _text(cohort.index),
        "sizes": sizes.to_numpy(dtype=np.int64),
        "tables": _text(cohort.modalities),
    }
    for place, table in enumerate(cohort.modalities.values()):
        assert isinstance(table, Table)
        own = {
            "index": _text(table.index),
            "features": _text(table.features),
            "kinds": _text(table.kinds.values()),
            "units": _text(table.units.get(f, "") for f in table.features),
            "numbers": np.asarray(table.numeric, dtype=np.float64),
            "words": table.categorical.fillna("").to_numpy(dtype=str),
        }
        arrays |= {f"{place}/{key}": array for key, array in own.items()}
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=False, **arrays)
    return file.getvalue()


def _text(names: Any) -> Any:
    return np.array([str(name) for name in names], dtype=np.str_)


def read_background(data: bytes, path: Path) -> Cohort:
    """Return condensed patients from a bundle's file.

    Raises
    ------
    InputError
        If it is damaged, too large or not of that form; naming the file.
    """
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            _check_members(archive)
            arrays = {name: _array(archive, name) for name in _names(archive)}
        return _cohort(arrays)
    except Refused as reason:
        raise InputError(f"{path}: it {reason}; copy the bundle again.") from reason
    except (BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError, zlib.error) as reason:
        raise InputError(f"{path}: it is cut short or no file of arrays ({reason}).") from reason
    except (ValueError, KeyError, TypeError, IndexError, SyntaxError) as reason:
        raise InputError(f"{path}: not in the form of a bundle's background.") from reason


def _names(archive: ZipFile) -> list[str]:
    return [name.removesuffix(".npy") for name in archive.namelist()]


def _check_members(archive: ZipFile) -> None:
    """Refuse an archive for what its directory says, before anything is unpacked."""
    entries = archive.infolist()
    if len(entries) > len(OF_ALL) + MOST_TABLES * len(OF_TABLE):
        raise Refused(f"holds {len(entries):,} arrays, more than any background has")
    names = _names(archive)
    tables = (len(names) - len(OF_ALL)) // len(OF_TABLE)
    due = {*OF_ALL, *(f"{i}/{key}" for i in range(tables) for key in OF_TABLE)}
    if set(names) != due or len(names) != len(due):
        raise Refused("does not hold the arrays that a background has")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > LARGEST:
        raise Refused(f"would unpack to {unpacked:,} bytes; at most {LARGEST:,} are read")


def _array(archive: ZipFile, name: str) -> Any:
    """Return an array whose header promises what there is; of numbers or text alone."""
    member = f"{name}.npy"
    shape, dtype, start = array_header(archive, member)
    kind = {"sizes": "i", "numbers": "f"}.get(name.rpartition("/")[2], "U")
    if dtype.kind != kind:
        raise Refused(f"holds {name!r} in a form that it cannot have ({dtype})")
    promised = start + int(np.prod(shape, dtype=object)) * dtype.itemsize
    if promised != archive.getinfo(member).file_size:
        raise Refused(f"holds {name!r}, which is not as long as it says")
    with archive.open(member) as file:
        return np.load(io.BytesIO(file.read()), allow_pickle=False)


def _cohort(arrays: dict[str, Any]) -> Cohort:
    index, sizes = arrays["index"], arrays["sizes"]
    names = arrays["tables"].tolist()
    _demand(index.ndim == 1 and 0 < len(index) <= MOST_PATIENTS, "holds no list of patients")
    _demand(sizes.shape == index.shape and bool((sizes > 0).all()), "counts patients wrongly")
    _demand(arrays["tables"].ndim == 1 and len(set(names)) == len(names), "names tables twice")
    _demand(len(arrays) == len(OF_ALL) + len(names) * len(OF_TABLE), "lacks tables that it names")
    of_each = [{key: arrays[f"{i}/{key}"] for key in OF_TABLE} for i in range(len(names))]
    tables = {name: _table(part) for name, part in zip(names, of_each, strict=True)}
    patients = pd.DataFrame({WEIGHT: sizes.tolist()}, index=pd.Index(index.tolist()))
    return Cohort(patients, tables, name="background")


def _table(part: dict[str, Any]) -> Table:
    index, features, kinds = (part[key].tolist() for key in ("index", "features", "kinds"))
    numbers, words = part["numbers"], part["words"]
    _demand(part["features"].ndim == 1, "holds features that are no list")
    _demand(len(set(features)) == len(features), "names a feature twice")
    _demand(part["kinds"].shape == part["units"].shape == part["features"].shape, "lacks kinds")
    _demand(set(kinds) <= set(KINDS), "names a kind that there is not")
    numeric = [f for f, kind in zip(features, kinds, strict=True) if kind != "categorical"]
    text = [f for f, kind in zip(features, kinds, strict=True) if kind == "categorical"]
    _demand(part["index"].ndim == 1 and len(index) > 0, "holds a table of nobody")
    _demand(numbers.shape == (len(index), len(numeric)), "holds numbers of another shape")
    _demand(words.shape == (len(index), len(text)), "holds words of another shape")
    _demand(not (np.abs(numbers) > LARGEST_NUMBER).any(), "holds infinite numbers, or nearly so")
    held = [
        pd.DataFrame(numbers, index=index, columns=numeric, dtype=float),
        pd.DataFrame(words, index=index, columns=text, dtype=object).replace("", None),
    ]
    units = dict(zip(features, part["units"].tolist(), strict=True))
    frame = pd.concat(held, axis=1)[features]
    known = {feature: unit for feature, unit in units.items() if unit}
    return Table(frame, kinds=dict(zip(features, kinds, strict=True)), units=known)


def _demand(holds: bool, what: str) -> None:
    if not holds:
        raise Refused(what)
