"""Who was measured, and how."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.ids import unknown_ids
from consilience.cohort.modality import Modality, Positions, patient_index
from consilience.errors import InputError, listing, suggestion

LEFT_OUT_COLUMNS = ("patient", "source", "reason")


class Cohort:
    """Patients and the modalities that measured them; frozen.

    A cohort stands wherever scikit-learn expects ``X``: splitters, searches and
    ``cross_validate`` need only its length, its shape and ``cohort[rows]``.

    Parameters
    ----------
    patients : DataFrame
        Index = patient ids (unique). Demographics, site, outcome columns.
    modalities : mapping of str to Modality
        What was measured, by name. A patient absent from a modality's index was
        not measured by it.
    name : str
        What the cohort is called in reports.
    left_out : DataFrame, optional
        What reading left out: columns patient, source, reason.

    Raises
    ------
    InputError
        If ids repeat, a modality measures a patient who is not in `patients`, or a
        modality measured nobody.

    Examples
    --------
    >>> import pandas as pd
    >>> from consilience.cohort import Cohort, Table
    >>> patients = pd.DataFrame({"age": [61, 48, 70]}, index=["a", "b", "c"])
    >>> labs = Table(pd.DataFrame({"ldh": [210.0, 180.0]}, index=["a", "c"]))
    >>> cohort = Cohort(patients, {"labs": labs})
    >>> len(cohort), cohort.has("labs").tolist()
    (3, [True, False, True])
    """

    def __init__(
        self,
        patients: pd.DataFrame,
        modalities: Mapping[str, Modality],
        *,
        name: str = "cohort",
        left_out: pd.DataFrame | None = None,
    ) -> None:
        index = patient_index(patients.index, "patients")
        repeated = patients.columns[patients.columns.duplicated()].unique()
        if len(repeated):
            raise InputError(
                f"patients: column {listing(repeated)} stands more than once; rename it."
            )
        self._patients = patients.set_axis(index, axis=0).copy()
        self._rows = {key: _rows_of(key, modality, index) for key, modality in modalities.items()}
        self._modalities = dict(modalities)
        self._name = name
        self._left_out = _left_out_frame(left_out)

    @classmethod
    def _of(cls, parent: Cohort, patients: pd.DataFrame, parts: Mapping[str, _Part]) -> Cohort:
        """Return a view of a checked cohort: ids may repeat, a modality may be empty."""
        view = cls.__new__(cls)
        view._patients = patients
        view._modalities = {name: modality for name, (modality, _) in parts.items()}
        view._rows = {name: rows for name, (_, rows) in parts.items()}
        view._name, view._left_out = parent._name, parent._left_out
        return view

    @property
    def name(self) -> str:
        """What the cohort is called in reports."""
        return self._name

    @property
    def patients(self) -> pd.DataFrame:
        """Demographics, site and outcome columns, as a copy."""
        return self._patients.copy()

    @property
    def index(self) -> pd.Index:
        """Patient ids."""
        return self._patients.index

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """What was measured, by name; each knows only this cohort's patients."""
        return MappingProxyType(self._modalities)

    @property
    def left_out(self) -> pd.DataFrame:
        """What reading left out: patient, source, reason."""
        return self._left_out.copy()

    def __len__(self) -> int:
        return len(self._patients)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of patients, and of features over all modalities."""
        return len(self), sum(m.n_features for m in self._modalities.values())

    def has(self, name: str) -> npt.NDArray[np.bool_]:
        """Return, for each patient, whether a modality measured him."""
        return self.positions(name) >= 0

    def positions(self, name: str) -> Positions:
        """Return each patient's position in a modality, -1 where he was not measured."""
        return self._rows[self._known(name)]

    @property
    def measured(self) -> pd.DataFrame:
        """Patients x modalities: who was measured by what."""
        return pd.DataFrame({name: self.has(name) for name in self._modalities}, index=self.index)

    def only(self, names: Iterable[str] | str) -> Cohort:
        """Return the same patients with these modalities alone, in the order given."""
        wanted = [names] if isinstance(names, str) else list(names)
        parts = {self._known(n): (self._modalities[n], self._rows[n]) for n in wanted}
        return Cohort._of(self, self._patients, parts)

    def complete(self) -> Cohort:
        """Return the patients whom every modality measured."""
        return self[self.measured.to_numpy().all(axis=1)] if self._modalities else self

    def with_modality(self, name: str, modality: Modality) -> Cohort:
        """Return the cohort with one modality more, or another in a name's place."""
        parts = {n: (self._modalities[n], self._rows[n]) for n in self._modalities}
        parts[name] = (modality, _rows_of(name, modality, self.index))
        return Cohort._of(self, self._patients, parts)

    def assigned(self, name: str, modality: Modality, positions: Positions) -> Cohort:
        """Return the cohort in which patient i has row `positions[i]` of a modality, -1 for none.

        For questions of the form "what if": measurements shuffled among patients, or
        taken away. The modality's own index is not consulted.

        Raises
        ------
        InputError
            If the positions are not one a patient, or point outside the modality.
        """
        rows = np.asarray(positions, dtype=np.intp)
        if rows.shape != (len(self),) or ((rows < -1) | (rows >= len(modality))).any():
            raise InputError(
                f"modality {name!r}: give one position below {len(modality)}, or -1, for each of "
                f"{len(self)} patients."
            )
        parts = {n: (self._modalities[n], self._rows[n]) for n in self._modalities}
        parts[self._known(name)] = (modality, rows)
        return Cohort._of(self, self._patients, parts)

    def __getitem__(self, key: Any) -> Cohort:
        """Return the patients at these positions, under this mask or in this slice."""
        rows = _positions(key, len(self))
        parts = {n: _part(self._modalities[n], self._rows[n][rows]) for n in self._modalities}
        return Cohort._of(self, self._patients.iloc[rows], parts)

    def _known(self, name: str) -> str:
        if name not in self._modalities:
            hint = suggestion(name, self._modalities)
            raise InputError(
                f"cohort {self._name!r} has no modality {name!r}; it has "
                f"{listing(self._modalities, most=20)}.{hint}"
            )
        return name

    def __repr__(self) -> str:
        inside = ", ".join(f"{n}: {len(m)}x{m.n_features}" for n, m in self._modalities.items())
        return f"Cohort({self._name!r}, {len(self)} patients, {inside})"


_Part = tuple[Modality, Positions]


def _part(modality: Modality, rows: Positions) -> _Part:
    """Return the view of a modality that the rows ask for, and their places in it."""
    measured = rows >= 0
    if measured.all() and np.array_equal(rows, np.arange(len(modality))):
        return modality, rows
    places = np.where(measured, np.cumsum(measured) - 1, -1).astype(np.intp)
    return modality.take(rows[measured]), places


def _rows_of(name: str, modality: Modality, index: pd.Index) -> Positions:
    if not len(modality):
        raise InputError(f"modality {name!r} measured nobody; leave it out.")
    unknown_ids(modality.index, index, f"modality {name!r}")
    rows: Positions = modality.index.get_indexer(index).astype(np.intp)
    return rows


def _positions(key: Any, n: int) -> Positions:
    if isinstance(key, tuple):  # scikit-learn asks for cohort[rows, ...]
        key = key[0]
    if isinstance(key, slice):
        return np.arange(n, dtype=np.intp)[key]
    rows = np.atleast_1d(np.asarray(key))
    if rows.size == 0:
        return np.empty(0, dtype=np.intp)
    if rows.dtype == bool and len(rows) != n:
        raise InputError(f"the mask has {len(rows)} entries for {n} patients.")
    if not np.issubdtype(rows.dtype, np.integer) and rows.dtype != bool:
        raise InputError(f"patients are chosen by position or mask, not by {key!r}.")
    chosen: Positions = np.arange(n, dtype=np.intp)[rows]
    return chosen


def _left_out_frame(left_out: pd.DataFrame | None) -> pd.DataFrame:
    if left_out is None:
        return pd.DataFrame(columns=list(LEFT_OUT_COLUMNS), dtype=object)
    return left_out.loc[:, list(LEFT_OUT_COLUMNS)].reset_index(drop=True)
