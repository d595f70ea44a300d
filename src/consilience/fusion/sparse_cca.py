"""Sparse canonical correlation analysis: the few features of each modality that go together."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.canonical_embedding import CanonicalEmbedding
from consilience.fusion.discovery import Component, Components, Discovery, Loading
from consilience.fusion.numerics.penalised_decomposition import Penalty, decompose

SHOWN = 10  # loadings a modality in what is told


class SparseCCA(CanonicalEmbedding):
    """Weighted sums of few features, one a modality, that correlate as strongly as can be.

    Penalised matrix decomposition (Witten, Tibshirani and Hastie 2009) for two modalities,
    its multi-block form (Witten and Tibshirani 2009) for more; further components by
    deflation. Results agree with the R package PMA (`CCA`, `MultiCCA`) or reach a
    higher value of its objective.

    Missing modalities and values: a patient adds to the cross-products of those
    modalities and features that he has, and nothing is imputed. For a new patient a
    variate is scaled up from the features measured, and a missing modality's variate is
    predicted from the others'.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    n_components : int
        How many components.
    penalty : float or mapping of str to float
        L1 bound of a modality's weights, as a fraction of the root of its number of
        features: in (0, 1], smaller is sparser, 1 keeps all. Bounds under one feature
        mean one feature.
    nonnegative : sequence of str
        Modalities whose weights may only be positive.
    smoothness : mapping of str to float, optional
        Modalities whose features are in a meaningful order (along a chromosome, in
        time), with the price of a difference between neighbouring weights: the fused lasso.
        The L1 bound holds as well, save that a stretch of equal weights is kept
        whole. Around 0.1 is a place to begin.
    permutations : int
        If not 0, `fit` tests every component by that many permutations
        (`consilience.fusion.canonical_inference`).
    random_state : int
        Of the permutations.

    Attributes
    ----------
    weights_ : dict of str to ndarray of shape (n_features, n_components)
        For the columns that ``blocks_.features_`` names, standardised.
    strengths_ : ndarray of shape (n_components,)
        The objective reached: the sum over pairs of modalities of ``w_i' X_i' X_j w_j``.
    correlations_ : ndarray of shape (n_components,)
        Of the training variates, the mean over pairs of modalities.
    p_values_ : ndarray of shape (n_components,)
        If there were permutations.

    References
    ----------
    Witten, Tibshirani and Hastie (2009), Biostatistics 10:515-534.
    Witten and Tibshirani (2009), Stat. Appl. Genet. Mol. Biol. 8(1):28.

    Examples
    --------
    >>> from consilience.cohort import tcga_acc
    >>> from consilience.fusion.sparse_cca import SparseCCA
    >>> cohort = tcga_acc()
    >>> model = SparseCCA(n_components=1, modalities=["rna", "mirna"]).fit(cohort[:60])
    >>> model.transform(cohort[60:]).shape
    (32, 2)
    >>> int((model.weights_["rna"] != 0).sum())
    29
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"penalty": (0.1, 0.3, 0.6)}

    def __init__(
        self,
        learner: Any = None,
        *,
        n_components: int = 2,
        penalty: float | Mapping[str, float] = 0.3,
        nonnegative: Sequence[str] = (),
        smoothness: Mapping[str, float] | None = None,
        permutations: int = 0,
        random_state: int = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.n_components = n_components
        self.penalty = penalty
        self.nonnegative = nonnegative
        self.smoothness = smoothness
        self.permutations = permutations
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse penalties out of range and the like; see `Fusion.check_settings`."""
        super().check_settings()
        check_whole("n_components", self.n_components, 1)
        check_whole("permutations", self.permutations, 0)
        given = self.penalty if isinstance(self.penalty, Mapping) else {"": self.penalty}
        for name, value in given.items():
            where = f" of {name!r}" if name else ""
            if not (_is_number(value) and 0 < value <= 1):
                raise InputError(
                    f"penalty{where} must be a fraction of the root of the number of features, "
                    f"above 0 and at most 1, not {value!r}."
                )
        for name, value in (self.smoothness or {}).items():
            if not (_is_number(value) and 0 <= value < np.inf):
                raise InputError(f"smoothness of {name!r} must be 0 or more, not {value!r}.")
            if value and name in self.nonnegative:
                raise InputError(
                    f"modality {name!r} cannot be both smooth and non-negative: choose one."
                )

    def _n_components(self) -> int:
        return self.n_components

    def _find(self, blocks: dict[str, FloatArray]) -> None:
        self.check_names(list(blocks))
        penalties = self.penalties(blocks)
        found = decompose([blocks[n] for n in self.names_], penalties, self.n_components)
        self.strengths_ = found.strengths
        self.weights_ = dict(zip(self.names_, found.weights, strict=True))
        self.noise_ = {name: self._noise(name, blocks[name]) for name in self.names_}
        if not all(found.settled):
            moving = [k + 1 for k, still in enumerate(found.settled) if not still]
            warnings.warn(
                f"components {moving} had not settled after {max(found.sweeps)} sweeps: there "
                "are several nearly equally good ones, or nothing to be found there.",
                ConvergenceWarning,
                stacklevel=2,
            )
        if self.permutations:
            from consilience.fusion.canonical_inference import component_test

            ordered = [blocks[name] for name in self.names_]
            test = component_test(
                ordered, penalties, self.n_components, n=self.permutations, seed=self.random_state
            )
            self.p_values_ = test["p_value"].to_numpy()

    def penalties(self, blocks: Mapping[str, FloatArray]) -> list[Penalty]:
        """Return what is asked of each modality's weights, in the order of their names."""
        smooth = self.smoothness or {}
        return [
            Penalty(
                bound=max(1.0, self._fraction(name) * float(np.sqrt(blocks[name].shape[1]))),
                nonnegative=name in self.nonnegative,
                smoothness=float(smooth.get(name, 0.0)),
            )
            for name in sorted(blocks)
        ]

    def _fraction(self, name: str) -> float:
        if isinstance(self.penalty, Mapping):
            return float(self.penalty[name])
        return float(self.penalty)

    def check_names(self, names: Sequence[str]) -> None:
        """Refuse settings for modalities there are none of, and modalities without a penalty."""
        known = self.modalities_ if self.modalities is None else self.modalities
        for setting in ("penalty", "nonnegative", "smoothness"):
            given = getattr(self, setting)
            if isinstance(given, int | float) or given is None:
                continue
            for name in given:
                if name not in known:
                    raise InputError(
                        f"{setting} names {name!r}, which is no modality used; there are "
                        f"{listing(known, most=20)}.{suggestion(name, known)}"
                    )
        if isinstance(self.penalty, Mapping):
            lacking = [name for name in names if name not in self.penalty]
            if lacking:
                raise InputError(f"penalty has no entry for {listing(lacking, most=20)}.")

    def _noise(self, name: str, matrix: FloatArray) -> FloatArray:
        """Return the variance of a feature's noise over that of the variate, (n_components,).

        A feature is a weight times the variate, and noise of about the variance 1.
        """
        rows = np.isfinite(matrix).any(axis=1)
        scores = np.nan_to_num(matrix[rows]) @ self.weights_[name]
        return np.asarray(1.0 / np.maximum((scores**2).mean(axis=0), 1e-3))

    def _project(self, name: str, matrix: FloatArray) -> FloatArray:
        """Return variates: the least-squares score on the features measured, shrunk.

        With all features measured this is the weighted sum. With some missing it is that of
        the rest times ``(1 + r) / (m + r)``, with m the share of the squared weights
        measured and r the ratio of noise to signal, which keeps one noisy feature from
        standing for all.
        """
        weights, noise = self.weights_[name], self.noise_[name]
        known = np.isfinite(matrix)
        sums = np.einsum("ij,jk->ik", np.where(known, matrix, 0.0), weights)
        if known.all():
            return np.asarray(sums)
        measured = np.einsum("ij,jk->ik", known.astype(float), weights**2)
        scaled = sums * (1 + noise) / (np.minimum(measured, 1.0) + noise)
        empty = ~weights.any(axis=0)  # has nothing in common with the others: always 0
        return np.where((measured > 0) | (empty & known.any(axis=1, keepdims=True)), scaled, np.nan)

    def discoveries(self) -> list[Discovery]:
        """Return the components with their strongest features; the strength is the correlation."""
        pairs = len(self.names_) == 2
        components = tuple(self._component(k, pairs) for k in range(self.n_components))
        title = "Canonical pairs" if pairs else "Canonical components"
        label = "correlation" if pairs else "mean correlation over pairs of modalities"
        return [Components(title, components, label)]

    def _component(self, k: int, pairs: bool) -> Component:
        loadings, taking_part = [], []
        for name in self.names_:
            weights = self.weights_[name][:, k]
            features = self.blocks_.features_[name]
            chosen = np.flatnonzero(weights)
            taking_part.append(f"{len(chosen)} of {len(weights)} features of {name}")
            for i in chosen[np.argsort(-np.abs(weights[chosen]), kind="stable")][:SHOWN]:
                loadings.append(Loading(name, features[i], float(weights[i])))
        tested = hasattr(self, "p_values_") and self.permutations
        return Component(
            name=f"{'pair' if pairs else 'component'} {k + 1}",
            loadings=tuple(loadings),
            strength=float(self.correlations_[k]) if np.isfinite(self.correlations_[k]) else None,
            p_value=float(self.p_values_[k]) if tested else None,
            notes=", ".join(taking_part),
        )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)
