"""MOFA: a few hidden factors that explain how all modalities vary."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from sklearn.utils import check_random_state

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.blocks import anything
from consilience.fusion.discovery import Component, Components, Discovery, Loading, Weights
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes
from consilience.fusion.numerics.mofapy2_training import Options, Trained, train

CONVERGENCE = ("fast", "medium", "slow")
STRONGEST = 10  # loadings of a modality shown for a factor
ACTIVE = 0.005  # the share of a modality's variance from which a factor is told of there


class MOFA(Imputes, Embedding):
    """Multi-omics factor analysis (Argelaguet et al. 2018, 2020), fitted by mofapy2.

    Each modality is a matrix of factors, shared by all modalities, times its own weights,
    plus noise with a variance of its own for each feature: ``Y_m = Z W_m' + noise``. Which
    factor is active in which modality is learned (automatic relevance determination): a
    factor may belong to one modality alone or to several. The fit is by variational Bayes.

    A patient who was not seen in fitting is projected: with weights and noise held at
    what was learned, his factors are Gaussian with mean
    ``(I + sum_j tau_j E[w_j w_j'])^-1 sum_j tau_j E[w_j] y_j``, j running over the features
    he has. For training patients this is the point at which mofapy2's own updates end.

    All features are taken as Gaussian, standardised on the training patients. So are the
    0/1 columns of categories: what is imputed for them is a score, not a probability.

    Missing values and missing modalities: left out of every sum, at fit and at predict.
    A factor about which a patient's features say nothing is at 0, the mean of all.

    `impute` fills a gap inside a modality with ``Z W_m'``, as mofapy2 does. A modality that
    is missing as a whole is filled from factors that only others tell, and those the model
    believes too firmly where noise is shared by features; so they are first shrunk by
    `carried_`, learned from training patients who have the modality.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    n_factors : int
        How many factors to begin with. Those not needed shrink to nothing.
    sparse_weights : bool
        A spike-and-slab prior on the single weights too: most of them are then exactly 0.
        It wants modalities of tens of features at least, takes twice as long, and can
        shut off a weak factor.
    ard_weights : bool
        Whether a factor can be switched off in one modality and stay in another.
    max_iter : int
        Most iterations.
    convergence : {"fast", "medium", "slow"}
        Stop once the evidence lower bound changes, over five iterations and twice in a
        row, by less than 5e-6, 5e-7 or 5e-8 of its first value.
    random_state : int, optional
        The fit starts at principal components. The seed matters only where these are
        found by random projections, which is where patients and features are many.

    Attributes
    ----------
    weights_ : dict of str to ndarray of shape (n_features, n_factors)
        Mean weights, a modality each, for standardised features. The factor that explains
        most comes first; the sign of a factor is such that its largest weight is positive.
    weight_variances_ : dict of str to ndarray of shape (n_features, n_factors)
        Posterior variances of the weights.
    noise_precision_ : dict of str to ndarray of shape (n_features,)
        tau: 1 over the variance of the noise.
    variance_explained_ : dict of str to ndarray of shape (n_factors,)
        The share of a modality's variance that each factor explains among training
        patients; can be a little below 0 where it explains nothing.
    factor_variances_ : ndarray of shape (n_factors,)
        Variance of each factor over the training patients.
    largest_patient_ : ndarray of shape (n_factors,)
        The share that a single training patient has in the factor's sum of squares. Near 1
        the factor is an outlier, not a direction along which patients differ.
    carried_ : dict of str to ndarray of shape (n_factors,)
        From 0 to 1: how much of what the other modalities say of each factor is to be
        believed where this one is missing: the slope, over training patients, of factors
        with it on factors without it.
    bounds_ : ndarray
        The evidence lower bound, every five iterations.
    converged_ : bool
        Whether it settled within `max_iter`.

    Raises
    ------
    InputError
        If mofapy2 is not installed, or more factors are asked for than there are
        patients or features.

    References
    ----------
    Argelaguet, R. et al. (2018). Multi-Omics Factor Analysis: a framework for unsupervised
    integration of multi-omics data sets. Molecular Systems Biology 14, e8124.

    Argelaguet, R. et al. (2020). MOFA+: a statistical framework for comprehensive
    integration of multi-modal single-cell data. Genome Biology 21, 111.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"n_factors": (5, 10)}

    def __init__(
        self,
        learner: Any = None,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        n_factors: int = 5,
        sparse_weights: bool = False,
        ard_weights: bool = True,
        max_iter: int = 1000,
        convergence: str = "fast",
        random_state: int | None = 0,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.n_factors = n_factors
        self.sparse_weights = sparse_weights
        self.ard_weights = ard_weights
        self.max_iter = max_iter
        self.convergence = convergence
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse numbers that are not whole or too small, and an unknown convergence."""
        super().check_settings()
        check_whole("n_factors", self.n_factors, 1)
        check_whole("max_iter", self.max_iter, 2)
        if self.convergence not in CONVERGENCE:
            raise InputError(
                f"convergence must be one of {listing(CONVERGENCE)}, not {self.convergence!r}."
                f"{suggestion(self.convergence, CONVERGENCE)}"
            )

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        self._check_size(blocks)
        # In one order whatever the order they come in, which would change the last digits.
        names = sorted(blocks)
        columns = {name: np.argsort(self.blocks_.features[name], kind="stable") for name in names}
        trained = train([blocks[name][:, columns[name]] for name in names], self._options())
        if not np.isfinite(trained.factors).all():
            raise InputError(
                f"MOFA cannot start: the features repeat one another so much that there are no "
                f"{self.n_factors} independent directions among them; lower n_factors."
            )
        self._keep(trained, {name: np.argsort(columns[name]) for name in names})
        self._explain(blocks, trained.factors)
        factors = self._embed(blocks)
        self.carried_ = {name: self._carried(name, blocks, factors) for name in blocks}

    def _check_size(self, blocks: dict[str, FloatArray]) -> None:
        n_patients = len(next(iter(blocks.values())))
        n_features = sum(block.shape[1] for block in blocks.values())
        if self.n_factors > min(n_patients - 1, n_features):
            raise InputError(
                f"MOFA cannot find {self.n_factors} factors in {n_patients} patients with "
                f"{n_features} features in all: n_factors must be below the number of patients "
                "and not above that of features."
            )

    def _options(self) -> Options:
        seed: Any = self.random_state
        if not hasattr(seed, "__index__"):
            seed = check_random_state(seed).randint(2**31)
        return Options(
            n_factors=int(self.n_factors),
            sparse_weights=bool(self.sparse_weights),
            ard_weights=bool(self.ard_weights),
            max_iter=int(self.max_iter),
            convergence=self.convergence,
            seed=int(seed),
        )

    def _keep(self, trained: Trained, places: dict[str, Any]) -> None:
        parts = {
            name: (trained.weights[m][place], trained.variances[m][place])
            for m, (name, place) in enumerate(places.items())
        }
        self.weights_ = {name: weights for name, (weights, _) in parts.items()}
        self.weight_variances_ = {name: variances for name, (_, variances) in parts.items()}
        self.noise_precision_ = {
            name: trained.precisions[m][place] for m, (name, place) in enumerate(places.items())
        }
        self.bounds_, self.converged_ = trained.bounds, bool(trained.converged)

    def _explain(self, blocks: dict[str, FloatArray], factors: FloatArray) -> None:
        """Put the factors in order and give them a sign; say what each explains."""
        explained = {
            name: _share_explained(blocks[name], factors, self.weights_[name]) for name in blocks
        }
        order = np.argsort(-sum(explained.values()), kind="stable")
        stacked = np.vstack([self.weights_[name] for name in sorted(blocks)])
        largest = stacked[np.abs(stacked).argmax(axis=0), np.arange(stacked.shape[1])]
        signs = np.where(largest < 0, -1.0, 1.0)[order]
        self.weights_ = {name: part[:, order] * signs for name, part in self.weights_.items()}
        self.weight_variances_ = {
            name: part[:, order] for name, part in self.weight_variances_.items()
        }
        self.variance_explained_ = {name: share[order] for name, share in explained.items()}
        self.factor_variances_ = factors.var(axis=0)[order]
        squares = factors[:, order] ** 2
        total = squares.sum(axis=0)
        self.largest_patient_ = squares.max(axis=0) / np.where(total > 0, total, 1.0)

    def _carried(
        self, missing: str, blocks: dict[str, FloatArray], factors: FloatArray
    ) -> FloatArray:
        """Return the slope, within 0 and 1, of factors with a modality on those without it."""
        others = {name: block for name, block in blocks.items() if name != missing}
        if not others:
            return np.zeros(factors.shape[1])
        both = anything({missing: blocks[missing]}) & anything(others)
        without = {name: block[both] for name, block in others.items()}
        without[missing] = np.full((int(both.sum()), blocks[missing].shape[1]), np.nan)
        told = self._embed(without)
        agreement = np.einsum("nk,nk->k", factors[both], told)
        size = np.einsum("nk,nk->k", told, told)
        return np.asarray((agreement / np.where(size > 0, size, 1.0)).clip(0.0, 1.0))

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        whole = {name: self._evidence(name, slice(None)) for name in self.weights_}
        n = len(next(iter(blocks.values())))
        return np.array([self._factors_of(blocks, i, whole) for i in range(n)]).reshape(
            n, len(self.factor_variances_)
        )

    def _evidence(self, name: str, known: Any) -> FloatArray:
        """Return the sum of tau_j E[w_j w_j'] over the known features of a modality."""
        weights, tau = self.weights_[name][known], self.noise_precision_[name][known]
        spread = tau @ self.weight_variances_[name][known]
        return np.asarray((weights.T * tau) @ weights + np.diag(spread))

    def _factors_of(
        self, blocks: dict[str, FloatArray], i: int, whole: dict[str, FloatArray]
    ) -> FloatArray:
        """Return one patient's factors; alone, so that nobody else changes a digit."""
        precision = np.eye(len(self.factor_variances_))
        pull = np.zeros(len(precision))
        for name in self.weights_:
            values = blocks[name][i]
            known = np.isfinite(values)
            if not known.any():
                continue
            precision += whole[name] if known.all() else self._evidence(name, known)
            pull += (self.noise_precision_[name] * np.where(known, values, 0)) @ self.weights_[name]
        return np.asarray(np.linalg.solve(precision, pull))

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        factors = self._embed(blocks)
        found = {}
        for name, weights in self.weights_.items():
            measured = np.isfinite(blocks[name]).any(axis=1, keepdims=True)
            found[name] = np.where(measured, factors, factors * self.carried_[name]) @ weights.T
        return found

    def discoveries(self) -> list[Discovery]:
        """Return the factors with their strongest weights, and what they explain in all."""
        explained = {name: share.clip(0) for name, share in self.variance_explained_.items()}
        factors = [
            Component(
                f"factor {k + 1}",
                tuple(loading for name in explained for loading in self._loadings(name, k)),
                strength=float(np.mean([share[k] for share in explained.values()])),
                notes=self._notes(k),
            )
            for k in range(len(self.factor_variances_))
        ]
        told = tuple(factor for factor in factors if factor.loadings)
        label = "share of variance explained, mean over modalities"
        totals = {name: float(share.sum()) for name, share in explained.items()}
        return [
            Components("Factors", told, label),
            Weights("Variance explained by the factors", totals, "share of variance explained"),
        ]

    def _notes(self, factor: int) -> str:
        notes = [
            f"{share[factor]:.1%} of {name}"
            for name, share in self.variance_explained_.items()
            if share[factor] >= ACTIVE
        ]
        alone = self.largest_patient_[factor]
        return ", ".join(notes) + (f"; {alone:.0%} of it is one patient" if alone > 0.5 else "")

    def _loadings(self, name: str, factor: int) -> list[Loading]:
        weights, features = self.weights_[name][:, factor], self.blocks_.features[name]
        if self.variance_explained_[name][factor] < ACTIVE:
            return []
        strongest = np.argsort(-np.abs(weights), kind="stable")[:STRONGEST]
        return [Loading(name, features[j], float(weights[j])) for j in strongest if weights[j]]


def _share_explained(block: FloatArray, factors: FloatArray, weights: FloatArray) -> FloatArray:
    """Return 1 - |Y - z_k w_k'|² / |Y|² over observed values, for each factor k."""
    known = np.isfinite(block)
    values = np.where(known, block, 0.0)
    agreement = np.einsum("nk,nk->k", factors, values @ weights)
    size = np.einsum("nk,nk->k", factors**2, known @ weights**2)
    return np.asarray((2 * agreement - size) / np.sum(values**2))
