"""Cross-validation of cooperative learning over the agreement and the penalty together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.fusion.cooperative_path import (
    Fitted,
    Penalty,
    begin,
    follow,
    lambda_path,
    restandardised,
    stacked,
)
from consilience.fusion.families import Cox, Family

Folds = Sequence[tuple[Any, Any]]
LOOSER = 10.0  # a held-out loss shows in its third digit at most how far a path was solved


class Search(NamedTuple):
    """What a path is made of.

    Attributes
    ----------
    n_lambdas : int
    ratio : float or None
        The smallest penalty as a share of the largest; glmnet's choice if None.
    lambdas : ndarray or None
        The penalties themselves, descending.
    """

    n_lambdas: int = 100
    ratio: float | None = None
    lambdas: FloatArray | None = None


class Candidate(NamedTuple):
    """One weight of the agreement, its path on all patients and its losses on held-out ones.

    Attributes
    ----------
    penalty : Penalty
    fitted : Fitted
    loss, error : ndarray of shape (n_lambdas,)
        Mean over the folds and its standard error; NaN without folds.
    """

    penalty: Penalty
    fitted: Fitted
    loss: FloatArray
    error: FloatArray

    def place(self, choice: str) -> int:
        """Return which penalty is chosen: that of least loss, or the largest within one error."""
        best = int(np.argmin(self.loss))
        bound = {"min": self.loss[best], "1se": self.loss[best] + self.error[best]}[choice]
        return int(np.flatnonzero(self.loss <= bound)[0])


def tried(
    matrices: Mapping[str, FloatArray],
    family: Family,
    penalties: Sequence[Penalty],
    search: Search,
    folds: Folds,
) -> list[Candidate]:
    """Return every candidate with its path and its losses.

    Each training part is standardised by itself, so that the patients held out tell
    nothing.

    Parameters
    ----------
    matrices : mapping of str to ndarray of shape (n_patients, n_features)
        Standardised, NaN where not measured.
    family : Family
        The outcome of the same patients.
    penalties : sequence of Penalty
        One a weight of the agreement.
    search : Search
    folds : sequence of (training rows, held-out rows)
        May be empty.
    """
    design = stacked(matrices)
    paths = []
    for penalty in penalties:
        start = begin(design, family, penalty)
        whole = search.lambdas is not None
        lambdas = search.lambdas
        if lambdas is None:
            lambdas = lambda_path(start, search.n_lambdas, search.ratio)
        paths.append(follow(start, lambdas, whole=whole))
    losses = [np.empty((len(folds), len(path.lambdas))) for path in paths]
    weights = np.array([_weight(family, held) for _, held in folds])
    for k, (train, held) in enumerate(folds):
        whole_design = restandardised(matrices, train)
        part, own = whole_design.part(train), family.part(train)
        for c, penalty in enumerate(penalties):
            loose = penalty._replace(tolerance=min(LOOSER * penalty.tolerance, 0.01))
            fold_fit = follow(begin(part, own, loose), paths[c].lambdas, whole=True)
            losses[c][k] = _held_out(family, fold_fit.predictors(whole_design.columns), held)
    return [
        Candidate(penalty, path, *_summary(loss, weights))
        for penalty, path, loss in zip(penalties, paths, losses, strict=True)
    ]


def chosen(candidates: Sequence[Candidate]) -> int:
    """Return which candidate has the least loss; of equals the first."""
    return int(np.argmin([candidate.loss.min() for candidate in candidates]))


def _held_out(family: Family, predictors: FloatArray, held: Any) -> FloatArray:
    return np.array([family.deviance(eta, held) for eta in predictors])


def _weight(family: Family, held: Any) -> float:
    """Return what a fold counts: its patients, or their events in the Cox model."""
    return float(family.event[held].sum()) if isinstance(family, Cox) else float(len(held))


def _summary(losses: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error over the folds, as glmnet takes them."""
    unknown = np.full(losses.shape[1], np.nan)
    if not len(losses) or not weights.any():
        return unknown, unknown
    mean = np.average(losses, axis=0, weights=weights)
    spread = np.average((losses - mean) ** 2, axis=0, weights=weights)
    return mean, np.sqrt(spread / max(len(losses) - 1, 1))
