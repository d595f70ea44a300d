"""Cross-validation of cooperative learning over the agreement and the penalty together.

The folds walk down the penalties side by side and stop where the held-out loss says
that nothing better is to come: the small penalties behind the minimum are nearly
unpenalised models, which are never chosen and cost most of a whole path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from consilience.cohort.modality import FloatArray, Positions
from consilience.fusion.numerics.cooperative_path import (
    ENOUGH,
    TOO_LITTLE,
    Design,
    Penalty,
    Start,
    begin,
    follow,
    lambda_path,
    restandardised,
    stacked,
)
from consilience.fusion.numerics.families import Cox, Family

Folds = Sequence[tuple[Any, Any]]
LOOSER = 10.0  # a held-out loss shows in its third digit at most how far a path was solved
STRIDE = 5  # penalties between two looks at the losses
PASSED = 10  # penalties behind the least loss before a walk may end
SETTLED = 30  # penalties before a rate of fall is trusted
HOPE = 3.0  # times the recent rate of fall that is granted to the rest of a walk


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
    """One weight of the agreement and its losses on held-out patients.

    Attributes
    ----------
    penalty : Penalty
    lambdas : ndarray of shape (n_lambdas,)
        As many as were tried.
    loss, error : ndarray of shape (n_lambdas,)
        Mean over the folds and its standard error; NaN without folds.
    """

    penalty: Penalty
    lambdas: FloatArray
    loss: FloatArray
    error: FloatArray

    def place(self, choice: str) -> int:
        """Return which penalty is chosen: that of least loss, or the largest within one error."""
        best = int(np.argmin(self.loss))
        bound = {"min": self.loss[best], "1se": self.loss[best] + self.error[best]}[choice]
        return int(np.flatnonzero(self.loss <= bound)[0])


class _Fold(NamedTuple):
    """A training part, standardised by itself, and the patients outside of it."""

    part: Design
    family: Family
    train: Positions
    rest: Positions
    outside: FloatArray  # (n_features, n_rest)
    held: Positions


def tried(
    matrices: Mapping[str, FloatArray],
    family: Family,
    penalties: Sequence[Penalty],
    search: Search,
    folds: Folds,
) -> list[Candidate]:
    """Return every candidate with its losses.

    Each training part is standardised by itself, so that the patients held out tell
    nothing. Penalties that the user gave are all tried. A path of our own ends

    - where the deviance explained in the training parts says that no more is to be had
      (glmnet's rule);
    - where the loss has clearly passed its minimum: it lies `PASSED` penalties back, and
      the loss is above it by more than one standard error of the difference;
    - where a weight of the agreement cannot win any more: its least loss is above that
      of one tried before by more than one standard error of the difference, and falling
      on `HOPE` times as fast as over the last `PASSED` penalties it would not reach it.

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
    grids = [_grid(design, family, penalty, search) for penalty in penalties]
    del design
    weights = np.array([_weight(family, held) for _, held in folds])
    parts = [_fold(matrices, family, train, held) for train, held in folds]
    candidates = []
    rival: FloatArray | None = None
    for penalty, lambdas in zip(penalties, grids, strict=True):
        own = search.lambdas is None
        losses = _walk(family, parts, penalty, lambdas, weights if own else None, rival)
        mean, error = _summary(losses, weights)
        candidates.append(Candidate(penalty, lambdas[: len(mean)], mean, error))
        if chosen(candidates) == len(candidates) - 1:
            rival = losses[:, int(np.argmin(mean))]
    return candidates


def chosen(candidates: Sequence[Candidate]) -> int:
    """Return which candidate has the least loss; of equals the first."""
    return int(np.argmin([candidate.loss.min() for candidate in candidates]))


def _grid(design: Design, family: Family, penalty: Penalty, search: Search) -> FloatArray:
    if search.lambdas is not None:
        return search.lambdas
    return lambda_path(begin(design, family, penalty), search.n_lambdas, search.ratio)


def _fold(matrices: Mapping[str, FloatArray], family: Family, train: Any, held: Any) -> _Fold:
    design = restandardised(matrices, train)
    rest = np.setdiff1d(np.arange(design.columns.shape[1]), train)
    outside = np.ascontiguousarray(design.columns[:, rest])
    return _Fold(design.part(train), family.part(train), train, rest, outside, held)


def _walk(
    family: Family,
    parts: Sequence[_Fold],
    penalty: Penalty,
    lambdas: FloatArray,
    weights: FloatArray | None,
    rival: FloatArray | None,
) -> FloatArray:
    """Return the losses, (n_folds, n_lambdas tried); without weights all are tried."""
    losses = np.empty((len(parts), len(lambdas)))
    if not parts:
        return losses
    loose = penalty._replace(tolerance=min(LOOSER * penalty.tolerance, 0.01))
    starts = [begin(part.part, part.family, loose) for part in parts]
    reached = 0.0
    for place in range(0, len(lambdas), STRIDE):
        strengths = lambdas[place : place + STRIDE]
        done = place + len(strengths)
        explained = np.empty((len(parts), len(strengths)))
        for k, (part, start) in enumerate(zip(parts, starts, strict=True)):
            losses[k, place:done], explained[k] = _stretch(family, part, start, strengths)
        if weights is None:
            continue
        shares = explained.mean(axis=0)
        gain = (shares[-1] - reached) / len(strengths)
        reached = shares[-1]
        over = reached > ENOUGH or gain < TOO_LITTLE < reached
        if over or _passed(losses[:, :done], weights):
            return losses[:, :done]
        if rival is not None and _lost(losses[:, :done], weights, rival, len(lambdas) - done):
            return losses[:, :done]
    return losses


def _stretch(
    family: Family, fold: _Fold, start: Start, strengths: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Go on along a fold's path; return the losses, and the shares of deviance explained."""
    fitted = follow(start, strengths, whole=True)
    inside = fitted.predictors(fold.part.columns)
    eta = np.empty((*inside.shape[:2], len(fold.train) + len(fold.rest)))
    eta[:, :, fold.train] = inside
    eta[:, :, fold.rest] = fitted.predictors(fold.outside)
    return np.array([family.deviance(one, fold.held) for one in eta]), fitted.explained


def _passed(losses: FloatArray, weights: FloatArray) -> bool:
    """Return whether the minimum lies clearly behind."""
    mean, _ = _summary(losses, weights)
    best = int(np.argmin(mean))
    far = len(mean) - 1 - best >= PASSED
    return far and _above(losses[:, -1], losses[:, best], weights)


def _lost(losses: FloatArray, weights: FloatArray, rival: FloatArray, left: int) -> bool:
    """Return whether a rival's loss is out of reach."""
    mean, _ = _summary(losses, weights)
    if len(mean) < SETTLED or not _above(losses[:, int(np.argmin(mean))], rival, weights):
        return False
    rate = max(float(mean[-1 - PASSED] - mean[-1]) / PASSED, 0.0)
    return bool(mean.min() - HOPE * rate * left > np.average(rival, weights=weights))


def _above(losses: FloatArray, others: FloatArray, weights: FloatArray) -> bool:
    """Return whether losses by fold exceed others by more than the difference's error."""
    mean, error = _summary((losses - others)[:, None], weights)
    return bool(mean[0] > error[0])


def _weight(family: Family, held: Any) -> float:
    """Return what a fold counts: its patients, or their events in the Cox model."""
    return float(family.event[held].sum()) if isinstance(family, Cox) else float(len(held))


def _summary(losses: FloatArray, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean and standard error over the folds, as glmnet takes them."""
    unknown = np.full(losses.shape[1], np.nan)
    judged = weights > 0  # a fold without events says nothing
    losses, weights = losses[judged], weights[judged]
    if not len(losses):
        return unknown, unknown
    mean = np.average(losses, axis=0, weights=weights)
    spread = np.average((losses - mean) ** 2, axis=0, weights=weights)
    return mean, np.sqrt(spread / max(len(losses) - 1, 1))
