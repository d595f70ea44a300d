"""From a cohort to batches: tables are held in memory, larger modalities are read as they come."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from consilience.cohort import Cohort
from consilience.errors import InputError, InputWarning
from consilience.nn.batch import Batch, Part
from consilience.nn.sources import Reading, Sources

Rows = npt.NDArray[np.intp]
AT_ONCE = 2**28  # bytes of streamed modalities in a batch when nothing is trained


@dataclass(frozen=True)
class Held:
    """A modality in memory.

    Attributes
    ----------
    arrays : dict of str to Tensor
        A row each patient who was read; a row each instance in ragged ones.
    place : ndarray of int, (n_patients,)
        Which row is each patient's, -1 for none.
    first, counts : ndarray of int, optional
        Where each row's instances begin in the ragged arrays, and how many there are.
    ragged : tuple of str
    """

    arrays: Mapping[str, Tensor]
    place: Rows
    first: Rows | None = None
    counts: Rows | None = None
    ragged: tuple[str, ...] = ()

    def of(self, rows: Rows) -> Held:
        """Return the same modality of some of the patients."""
        return Held(self.arrays, self.place[rows], self.first, self.counts, self.ragged)

    def part(self, patients: Rows) -> Part:
        """Return those of the patients who have the modality."""
        place = self.place[patients]
        rows = np.flatnonzero(place >= 0)
        taken = place[rows]
        index = torch.from_numpy(taken)
        if self.counts is None or self.first is None:
            arrays = {key: array.index_select(0, index) for key, array in self.arrays.items()}
            return Part(arrays, torch.from_numpy(rows))
        counts = self.counts[taken]
        owner = np.repeat(np.arange(len(taken)), counts)
        within = np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
        instances = torch.from_numpy(self.first[taken][owner] + within)
        arrays = {
            key: array.index_select(0, instances if key in self.ragged else index)
            for key, array in self.arrays.items()
        }
        return Part(arrays, torch.from_numpy(rows), torch.from_numpy(owner))


class Reader:
    """A cohort's patients as batches.

    Parameters
    ----------
    sources : Sources
        Fitted.
    cohort : Cohort
    targets : mapping of str to ndarray, optional
        What is to be learned, a row each patient.

    Raises
    ------
    InputError
        If a modality that has to be held in memory does not fit, or is not as it was
        when its source was fitted.
    """

    def __init__(
        self, sources: Sources, cohort: Cohort, targets: Mapping[str, Any] | None = None
    ) -> None:
        self.sources, self.cohort = sources, cohort
        self.targets = _tensors(targets)
        self._held: dict[str, Held] = {}
        self._usable: dict[str, npt.NDArray[np.bool_]] = {}
        for name, source in sources.fitted_.items():
            if not source.streams:
                self._held[name] = self._hold(name)

    def __len__(self) -> int:
        return len(self.cohort)

    @property
    def streams(self) -> bool:
        """Whether some modality is read a batch at a time."""
        return len(self._held) < len(self.sources.fitted_)

    def of(self, rows: Rows, targets: Mapping[str, Any] | None = None) -> Self:
        """Return a reader of some of the patients; nothing is read again.

        Parameters
        ----------
        rows : ndarray of int
            Their positions.
        targets : mapping of str to ndarray, optional
            What is to be learned, a row each of them.
        """
        own = object.__new__(type(self))
        own.sources, own.cohort = self.sources, self.cohort[rows]
        own.targets = _tensors(targets)
        own._held = {name: held.of(rows) for name, held in self._held.items()}
        own._usable = {name: usable[rows] for name, usable in self._usable.items()}
        return own

    def _hold(self, name: str) -> Held:
        """Read all patients of a modality once."""
        has = np.flatnonzero(_has(self.cohort, name))
        place = np.full(len(self.cohort), -1, dtype=np.intp)
        if not len(has):
            return Held({}, place)
        try:
            reading = self.sources.read(name, self.cohort, has)
        except MemoryError as reason:
            raise InputError(
                f"modality {name!r}: {len(has):,} patients of "
                f"{len(self.sources.fitted_[name].features_):,} features do not fit into memory; "
                "use fewer features, or a machine with more memory."
            ) from reason
        place[has[reading.usable]] = np.flatnonzero(reading.usable)
        arrays = {key: torch.as_tensor(array) for key, array in reading.arrays.items()}
        if reading.counts is None:
            return Held(arrays, place)
        first = np.cumsum(reading.counts) - reading.counts
        return Held(arrays, place, first, reading.counts, reading.ragged)

    def informed(self) -> npt.NDArray[np.bool_]:
        """Return which patients have anything that a network can use, (n_patients,).

        Modalities that stream are surveyed once; what could not be used of them is told
        in an InputWarning.
        """
        informed = np.zeros(len(self.cohort), dtype=bool)
        for name in self.sources.fitted_:
            held = self._held.get(name)
            informed |= self._surveyed(name) if held is None else held.place >= 0
        return informed

    def _surveyed(self, name: str) -> npt.NDArray[np.bool_]:
        if name not in self._usable:
            usable = _has(self.cohort, name)
            rows = np.flatnonzero(usable)
            if len(rows):
                survey = self.sources.survey(name, self.cohort, rows)
                usable[rows] = survey.usable
                if survey.warning:
                    warnings.warn(f"modality {name!r}: {survey.warning}", InputWarning, 3)
            self._usable[name] = usable
        return self._usable[name]

    def batch(self, patients: Rows) -> Batch:
        """Return the patients at these positions as a batch."""
        rows = torch.as_tensor(patients)
        return Batch(
            parts={name: self._part(name, patients) for name in self.sources.fitted_},
            size=len(patients),
            patients=rows,
            targets={name: target[rows] for name, target in self.targets.items()},
        )

    def _part(self, name: str, patients: Rows) -> Part:
        held = self._held.get(name)
        if held is not None:
            return held.part(patients)
        usable = self._usable.get(name)
        has = _has(self.cohort, name) if usable is None else usable
        rows = np.flatnonzero(has[patients])
        if not len(rows):
            return Part({}, torch.as_tensor(rows))
        return _part_of(self.sources.read(name, self.cohort, patients[rows]), rows)

    def batches(self, patients: Rows, size: int, seed: int | None = None) -> Iterator[Batch]:
        """Yield the patients in batches of about equal size, in an order drawn by the seed.

        Parameters
        ----------
        patients : ndarray of int
            Positions.
        size : int
            Most patients in a batch.
        seed : int, optional
            Without it the order is kept.
        """
        for chunk in chunks(patients, size, seed):
            yield self.batch(chunk)

    def portions(self, patients: Rows, size: int, most: int = AT_ONCE) -> list[Rows]:
        """Return the patients cut, in order, into what can be read at once.

        Parameters
        ----------
        patients : ndarray of int
            Positions.
        size : int
            Most patients in a portion.
        most : int
            Most bytes of streamed modalities in a portion, one patient always.
        """
        weight = np.zeros(len(patients), dtype=np.int64)
        for name in self.sources.fitted_:
            rows = np.flatnonzero(_has(self.cohort, name)[patients])
            if name not in self._held and len(rows):
                weight[rows] += self.sources.sizes(name, self.cohort, patients[rows])
        cuts, start, total = [], 0, 0
        for i, own in enumerate(weight.tolist()):
            if i > start and (i - start >= size or total + own > most):
                cuts.append(i)
                start, total = i, 0
            total += own
        return np.split(patients, cuts)


def chunks(patients: Rows, size: int, seed: int | None = None) -> list[Rows]:
    """Return the patients cut into chunks of about equal size, in an order drawn by the seed.

    Parameters
    ----------
    patients : ndarray of int
        Positions.
    size : int
        Most patients in a chunk.
    seed : int, optional
        Without it the order is kept.
    """
    order = patients if seed is None else np.random.default_rng(seed).permutation(patients)
    return np.array_split(order, max(1, -(-len(order) // size)))


def _tensors(targets: Mapping[str, Any] | None) -> dict[str, Tensor]:
    return {name: torch.as_tensor(target) for name, target in (targets or {}).items()}


def _has(cohort: Cohort, name: str) -> npt.NDArray[np.bool_]:
    if name not in cohort.modalities:
        return np.zeros(len(cohort), dtype=bool)
    return cohort.has(name)


def _part_of(reading: Reading, rows: Rows) -> Part:
    kept = reading.usable
    arrays = {
        key: torch.as_tensor(array if key in reading.ragged else array[kept])
        for key, array in reading.arrays.items()
    }
    owner = None
    if reading.counts is not None:
        counts = torch.as_tensor(reading.counts[kept])
        owner = torch.repeat_interleave(torch.arange(len(counts)), counts)
    return Part(arrays, torch.as_tensor(rows[kept]), owner)
