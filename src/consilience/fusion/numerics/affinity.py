"""Similarity networks: affinities, their fusion by diffusion, and rows of unseen patients.

The formulas are those of Wang et al. (2014) as SNFtool computes them; what is added is
that a patient need not be in every network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from consilience.cohort.modality import FloatArray

Rows = npt.NDArray[np.intp]
_EPS = float(np.finfo(float).eps)
_CLOSE = 1e-4  # squared distances this small beside the norms are computed anew: cancellation


@dataclass(frozen=True)
class Settings:
    """How networks are made and fused.

    Attributes
    ----------
    neighbours : int
        SNFtool's K.
    width : float
        SNFtool's sigma, the paper's mu.
    iterations : int
        Of the diffusion.
    """

    neighbours: int = 20
    width: float = 0.5
    iterations: int = 20


def distances(a: FloatArray, b: FloatArray) -> FloatArray:
    """Return Euclidean distances between rows, over the columns that both have.

    A distance over some columns is scaled up to all of them, as
    ``sklearn.metrics.pairwise.nan_euclidean_distances`` does. Two rows without a common
    column are as far apart as two unrelated patients are expected to be in standardised
    columns, the root of twice their number.

    Parameters
    ----------
    a, b : ndarray of shape (n_a, n_columns), (n_b, n_columns)
        Standardised columns; NaN where a value is missing.

    Returns
    -------
    ndarray of shape (n_a, n_b)
    """
    known_a, known_b = np.isfinite(a), np.isfinite(b)
    whole = bool(known_a.all() and known_b.all())
    full_a, full_b = np.where(known_a, a, 0.0), np.where(known_b, b, 0.0)
    if whole:
        norms = (full_a**2).sum(axis=1)[:, None] + (full_b**2).sum(axis=1)
    else:
        norms = full_a**2 @ known_b.T.astype(float) + known_a.astype(float) @ (full_b**2).T
    squares = norms - 2.0 * (full_a @ full_b.T)
    for i, j in np.argwhere(squares <= _CLOSE * norms):
        both = known_a[i] & known_b[j]
        squares[i, j] = ((a[i, both] - b[j, both]) ** 2).sum()
    if not whole:
        shared = known_a.astype(float) @ known_b.T.astype(float)
        scaled = squares * a.shape[1] / np.maximum(shared, 1.0)
        squares = np.where(shared > 0, scaled, 2.0 * a.shape[1])
    return np.asarray(np.sqrt(np.maximum(squares, 0.0)))


def reach(apart: FloatArray, neighbours: int, *, skip: int) -> FloatArray:
    """Return each row's mean distance to its nearest neighbours.

    Parameters
    ----------
    apart : ndarray of shape (n, n_others)
        Distances; an infinite one is left out.
    neighbours : int
        How many.
    skip : int
        How many of the nearest to leave out: 1 where a row's patient is a column too.
    """
    nearest = np.sort(apart, axis=1)[:, skip : skip + neighbours]
    finite = np.isfinite(nearest)
    near = np.where(finite, nearest, 0.0).sum(axis=1) / np.maximum(finite.sum(axis=1), 1)
    return np.asarray(near + _EPS)


def affinity(apart: FloatArray, rows: FloatArray, columns: FloatArray, width: float) -> FloatArray:
    r"""Return affinities, a Gaussian density whose width follows the neighbourhood.

    .. math:: W_{ij} = \phi(d_{ij}; 0, \mu\epsilon_{ij}), \quad
        \epsilon_{ij} = (r_i + r_j + d_{ij}) / 3

    with the reach :math:`r` of each patient (SNFtool's ``affinityMatrix``).

    Parameters
    ----------
    apart : ndarray of shape (n_rows, n_columns)
        Distances.
    rows, columns : ndarray of shape (n_rows,), (n_columns,)
        The reach of the patients.
    width : float
        SNFtool's sigma, the paper's mu.
    """
    local = (rows[:, None] + columns) / 3.0 + apart / 3.0 + _EPS
    deviation = width * np.maximum(local, _EPS)
    return np.asarray(
        np.exp(-0.5 * (apart / deviation) ** 2) / (np.sqrt(2.0 * np.pi) * deviation), dtype=float
    )


def transition(weights: FloatArray) -> FloatArray:
    """Return the network with 1/2 on the diagonal, 1/2 over each row's others, made symmetric."""
    scaled = weights / (2.0 * row_mass(weights)[:, None])
    np.fill_diagonal(scaled, 0.5)
    return np.asarray((scaled + scaled.T) / 2.0)


def row_mass(weights: FloatArray) -> FloatArray:
    """Return what each row gives to the others in all; 1 where that is nothing."""
    others = weights.sum(axis=1) - np.diagonal(weights)
    others[others == 0] = 1.0
    return np.asarray(others)


def symmetric_rows(weights: FloatArray, mass: FloatArray) -> FloatArray:
    """Return what `transition` makes of rows whose patients are not among the columns.

    Parameters
    ----------
    weights : ndarray of shape (n_unseen, n)
        All above 0.
    mass : ndarray of shape (n,)
        The `row_mass` of the columns' patients, which stays what it was.
    """
    own = weights.sum(axis=1, keepdims=True)
    return np.asarray((weights / (2.0 * own) + weights / (2.0 * mass)) / 2.0)


def local_kernel(network: FloatArray, neighbours: int) -> csr_array:
    """Return each row's strongest entries, itself among them, scaled to sum to 1."""
    n = len(network)
    kept = min(neighbours, n)
    # Of equals the later are kept, as in SNFtool.
    strongest = np.sort(np.argsort(network, axis=1, kind="stable")[:, n - kept :], axis=1)
    values = np.take_along_axis(network, strongest, axis=1)
    values = values / values.sum(axis=1, keepdims=True)
    ends = np.arange(0, n * kept + 1, kept)
    return csr_array((values.ravel(), strongest.ravel(), ends), shape=(n, n))


@dataclass(frozen=True)
class Layer:
    """The network of one modality, over the patients it measured.

    Attributes
    ----------
    rows : ndarray of int
        Who they are among all patients, ascending.
    kernel : csr_array of shape (n_rows, n_rows)
        The local kernel.
    network : ndarray of shape (n_rows, n_rows)
        The transition matrix before diffusion.
    reach, mass : ndarray of shape (n_rows,)
        See `reach` and `row_mass`.
    """

    rows: Rows
    kernel: csr_array
    network: FloatArray
    reach: FloatArray
    mass: FloatArray


def layer(apart: FloatArray, rows: Rows, settings: Settings) -> Layer:
    """Return the network of one modality from the distances between those it measured."""
    own = reach(apart, settings.neighbours, skip=1)
    weights = affinity(apart, own, own, settings.width)
    network, kept = transition(weights), settings.neighbours
    return Layer(rows, local_kernel(network, kept), network, own, row_mass(weights))


def diffuse(layers: Sequence[Layer], n: int, iterations: int) -> list[FloatArray]:
    """Return every modality's network after the others have flowed into it.

    In each iteration the network of a modality becomes ``S Q S'``, with its local kernel
    S and the mean Q of the other networks (equation 8 of the paper). A pair counts in Q
    only through the networks that have both; one that no other network has keeps what
    the modality itself says.
    """
    networks = [each.network for each in layers]
    for _ in range(iterations):
        total, count = pooled(networks, [each.rows for each in layers], n)
        networks = [
            transition(carry(each.kernel, others_mean(own, each.rows, total, count)))
            for each, own in zip(layers, networks, strict=True)
        ]
    return networks


def mean_network(
    networks: Sequence[FloatArray], rows: Sequence[Rows], n: int
) -> tuple[FloatArray, FloatArray]:
    """Return the mean network over the modalities that both patients of a pair have.

    A pair without a common modality is given the mean of what its two patients have with
    others: nothing is known of it, which is not the same as unlike.

    Returns
    -------
    mean : ndarray of shape (n, n)
        Of it, `transition` makes the fused network.
    typical : ndarray of shape (n,)
        Each patient's mean over the others with whom he has a modality in common.
    """
    total, count = pooled(networks, rows, n)
    known = count > 0
    mean = total / np.maximum(count, 1)
    others = known & ~np.eye(n, dtype=bool)
    typical = np.where(others, mean, 0.0).sum(axis=1) / np.maximum(others.sum(axis=1), 1)
    if not known.all():
        mean = np.where(known, mean, (typical[:, None] + typical) / 2.0)
    return mean, np.asarray(typical)


def pooled(
    networks: Sequence[FloatArray], rows: Sequence[Rows], n: int
) -> tuple[FloatArray, FloatArray]:
    """Return the sum of networks over all n patients, and how many networks have each pair.

    Entries are made comparable first: a row spreads 1/2 over all others, so in a network
    of few patients each is given more.
    """
    total, count = np.zeros((n, n)), np.zeros((n, n))
    for network, who in zip(networks, rows, strict=True):
        place = _place(who, n)
        total[place] += on_scale(network, n)
        count[place] += 1.0
    return total, count


def on_scale(network: FloatArray, n: int) -> FloatArray:
    """Return a network's entries as they would be if it had n patients."""
    if len(network) == n:
        return network
    return _off_diagonal_times(network, (len(network) - 1) / (n - 1))


def others_mean(own: FloatArray, rows: Rows, total: FloatArray, count: FloatArray) -> FloatArray:
    """Return the mean of the other networks, on the rows and the scale of one of them."""
    n, size = len(total), len(own)
    place = _place(rows, n)
    mine = on_scale(own, n)
    others = count[place] - 1.0
    mean = np.where(others > 0, (total[place] - mine) / np.maximum(others, 1.0), mine)
    return mean if size == n else _off_diagonal_times(mean, (n - 1) / max(size - 1, 1))


def _off_diagonal_times(network: FloatArray, factor: float) -> FloatArray:
    scaled = network * factor
    np.fill_diagonal(scaled, np.diagonal(network))
    return np.asarray(scaled)


def carry(kernel: csr_array, network: FloatArray) -> FloatArray:
    """Return S Q S' of a symmetric Q."""
    return np.asarray(kernel @ np.ascontiguousarray((kernel @ network).T))


def _place(rows: Rows, n: int) -> tuple[slice, slice] | tuple[Rows, ...]:
    """Return an index of the pairs among rows; a plain slice where they are all, for speed."""
    return (slice(None), slice(None)) if len(rows) == n else np.ix_(rows, rows)
