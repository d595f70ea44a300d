"""Multiple kernel learning: who resembles whom in each modality, weighed and added up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any, ClassVar, get_args

import numpy as np
import numpy.typing as npt

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.base import ESTIMATOR_TYPES
from consilience.fusion.block_fusion import BlockFusion, check_whole
from consilience.fusion.blocks import Blocks, anything
from consilience.fusion.discovery import Discovery, Path, Weights
from consilience.fusion.kernels import (
    Kernel,
    KernelColumns,
    LinearKernel,
    PrecomputedKernel,
    RBFKernel,
    measured,
)
from consilience.fusion.numerics.kernel_path import (
    Setting,
    Weighting,
    along,
    baseline,
    loss_of,
    out_of_fold_losses,
    settings,
    stretch,
    values_of,
)
from consilience.fusion.task import Y

PENALTIES = (0.0001, 0.001, 0.01, 0.1, 1.0, 10.0)
FINAL_GAP = 0.001  # SimpleMKL's, of the last fit; on the inner folds its paper's 0.01 will do
KERNELS: Mapping[str, type[Kernel]] = {
    "linear": LinearKernel,
    "rbf": RBFKernel,
    "precomputed": PrecomputedKernel,
}


class MultipleKernelLearning(BlockFusion):
    """One kernel or more a modality, a weight each, and a penalised fit on their sum.

    The fit is ridge regression, logistic or multinomial regression, or Cox regression in
    the mixture's space. Kernels are centred and brought to a mean diagonal of 1, so that
    weights compare modalities of any width.

    Missing values: the kernel is the expectation over draws from the standard normal
    distribution in their place, which keeps it positive semi-definite (with the linear
    kernel: the training mean). Missing modalities: the patient has a row of zeros in the
    modality's kernel, and what the other kernels say is multiplied by one over the root
    of the weight they have together, at fit and at predict; see `stretch`. One who has
    only modalities of weight 0 gets the prior.

    Parameters
    ----------
    outcome : {"binary", "multiclass", "continuous", "survival"}
        What is learned.
    modalities, encoders
        See `Fusion`.
    kernels : str, sequence of str, or mapping of modality to either
        "linear", "rbf" (Gaussian, its width by the median heuristic), "precomputed" (the
        modality is a `Table` with one row a patient and one column a training patient,
        named by the patient's id), or several of the first two.
    weighting : {"alignment", "separate", "simple", "easy"}
        "alignment" weighs the kernels so that their sum is best aligned with the outcome,
        "separate" each by its own alignment (Cortes et al. 2012); "simple" is SimpleMKL
        (Rakotomamonjy et al. 2008): weights and fit minimise one penalised loss;
        "easy" is EasyMKL (Aiolli and Donini 2015), for classes only.
    penalties : float or sequence of float
        Penalties to choose from, times the number of patients; one is taken as it is.
    folds : int
        Inner folds on which the penalty (and EasyMKL's lambda) is chosen by the task's
        loss; the weights are found anew in each.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    weights_ : dict of str to float
        Kernel weights, adding up to 1, by modality, or "modality (kernel)" where it has
        several.
    penalty_ : float
        The penalty chosen.
    balance_ : float
        EasyMKL's lambda; 0 with other weightings.
    path_ : dict of float to float
        Mean out-of-fold loss by penalty; empty where there was nothing to choose.

    Notes
    -----
    With linear kernels alone the fitted model holds a weight a feature. An RBF kernel of
    a weight above 0 holds the training patients' measurements.

    Examples
    --------
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import MultipleKernelLearning
    >>> cohort, y = synthetic_cohort(200, seed=0)
    >>> model = MultipleKernelLearning(random_state=0).fit(cohort, y)
    >>> round(sum(model.weights_.values()), 6)
    1.0
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"weighting": ("alignment", "simple")}

    def __init__(
        self,
        *,
        outcome: str = "binary",
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        kernels: str | Sequence[str] | Mapping[str, str | Sequence[str]] = "linear",
        weighting: Weighting = "alignment",
        penalties: float | Sequence[float] = PENALTIES,
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.outcome = outcome
        self.kernels = kernels
        self.weighting = weighting
        self.penalties = penalties
        self.folds = folds
        self.random_state = random_state

    @classmethod
    def _options_for(cls, kind: OutcomeKind) -> dict[str, Any]:
        return {"outcome": kind}

    def _kind(self) -> str | None:
        for kind, estimator_type in ESTIMATOR_TYPES.items():
            if kind == self.outcome:
                return estimator_type
        raise InputError(
            f"outcome must be one of {listing(ESTIMATOR_TYPES)}, not {self.outcome!r}."
            f"{suggestion(self.outcome, ESTIMATOR_TYPES)}"
        )

    def check_settings(self) -> None:
        """Refuse unknown words, penalties out of range and too few folds."""
        super().check_settings()
        words = get_args(Weighting)
        if self.weighting not in words:
            raise InputError(
                f"weighting must be one of {listing(words)}, not {self.weighting!r}."
                f"{suggestion(self.weighting, words)}"
            )
        if self.weighting == "easy" and self._kind() != "classifier":
            raise InputError(
                "weighting 'easy' is a margin between classes, but the outcome is "
                f"{self.outcome}; use 'alignment' or 'simple'."
            )
        check_whole("folds", self.folds, 2)
        _penalties(self.penalties)
        entries = self.kernels.values() if isinstance(self.kernels, Mapping) else [self.kernels]
        for entry in entries:
            _words(entry)

    def _words_of(self, name: str) -> tuple[str, ...]:
        """Return the kernels asked for of a modality."""
        if not isinstance(self.kernels, Mapping):
            return _words(self.kernels)
        if name not in self.kernels:
            raise InputError(
                f"kernels has no entry for modality {name!r}; it has "
                f"{listing(self.kernels, most=20)}.{suggestion(name, self.kernels)}"
            )
        return _words(self.kernels[name])

    def _used(self, cohort: Cohort) -> list[str]:
        names = super()._used(cohort)
        for name in names:
            self._words_of(name)
        given = self.kernels if isinstance(self.kernels, Mapping) else {}
        for name in given:
            if name not in cohort.modalities:
                raise InputError(
                    f"kernels names modality {name!r}, which cohort {cohort.name!r} does not "
                    f"have.{suggestion(name, cohort.modalities)}"
                )
        return names

    def _fit_blocks(
        self, cohort: Cohort, y: Y | None = None
    ) -> tuple[dict[str, FloatArray], npt.NDArray[np.intp]]:
        ready = [name for name in self.modalities_ if self._words_of(name) == ("precomputed",)]
        encoders = {**(self.encoders or {}), **{name: KernelColumns(name) for name in ready}}
        self.blocks_ = Blocks(self.modalities_, encoders)
        blocks = self.blocks_.fit(cohort, y).matrices(cohort)
        known = np.flatnonzero(anything(blocks))
        return {name: matrix[known] for name, matrix in blocks.items()}, known

    def _learn(self, blocks: dict[str, FloatArray], y: Y) -> None:
        matrices = {name: self._matrix(name, block) for name, block in blocks.items()}
        made = [
            (name, label, KERNELS[word].of(name))
            for name in matrices
            for word, label in self._labels(name)
        ]
        grams = np.array([kernel.gram(matrices[name]) for name, _, kernel in made])
        loss = loss_of(self.task_, y)
        path = settings(self.weighting, _penalties(self.penalties))
        has = np.array([measured(matrices[name]) for name, _, _ in made])
        chosen = [self._choose(grams, has, y, path)]
        weights, fit = along(self.weighting, grams, has, loss, chosen, FINAL_GAP)[0]
        own = stretch(weights, has)[:, None] * fit.weights
        self.weights_ = {label: float(w) for (_, label, _), w in zip(made, weights, strict=True)}
        self.kernels_: dict[str, list[Kernel]] = {}
        self.shares_: dict[str, float] = {}
        for (name, _, kernel), weight in zip(made, weights, strict=True):
            if weight > 0:
                kernel.collapse(matrices[name], weight * own)
                self.kernels_.setdefault(name, []).append(kernel)
                self.shares_[name] = self.shares_.get(name, 0.0) + float(weight)
        self.intercept_ = fit.intercept
        self.hazard_ = baseline(self.task_, fit.eta, y)

    def _labels(self, name: str) -> list[tuple[str, str]]:
        """Return each kernel's word with what it is called."""
        words = self._words_of(name)
        return [(word, name if len(words) == 1 else f"{name} ({word})") for word in words]

    def _choose(
        self, grams: FloatArray, has: npt.NDArray[np.bool_], y: Y, path: list[Setting]
    ) -> Setting:
        """Return the setting with the smallest loss on the inner folds."""
        best, self.path_ = 0, {}
        folds = self.task_.folds(y, self.folds, self.random_state) if len(path) > 1 else []
        if folds:
            losses = out_of_fold_losses(self.weighting, grams, has, y, self.task_, path, folds)
            best = int(np.argmin(losses))
            self.path_ = {
                setting.penalty: float(loss)
                for setting, loss in zip(path, losses, strict=True)
                if setting.balance == path[best].balance
            }
        self.penalty_, self.balance_ = path[best]
        return path[best]

    def _matrix(self, name: str, block: FloatArray) -> FloatArray:
        """Return the modality's matrix: a precomputed kernel in its own unit."""
        if self._words_of(name) != ("precomputed",):
            return block
        columns = self.blocks_.stack_.fitted_[name].raw_names
        has = measured(block)
        kernel = np.full((len(block), len(columns)), np.nan)
        constant = self.blocks_.constants_[name]
        kernel[has] = [constant.get(column, 0.0) for column in columns]
        kernel[np.ix_(has, self.blocks_.kept_[name])] = self.blocks_.own_unit(name, block[has])
        return kernel

    def _say(self, blocks: dict[str, FloatArray]) -> FloatArray:
        has = np.array([measured(blocks[name]) for name in self.kernels_])
        said = np.zeros((has.shape[1], len(self.intercept_)))
        for name, kernels in self.kernels_.items():
            matrix = self._matrix(name, blocks[name])
            for kernel in kernels:
                said += kernel.say(matrix)
        factor = stretch(np.array(list(self.shares_.values())), has)
        return values_of(self.task_, self.intercept_ + factor[:, None] * said, self.hazard_)

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        if self.silent_:
            return np.zeros(len(cohort), dtype=bool)
        blocks = self.blocks_.matrices(cohort)
        heard = [measured(blocks[name]) for name in self.kernels_]
        return np.asarray(np.logical_or.reduce(heard))

    def _keeps_patients(self) -> bool:
        if hasattr(self, "kernels_"):
            return any(k.keeps_patients for several in self.kernels_.values() for k in several)
        given = self.kernels.values() if isinstance(self.kernels, Mapping) else [self.kernels]
        return any(KERNELS[word].keeps_patients for entry in given for word in _words(entry))

    def discoveries(self) -> list[Discovery]:
        """Return the kernel weights, and the loss along the penalties."""
        if self.silent_:
            return []
        found: list[Discovery] = [Weights("Kernel weights", dict(self.weights_), "kernel weight")]
        if self.path_:
            x, y = zip(*sorted(self.path_.items()), strict=True)
            title = "Choice of the penalty on the kernels' sum"
            found.append(Path(title, x, y, "penalty", "out-of-fold loss", self.penalty_))
        return found


def _words(entry: Any) -> tuple[str, ...]:
    """Return kernel words as a tuple.

    Raises
    ------
    InputError
        If there is none, one twice, one unknown, or "precomputed" beside others.
    """
    words = (entry,) if isinstance(entry, str) else tuple(entry)
    for word in words:
        if word not in KERNELS:
            raise InputError(
                f"a kernel must be one of {listing(KERNELS)}, not {word!r}."
                f"{suggestion(word, KERNELS)}"
            )
    if not words or len(set(words)) < len(words):
        raise InputError(f"kernels must name each kernel of a modality once, not {entry!r}.")
    if "precomputed" in words and len(words) > 1:
        raise InputError(
            "a precomputed kernel has no features to make another kernel of; give it alone."
        )
    return words


def _penalties(given: Any) -> tuple[float, ...]:
    """Return penalties as a tuple of positive numbers.

    Raises
    ------
    InputError
        If there is none, or one is not a positive number.
    """
    several = (given,) if isinstance(given, Real) else tuple(given)
    for one in several:
        number = isinstance(one, Real) and not isinstance(one, bool)
        if not number or not 0 < float(one) < np.inf:
            raise InputError(f"penalties must be positive numbers, but one is {one!r}.")
    if not several:
        raise InputError("penalties is empty: give at least one positive number.")
    return tuple(float(one) for one in several)
