"""What every kind of modality has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.errors import InputError, listing

Positions: TypeAlias = npt.NDArray[np.intp]
FloatArray: TypeAlias = npt.NDArray[np.floating]


class Modality(ABC):
    """One way of measuring patients: a frozen view of those who were measured by it.

    A patient whose id is not in `index` was not measured; that is the only way a
    missing modality is written. Views are cheap: `take` copies no measurement.
    """

    @property
    @abstractmethod
    def index(self) -> pd.Index:
        """Ids of the patients measured, in order."""

    @abstractmethod
    def take(self, positions: Positions) -> Self:
        """Return the view of the patients at these positions, which may repeat."""

    @property
    @abstractmethod
    def n_features(self) -> int:
        """How many numbers one patient (or one instance of him) is described by."""

    def __len__(self) -> int:
        return len(self.index)


class SharedModality(Modality):
    """A modality whose views share all that they hold and differ only in their rows."""

    _index: pd.Index
    _rows: Positions | None

    @property
    def index(self) -> pd.Index:
        """Ids of the patients measured."""
        return self._index if self._rows is None else self._index[self._rows]

    def take(self, positions: Positions) -> Self:
        """Return the view of the patients at these positions; nothing is read."""
        view = type(self).__new__(type(self))
        view.__dict__.update(self.__dict__)
        view._rows = positions if self._rows is None else self._rows[positions]
        return view

    def _row(self, position: int) -> int:
        """Return where what is held of a patient of this view stands."""
        return position if self._rows is None else int(self._rows[position])


def patient_index(ids: pd.Index, what: str) -> pd.Index:
    """Return patient ids as text, refusing missing and repeated ones.

    Parameters
    ----------
    ids : Index
        The ids as they were read.
    what : str
        What carries them, for the error: "table 'rna'".

    Raises
    ------
    InputError
        If an id is missing or stands twice.
    """
    absent = np.flatnonzero(ids.isna())
    if len(absent):
        raise InputError(f"{what}: the patient id is missing in row {absent[0] + 1}.")
    text: pd.Index = pd.Index(ids.astype(str), name="patient")
    repeated = text[text.duplicated()].unique()
    if len(repeated):
        raise InputError(
            f"{what}: patient {listing(repeated)} stands in more than one row; "
            "keep one row a patient."
        )
    return text
