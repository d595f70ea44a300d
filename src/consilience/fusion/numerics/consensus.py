"""Consensus clustering: which number of clusters comes back when patients are resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from consilience.cohort.modality import FloatArray

STARTS = 2  # of k-means in each resample: with one, the worse of two minima passes for doubt
AMBIGUOUS = (0.1, 0.9)  # a pair that is together in neither few nor most resamples
FLOOR = 0.01  # added to an ambiguity before its logarithm, which may be 0


@dataclass(frozen=True)
class Resampling:
    """How patients are resampled.

    Attributes
    ----------
    resamples : int
        How often.
    share : float
        Of the patients in each.
    """

    resamples: int = 50
    share: float = 0.8


def consensus(
    points: FloatArray, counts: range, how: Resampling, rng: np.random.Generator
) -> dict[int, FloatArray]:
    """Return the consensus matrix of each number of clusters (Monti et al. 2003).

    Entry (i, j) is the share, of the resamples with both patients, in which k-means put
    them together; a pair that no resample has counts as never together.

    Parameters
    ----------
    points : ndarray of shape (n, d)
    counts : range
        Numbers of clusters.
    how : Resampling
    rng : Generator

    Returns
    -------
    dict of int to ndarray of shape (n, n)
    """
    from consilience.fusion.numerics.kmeans_kernel import together

    n = len(points)
    drawn = min(n, max(round(how.share * n), counts[-1]))
    draws = np.sort(rng.permuted(np.tile(np.arange(n), (how.resamples, 1)), axis=1)[:, :drawn])
    chances = rng.random((how.resamples, STARTS, counts[-1]))
    present = np.zeros((how.resamples, n))
    np.put_along_axis(present, draws, 1.0, axis=1)
    both = np.maximum(present.T @ present, 1.0)
    own = np.ascontiguousarray(points)
    return {k: np.asarray(together(own, draws, chances, k) / both) for k in counts}


def ambiguity(matrix: FloatArray) -> float:
    """Return the proportion of ambiguous pairs, PAC (Senbabaoglu et al. 2014)."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    low, high = AMBIGUOUS
    return float(((pairs > low) & (pairs < high)).mean())


def area(matrix: FloatArray) -> float:
    """Return the area under the distribution of the consensus, Monti's A(K)."""
    pairs = matrix[np.triu_indices(len(matrix), 1)]
    return float(1.0 - pairs.mean())


def partition(matrix: FloatArray, k: int) -> npt.NDArray[np.intp]:
    """Return k clusters by average linkage on 1 - consensus, numbered from 0."""
    apart = 1.0 - (matrix + matrix.T).astype(float) / 2.0
    np.fill_diagonal(apart, 0.0)
    tree = linkage(squareform(apart, checks=False), method="average")
    return np.asarray(fcluster(tree, k, criterion="maxclust") - 1, dtype=np.intp)


def without_clusters(
    points: FloatArray, counts: range, how: Resampling, references: int, rng: np.random.Generator
) -> FloatArray:
    """Return the ambiguity of clouds without clusters, (n_references, n_counts).

    Each is a Gaussian cloud of as many patients with the same principal variances (as
    John et al. 2020 have it, here in the embedding): what stability comes from chance,
    from the number of clusters and from the cloud's shape alone.
    """
    spread = np.linalg.svd(points - points.mean(axis=0), compute_uv=False) / np.sqrt(len(points))
    found = np.empty((references, len(counts)))
    for row in found:
        cloud = rng.normal(size=(len(points), len(spread))) * spread
        row[:] = [ambiguity(m) for m in consensus(cloud, counts, how, rng).values()]
    return found


def gain(own: FloatArray, reference: FloatArray) -> FloatArray:
    """Return how many times (as a logarithm) less ambiguous than the reference each number is.

    John et al. (2020), the relative cluster stability index.

    Parameters
    ----------
    own : ndarray of shape (..., n_counts)
        Ambiguities.
    reference : ndarray of shape (n_references, n_counts)
        Of clouds without clusters.
    """
    return np.asarray(np.log(reference + FLOOR).mean(axis=0) - np.log(own + FLOOR))


def chance(own: FloatArray, reference: FloatArray) -> float:
    """Return how often a cloud without clusters has as large a gain at any of the numbers.

    A Monte Carlo p-value, (1 + as large) / (1 + clouds): valid for the best of the
    numbers tried, and never below 1 / (1 + clouds).
    """
    best = gain(own, reference).max()
    as_large = gain(reference, reference).max(axis=1) >= best
    return float((1 + as_large.sum()) / (1 + len(reference)))
