"""Multi-block sparse PLS: components that modalities share with each other and an outcome."""

from __future__ import annotations

import numbers
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing
from consilience.fusion.base import check_cohort
from consilience.fusion.block_fusion import BlockFusion, check_whole
from consilience.fusion.component_evidence import Evidence, NumberEvidence, Pool, Rows
from consilience.fusion.discovery import Component, Components, Discovery, Loading, Weights
from consilience.fusion.numerics.block_components import SCHEMES, Settings, scores
from consilience.fusion.numerics.component_search import Chain, Keep, Search
from consilience.fusion.sparse_pls_settings import (
    check_keep,
    check_names,
    components_of,
    design_matrix,
    kept,
)
from consilience.fusion.task import Y, check_folds

MOST_COMPONENTS = 3  # tried where the user gives no number
LEVELS = (5, 10, 25, 100)  # features a modality tried where the user gives no number; and all
CHOICES = ("min", "1se")
MOST_SHOWN = 10  # loadings a modality in a report

KeepOption = int | Sequence[int] | Mapping[str, int | Sequence[int]]


class BlockSparse(BlockFusion):
    """What the sparse PLS of classes and of a number share; see `BlockSparsePLS`."""

    def __init__(
        self,
        *,
        n_components: int | None = None,
        keep: KeepOption | None = None,
        design: float | Mapping[str, Mapping[str, float]] = 0.1,
        scheme: Literal["horst", "centroid"] = "horst",
        choose: Literal["min", "1se"] = "min",
        folds: int = 5,
        tol: float = 1e-6,
        max_iter: int = 200,
        random_state: int | None = None,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.n_components = n_components
        self.keep = keep
        self.design = design
        self.scheme = scheme
        self.choose = choose
        self.folds = folds
        self.tol = tol
        self.max_iter = max_iter
        self.random_state = random_state

    @abstractmethod
    def _evidence(self) -> Evidence:
        """Return what blocks say of this kind of outcome, unfitted."""

    @abstractmethod
    def _codes(self, y: Y) -> Y:
        """Return the outcome as the evidence wants it."""

    def check_settings(self) -> None:
        super().check_settings()
        if self.n_components is not None:
            check_whole("n_components", self.n_components, 1)
        if self.keep is not None:
            check_keep(self.keep, self.n_components)
        if not (isinstance(self.design, numbers.Real) or hasattr(self.design, "keys")):
            raise InputError(
                "design must be a number, or numbers by the names of two modalities, not "
                f"{self.design!r}."
            )
        design_matrix(self.design if isinstance(self.design, numbers.Real) else 0.0, ["a", "b"])
        if self.scheme not in SCHEMES:
            raise InputError(f"scheme must be one of {listing(SCHEMES)}, not {self.scheme!r}.")
        if self.choose not in CHOICES:
            raise InputError(f"choose must be one of {listing(CHOICES)}, not {self.choose!r}.")
        if not self.tol > 0:
            raise InputError(f"tol must be above 0, not {self.tol!r}.")
        check_whole("max_iter", self.max_iter, 1)
        check_folds(self.folds)

    def _used(self, cohort: Cohort) -> list[str]:
        used: list[str] = super()._used(cohort)
        known = list(self.modalities or cohort.modalities)
        check_names(self.keep, "keep", known)
        check_names(self.design, "design", known)
        return used

    def _learn(self, blocks: dict[str, FloatArray], y: Y) -> None:
        if len(y) < self.folds:
            raise InputError(
                f"folds={self.folds} needs at least as many patients, but {len(y)} can be learned "
                "from."
            )
        self.names_ = list(blocks)
        settings = Settings(
            design_matrix(self.design, self.names_), self.scheme, self.tol, self.max_iter
        )
        of, codes = self._evidence(), self._codes(y)
        levels, fixed = self._levels(blocks)
        folds = self.task_.folds(y, self.folds, self.random_state)
        search = Search(self.task_, of, settings, levels, fixed, self.choose == "1se")
        found = search.run(list(blocks.values()), y, codes, folds)
        had = np.stack([_has(matrix) for matrix in blocks.values()])
        self.pool_ = Pool().fit(found.evidence, had, codes, of)
        self.losses_ = [
            {"component": place, "keep": dict(zip(self.names_, keep, strict=True)), "loss": loss}
            for place, keep, loss in found.losses
        ]
        chain = Chain.of(list(blocks.values()), of.outcome(codes))
        for keep in found.keep:
            chain = chain.longer(keep, settings)
        self.evidence_ = of.fit(chain.variates(), chain.had, codes)
        self._keep_chain(chain, found.keep)

    def _keep_chain(self, chain: Chain, keep: tuple[Keep, ...]) -> None:
        places = dict(enumerate(self.names_))
        self.n_components_ = len(keep)
        self.keep_ = {name: [one[place] for one in keep] for place, name in places.items()}
        self.loadings_ = {name: chain.loadings(p) for p, name in places.items()}
        self.regressions_ = {name: chain.regressions(p) for p, name in places.items()}
        self.outcome_loadings_ = chain.loadings(len(places))
        self.agreement_ = dict(zip(self.names_, chain.agreement(), strict=True))
        self.weights_ = dict(zip(self.names_, map(float, chain.weights()), strict=True))
        self.n_iter_ = [component.steps for component in chain.components]

    def _levels(self, blocks: dict[str, FloatArray]) -> tuple[tuple[tuple[Keep, ...], ...], bool]:
        """Return what to try, a component, and whether their number is given."""
        widths = {name: matrix.shape[1] for name, matrix in blocks.items()}
        named = None if self.keep is None else components_of(self.keep, list(blocks))
        given = self.n_components if self.n_components is not None else named
        most = min(max(widths.values()), len(next(iter(blocks.values()))) - 1)
        if given is not None and given > most:
            raise InputError(
                f"{given} components are more than the {most} that these modalities hold."
            )
        n_components = given or min(self._most_components(), most)
        if self.keep is not None:
            return tuple((kept(self.keep, widths, h),) for h in range(n_components)), bool(given)
        sizes = (*LEVELS, max(widths.values()))
        levels = dict.fromkeys(tuple(min(size, p) for p in widths.values()) for size in sizes)
        return (tuple(levels),) * n_components, bool(given)

    def _most_components(self) -> int:
        return MOST_COMPONENTS

    def _say(self, blocks: dict[str, FloatArray]) -> FloatArray:
        evidence = []
        for place, name in enumerate(self.names_):
            rows = _has(blocks[name])
            own = self.evidence_.of_block(place, self._variates(name, blocks[name]))
            evidence.append(self.weights_[name] * own * rows[:, None])
        had = np.stack([_has(blocks[name]) for name in self.names_])
        return self.evidence_.values(self.pool_.total(np.stack(evidence), had))

    def _variates(self, name: str, matrix: FloatArray) -> FloatArray:
        return scores(matrix, self.loadings_[name], self.regressions_[name])

    def variates(self, cohort: Cohort) -> dict[str, FloatArray]:
        """Return the variates of each modality, (n_patients, n_components).

        Rows are NaN for patients whom the modality did not measure. For training patients
        they are the variates of training.
        """
        check_is_fitted(self, "modalities_")
        check_cohort(cohort)
        self._refuse_silence()
        blocks = self.blocks_.matrices(cohort)
        found = {}
        for name, matrix in blocks.items():
            rows = _has(matrix)
            found[name] = np.where(rows[:, None], self._variates(name, matrix), np.nan)
        return found

    def transform(self, cohort: Cohort) -> FloatArray:
        """Return `variates` side by side, (n_patients, n_modalities * n_components)."""
        return np.hstack(list(self.variates(cohort).values()))

    def discoveries(self) -> list[Discovery]:
        """Return the components with the features they select, and the weights of the vote."""
        if self.silent_:
            return []
        components = tuple(
            Component(
                f"component {place + 1}",
                tuple(item for name in self.names_ for item in self._strongest(name, place)),
                float(np.mean([agreement[place] for agreement in self.agreement_.values()])),
            )
            for place in range(self.n_components_)
        )
        return [
            Components("Shared components", components, "mean correlation with the outcome"),
            Weights("Weights of the vote", dict(self.weights_), "correlation with the outcome"),
        ]

    def _strongest(self, name: str, place: int) -> list[Loading]:
        loading = self.loadings_[name][:, place]
        order = np.argsort(-np.abs(loading), kind="stable")[:MOST_SHOWN]
        features = self.blocks_.features[name]
        return [Loading(name, features[i], float(loading[i])) for i in order if loading[i] != 0]

    def _refuse_silence(self) -> None:
        if self.silent_:
            raise InputError(
                "there are no components: the outcome was the same for all patients measured."
            )


class BlockSparsePLS(BlockSparse):
    """Multi-block sparse PLS regression of a number.

    For each component every modality gets a loading of length 1 with few entries other
    than 0, so that its variate agrees with the outcome and, by `design`, with those of the
    other modalities. Each modality then tells the outcome by regression on its own
    variates, and what they say is added up, weighted.

    Missing values take no part in the iteration; nothing is imputed. A patient without a
    modality contributes to the others, and is told by those that he has.

    Parameters
    ----------
    n_components : int, optional
        Up to 3, as long as each helps on inner folds, if not given.
    keep : int, sequence of int, or mapping of str to either, optional
        How many features each modality keeps: one number, one a component, or either by
        modality. If not given, 5, 10, 25, 100 and all are tried for each component, alike
        for all modalities (all of a modality that has fewer).
    design : float, or mapping of str to mapping of str to float
        How much modalities shall agree with each other beside the outcome, 0 to 1; one
        number, or one a pair by name. Small values serve prediction, large ones agreement.
    scheme : {"horst", "centroid"}
        Whether covariances are added up as they are, or by size whatever their sign.
    choose : {"min", "1se"}
        Of what is tried, what has the least loss on inner folds, or the sparsest that comes
        within a standard error of it: fewer features and components.
    folds : int
        Inner folds, on which settings are chosen and the evidence is calibrated.
    tol : float
        The iteration ends when no modality's loadings moved by more than the root of it.
    max_iter : int
        Most rounds over the modalities a component.
    random_state : int, optional
        Seed of the inner folds.
    modalities, encoders
        See `Fusion`.

    Attributes
    ----------
    n_components_ : int
    keep_ : dict of str to list of int
        Features kept, a component.
    loadings_ : dict of str to ndarray of shape (n_features, n_components)
        For features as in ``blocks_.features``; of the remainder, as in mixOmics.
    agreement_ : dict of str to ndarray of shape (n_components,)
        Correlation of a modality's variates with those of the outcome.
    weights_ : dict of str to float
        Mean of `agreement_`, 0 or more.
    losses_ : list of dict
        What was tried: component, keep, and the loss on patients left out.
    n_iter_ : list of int
        Rounds, a component.

    Raises
    ------
    InputError
        In `fit`: if `keep` exceeds a modality's features, `n_components` what the
        modalities hold, `folds` the patients, or `design` is not symmetric in 0 to 1.

    References
    ----------
    Tenenhaus et al. 2014, Biostatistics 15:569; Singh et al. 2019, Bioinformatics 35:3055.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import BlockSparsePLS
    >>> cohort, _ = synthetic_cohort(100, seed=0)
    >>> y = cohort.modalities["m1"].frame.iloc[:, 0].to_numpy()
    >>> model = BlockSparsePLS(n_components=1, keep=5).fit(cohort, y)
    >>> model.transform(cohort).shape
    (100, 3)
    """

    learns: ClassVar[frozenset[OutcomeKind]] = frozenset({"continuous"})

    def _kind(self) -> str | None:
        return "regressor"

    def _evidence(self) -> Evidence:
        return NumberEvidence(self.task_.prior)

    def _codes(self, y: Y) -> Y:
        return y


def _has(matrix: FloatArray) -> Rows:
    """Return which patients have any value of a modality."""
    return np.asarray(np.isfinite(matrix).any(axis=1))
