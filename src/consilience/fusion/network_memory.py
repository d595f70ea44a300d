"""What a fused network remembers of each modality, to place patients it has not seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray
from consilience.fusion.numerics.affinity import (
    Layer,
    Rows,
    Settings,
    affinity,
    distances,
    others_mean,
    pooled,
    reach,
    row_mass,
    symmetric_rows,
)

Mask: TypeAlias = npt.NDArray[np.bool_]


class ModalityMemory(BaseEstimator):  # type: ignore[misc]
    """One modality's part of a fitted network.

    Parameters
    ----------
    values : ndarray of shape (n_rows, n_columns)
        The training patients' measurements.
    rows : ndarray of int
        Which of all training patients they are.
    reach, mass : ndarray of shape (n_rows,)
        Mean distance to the nearest neighbours; summed affinity to the others.
    near, nearness : ndarray of shape (n_rows, n_kept)
        The local kernel: columns and values of each row.
    carried : ndarray of shape (n_rows, n_rows)
        ``Q S'``: the other modalities' mean network, carried by the local kernel.
    flow : ndarray of shape (n_rows,)
        What ``S Q S'`` gives each row in all, itself left aside.
    """

    def __init__(
        self,
        values: FloatArray,
        rows: Rows,
        reach: FloatArray,
        mass: FloatArray,
        near: Rows,
        nearness: FloatArray,
        carried: FloatArray,
        flow: FloatArray,
    ) -> None:
        self.values = values
        self.rows = rows
        self.reach = reach
        self.mass = mass
        self.near = near
        self.nearness = nearness
        self.carried = carried
        self.flow = flow

    @property
    def kernel(self) -> csr_array:
        """The local kernel."""
        return sparse_rows(self.near, self.nearness, len(self.rows))

    def affinities(self, values: FloatArray, same: Mask, settings: Settings) -> FloatArray:
        """Return the rows of patients in the modality's network, before diffusion.

        Those who are the `same` as one of its own have no affinity to themselves.
        """
        apart = np.where(same, np.inf, distances(values, self.values))
        own = reach(apart, settings.neighbours, skip=0)
        apart = np.where(same, 0.0, apart)
        weights = np.where(same, 0.0, affinity(apart, own, self.reach, settings.width))
        return symmetric_rows(weights, self.mass)

    def local(self, network: FloatArray, neighbours: int) -> tuple[FloatArray, csr_array]:
        """Return unseen patients' local kernel: the share of themselves, and of the others."""
        kept = min(neighbours, network.shape[1] + 1) - 1
        near = np.sort(np.argsort(network, axis=1, kind="stable")[:, ::-1][:, :kept], axis=1)
        strength = np.take_along_axis(network, near, axis=1)
        whole = 0.5 + strength.sum(axis=1)
        return 0.5 / whole, sparse_rows(near, strength / whole[:, None], network.shape[1])


def remember(
    layers: Mapping[str, Layer], networks: Sequence[FloatArray], blocks: Mapping[str, FloatArray]
) -> dict[str, ModalityMemory]:
    """Return what is to be remembered of each modality.

    Parameters
    ----------
    layers : mapping of str to Layer
        Before diffusion.
    networks : sequence of ndarray
        After it, in the same order.
    blocks : mapping of str to ndarray of shape (n_patients, n_columns)
        The training patients' measurements.
    """
    n = len(next(iter(blocks.values())))
    total, count = pooled(networks, [each.rows for each in layers.values()], n)
    memory = {}
    for (name, each), network in zip(layers.items(), networks, strict=True):
        mean = others_mean(network, each.rows, total, count)
        carried = np.ascontiguousarray((each.kernel @ mean).T)
        size = len(each.rows)
        memory[name] = ModalityMemory(
            blocks[name][each.rows],
            each.rows,
            each.reach,
            each.mass,
            each.kernel.indices.reshape(size, -1).astype(np.intp),
            each.kernel.data.reshape(size, -1),
            carried,
            row_mass(np.asarray(each.kernel @ carried)),
        )
    return memory


def sparse_rows(columns: Rows, values: FloatArray, width: int) -> csr_array:
    """Return a sparse matrix that has the same number of entries in each row."""
    height, kept = columns.shape
    ends = np.arange(height + 1) * kept
    return csr_array((values.ravel(), columns.ravel(), ends), shape=(height, width))


def unseen_rows(
    memory: Mapping[str, ModalityMemory],
    blocks: Mapping[str, FloatArray],
    same: Mask,
    settings: Settings,
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return what the modalities say of unseen patients, after diffusion.

    The network of the training patients stays as it is; the diffusion is run for the new
    row alone, so that a patient's row does not depend on who else is asked.

    Parameters
    ----------
    memory : mapping of str to ModalityMemory
    blocks : mapping of str to ndarray of shape (n_unseen, n_columns)
        A whole row of NaN where the modality did not measure the patient.
    same : ndarray of bool of shape (n_unseen, n)
        Which training patient each of them is, if he is one.
    settings : Settings

    Returns
    -------
    mean : ndarray of shape (n_unseen, n)
        Affinity to each training patient, over the modalities that both have.
    known : ndarray of bool of shape (n_unseen, n)
        Which of them have a modality in common; `mean` is 0 elsewhere.
    """
    unseen, n = same.shape
    parts = []
    for name, each in memory.items():
        who = np.flatnonzero(np.isfinite(blocks[name]).any(axis=1))
        if len(who):
            own = same[np.ix_(who, each.rows)]
            parts.append(_Unseen(each, who, own, blocks[name][who], settings))
    for _ in range(settings.iterations):
        total, count = _pooled(parts, unseen, n)
        for part in parts:
            part.diffuse(total, count)
    total, count = _pooled(parts, unseen, n)
    return total / np.maximum(count, 1.0), count > 0


class _Unseen:
    """Unseen patients in the network of one modality."""

    def __init__(
        self, memory: ModalityMemory, who: Rows, same: Mask, values: FloatArray, settings: Settings
    ) -> None:
        self.memory, self.who, self.same = memory, who, same
        self.network = memory.affinities(values, same, settings)
        self.self_share, near = memory.local(self.network, settings.neighbours)
        self.by_others = np.asarray(near @ memory.carried)
        self.kernel = memory.kernel

    def on_scale(self, n: int) -> FloatArray:
        return np.asarray(self.network * (self.network.shape[1] / n))

    def place(self) -> tuple[Rows, ...]:
        return np.ix_(self.who, self.memory.rows)

    def diffuse(self, total: FloatArray, count: FloatArray) -> None:
        place, mine = self.place(), self.on_scale(total.shape[1])
        others = count[place] - 1.0
        mean = np.where(others > 0, (total[place] - mine) / np.maximum(others, 1.0), mine)
        mean *= total.shape[1] / len(self.memory.rows)
        by_self = np.ascontiguousarray((self.kernel @ np.ascontiguousarray(mean.T)).T)
        flow = self.by_others + self.self_share[:, None] * by_self
        flow[self.same] = 0.0
        self.network = symmetric_rows(flow, self.memory.flow)


def _pooled(parts: Sequence[_Unseen], unseen: int, n: int) -> tuple[FloatArray, FloatArray]:
    total, count = np.zeros((unseen, n)), np.zeros((unseen, n))
    for part in parts:
        total[part.place()] += part.on_scale(n)
        count[part.place()] += 1.0
    return total, count
