"""Similarity network fusion: one network of patients from all modalities."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes
from consilience.fusion.network_memory import ModalityMemory, remember, unseen_rows
from consilience.fusion.numerics.affinity import (
    Settings,
    diffuse,
    distances,
    layer,
    mean_network,
    row_mass,
    symmetric_rows,
    transition,
)
from consilience.fusion.numerics.spectral import cluster_counts, clusters, leading, walk

LEAST_WIDTH = 0.05  # below it the affinity even to the nearest neighbour is 0 in floating point


class SimilarityNetworkFusion(Imputes, Embedding):
    r"""Similarity network fusion (Wang et al. 2014), with a place for patients not seen.

    Each modality makes a network of the patients it measured: affinities by a Gaussian
    whose width follows the neighbourhood, scaled so that a row gives 1/2 to itself and 1/2
    to the others. Then each network is carried through its own local kernel from the mean
    of the others, again and again, until they agree; the fused network is their mean. With
    every patient in every modality this is SNFtool's ``SNF`` to the last digits.

    The embedding is the diffusion map of the fused network: the slowest modes of its
    random walk, each times its eigenvalue. An unseen patient is placed without touching
    the network: his affinities to the training patients go through the same diffusion
    with all else held fixed, and one step of the walk from him gives his coordinates
    (Nystrom's extension). So is a training patient who is asked again: without his own
    rows, as if he had not been there, so that a learner sees training patients where
    unseen ones like them will be. His coordinates in the network are in `embedding_`.

    Missing values: distances are over the features that both patients have, scaled up.
    Missing modalities: a network has the patients its modality measured; a pair is
    averaged over the networks that have both, in every step and at the end, where a pair
    without a common modality is given the mean of what its two patients have with others.
    In a modality that measured fewer patients than `neighbours`, all are neighbours.
    `impute` takes the mean over the nearest patients who were measured, by their affinity
    in the fused network: neighbours whom another modality may have named.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    neighbours : int
        How many patients a neighbourhood has (SNFtool's K; 10 to 30).
    width : float
        Of the Gaussian, relative to the neighbourhood (SNFtool's sigma, the paper's mu;
        .3 to .8).
    iterations : int
        Of the diffusion (10 to 20).
    n_components : int
        Coordinates of the embedding.

    Attributes
    ----------
    network_ : ndarray of shape (n_training, n_training)
        The fused network, its rows as in `patients_`.
    eigenvalues_ : ndarray of shape (n_components,)
        Of the random walk: near 1 for a mode that parts the patients, near 0 for noise.
    embedding_ : ndarray of shape (n_training, n_components)
        The training patients' own coordinates in the network.

    References
    ----------
    Wang, B. et al. (2014). Similarity network fusion for aggregating data types on a
    genomic scale. Nature Methods 11, 333-337.

    Coifman, R. and Lafon, S. (2006). Diffusion maps. Applied and Computational Harmonic
    Analysis 21, 5-30.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"neighbours": (10, 20)}

    def __init__(
        self,
        learner: Any = None,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        neighbours: int = 20,
        width: float = 0.5,
        iterations: int = 20,
        n_components: int = 5,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.neighbours = neighbours
        self.width = width
        self.iterations = iterations
        self.n_components = n_components

    def check_settings(self) -> None:
        """Refuse numbers that are not whole or too small, and a width out of range."""
        super().check_settings()
        for name in ("neighbours", "iterations", "n_components"):
            check_whole(name, getattr(self, name), 1)
        if not LEAST_WIDTH <= self.width < np.inf:
            raise InputError(
                f"width must be at least {LEAST_WIDTH:g} (.3 to .8 is usual), not {self.width!r}."
            )

    def _settings(self) -> Settings:
        return Settings(self.neighbours, self.width, self.iterations)

    def _keeps_patients(self) -> bool:
        return True

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        n = len(self.patients_)
        self._check_size(n)
        settings = self._settings()
        layers = {}
        for name in sorted(blocks):  # in one order, which would change the last digits
            rows = np.flatnonzero(np.isfinite(blocks[name]).any(axis=1))
            values = blocks[name][rows]
            layers[name] = layer(distances(values, values), rows, settings)
        networks = diffuse(list(layers.values()), n, self.iterations)
        mean, self.typical_ = mean_network(networks, [each.rows for each in layers.values()], n)
        self.mass_ = row_mass(mean)
        self.network_ = transition(mean)
        self.marks_ = _marks(blocks)
        self.memory_ = remember(layers, networks, blocks)
        self.eigenvalues_, self.modes_ = walk(self.network_, self.n_components)
        self.embedding_ = self.modes_ * self.eigenvalues_

    def _check_size(self, n: int) -> None:
        if self.neighbours >= n:
            raise InputError(
                f"neighbours is {self.neighbours}, but there are {n} patients to learn from; "
                f"give at most {n - 1}."
            )
        if self.n_components >= n:
            raise InputError(
                f"n_components is {self.n_components}, but a network of {n} patients has at "
                f"most {n - 1}."
            )

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return np.asarray(self._walks(blocks) @ self.modes_)

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        walks = self._walks(blocks)
        return {name: self._neighbours_mean(walks, each) for name, each in self.memory_.items()}

    def _neighbours_mean(self, walks: FloatArray, memory: ModalityMemory) -> FloatArray:
        """Return the mean over the nearest patients whom a modality measured, by affinity."""
        near = walks[:, memory.rows]
        if near.shape[1] > self.neighbours:
            least = np.partition(near, -self.neighbours, axis=1)[:, [-self.neighbours]]
            near = np.where(near >= least, near, 0.0)
        known = np.isfinite(memory.values)
        weight = near @ known.astype(float)
        total = near @ np.where(known, memory.values, 0.0)
        return np.asarray(total / np.where(weight > 0, weight, 1.0))  # 0 is the mean

    def _walks(self, blocks: dict[str, FloatArray]) -> FloatArray:
        """Return where a walk from each patient goes next, (n_patients, n_training)."""
        same = self._same(blocks)
        mean, known = unseen_rows(self.memory_, blocks, same, self._settings())
        others = np.maximum((known & ~same).sum(axis=1, keepdims=True), 1)
        typical = mean.sum(axis=1, keepdims=True) / others
        mean = np.where(known, mean, (typical + self.typical_) / 2.0)
        row = symmetric_rows(np.where(same, 0.0, mean), self.mass_)
        return np.asarray(row / row.sum(axis=1, keepdims=True))

    def _same(self, blocks: dict[str, FloatArray]) -> npt.NDArray[np.bool_]:
        """Return which training patient each is, if any: the one of the same measurements.

        He is placed as if he had not been there. By his own rows a learner would come to
        expect coordinates further out than those of patients it has not seen.
        """
        first = {mark: place for place, mark in reversed(list(enumerate(self.marks_)))}
        places = [first.get(mark, -1) for mark in _marks(blocks)]
        same: npt.NDArray[np.bool_] = np.asarray(places)[:, None] == np.arange(len(self.marks_))
        return same

    def cluster_counts(self, most: int = 5) -> dict[str, Any]:
        """Return how many subtypes the network suggests, by eigengap and by rotation cost.

        See `consilience.fusion.numerics.spectral.cluster_counts`; SNFtool's
        ``estimateNumberOfClustersGivenGraph``.
        """
        check_whole("most", most, 2)
        self._check_clusters("most", most + 1)
        return cluster_counts(leading(self.network_, most + 1)[0], most)

    def subtypes(self, n_clusters: int | None = None) -> pd.Series:
        """Return the training patients' subtypes by spectral clustering of the network.

        Parameters
        ----------
        n_clusters : int, optional
            By default what the eigengap suggests, from 2 to 5.

        Returns
        -------
        Series
            "1", "2", ... by patient, the largest subtype first.
        """
        k = self.cluster_counts()["eigengap"] if n_clusters is None else n_clusters
        check_whole("n_clusters", k, 2)
        self._check_clusters("n_clusters", k)
        found = clusters(leading(self.network_, k)[1])
        return pd.Series(by_size(found), index=pd.Index(self.patients_), name="subtype")

    def _check_clusters(self, name: str, k: int) -> None:
        if k > len(self.network_):
            raise InputError(f"{name} is {k}, more than the {len(self.network_)} patients.")


def by_size(labels: Any) -> list[str]:
    """Return clusters named "1", "2", ... from the largest to the smallest."""
    values, first, counts = np.unique(labels, return_index=True, return_counts=True)
    order = np.lexsort((first, -counts))
    names = {values[place]: str(rank + 1) for rank, place in enumerate(order)}
    return [names[label] for label in labels]


def _marks(blocks: dict[str, FloatArray]) -> list[str]:
    """Return a mark of each patient's measurements, the same where they are the same."""
    whole = np.hstack([blocks[name] for name in sorted(blocks)])
    return [hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest() for row in whole]
