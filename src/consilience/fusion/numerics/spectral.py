"""A network's coordinates and clusters, from the eigenvectors of its random walk."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.linalg import eigh, qr, svd

from consilience.cohort.modality import FloatArray


def leading(network: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    r"""Return the leading eigenvalues and eigenvectors of a network without its diagonal.

    Of :math:`D^{-1/2} W D^{-1/2}`, which is the identity minus the normalised Laplacian.
    An eigenvector's sign is such that its largest entry is positive.

    Parameters
    ----------
    network : ndarray of shape (n, n)
        Symmetric, not negative.
    k : int
        How many, at most n.

    Returns
    -------
    values : ndarray of shape (k,)
        From 1 downwards.
    vectors : ndarray of shape (n, k)
        Orthonormal.
    """
    n = len(network)
    scaled = normalised(network)
    values, vectors = eigh(scaled, subset_by_index=(n - k, n - 1))
    values, vectors = values[::-1], vectors[:, ::-1]
    largest = vectors[np.argmax(np.abs(vectors), axis=0), np.arange(k)]
    return values, np.asarray(vectors * np.where(largest < 0, -1.0, 1.0))


def normalised(network: FloatArray) -> FloatArray:
    """Return the network without its diagonal, divided by the roots of both degrees."""
    bare = network.copy()
    np.fill_diagonal(bare, 0.0)
    root = np.sqrt(bare.sum(axis=1))
    return np.asarray(bare / (root[:, None] * root))


def walk(network: FloatArray, k: int) -> tuple[FloatArray, FloatArray]:
    """Return the k slowest modes of the random walk on a network, without the constant one.

    Returns
    -------
    values : ndarray of shape (k,)
        How much of a mode is left after one step.
    modes : ndarray of shape (n, k)
        Right eigenvectors of the walk, of mean square about 1. One step of the walk from
        a patient gives his coordinates of a diffusion map (Coifman and Lafon 2006);
        it can be taken from a patient who is not in the network too, and is then the
        Nystrom extension.
    """
    values, vectors = leading(network, k + 1)
    degree = network.sum(axis=1) - np.diagonal(network)
    modes = vectors[:, 1:] * np.sqrt(degree.sum() / degree)[:, None]
    return values[1:], np.asarray(modes)


def clusters(vectors: FloatArray) -> npt.NDArray[np.intp]:
    """Return a cluster a row of the leading eigenvectors, as many as there are of them.

    By column-pivoted QR (Damle, Minden and Ying 2019), which needs no starting point.
    """
    k = vectors.shape[1]
    pivots = qr(vectors.T, pivoting=True, mode="r")[-1]
    left, _, right = svd(vectors[pivots[:k]].T)
    return np.asarray(np.abs(vectors @ (left @ right.conj())).argmax(axis=1), dtype=np.intp)


def cluster_counts(values: FloatArray, most: int) -> dict[str, Any]:
    """Return the numbers of clusters that the eigenvalues suggest, from 2 to `most`.

    Both rules of SNFtool's ``estimateNumberOfClustersGivenGraph``: the largest gap between
    neighbouring eigenvalues, and the smallest rotation cost. SNFtool takes the cost of the
    eigenvectors after discretisation, where it is the ratio of neighbouring eigenvalues
    times the number of patients; the ratio is given here.

    Parameters
    ----------
    values : ndarray of shape (at least most + 1,)
        Leading eigenvalues, from 1 downwards.
    most : int

    Returns
    -------
    dict
        ``eigengap`` and ``rotation``, the best number by each rule; ``gaps`` and
        ``costs``, the figure of each number.
    """
    counts = range(2, most + 1)
    gaps = {k: float(values[k - 1] - values[k]) for k in counts}
    costs = {k: float(values[k] / values[k - 1]) for k in counts}
    return {
        "eigengap": max(gaps, key=gaps.__getitem__),
        "rotation": min(costs, key=costs.__getitem__),
        "gaps": gaps,
        "costs": costs,
    }
