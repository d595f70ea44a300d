"""Patients x features: labs, omics, embeddings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Literal, Self, TypeAlias, get_args

import numpy as np
import pandas as pd

from consilience.cohort.modality import FloatArray, Modality, Positions, patient_index
from consilience.errors import InputError, listing

Kind: TypeAlias = Literal["continuous", "count", "binary", "categorical"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Blocks:
    """The measurements of a table, ready for arithmetic.

    Attributes
    ----------
    numeric : ndarray of shape (n_patients, n_numeric)
        Continuous, count and binary features in the table's order; NaN is missing.
    categorical : DataFrame of shape (n_patients, n_categorical)
        Text values; None is missing. Its index is of no account: patients stand in the
        table's order.
    """

    numeric: FloatArray
    categorical: pd.DataFrame


class TableSource:
    """All rows of a table, read when they are first needed.

    Parameters
    ----------
    index : Index
        Patient ids, unique text.
    kinds : mapping of str to Kind
        Kind of every feature, in the table's order.
    units : mapping of str to str
        Units of the features that have one.
    load : callable
        Returns the `Blocks`. It must be picklable if the table is sent to workers
        before it is read.
    """

    def __init__(
        self,
        index: pd.Index,
        kinds: Mapping[str, Kind],
        units: Mapping[str, str],
        load: Callable[[], Blocks],
    ) -> None:
        self.index = index
        self.kinds = dict(kinds)
        self.units = dict(units)
        self._load = load

    @cached_property
    def blocks(self) -> Blocks:
        """The measurements; reading happens here, once."""
        return self._load()

    def __getstate__(self) -> dict[str, object]:
        # A worker reads what it needs from disk rather than receive it through a pipe.
        return {name: value for name, value in self.__dict__.items() if name != "blocks"}


class Table(Modality):
    """Patients x features, with the kind and the unit of each feature.

    Parameters
    ----------
    frame : DataFrame of shape (n_patients, n_features)
        Index = patient ids (unique). Numbers, booleans, or text for categories; a
        missing value is NaN.
    kinds : mapping of str to {"continuous", "count", "binary", "categorical"}, optional
        Kinds that differ from those read off the values.
    units : mapping of str to str, optional
        Units, such as ``{"ldh": "U/L"}``.

    Raises
    ------
    InputError
        If ids or feature names repeat, a number is infinite, or a kind is unknown.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        kinds: Mapping[str, Kind] | None = None,
        units: Mapping[str, str] | None = None,
    ) -> None:
        source = _source_of(frame, dict(kinds or {}), dict(units or {}))
        self._source, self._rows = source, None

    _source: TableSource
    _rows: Positions | None

    @classmethod
    def from_source(cls, source: TableSource) -> Table:
        """Return the table of a source that is read when first needed."""
        table = cls.__new__(cls)
        table._source, table._rows = source, None
        return table

    @property
    def index(self) -> pd.Index:
        """Ids of the patients measured."""
        return self._source.index if self._rows is None else self._source.index[self._rows]

    def take(self, positions: Positions) -> Self:
        """Return the view of the patients at these positions; nothing is copied."""
        view = type(self).__new__(type(self))
        view._source = self._source
        view._rows = positions if self._rows is None else self._rows[positions]
        return view

    def __len__(self) -> int:
        return len(self._source.index) if self._rows is None else len(self._rows)

    @property
    def kinds(self) -> dict[str, Kind]:
        """Kind of every feature, in order."""
        return dict(self._source.kinds)

    @property
    def units(self) -> dict[str, str]:
        """Units of the features that have one."""
        return dict(self._source.units)

    @property
    def features(self) -> tuple[str, ...]:
        """Names of all features, in order."""
        return tuple(self._source.kinds)

    @property
    def numeric_features(self) -> tuple[str, ...]:
        """Names of the features in `numeric`, in order."""
        return tuple(f for f, kind in self._source.kinds.items() if kind != "categorical")

    @property
    def categorical_features(self) -> tuple[str, ...]:
        """Names of the features in `categorical`, in order."""
        return tuple(f for f, kind in self._source.kinds.items() if kind == "categorical")

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self._source.kinds)

    @property
    def numeric(self) -> FloatArray:
        """Continuous, count and binary values, (n_patients, n_numeric), read-only or a copy."""
        values = self._source.blocks.numeric
        return values if self._rows is None else values[self._rows]

    def numeric_at(self, patients: Positions) -> FloatArray:
        """Return `numeric` of the patients at these positions of the view, as a copy."""
        rows = patients if self._rows is None else self._rows[patients]
        return self._source.blocks.numeric[rows]

    @property
    def categorical(self) -> pd.DataFrame:
        """Text values, (n_patients, n_categorical), as a copy."""
        frame = self._source.blocks.categorical
        return (frame if self._rows is None else frame.iloc[self._rows]).set_axis(self.index)

    @property
    def frame(self) -> pd.DataFrame:
        """All values as a DataFrame in the table's order, as a copy."""
        numeric = pd.DataFrame(
            self.numeric.copy(), index=self.index, columns=list(self.numeric_features)
        )
        if not self.categorical_features:
            return numeric
        categorical = self.categorical.set_axis(self.index, axis=0)
        return pd.concat([numeric, categorical], axis=1)[list(self.features)]

    def replaced(self, blocks: Blocks) -> Table:
        """Return a table of the same patients, features, kinds and units with other values.

        Raises
        ------
        InputError
            If the values have another shape.
        """
        given = (blocks.numeric.shape, blocks.categorical.shape)
        due = tuple((len(self), len(f)) for f in (self.numeric_features, self.categorical_features))
        if given != due:
            raise InputError(f"table: values of shapes {given} cannot replace those of {due}.")
        return Table.from_source(
            TableSource(self.index, self.kinds, self.units, partial(_itself, blocks))
        )

    def __repr__(self) -> str:
        return f"Table({len(self)} patients, {self.n_features} features)"


def kind_of(values: pd.Series) -> Kind:
    """Read a feature's kind off its values: text, 0/1, whole numbers from 0, or numbers."""
    if not pd.api.types.is_numeric_dtype(values):
        return "categorical"
    if pd.api.types.is_bool_dtype(values):
        return "binary"
    known = values.dropna().to_numpy(dtype=float)
    if np.isin(known, (0.0, 1.0)).all():
        return "binary"
    whole = (known >= 0).all() and (known == np.floor(known)).all()
    return "count" if whole else "continuous"


def _source_of(frame: pd.DataFrame, kinds: dict[str, Kind], units: dict[str, str]) -> TableSource:
    index = patient_index(frame.index, "table")
    frame = frame.set_axis(frame.columns.astype(str), axis=1)
    _check_features(frame, kinds, units)
    of_all = {name: kinds.get(name) or kind_of(frame[name]) for name in frame.columns}
    blocks = _blocks_of(frame, of_all, index)
    return TableSource(index, of_all, units, partial(_itself, blocks))


def _itself(blocks: Blocks) -> Blocks:
    return blocks


def _check_features(
    frame: pd.DataFrame, kinds: Mapping[str, str], units: Mapping[str, str]
) -> None:
    repeated = frame.columns[frame.columns.duplicated()].unique()
    if len(repeated):
        raise InputError(f"table: feature {listing(repeated)} stands more than once.")
    unknown = [name for name in (*kinds, *units) if name not in frame.columns]
    if unknown:
        raise InputError(f"table: kinds or units name {listing(unknown)}, which it has not.")
    wrong = [kind for kind in kinds.values() if kind not in KINDS]
    if wrong:
        raise InputError(f"table: kind {listing(wrong)} is none of {listing(KINDS)}.")


def _blocks_of(frame: pd.DataFrame, kinds: Mapping[str, Kind], index: pd.Index) -> Blocks:
    names = [name for name in frame.columns if kinds[name] != "categorical"]
    numeric = _numbers(frame[names] if len(names) < frame.shape[1] else frame)
    row, column = np.nonzero(np.isinf(numeric))
    if len(row):
        raise InputError(
            f"table: the value of {names[column[0]]!r} for patient {index[row[0]]!r} is infinite; "
            "write a number, or leave it empty if it was not measured."
        )
    text = frame[[name for name in frame.columns if kinds[name] == "categorical"]]
    text = text.astype(object).set_axis(index, axis=0)
    return Blocks(numeric, text.map(lambda value: None if pd.isna(value) else str(value)))


def _numbers(frame: pd.DataFrame) -> FloatArray:
    single = len(frame.columns) > 0 and all(dtype == np.float32 for dtype in frame.dtypes)
    try:
        values = frame.to_numpy(dtype=np.float32 if single else np.float64, na_value=np.nan)
    except (TypeError, ValueError) as reason:
        raise InputError(f"table: a feature said to be numeric holds text ({reason}).") from reason
    values = values.view()
    values.flags.writeable = False
    return values
