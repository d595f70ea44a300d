"""Cooperative regression with any learner: the general form, fitted by turns."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.utils.validation import has_fit_parameter

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.discovery import Discovery, Path
from consilience.fusion.expert import Expert
from consilience.fusion.task import Regression, Y, check_folds, learner_type
from consilience.fusion.with_learner import LearnerFusion


class _Turns(NamedTuple):
    """What backfitting ended with."""

    centre: float
    experts: dict[str, Expert]
    objectives: list[float]  # after each sweep that was kept, from 0 sweeps on


class CooperativeBackfitting(LearnerFusion):
    """One regressor a modality, each fitted in turn to what the others leave and to agree.

    It looks for functions f_m, one a modality, that make small::

        sum_i (y_i - sum_m f_m(x_i))² / 2 + rho / 2 * sum over pairs (f_m(x_i) - f_l(x_i))²

    (Ding et al. 2022, equations 2 and 4, for any number of modalities). With the
    others held still, the best value of f_m for a patient with c modalities is::

        (y - (1 - rho) * sum of his other f_l) / (1 + rho * (c - 1))

    and the learner is fitted to it, where patients differ in c with the weight
    ``1 + rho * (c - 1)`` that the objective gives them (a learner without `sample_weight`
    goes without). Sweeps over the modalities, in the order of their
    names, go on while the objective falls. For a number only: the paper's general
    form is for squared error, and no turn of a classifier or a survival model would
    be one of descent. For those see `CooperativeLearning`.

    Missing modalities: a modality that a patient lacks adds nothing, and he is left out
    where it learns; he agrees only with those that he has.

    Parameters
    ----------
    learner : regressor
        Such as a random forest. It should not fit its patients without error, for then
        nothing is left for the next modality.
    modalities, encoders
        See `Fusion`.
    rho : float or sequence of float
        Weight of the agreement; of several the best on inner folds.
    max_sweeps : int
    tolerance : float
        Relative fall of the objective that is worth another sweep.
    folds : int
        Inner folds, where there are several rho.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    rho_ : float
    experts_ : dict of str to Expert
    centre_ : float
        The mean, to which the experts add.
    objectives_ : list of float
        Per patient, after each sweep.
    losses_ : dict of str to float
        Squared error on inner folds by rho; empty where there is one rho.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion.cooperative_backfitting import CooperativeBackfitting
    >>> cohort, y = synthetic_cohort(200, kind="continuous", seed=0)
    >>> model = CooperativeBackfitting(Ridge(1.0), rho=0.5).fit(cohort, y)
    >>> model.predict(cohort).shape
    (200,)

    References
    ----------
    Ding, D. Y., Li, S., Narasimhan, B., Tibshirani, R. (2022). Cooperative learning for
    multiview analysis. PNAS 119 (38), e2202113119.
    """

    learns: ClassVar[frozenset[OutcomeKind]] = frozenset({"continuous"})
    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"rho": (0.0, 0.5, 1.0)}

    def __init__(
        self,
        learner: Any,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        rho: float | Sequence[float] = 0.5,
        max_sweeps: int = 10,
        tolerance: float = 1e-3,
        folds: int = 5,
        random_state: int | None = None,
    ) -> None:
        super().__init__(learner, modalities=modalities, encoders=encoders)
        self.rho = rho
        self.max_sweeps = max_sweeps
        self.tolerance = tolerance
        self.folds = folds
        self.random_state = random_state

    def check_settings(self) -> None:
        """Refuse a learner that is no regressor, and settings out of their range."""
        super().check_settings()
        if learner_type(self.learner) != "regressor":
            raise InputError(
                f"CooperativeBackfitting learns a number: give a regressor, not "
                f"{type(self.learner).__name__}; CooperativeLearning learns other outcomes."
            )
        rhos = self._rhos()
        if not rhos:
            raise InputError("rho is empty: give at least one number.")
        for rho in rhos:
            if not isinstance(rho, numbers.Real) or not 0 <= float(rho) < np.inf:
                raise InputError(f"rho must be a number of at least 0, not {rho!r}.")
        if not 0 <= self.tolerance < 1:
            raise InputError(f"tolerance must be at least 0 and below 1, not {self.tolerance!r}.")
        check_whole("max_sweeps", self.max_sweeps, 1)
        check_folds(self.folds)

    def _rhos(self) -> list[Any]:
        given: Any = self.rho
        return [given] if isinstance(given, numbers.Real | str) else list(given)

    def _fit(self, cohort: Cohort, y: Y) -> None:
        rhos = [float(rho) for rho in self._rhos()]
        losses = [self._held_out(cohort, y, rho) for rho in rhos] if len(rhos) > 1 else []
        self.losses_ = {f"{rho:g}": loss for rho, loss in zip(rhos, losses, strict=False)}
        self.rho_ = rhos[int(np.argmin(losses))] if losses else rhos[0]
        turns = self._turns(cohort, y, self.rho_)
        self.centre_, self.experts_, self.objectives_ = turns

    def _held_out(self, cohort: Cohort, y: Y, rho: float) -> float:
        """Return the squared error of a rho on inner folds."""
        if len(y) < self.folds:
            raise InputError(
                f"{self.folds} folds need at least as many patients, but there are {len(y)}; "
                "give fewer folds or one rho."
            )
        errors = []
        for train, held in self.task_.folds(y, self.folds, self.random_state):
            turns = self._turns(cohort[train], y[train], rho)
            errors.append((y[held] - self._sum(turns, cohort[held])) ** 2)
        return float(np.concatenate(errors).mean())

    def _turns(self, cohort: Cohort, y: Y, rho: float) -> _Turns:
        centre = float(y.mean())
        left = y - centre
        names = sorted(self.modalities_)
        present = np.array([cohort.has(name) for name in names], dtype=float)
        views: FloatArray = np.zeros((len(names), len(y)))
        experts: dict[str, Expert] = {}
        objectives = [_objective(left, views, present, rho)]
        for _ in range(self.max_sweeps):
            new_experts, new_views = self._sweep(cohort, left, views, present, rho)
            objective = _objective(left, new_views, present, rho)
            if experts and objective >= objectives[-1]:
                break
            experts, views = new_experts, new_views
            objectives.append(objective)
            if objectives[-2] - objective <= self.tolerance * abs(objectives[-2]):
                break
        return _Turns(centre, experts, objectives)

    def _sweep(
        self, cohort: Cohort, left: FloatArray, views: FloatArray, present: FloatArray, rho: float
    ) -> tuple[dict[str, Expert], FloatArray]:
        """Fit every modality once to what the others leave."""
        now = views.copy()
        stiffness = 1 + rho * np.maximum(present.sum(axis=0) - 1, 0)
        weighted = np.ptp(stiffness) > 0 and has_fit_parameter(self.learner, "sample_weight")
        experts = {}
        for m, name in enumerate(sorted(self.modalities_)):
            rest = now.sum(axis=0) - now[m]
            target = (left - (1 - rho) * rest) / stiffness
            task = Regression().fit(target)
            experts[name] = Expert([name], self.learner, self.encoders or {})
            experts[name].fit(cohort, target, task, stiffness if weighted else None)
            now[m] = _spoken(experts[name], cohort)
        return experts, now

    def _sum(self, turns: _Turns, cohort: Cohort) -> FloatArray:
        parts = [_spoken(expert, cohort) for expert in turns.experts.values()]
        return np.asarray(turns.centre + np.sum(parts, axis=0))

    def _values(self, cohort: Cohort) -> FloatArray:
        turns = _Turns(self.centre_, self.experts_, self.objectives_)
        return self._sum(turns, cohort)[:, None]

    def discoveries(self) -> list[Discovery]:
        """Return the agreement path, where several rho were tried."""
        if not getattr(self, "losses_", {}):
            return []
        return [
            Path(
                "Agreement between the modalities",
                tuple(float(rho) for rho in self.losses_),
                tuple(self.losses_.values()),
                "weight of the agreement, rho",
                "squared error on inner folds",
                chosen=self.rho_,
            )
        ]


def _spoken(expert: Expert, cohort: Cohort) -> FloatArray:
    """Return what an expert adds, (n_patients,): 0 where it says nothing."""
    out = np.zeros(len(cohort))
    heard = expert.informed(cohort)
    if heard.any():
        known = expert.stack_.transform(cohort[heard])
        out[heard] = np.asarray(expert.learner_.predict(known), dtype=float).ravel()
    return out


def _objective(left: FloatArray, views: FloatArray, present: FloatArray, rho: float) -> float:
    """Return the objective per patient; a pair counts where both modalities are there."""
    total = views.sum(axis=0)
    pairs = present.sum(axis=0) * (views**2).sum(axis=0) - total**2
    return float(np.mean((left - total) ** 2 + rho * pairs) / 2)
