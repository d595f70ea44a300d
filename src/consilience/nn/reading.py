"""From a cohort to batches: tables are held in memory, larger modalities are read as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from consilience.cohort import Cohort
from consilience.nn.batch import Batch, Part
from consilience.nn.sources import Reading, Sources


class Reader:
    """A cohort's patients as batches.

    Parameters
    ----------
    sources : Sources
        Fitted.
    cohort : Cohort
    targets : mapping of str to ndarray, optional
        What is to be learned, a row each patient.
    """

    def __init__(
        self, sources: Sources, cohort: Cohort, targets: Mapping[str, Any] | None = None
    ) -> None:
        self.sources, self.cohort = sources, cohort
        self.targets = {name: torch.as_tensor(t) for name, t in (targets or {}).items()}
        self._held: dict[str, tuple[Reading, npt.NDArray[np.intp]]] = {}
        for name, source in sources.fitted_.items():
            if not source.streams:
                self._hold(name)

    def _hold(self, name: str) -> None:
        """Read all patients of a modality once; keep where each one's row is, -1 for none."""
        has = np.flatnonzero(_has(self.cohort, name))
        place = np.full(len(self.cohort), -1, dtype=np.intp)
        if not len(has):
            self._held[name] = (Reading({}, np.empty(0, dtype=bool)), place)
            return
        reading = self.sources.read(name, self.cohort, has)
        place[has[reading.usable]] = np.flatnonzero(reading.usable)
        self._held[name] = (reading, place)

    def informed(self) -> npt.NDArray[np.bool_]:
        """Return which patients have anything that a network can use, (n_patients,)."""
        informed = np.zeros(len(self.cohort), dtype=bool)
        for name in self.sources.fitted_:
            if name in self._held:
                informed |= self._held[name][1] >= 0
            else:
                informed |= _has(self.cohort, name)
        return informed

    def batch(self, patients: npt.NDArray[np.intp]) -> Batch:
        """Return the patients at these positions as a batch."""
        rows = torch.as_tensor(patients)
        return Batch(
            parts={name: self._part(name, patients) for name in self.sources.fitted_},
            size=len(patients),
            patients=rows,
            targets={name: target[rows] for name, target in self.targets.items()},
        )

    def _part(self, name: str, patients: npt.NDArray[np.intp]) -> Part:
        if name in self._held:
            reading, place = self._held[name]
            rows = np.flatnonzero(place[patients] >= 0)
            taken = place[patients[rows]]
            arrays = {key: torch.as_tensor(a[taken]) for key, a in reading.arrays.items()}
            return Part(arrays, torch.as_tensor(rows))
        rows = np.flatnonzero(_has(self.cohort, name)[patients])
        if not len(rows):
            return Part({}, torch.as_tensor(rows))
        return _part_of(self.sources.read(name, self.cohort, patients[rows]), rows)

    def batches(
        self, patients: npt.NDArray[np.intp], size: int, seed: int | None = None
    ) -> Iterator[Batch]:
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
        order = patients if seed is None else np.random.default_rng(seed).permutation(patients)
        for chunk in np.array_split(order, max(1, -(-len(order) // size))):
            yield self.batch(chunk)


def _has(cohort: Cohort, name: str) -> npt.NDArray[np.bool_]:
    if name not in cohort.modalities:
        return np.zeros(len(cohort), dtype=bool)
    return cohort.has(name)


def _part_of(reading: Reading, rows: npt.NDArray[np.intp]) -> Part:
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
