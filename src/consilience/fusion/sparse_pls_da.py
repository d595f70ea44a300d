"""Multi-block sparse PLS discriminant analysis: DIABLO."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal

import numpy as np

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.component_evidence import ClassEvidence, Evidence
from consilience.fusion.sparse_pls import BlockSparse
from consilience.fusion.task import Y


class BlockSparsePLSDA(BlockSparse):
    """Multi-block sparse PLS discriminant analysis (DIABLO).

    As `BlockSparsePLS`, with the classes' indicators as the outcome. Each modality speaks
    through linear discriminants of its own variates, and the probabilities are the softmax
    of the log prior and their weighted sum, calibrated on inner folds; the vote that
    mixOmics gives is `vote`.

    Missing values take no part in the iteration; nothing is imputed. A patient without a
    modality contributes to the others, and those that he has give the evidence on him.

    Parameters
    ----------
    n_components, keep, design, scheme, choose, folds, tol, max_iter, random_state
        See `BlockSparsePLS`. At most as many components are tried as there are classes
        less one, or 3 if that is more.
    modalities, encoders
        See `Fusion`.

    Attributes
    ----------
    n_components_, keep_, loadings_, agreement_, weights_, losses_, n_iter_
        See `BlockSparsePLS`.
    outcome_loadings_ : ndarray of shape (n_classes, n_components)

    References
    ----------
    Singh et al. 2019, *DIABLO: an integrative approach for identifying key molecular
    drivers from multi-omics assays*, Bioinformatics 35:3055. Rohart et al. 2017, *mixOmics*,
    PLoS Computational Biology 13:e1005752, for the distances.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import BlockSparsePLSDA
    >>> cohort, y = synthetic_cohort(200, missing=0.2, seed=0)
    >>> model = BlockSparsePLSDA(n_components=1, keep=5, random_state=0).fit(cohort, y)
    >>> {name: int((loading != 0).sum()) for name, loading in model.loadings_.items()}
    {'m1': 5, 'm2': 5, 'm3': 5}
    """

    learns: ClassVar[frozenset[OutcomeKind]] = frozenset({"binary", "multiclass"})

    def _kind(self) -> str | None:
        return "classifier"

    def _evidence(self) -> Evidence:
        return ClassEvidence(self.task_.prior)

    def _codes(self, y: Y) -> Y:
        return np.searchsorted(self.classes_, y)

    def _most_components(self) -> int:
        return max(super()._most_components(), len(self.classes_) - 1)

    def vote(
        self, cohort: Cohort, distance: Literal["centroids", "max", "mahalanobis"] = "centroids"
    ) -> Y:
        """Return the class for which the modalities of each patient vote, as mixOmics does.

        Each modality that a patient has names the class nearest to its variates; the vote
        counts with the modality's weight. A tie, which mixOmics leaves open, goes to the
        class of higher probability, and a patient with nothing measured gets the most
        frequent class.

        Parameters
        ----------
        cohort : Cohort
        distance : {"centroids", "max", "mahalanobis"}
            To the classes' centroids, by the length of the difference; the largest of the
            classes' indicators as predicted by regression; or to the centroids in units of
            the covariance within classes.

        Returns
        -------
        ndarray of shape (n_patients,)

        Raises
        ------
        InputError
            If there is no such distance.
        """
        if distance not in DISTANCES:
            raise InputError(
                f"there is no distance {distance!r}; there are {listing(DISTANCES)}."
                f"{suggestion(str(distance), DISTANCES)}"
            )
        votes = self.values(cohort) * 1e-9
        for place, (name, variates) in enumerate(self.variates(cohort).items()):
            had = np.flatnonzero(np.isfinite(variates).all(axis=1))
            far = DISTANCES[distance](self.evidence_, place, variates[had])
            votes[had, np.where(np.isnan(far), np.inf, far).argmin(axis=1)] += self.weights_[name]
        return np.asarray(self.classes_[votes.argmax(axis=1)])


def _to_centroids(evidence: ClassEvidence, place: int, variates: FloatArray) -> FloatArray:
    apart = variates[:, None] - evidence.centroids_[place]
    return np.asarray((apart**2).sum(axis=2))


def _to_centroids_within(evidence: ClassEvidence, place: int, variates: FloatArray) -> FloatArray:
    apart = variates[:, None] - evidence.centroids_[place]
    inverse = np.linalg.pinv(evidence.within_[place], hermitian=True)
    return np.asarray(np.einsum("nkh,hl,nkl->nk", apart, inverse, apart))


def _below_indicator(evidence: ClassEvidence, place: int, variates: FloatArray) -> FloatArray:
    return -(evidence.prior + variates @ evidence.slopes_[place])


DISTANCES: dict[str, Callable[[ClassEvidence, int, FloatArray], FloatArray]] = {
    "centroids": _to_centroids,
    "max": _below_indicator,
    "mahalanobis": _to_centroids_within,
}
