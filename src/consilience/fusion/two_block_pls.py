"""PLS between two sides: one modality, or a group of them, against the others."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.cross_decomposition import PLSCanonical, PLSRegression
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning, listing, suggestion
from consilience.fusion.base import check_cohort
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.discovery import Component, Components, Discovery, Loading
from consilience.fusion.embedding import Embedding

MODES = {"canonical": PLSCanonical, "regression": PLSRegression}
TOL = 1e-8  # of the squared change of a weight vector of length 1
MOST_SHOWN = 10  # loadings a modality in a report

Side = tuple[FloatArray, npt.NDArray[np.bool_]]


class TwoBlockPLS(Embedding):
    """scikit-learn's PLS between two sides of the modalities.

    Pairs of scores, one of each side, with the greatest covariance. A side of several
    modalities has them side by side, each divided by the root of its number of features,
    so that each counts alike. A patient's place in the embedding is the mean of his two
    scores, each in units of its spread over the training patients.

    Missing values stand at the mean. The components are learned from patients who have
    something on both sides; the place of one who has only one side is his score there. If
    nobody has both, nothing ties them: a warning says so, and each side keeps its own
    principal components.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    first : str or sequence of str, optional
        The modalities of the first side, the first one by default; the others are the
        second side.
    n_components : int
    mode : {"canonical", "regression"}
        "canonical" treats both sides alike (PLS mode A); "regression" predicts the second
        side from the first (PLS2).
    max_iter : int
        Most rounds of the power method a component.

    Attributes
    ----------
    sides_ : list of list of str
        The modalities of both sides.
    rotations_ : list of ndarray of shape (n_features, n_components)
        From a side's features, standardised and divided as above, to its scores.
    correlations_ : ndarray of shape (n_components,)
        Between the two sides' scores in training; see `correlations` for new patients.

    Raises
    ------
    InputError
        In `fit`: if a side is empty, or there are more components than the sides and the
        patients who have both allow.

    References
    ----------
    Wegelin 2000, *A survey of partial least squares methods, with emphasis on the two-block
    case*, University of Washington.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import TwoBlockPLS
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> TwoBlockPLS(n_components=2).fit(cohort).transform(cohort).shape
    (200, 2)
    """

    def __init__(
        self,
        learner: Any = None,
        *,
        first: str | Sequence[str] | None = None,
        n_components: int = 2,
        mode: Literal["canonical", "regression"] = "canonical",
        max_iter: int = 2000,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.first = first
        self.n_components = n_components
        self.mode = mode
        self.max_iter = max_iter

    def check_settings(self) -> None:
        super().check_settings()
        check_whole("n_components", self.n_components, 1)
        check_whole("max_iter", self.max_iter, 1)
        if self.mode not in MODES:
            raise InputError(f"mode must be one of {listing(MODES)}, not {self.mode!r}.")

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        self.sides_ = self._split(list(blocks))
        sides = [_side(blocks, names) for names in self.sides_]
        both = sides[0][1] & sides[1][1]
        self._check_rank(sides, both)
        learned = both if both.any() else ~both
        self.centres_ = [values[learned].mean(axis=0) for values, _ in sides]
        self.rotations_ = self._rotations(
            sides[0][0][learned], sides[1][0][learned], bool(both.any())
        )
        self.spreads_: list[FloatArray] = [np.ones(self.n_components)] * 2
        scores = [self._scores(place, values) for place, (values, _) in enumerate(sides)]
        self.spreads_ = [
            np.maximum(own[rows].std(axis=0), 1e-12)
            for own, (_, rows) in zip(scores, sides, strict=True)
        ]
        self.correlations_ = _correlations(scores[0][both], scores[1][both])

    def _rotations(self, one: FloatArray, other: FloatArray, tied: bool) -> list[FloatArray]:
        if not tied:
            first, second = (listing(names) for names in self.sides_)
            warnings.warn(
                f"no patient has both {first} and {second}, so nothing ties the two sides; each "
                "keeps its own principal components.",
                InputWarning,
                stacklevel=2,
            )
            return [
                np.linalg.svd(side, full_matrices=False)[2][: self.n_components].T
                for side in (one, other)
            ]
        model = MODES[self.mode](self.n_components, scale=False, max_iter=self.max_iter, tol=TOL)
        (short, basis), (short_other, basis_other) = _shortened(one), _shortened(other)
        model.fit(short, short_other)
        return [basis.T @ model.x_rotations_, basis_other.T @ model.y_rotations_]

    def _split(self, names: list[str]) -> list[list[str]]:
        given = names[:1] if self.first is None else self.first
        first = [given] if isinstance(given, str) else list(given) or names[:1]
        for name in first:
            if name not in names:
                raise InputError(
                    f"first names {name!r}, but the modalities are {listing(names, most=20)}."
                    f"{suggestion(name, names)}"
                )
        second = [name for name in names if name not in first]
        if not second:
            raise InputError(
                f"two-block PLS needs a modality on each side, but all there are stand on the "
                f"first: {listing(first)}."
            )
        return [first, second]

    def _check_rank(self, sides: Sequence[Side], both: npt.NDArray[np.bool_]) -> None:
        one, other = (listing(names) for names in self.sides_)
        widths = [values.shape[1] for values, _ in sides]
        patients = int(both.sum()) or min(int(rows.sum()) for _, rows in sides)
        most = min(patients - 1, *(widths if self.mode == "canonical" else widths[:1]))
        if self.n_components > most:
            raise InputError(
                f"n_components={self.n_components} is more than the {most} that {one} and {other} "
                f"allow with {patients} patients."
            )

    def _scores(self, place: int, values: FloatArray) -> FloatArray:
        raw = (values - self.centres_[place]) @ self.rotations_[place]
        return np.asarray(raw / self.spreads_[place])

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        sides = [_side(blocks, names) for names in self.sides_]
        scores = [self._scores(place, values) for place, (values, _) in enumerate(sides)]
        had = np.stack([rows for _, rows in sides])[:, :, None]
        return np.asarray((np.stack(scores) * had).sum(axis=0) / had.sum(axis=0))

    def variates(self, cohort: Cohort) -> list[FloatArray]:
        """Return the scores of both sides, (n_patients, n_components) each.

        In units of their spread in training; NaN for patients without the side.
        """
        check_is_fitted(self, "blocks_")
        check_cohort(cohort)
        blocks = self.blocks_.matrices(cohort)
        found = []
        for place, names in enumerate(self.sides_):
            values, rows = _side(blocks, names)
            found.append(np.where(rows[:, None], self._scores(place, values), np.nan))
        return found

    def correlations(self, cohort: Cohort) -> FloatArray:
        """Return the correlation between the sides' scores, (n_components,).

        On patients kept from `fit` it says what the components are worth; NaN if fewer
        than three have both sides.
        """
        one, other = self.variates(cohort)
        both = np.isfinite(one).all(axis=1) & np.isfinite(other).all(axis=1)
        return _correlations(one[both], other[both])

    def discoveries(self) -> list[Discovery]:
        """Return the pairs of scores with the features that weigh most."""
        components = tuple(
            Component(
                f"pair {k + 1}",
                tuple(item for place in (0, 1) for item in self._strongest(place, k)),
                float(self.correlations_[k]) if np.isfinite(self.correlations_[k]) else None,
            )
            for k in range(self.n_components)
        )
        title = " and ".join(listing(names) for names in self.sides_)
        return [Components(f"PLS of {title}", components, "correlation in training")]

    def _strongest(self, place: int, component: int) -> list[Loading]:
        found, start = [], 0
        for name in self.sides_[place]:
            features = self.blocks_.features[name]
            own = self.rotations_[place][start : start + len(features), component]
            start += len(features)
            order = np.argsort(-np.abs(own), kind="stable")[:MOST_SHOWN]
            found += [Loading(name, features[i], float(own[i])) for i in order if own[i] != 0]
        return found


def _side(blocks: Mapping[str, FloatArray], names: Sequence[str]) -> Side:
    """Return a side's matrix, at the mean where missing, and who has anything of it."""
    whole = np.hstack([blocks[name] / np.sqrt(blocks[name].shape[1]) for name in names])
    known = np.isfinite(whole)
    return np.where(known, whole, 0.0), np.asarray(known.any(axis=1))


def _shortened(side: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return a wide side in as many columns as rows, and the basis that turns it back.

    All that PLS asks of a side is within the span of its patients, so that the pairs are the
    same; a round of the power method then costs patients squared, not patients times features.
    """
    if side.shape[1] <= 4 * side.shape[0]:
        return side, np.eye(side.shape[1])
    left, values, right = np.linalg.svd(side - side.mean(axis=0), full_matrices=False)
    return left * values, right


def _correlations(one: FloatArray, other: FloatArray) -> FloatArray:
    if len(one) < 3:
        return np.full(one.shape[1], np.nan)
    first, second = one - one.mean(axis=0), other - other.mean(axis=0)
    size = np.sqrt((first**2).sum(axis=0) * (second**2).sum(axis=0))
    return np.asarray((first * second).sum(axis=0) / np.maximum(size, 1e-12))
