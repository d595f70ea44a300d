"""From one modality to the arrays a network reads: what is fitted before training."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort.modality import Modality, Positions
from consilience.errors import InputError


@dataclass(frozen=True)
class Reading:
    """What some patients' measurements are, as arrays.

    Attributes
    ----------
    arrays : dict of str to ndarray
        By name. Each has a row for each patient read, in order; an array named in
        `ragged` has a row for each instance instead, patient after patient.
    usable : ndarray of bool, (n_patients,)
        False for a patient of whom nothing could be used: no value in the row, an
        image that cannot be read. His rows hold zeros; he has no rows in a ragged array.
    counts : ndarray of int, (n_patients,), optional
        Rows of each patient in the ragged arrays.
    ragged : tuple of str
        Names of the arrays that have rows for instances.
    """

    arrays: dict[str, npt.NDArray[Any]]
    usable: npt.NDArray[np.bool_]
    counts: npt.NDArray[np.intp] | None = None
    ragged: tuple[str, ...] = ()


@dataclass(frozen=True)
class Survey:
    """What can be used of some patients' measurements, told before they are read.

    Attributes
    ----------
    usable : ndarray of bool, (n_patients,)
        As in `Reading`.
    warning : str
        What the user should know of it, as a sentence that follows the modality's name; or "".
    """

    usable: npt.NDArray[np.bool_]
    warning: str = ""


class Source(BaseEstimator):  # type: ignore[misc]
    """How one modality is brought to a network; fitted on the training patients it measured.

    A fitted source holds plain numbers and names, so that a bundle can hold it.

    Attributes
    ----------
    features_ : tuple of str
        The features read, in the order of their names, so that the order in which
        they come changes nothing.
    """

    features_: tuple[str, ...]
    streams: ClassVar[bool] = False
    """Whether measurements are read a batch at a time, since they may not fit in memory."""

    @abstractmethod
    def fit(self, modality: Any) -> Self:
        """Learn names, means and scales."""

    @abstractmethod
    def read(self, modality: Any, patients: Positions) -> Reading:
        """Return the arrays of the patients at these positions of the modality.

        Raises
        ------
        InputError
            If the modality lacks a feature, as the predicate of a sentence about it.
        """

    def survey(self, modality: Any, patients: Positions) -> Survey:
        """Return who can be used of the patients at these positions: everyone, unless said.

        A source that streams is asked this once a call, before its batches are read.
        """
        return Survey(np.ones(len(patients), dtype=bool))

    def sizes(self, modality: Any, patients: Positions) -> npt.NDArray[np.int64]:
        """Return how many bytes each patient's arrays take; nothing worth counting, unless said."""
        return np.zeros(len(patients), dtype=np.int64)


@singledispatch
def source_for(modality: Modality) -> Source:
    """Return an unfitted source for a kind of modality; register one to add a kind.

    Raises
    ------
    InputError
        If no source is registered for the kind.
    """
    raise InputError(f"no network reads a modality of kind {type(modality).__name__} yet.")
