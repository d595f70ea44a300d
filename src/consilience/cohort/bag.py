"""Any number of instances a patient: tiles of a slide, single cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.modality import FloatArray, SharedModality, patient_index
from consilience.errors import InputError


class Bag(SharedModality):
    """Patients x (any number of instances) x features, with optional coordinates.

    Parameters
    ----------
    index : Index
        Ids of the patients measured.
    instances : array-like of shape (n_instances, n_features)
        The instances of all patients, patient after patient: a NumPy array, or a
        Zarr array that is read a patient at a time.
    counts : sequence of int
        How many instances each patient has, at least one.
    coordinates : array-like of shape (n_instances, n_axes), optional
        Where each instance lies (pixels of the slide, or micrometres; see `unit`).
    features : sequence of str, optional
        Names of the features; "0", "1", ... by default.
    unit : str
        Unit of the coordinates.

    Raises
    ------
    InputError
        If counts and instances disagree, or a patient has no instance (leave him
        out of the index instead: then he was not measured).
    """

    def __init__(
        self,
        index: pd.Index,
        instances: Any,
        counts: Sequence[int] | npt.NDArray[np.integer],
        *,
        coordinates: Any = None,
        features: Sequence[str] | None = None,
        unit: str = "px",
    ) -> None:
        self._index = patient_index(pd.Index(index), "bag")
        if len(instances.shape) != 2:
            raise InputError(
                f"bag: the instances have shape {instances.shape}; give rows x features."
            )
        self._instances, self._coordinates = instances, coordinates
        self._stops = np.cumsum(np.asarray(counts, dtype=np.intp))
        self._counts = np.asarray(counts, dtype=np.intp)
        self.features = tuple(features or (str(i) for i in range(instances.shape[1])))
        self.unit = unit
        self._rows = None
        self._check()

    def _check(self) -> None:
        if len(self._counts) != len(self._index):
            raise InputError(
                f"bag: {len(self._counts)} counts for {len(self._index)} patients; give one each."
            )
        if (self._counts < 1).any():
            patient = self._index[int(np.argmax(self._counts < 1))]
            raise InputError(
                f"bag: patient {patient!r} has no instance; "
                "leave a patient who was not measured out."
            )
        if self._counts.sum() != self._instances.shape[0]:
            raise InputError(
                f"bag: the counts add up to {self._counts.sum()} instances, "
                f"but there are {self._instances.shape[0]}."
            )
        if self._coordinates is not None and len(self._coordinates) != self._counts.sum():
            raise InputError(
                f"bag: {len(self._coordinates)} coordinates for {self._counts.sum()} instances; "
                "give one each."
            )
        if len(self.features) != self._instances.shape[1]:
            raise InputError(
                f"bag: {len(self.features)} feature names for {self._instances.shape[1]} features."
            )

    @property
    def n_features(self) -> int:
        """Number of features of one instance."""
        return len(self.features)

    @property
    def counts(self) -> npt.NDArray[np.intp]:
        """How many instances each patient has."""
        return self._counts if self._rows is None else self._counts[self._rows]

    def instances(self, position: int) -> FloatArray:
        """Return one patient's instances, (n, n_features); this is where they are read."""
        return np.asarray(self._instances[self._span(position)])

    def coordinates(self, position: int) -> FloatArray | None:
        """Return where one patient's instances lie, (n, n_axes), or None if unknown."""
        if self._coordinates is None:
            return None
        return np.asarray(self._coordinates[self._span(position)])

    def _span(self, position: int) -> slice:
        row = self._row(position)
        stop = int(self._stops[row])
        return slice(stop - int(self._counts[row]), stop)

    def __repr__(self) -> str:
        instances = int(self.counts.sum())
        return f"Bag({len(self)} patients, {instances} instances, {self.n_features} features)"


def bag_of(patients: Mapping[str, FloatArray], **options: Any) -> Bag:
    """Return the bag of a mapping from patient id to his instances, (n, n_features)."""
    arrays = [np.atleast_2d(values) for values in patients.values()]
    if not arrays:
        raise InputError("bag: there is no patient; leave out a modality that measured nobody.")
    for patient, values in zip(patients, arrays, strict=True):
        if values.shape[1] != arrays[0].shape[1]:
            raise InputError(
                f"bag: patient {patient!r} has {values.shape[1]} features a row where the first "
                f"has {arrays[0].shape[1]}."
            )
    counts = [len(values) for values in arrays]
    return Bag(pd.Index(list(patients)), np.concatenate(arrays), counts, **options)
