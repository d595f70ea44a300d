"""Joint non-negative matrix factorisation: modules of features that several modalities share."""

from __future__ import annotations

import math
import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, InputWarning, listing, suggestion
from consilience.fusion.block_fusion import check_between, check_whole
from consilience.fusion.discovery import Discovery, Loading
from consilience.fusion.embedding import Embedding
from consilience.fusion.imputing import Imputes
from consilience.fusion.modules import Module, as_discovery, enrichment, strongest, z_scores
from consilience.fusion.non_negative import WAYS, Negatives, NonNegative
from consilience.fusion.numerics.feature_graph import Key, edges_between, same_sign
from consilience.fusion.numerics.masked_nmf import (
    Factors,
    Joined,
    Penalty,
    factorise,
    project,
    start,
)
from consilience.fusion.numerics.restarts import consensus, cophenetic, dispersion

TIE = 1e-9  # objectives closer than this share: the earlier restart is kept


class JointNMF(Imputes, Embedding):
    """Joint non-negative matrix factorisation (jNMF; Zhang et al. 2012).

    Each modality is a product ``X_m ≈ W H_m`` of factors that are not negative: W says how
    much of each module a patient has and is shared by all modalities, H_m which features
    of the modality make up a module. With nothing to cancel, modules are parts that add
    up, which is what makes them readable.

    Features are divided by their root mean square, not centred, and modalities weighted
    so that each counts alike, however wide. Among several random starts that with the
    lowest objective is kept; how far they agree is told by `consensus_`.

    A patient who was not seen in fitting is projected: his W is the non-negative least
    squares fit of what he has to the H learned.

    Missing values and missing modalities: left out of every sum, at fit and at predict.

    Parameters
    ----------
    learner, modalities, encoders
        See `Embedding`.
    n_components : int
        K, the number of modules.
    restarts : int
        How many random starts. To judge K by the consensus, take 30 or more.
    l1 : float
        From 0 to below 1: how much a feature must go along with a module, as a cosine, to
        be part of it. Larger is sparser. Of a feature that a share s of the patients have
        it asks l1 / s: of what few have, less is believed, and of a modality that few have
        a large `l1` leaves nothing. Not 0 by default: where values are missing and
        modules many, a factorisation without any penalty follows single values, and what it
        imputes has no bound.
    graphs : mapping, optional
        What is known about which features go together (Zhang et al. 2011): by modality
        the graph among its features, or by pair of modalities that between them; a matrix,
        a DataFrame with names, or a list of edges. Neighbours are drawn to the same
        modules. See `feature_graph.edges_between`. For a bundle, which holds all settings,
        write lists of edges, and a pair as ``{"a": {"b": edges}}``.
    graph_weight : float
        How hard: at 1 a feature's neighbours weigh as much as its own values.
    weights : mapping of str to float, optional
        How much a modality counts, 1 where not named.
    negatives : {"refuse", "split", "centre", "shift"}
        What to do with values below 0: refuse them; make of a feature two columns, one for
        each sign, or one for each side of its mean; or count from the smallest training
        value. See `NonNegative`.
    max_iter : int
        Most iterations of a start.
    tol : float
        A start ends when an iteration lowers the objective by at most this share.
    random_state : int, optional

    Attributes
    ----------
    W_ : ndarray of shape (n_training_patients, n_components)
        In the order of `patients_`, strongest module first; root mean square of a column 1,
        at most 1 with penalties.
    H_ : dict of str to ndarray of shape (n_columns, n_components)
        For columns in the order of `columns_`, of root mean square 1.
    columns_ : NonNegative
        How a block becomes columns that are not negative.
    units_ : dict of str to float
        √a_m, by which a modality is multiplied so that each counts alike.
    multipliers_ : ndarray of shape (n_components,)
        Of the bound on W; see `masked_nmf.Factors`.
    strengths_ : ndarray of shape (n_components,)
        Each module's share of what all explain together.
    objective_ : ndarray
        Of the start kept, before the first iteration and after each.
    objectives_ : ndarray of shape (restarts,)
        At the end of each start.
    assignments_ : ndarray of int, shape (restarts, n_training_patients)
        The module that contributes most to a patient, in each start.
    converged_ : bool
        Whether the start kept ended by `tol`.

    Raises
    ------
    InputError
        If a value is negative and `negatives` is "refuse", more modules are asked for than
        there are patients or columns, or a graph does not fit.

    References
    ----------
    Zhang, S. et al. (2012). Discovery of multi-dimensional modules by integrative analysis
    of cancer genomic data. Nucleic Acids Research 40, 9379.

    Zhang, S. et al. (2011). A novel computational framework for simultaneous integration of
    multiple types of genomic data to identify microRNA-gene regulatory modules.
    Bioinformatics 27, i401.
    """

    centred: ClassVar[bool] = False
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"n_components": (4, 8)}

    def __init__(
        self,
        learner: Any = None,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        n_components: int = 5,
        restarts: int = 5,
        l1: float = 0.02,
        graphs: Mapping[Key, Any] | None = None,
        graph_weight: float = 1.0,
        weights: Mapping[str, float] | None = None,
        negatives: Negatives = "refuse",
        max_iter: int = 500,
        tol: float = 1e-4,
        random_state: int | None = 0,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.n_components = n_components
        self.restarts = restarts
        self.l1 = l1
        self.graphs = graphs
        self.graph_weight = graph_weight
        self.weights = weights
        self.negatives = negatives
        self.max_iter = max_iter
        self.tol = tol
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse settings out of range."""
        super().check_settings()
        for name in ("n_components", "restarts", "max_iter"):
            check_whole(name, getattr(self, name), 1)
        if not 0 <= self.l1 < 1:
            raise InputError(
                f"l1 must be at least 0 and below 1, where no feature is left, not {self.l1!r}."
            )
        if not 0 <= self.graph_weight < math.inf:
            raise InputError(f"graph_weight must be a number from 0, not {self.graph_weight!r}.")
        if not 0 <= self.tol < math.inf:
            raise InputError(f"tol must be a number from 0, not {self.tol!r}.")
        if self.negatives not in WAYS:
            raise InputError(
                f"negatives must be one of {listing(WAYS)}, not {self.negatives!r}."
                f"{suggestion(self.negatives, WAYS)}"
            )

    def _learn(self, blocks: dict[str, FloatArray]) -> None:
        self.columns_ = NonNegative(self.negatives).fit(blocks, self.blocks_.features)
        columns = self.columns_.columns(blocks)
        self._check_size(columns)
        self.units_ = self._units(columns)
        joined = Joined.of(self._scaled(columns))
        penalty = self._penalty(len(joined.X))
        rng = np.random.default_rng(check_random_state(self.random_state).randint(2**31))
        found = [
            factorise(
                joined,
                start(joined, self.n_components, rng),
                penalty,
                max_iter=self.max_iter,
                tol=self.tol,
            )
            for _ in range(self.restarts)
        ]
        self.objectives_ = np.array([factors.objective[-1] for factors in found])
        self.assignments_ = np.stack([_assigned(factors) for factors in found])
        near = self.objectives_ <= self.objectives_.min() * (1 + TIE)
        self._keep(found[int(np.argmax(near))].normalised(), joined)

    def _keep(self, kept: Factors, joined: Joined) -> None:
        if not kept.H.any():
            raise InputError(f"l1 = {self.l1} leaves no feature in any module; lower it.")
        self.W_, self.multipliers_ = kept.W, kept.multipliers
        self.H_ = {
            name: kept.H[own] / self.units_[name]
            for name, own in zip(self.columns_.names_, joined.slices, strict=True)
        }
        lost = [name for name, own in self.H_.items() if not own.any()]
        if lost:
            warnings.warn(
                f"l1 = {self.l1} leaves no feature of {listing(lost)} in any module; lower it.",
                InputWarning,
                stacklevel=4,
            )
        self.strengths_ = kept.shares()
        self.objective_, self.converged_ = np.array(kept.objective), kept.converged
        if not kept.converged:
            warnings.warn(
                f"JointNMF was still falling after {self.max_iter} iterations; raise max_iter or "
                "tol.",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _check_size(self, columns: Mapping[str, FloatArray]) -> None:
        n_patients = len(next(iter(columns.values())))
        n_columns = sum(block.shape[1] for block in columns.values())
        most = min(n_patients, n_columns)
        if self.n_components > most:
            raise InputError(
                f"n_components is {self.n_components}, but {n_patients} patients and {n_columns} "
                f"columns have room for {most} modules at most."
            )

    def _units(self, columns: Mapping[str, FloatArray]) -> dict[str, float]:
        weights = dict(self.weights or {})
        for name, weight in weights.items():
            if name not in columns:
                raise InputError(
                    f"weights names {name!r}, which is no modality in use; there are "
                    f"{listing(columns)}.{suggestion(name, columns)}"
                )
            if not 0 < weight < math.inf:
                raise InputError(f"the weight of {name!r} must be above 0, not {weight!r}.")
        # The norm that the block would have, were every patient measured, is brought to √n:
        # one that few patients have counts for those few, no more.
        square = {name: np.nanmean(block**2, axis=0).sum() for name, block in columns.items()}
        return {name: math.sqrt(weights.get(name, 1.0) / square[name]) for name in columns}

    def _penalty(self, n_patients: int) -> Penalty:
        columns = self.columns_
        widths = {name: len(columns.source_[name]) for name in columns.names_}
        unit = np.concatenate([np.full(widths[name], self.units_[name]) for name in widths])
        edges = None
        if self.graphs and self.graph_weight > 0:
            features = {name: self.blocks_.features[name] for name in columns.names_}
            edges = edges_between(self.graphs, features)
            edges = same_sign(edges, *columns.places())
        return Penalty.of(unit, n_patients * self.l1, edges, n_patients * self.graph_weight)

    def _scaled(self, columns: dict[str, FloatArray]) -> list[FloatArray]:
        return [self.units_[name] * columns[name] for name in self.columns_.names_]

    def _embed(self, blocks: dict[str, FloatArray]) -> FloatArray:
        names = self.columns_.names_
        H = np.vstack([self.units_[name] * self.H_[name] for name in names])
        return project(self._scaled(self.columns_.columns(blocks)), H, self.multipliers_)

    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        W = self._embed(blocks)
        return self.columns_.blocks({name: W @ own.T for name, own in self.H_.items()})

    @property
    def consensus_(self) -> FloatArray:
        """How often each two training patients shared a module over the restarts, (n, n)."""
        return consensus(self.assignments_)

    @property
    def cophenetic_(self) -> float:
        """How clear the consensus is, as a tree: 1 if the restarts agree; see `restarts`."""
        return cophenetic(self.consensus_)

    @property
    def dispersion_(self) -> float:
        """How clear the consensus is, from 0 to 1: 1 if the restarts agree; see `restarts`."""
        return dispersion(self.consensus_)

    def modules(self, cohort: Cohort | None = None, *, z: float = 1.5) -> list[Module]:
        """Return which features and patients make up each module, strongest module first.

        A feature is a member if its z-score among the features of its modality in that
        module is above a threshold, a patient if his is among the patients (Zhang et al.
        2012).

        Parameters
        ----------
        cohort : Cohort, optional
            Whose patients to sort into the modules; the training patients by default.
        z : float
            The threshold; the higher, the fewer. Members that are a share s of all can have
            at most √((1 − s) / s) on average: 2 for a fifth.
        """
        check_is_fitted(self, "H_")
        if cohort is None:
            ids, W = getattr(self, "patients_", np.empty(0, dtype=str)), getattr(self, "W_", None)
        else:
            ids, W = cohort.index.to_numpy(dtype=str), self.transform(cohort)
            ids, W = ids[np.isfinite(W[:, 0])], W[np.isfinite(W[:, 0])]
        check_between("z", z, -math.inf, math.inf)
        patients = z_scores(W) if W is not None and len(W) else np.zeros((0, len(self.strengths_)))
        scores = {name: z_scores(self.H_[name]) for name in self.modalities_}
        return [
            Module(
                f"module {k + 1}",
                tuple(
                    item for name in scores for item in self._loadings(name, scores[name][:, k], z)
                ),
                tuple(str(ids[i]) for i in strongest(patients[:, k], z)),
                float(self.strengths_[k]),
            )
            for k in range(len(self.strengths_))
        ]

    def _loadings(self, name: str, scores: FloatArray, z: float) -> list[Loading]:
        features, sign = self.columns_.features_[name], self.columns_.sign_[name]
        source = self.columns_.source_[name]
        return [
            Loading(name, features[source[i]], float(sign[i] * scores[i]))
            for i in strongest(scores, z)
        ]

    def enrichment(
        self,
        gene_sets: Mapping[str, Collection[str]] | str | Path,
        *,
        modalities: Sequence[str] | None = None,
        z: float = 1.5,
    ) -> pd.DataFrame:
        """Test modules against gene sets, all features of a modality being the background.

        Parameters
        ----------
        gene_sets : mapping of str to collection of str, or path
            Or a .gmt file.
        modalities : sequence of str, optional
            Those whose features are genes; all by default.
        z : float
            As in `modules`.

        Returns
        -------
        DataFrame
            See `modules.enrichment`.

        Raises
        ------
        InputError
            If a modality was not fitted, or the gene sets cannot be used.
        """
        check_is_fitted(self, "H_")
        for name in modalities or ():
            if name not in self.H_:
                raise InputError(
                    f"enrichment: {name!r} is no modality in use; there are "
                    f"{listing(self.modalities_)}.{suggestion(name, self.modalities_)}"
                )
        names = self.modalities_ if modalities is None else modalities
        background = {name: self.columns_.features_[name] for name in names}
        return enrichment(self.modules(z=z), gene_sets, background)

    def discoveries(self) -> list[Discovery]:
        """Return the modules, with what stands out by more than one standard deviation.

        Not by more, as in `modules`: among few features none can stand out by much.
        """
        return [as_discovery(self.modules(z=1.0))]

    def without_patients(self) -> Self:
        """Return it without ids, memberships and assignments of the training patients."""
        own = super().without_patients()
        for name in ("W_", "assignments_"):
            own.__dict__.pop(name, None)
        return own


def _assigned(factors: Factors) -> npt.NDArray[np.intp]:
    """Return the module that contributes most to each patient, by the norm of its part."""
    return np.asarray((factors.W * np.linalg.norm(factors.H, axis=0)).argmax(axis=1))
