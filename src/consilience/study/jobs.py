"""The pieces of a study that run by themselves, each with a key and one result."""

from __future__ import annotations

import numbers
import time
import traceback
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Cohort, Target
from consilience.errors import InputError
from consilience.fusion.tuned_fusion import TunedFusion
from consilience.metrics import Scores, SurvivalCurves
from consilience.study.candidates import Candidate, seeded
from consilience.study.protocol import Fold
from consilience.study.removal import thinned
from consilience.study.threads import one_thread

T = TypeVar("T")

CHOSEN = ("rho", "lambda", "penalty", "n_components", "n_clusters")
"""What some methods choose themselves, kept in attributes of these names and an underscore."""


@dataclass(frozen=True)
class Job(ABC):
    """One candidate on one fold."""

    candidate: Candidate
    fold: Fold
    seed: int
    times: npt.NDArray[np.floating] | None  # grid on which survival curves are kept

    @property
    @abstractmethod
    def key(self) -> str:
        """A unique name of the result."""

    @abstractmethod
    def _result(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Fit, predict, and return a table and notes."""

    def run(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        """Return the result, or an empty table and the reason why there is none.

        Arithmetic runs on one thread, so that the same numbers come out however many
        workers share the machine.
        """
        start = time.perf_counter()
        with one_thread([self.candidate.method]), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            done = _attempt(lambda: self._result(target))
        if isinstance(done, _Failure):
            frame, notes = pd.DataFrame(), {"failed": done.reason, "traceback": done.trace}
        else:
            frame, notes = done
        return frame, {**notes, "seconds": time.perf_counter() - start}

    def _fitted(self, target: Target, y: npt.NDArray[Any]) -> Any:
        estimator = seeded(self.candidate.estimator, self.seed)
        return estimator.fit(target.cohort[self.fold.train], y[self.fold.train])

    def _scores(self, model: Any, test: Cohort) -> Scores:
        scores = model.scores(test)
        if isinstance(scores, SurvivalCurves) and self.times is not None:
            return SurvivalCurves(scores.at(self.times), self.times)
        return scores  # type: ignore[no-any-return]


@dataclass(frozen=True)
class ScoreJob(Job):
    """Predictions for the fold's test patients; the table is rows of `scores.parquet`.

    With `removals` the same fitted model predicts them again, with these shares of their
    measurements taken away: further rows, told apart by the column ``removed``.
    """

    removals: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Candidate and fold."""
        return f"{self.candidate.name} {self.fold.key}"

    def _result(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        model = self._fitted(target, target.y)
        test = target.cohort[self.fold.test]
        frame, notes = self._said(model, test, 0.0), {"settings": chosen_settings(model)}
        poorer = _attempt(
            lambda: [self._said(model, thinned(test, r, self.seed), r) for r in self.removals]
        )
        if isinstance(poorer, _Failure):  # it still has its score
            return frame, {**notes, "removal failed": poorer.reason}
        return pd.concat([frame, *poorer], ignore_index=True), notes

    def _said(self, model: Any, test: Cohort, removed: float) -> pd.DataFrame:
        scores = self._scores(model, test)
        frame = pd.DataFrame(scores.values, columns=list(scores.names))
        frame.insert(0, "removed", removed)
        frame.insert(0, "informed", model.informed(test))
        frame.insert(0, "patient", test.index.to_numpy())
        return frame


@dataclass(frozen=True)
class PermutedJob(Job):
    """The same on a shuffled outcome, which nothing can predict."""

    permutation: int = 0
    shuffle_seed: int = 0  # the same on all folds, which share one shuffled outcome

    @property
    def key(self) -> str:
        """Candidate, fold and number of the permutation."""
        return f"{self.candidate.name} {self.fold.key} permuted {self.permutation}"

    def _result(self, target: Target) -> tuple[pd.DataFrame, dict[str, Any]]:
        y = self.outcome(target)
        scores = self._scores(self._fitted(target, y), target.cohort[self.fold.test])
        return pd.DataFrame(scores.values, columns=list(scores.names)), {}

    def outcome(self, target: Target) -> npt.NDArray[Any]:
        """Return the outcome dealt anew among the patients."""
        return np.random.default_rng([self.shuffle_seed, self.permutation]).permutation(target.y)


def chosen_settings(model: Any) -> dict[str, Any]:
    """Return the settings that were chosen: learners' by modality (or "all"), the method's own."""
    if isinstance(model, TunedFusion):
        tried = {name: _plain(value) for name, value in model.best_params_.items()}
        inside = chosen_settings(model.best_)
        return {**inside, "method": {**inside.get("method", {}), **tried}}
    alone = {"all": getattr(model, "expert_", model)}  # an embedding holds its learner itself
    experts = getattr(model, "experts_", None) or alone
    chosen = {}
    for name, expert in experts.items():
        best = getattr(getattr(expert, "learner_", None), "best_params_", None)
        if best is not None:
            chosen[name] = {key: _plain(value) for key, value in best.items()}
    found = {name: _plain(getattr(model, f"{name}_", None)) for name in CHOSEN}
    if known := {name: value for name, value in found.items() if value is not None}:
        chosen["method"] = known
    weights = getattr(model, "weights_", {})
    if weights and all(isinstance(value, numbers.Real) for value in weights.values()):
        chosen["weights"] = {name: float(value) for name, value in weights.items()}
    return chosen


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it, in words where it is an object."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float) else repr(value)


@dataclass(frozen=True)
class _Failure:
    """Why there is no result."""

    reason: str
    trace: str


def _attempt(work: Callable[[], T]) -> T | _Failure:
    """Return what some work gives; one failing candidate must not lose the others."""
    try:
        return work()
    except Exception as reason:  # noqa: BLE001 (the one place where a study goes on after it)
        return _Failure(_one_line(reason), traceback.format_exc())


def _one_line(reason: Exception) -> str:
    """Return the reason in a line, without the traces of failed fits that scikit-learn quotes."""
    lines = [line for line in str(reason).splitlines() if line.strip()] or [""]
    if any(line.startswith("Traceback") for line in lines):
        lines = lines[-1:]
    text = " ".join(" ".join(lines).split())
    return (text if isinstance(reason, InputError) else f"{type(reason).__name__}: {text}")[:500]
