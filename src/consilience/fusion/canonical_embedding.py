"""Canonical variates of each modality as one embedding: what methods of that family share."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from itertools import combinations

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning, listing
from consilience.fusion.base import check_cohort
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes


class CanonicalEmbedding(Imputes, Embedding):
    """Components of which each has a variate in every modality.

    The embedding holds all variates, modality after modality in the order of their names.
    A variate that a patient lacks is what those he has lead to expect: the regression on
    them, from the covariance of the training variates.

    A subclass gives `_find`, `_project` and `_n_components`.

    Attributes
    ----------
    names_ : list of str
        The modalities in alphabetical order.
    covariance_ : ndarray of shape (n_variates, n_variates)
        Of the training variates, over the patients who have both.
    correlations_ : ndarray of shape (n_components,)
        Mean over pairs of modalities of the correlation of their training variates.
    """

    @abstractmethod
    def _find(self, blocks: dict[str, FloatArray]) -> None:
        """Find the components in the matrices of `names_`."""

    @abstractmethod
    def _project(self, name: str, matrix: FloatArray) -> FloatArray:
        """Return the variates of one modality, (n_patients, n_components); NaN where unknown."""

    @abstractmethod
    def _n_components(self) -> int:
        """Return how many components are asked for."""

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        self.names_ = sorted(blocks)
        check_joint(blocks, self._n_components())
        self._find(blocks)
        variates = self._stacked(blocks)
        known = np.isfinite(variates)
        filled = np.where(known, variates, 0.0)
        counts = known.T.astype(float) @ known.astype(float)
        self.covariance_ = _nearest_covariance(filled.T @ filled / np.maximum(counts, 1.0))
        self.share_ = variates.shape[1] / len(variates)
        tables = [table["correlation"] for table in self._correlations(variates)]
        self.correlations_ = np.array([float(values.mean()) for values in tables])
        self._learn_loadings(blocks, self._completed(variates))

    def _learn_loadings(self, blocks: dict[str, FloatArray], variates: FloatArray) -> None:
        """Regress every feature on all variates, over the patients who have it."""
        spread = variates.T @ variates / len(variates)
        spread[np.diag_indices_from(spread)] *= 1 + self.share_
        spread[np.diag_indices_from(spread)] += 1e-12 + 1e-9 * np.trace(spread)
        self.loadings_ = {}
        for name in self.names_:
            known = np.isfinite(blocks[name])
            shared = variates.T @ np.where(known, blocks[name], 0.0)
            self.loadings_[name] = np.linalg.solve(
                spread, shared / np.maximum(known.sum(axis=0), 1)
            )

    def _stacked(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return np.hstack([self._project(name, blocks[name]) for name in self.names_])

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        return self._completed(self._stacked(blocks))

    def _completed(self, variates: FloatArray) -> FloatArray:
        """Return variates with those a patient lacks predicted from those he has."""
        known = np.isfinite(variates)
        whole = np.where(known, variates, 0.0)
        for pattern in np.unique(known[~known.all(axis=1)], axis=0):
            if not pattern.any():
                continue  # nothing known: the mean, 0
            rows = np.flatnonzero((known == pattern).all(axis=1))
            spread = self.covariance_[np.ix_(pattern, pattern)].copy()
            # As many coefficients as variates, from as many patients: shrunk accordingly.
            spread[np.diag_indices_from(spread)] *= 1 + self.share_
            spread[np.diag_indices_from(spread)] += 1e-12 + 1e-9 * np.trace(spread)
            slopes = np.linalg.solve(spread, self.covariance_[np.ix_(pattern, ~pattern)])
            whole[np.ix_(rows, ~pattern)] = np.einsum(
                "ij,jk->ik", variates[np.ix_(rows, pattern)], slopes
            )
        return whole

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        embedding = self._embed(blocks)
        return {name: embedding @ self.loadings_[name] for name in self.names_}

    def variates(self, cohort: Cohort) -> dict[str, FloatArray]:
        """Return each modality's canonical variates, without any prediction across modalities.

        Parameters
        ----------
        cohort : Cohort
            Training patients or new ones.

        Returns
        -------
        dict of str to ndarray of shape (n_patients, n_components)
            NaN where the modality did not measure a patient, or none of the
            features with a weight.
        """
        check_is_fitted(self, "names_")
        check_cohort(cohort)
        blocks = self.blocks_.matrices(cohort)
        return {name: self._project(name, blocks[name]) for name in self.names_}

    def correlations(self, cohort: Cohort) -> pd.DataFrame:
        """Return how well the variates of each pair of modalities correlate, as in new patients.

        Parameters
        ----------
        cohort : Cohort
            Patients not used in fitting, for an honest figure.

        Returns
        -------
        DataFrame
            A row a component and pair: ``component`` (from 1), ``first``, ``second``,
            ``patients`` who have both, ``correlation`` (NaN with fewer than three of
            them, or where a variate does not vary).
        """
        variates = self.variates(cohort)
        stacked = np.hstack([variates[name] for name in self.names_])
        return pd.concat(self._correlations(stacked), ignore_index=True)

    def _correlations(self, stacked: FloatArray) -> list[pd.DataFrame]:
        """Return a table of pairs a component."""
        parts = np.split(stacked, len(self.names_), axis=1)
        tables = []
        for k in range(parts[0].shape[1]):
            rows = [
                (
                    k + 1,
                    self.names_[i],
                    self.names_[j],
                    *correlation(parts[i][:, k], parts[j][:, k]),
                )
                for i, j in combinations(range(len(parts)), 2)
            ]
            columns = ["component", "first", "second", "patients", "correlation"]
            tables.append(pd.DataFrame(rows, columns=columns))
        return tables


def correlation(one: FloatArray, other: FloatArray) -> tuple[int, float]:
    """Return how many patients have both values, and their correlation (NaN under three)."""
    both = np.isfinite(one) & np.isfinite(other)
    count = int(np.count_nonzero(both))
    if count < 3:
        return count, float("nan")
    a, b = one[both] - one[both].mean(), other[both] - other[both].mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    return count, float(a @ b) / size if size > 0 else float("nan")


def check_joint(blocks: dict[str, FloatArray], n_components: int) -> None:
    """Refuse blocks in which so many components joining two modalities cannot be sought.

    Where no two blocks share two patients, there is a warning: nothing will be found.

    Raises
    ------
    InputError
        If there are fewer than two blocks, or more components are asked for than the
        cross-product of any two has dimensions.
    """
    names = list(blocks)
    if len(names) < 2:
        raise InputError(
            f"canonical correlation needs at least two modalities, and there is one, {names[0]!r}."
        )
    has = {name: np.isfinite(matrix).any(axis=1) for name, matrix in blocks.items()}
    ranks = [
        min(blocks[a].shape[1], blocks[b].shape[1], int(np.count_nonzero(has[a] & has[b])) - 1)
        for a, b in combinations(names, 2)
    ]
    if max(ranks) < 1:
        warnings.warn(
            f"hardly any patient was measured by two of the modalities {listing(names, most=20)}: "
            "nothing can be correlated, and the embedding says nothing.",
            InputWarning,
            stacklevel=2,
        )
        return
    if n_components > max(ranks):
        raise InputError(
            f"n_components is {n_components}, more than the cross-product of any two modalities "
            f"has dimensions (the fewer features of the two, and fewer than the patients they "
            f"share): give at most {max(ranks)}."
        )


def _nearest_covariance(matrix: FloatArray) -> FloatArray:
    """Return a symmetric matrix with its negative eigenvalues, which gaps may cause, put to 0."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)
