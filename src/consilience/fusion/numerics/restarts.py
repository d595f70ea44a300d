"""How far repeated factorisations agree about which patients belong together."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from consilience.cohort.modality import FloatArray


def consensus(assignments: npt.NDArray[np.intp]) -> FloatArray:
    """Return how often each two patients fell into the same module, (n, n), 0 to 1.

    Brunet et al. (2004), Metagenes and molecular pattern discovery using matrix
    factorization, PNAS 101, 4164.

    Parameters
    ----------
    assignments : ndarray of int, shape (n_restarts, n)
        The module of each patient in each restart.
    """
    n_restarts, n = assignments.shape
    together = np.zeros((n, n))
    for labels in assignments:
        together += labels[:, None] == labels[None, :]
    return np.asarray(together / n_restarts)


def cophenetic(together: FloatArray) -> float:
    """Return the correlation of 1 - consensus with the tree that average linkage makes of it.

    1 if the restarts agree entirely (Brunet et al. 2004), which is also said where all
    distances are equal and there is no correlation.
    """
    from scipy.cluster.hierarchy import cophenet, linkage
    from scipy.spatial.distance import squareform

    distances = squareform(1.0 - together, checks=False)
    if len(distances) == 0 or np.ptp(distances) == 0:
        return 1.0
    correlation, _ = cophenet(linkage(distances, method="average"), distances)
    return float(correlation)


def dispersion(together: FloatArray) -> float:
    """Return the mean of 4 (c - 1/2)² over the consensus: 1 if every pair is clear, 0 if none is.

    Kim and Park (2007), Sparse non-negative matrix factorizations via alternating
    non-negativity-constrained least squares, Bioinformatics 23, 1495.
    """
    return float(np.mean(4.0 * (together - 0.5) ** 2))
