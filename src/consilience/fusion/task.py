"""What is learned: classes, a number, or survival. One object for all that differs between them.

Every method works with a matrix of *values*, one row a patient: probabilities of the
classes, the predicted number, or the survival curve on a grid of times. Averages of
rows are again legal rows, so that fusion needs no case for the kind of outcome.
"""

from __future__ import annotations

import numbers
from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags
from sklearn.utils.multiclass import type_of_target
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.metrics import concordance_index_censored
from sksurv.nonparametric import kaplan_meier_estimator

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError, listing
from consilience.fusion.ranked import RankedSurvival
from consilience.metrics.scores import FloatArray, Probabilities, Scores, SurvivalCurves, Values

Y = npt.NDArray[Any]
MOST_TIMES = 256  # a finer grid of times changes no risk beyond its second digit
TINY = 1e-6


class Task(ABC):
    """What differs between kinds of outcome; `fit` reads it off the training outcome."""

    @classmethod
    @abstractmethod
    def accepts(cls, y: Y, estimator_type: str | None) -> bool:
        """Return whether this is the task of an outcome and a kind of learner."""

    @abstractmethod
    def fit(self, y: Y) -> Self:
        """Read classes or times, and the prior, off the training outcome."""

    prior: FloatArray  # (n_columns,): what is said of a patient with nothing measured

    @abstractmethod
    def prior_of(self, y: Y) -> FloatArray:
        """Return the prior of some of the patients, (n_columns,), in the task's own columns."""

    @abstractmethod
    def check(self, y: Any) -> Y:
        """Return y in the task's form.

        Raises
        ------
        InputError
            If it cannot be brought into it.
        """

    @abstractmethod
    def learnable(self, y: Y) -> bool:
        """Return whether a part of the outcome holds enough to fit a learner at all."""

    @abstractmethod
    def strata(self, y: Y) -> Y:
        """Return what folds should hold equal shares of."""

    def prepared(self, learner: Any) -> Any:
        """Return a clone of a learner that can be asked for values."""
        return clone(learner)

    @abstractmethod
    def ask(self, learner: Any, X: Any) -> FloatArray:
        """Return a fitted learner's values, (n_patients, n_columns)."""

    @abstractmethod
    def scores(self, values: FloatArray) -> Scores:
        """Return values as what metrics read."""

    @abstractmethod
    def decide(self, values: FloatArray) -> Y:
        """Return what `predict` returns."""

    @abstractmethod
    def loss(self, y: Y, values: FloatArray) -> FloatArray:
        """Return each patient's loss, (n_patients,), under a proper scoring rule."""

    @abstractmethod
    def features(self, values: FloatArray) -> FloatArray:
        """Return values on a scale on which a linear model can add them up, 0 at the prior."""

    @abstractmethod
    def judge(self, y: Y, values: FloatArray) -> float:
        """Return what scikit-learn's `score` means for this task."""

    @abstractmethod
    def combiner(self) -> Pipeline:
        """Return the learner that stacks by default.

        It standardises what the experts say: a penalty on a scale that shrinks with the
        outcome's unit, or with the experts' own penalty, would silence them.
        """

    def folds(self, y: Y, n_splits: int, seed: int | None) -> list[tuple[Any, Any]]:
        """Return stratified folds, fewer where the rarest stratum is smaller than n_splits.

        Not stratified where a stratum has one patient; none for a single patient.

        Raises
        ------
        InputError
            If `n_splits` is not a whole number of at least 2.
        """
        check_folds(n_splits)
        if len(y) < 2:
            return []
        strata = self.strata(y)
        rarest = int(np.unique(strata, return_counts=True)[1].min())
        splitter = StratifiedKFold if rarest >= 2 else KFold
        n = min(n_splits, rarest if rarest >= 2 else len(y))
        return list(splitter(n, shuffle=True, random_state=seed).split(np.zeros(len(y)), strata))


class Classification(Task):
    """Two or more classes; values are probabilities, the loss is the log loss."""

    classes: Y

    @classmethod
    def accepts(cls, y: Y, estimator_type: str | None) -> bool:
        return y.dtype.names is None and estimator_type == "classifier"

    def fit(self, y: Y) -> Self:
        self.classes = np.unique(y)
        if len(self.classes) < 2:
            raise InputError(
                f"the outcome has one class ({str(self.classes[0])!r}) among these patients."
            )
        self.prior = self.prior_of(y)
        return self

    def prior_of(self, y: Y) -> FloatArray:
        return np.asarray((y[:, None] == self.classes).mean(axis=0))

    def check(self, y: Any) -> Y:
        labels = _plain(y)
        found = type_of_target(labels)
        if found not in ("binary", "multiclass"):
            raise InputError(f"a classifier needs one class a patient, but y is {found}.")
        return labels

    def learnable(self, y: Y) -> bool:
        return len(np.unique(y)) > 1

    def strata(self, y: Y) -> Y:
        return y

    def prepared(self, learner: Any) -> Any:
        if hasattr(learner, "predict_proba"):
            return clone(learner)
        return CalibratedClassifierCV(clone(learner), cv=3, ensemble=False)

    def ask(self, learner: Any, X: Any) -> FloatArray:
        known = np.searchsorted(self.classes, learner.classes_)
        values = np.zeros((X.shape[0], len(self.classes)))
        values[:, known] = learner.predict_proba(X)
        return values

    def scores(self, values: FloatArray) -> Probabilities:
        return Probabilities(values, self.classes)

    def decide(self, values: FloatArray) -> Y:
        return np.asarray(self.classes[values.argmax(axis=1)])

    def loss(self, y: Y, values: FloatArray) -> FloatArray:
        of_truth = values[np.arange(len(y)), np.searchsorted(self.classes, y)]
        return np.asarray(-np.log(np.clip(of_truth, TINY, 1.0)))

    def features(self, values: FloatArray) -> FloatArray:
        logs = np.log(np.clip(values, TINY, 1.0)) - np.log(self.prior)
        return np.asarray(logs[:, 1:] - logs[:, :1])

    def judge(self, y: Y, values: FloatArray) -> float:
        return float(np.mean(self.decide(values) == y))

    def combiner(self) -> Pipeline:
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))


class Regression(Task):
    """A number; the loss is the squared error."""

    @classmethod
    def accepts(cls, y: Y, estimator_type: str | None) -> bool:
        return y.dtype.names is None and estimator_type == "regressor"

    def fit(self, y: Y) -> Self:
        self.prior = self.prior_of(y)
        return self

    def prior_of(self, y: Y) -> FloatArray:
        return np.array([y.mean()])

    def check(self, y: Any) -> Y:
        plain = _plain(y)
        try:
            values = np.asarray(plain, dtype=float)
        except (TypeError, ValueError) as reason:
            raise InputError(f"a regressor needs a number a patient ({reason}).") from reason
        _refuse(~np.isfinite(values), values, "a regressor needs finite numbers, but {} is {}.")
        return values

    def learnable(self, y: Y) -> bool:
        return len(y) > 1

    def strata(self, y: Y) -> Y:
        return np.zeros(len(y), dtype=int)

    def ask(self, learner: Any, X: Any) -> FloatArray:
        return np.asarray(learner.predict(X), dtype=float).reshape(-1, 1)

    def scores(self, values: FloatArray) -> Values:
        return Values(values)

    def decide(self, values: FloatArray) -> Y:
        return values[:, 0]

    def loss(self, y: Y, values: FloatArray) -> FloatArray:
        return (y - values[:, 0]) ** 2

    def features(self, values: FloatArray) -> FloatArray:
        return values - self.prior

    def judge(self, y: Y, values: FloatArray) -> float:
        return float(1 - self.loss(y, values).sum() / ((y - y.mean()) ** 2).sum())

    def combiner(self) -> Pipeline:
        return make_pipeline(StandardScaler(), Ridge(alpha=1.0))


class SurvivalTask(Task):
    """Time to an event, right-censored; values are survival curves on the event times.

    The loss is the negative right-censored log-likelihood: of the interval in which an
    event fell, on ten intervals with equal shares of the events, or of no event before
    the time of censoring.
    """

    times: FloatArray
    edges: FloatArray

    @classmethod
    def accepts(cls, y: Y, estimator_type: str | None) -> bool:
        return y.dtype.names is not None and estimator_type is None

    def fit(self, y: Y) -> Self:
        if not y["event"].any():
            raise InputError(
                "no event was seen among these patients, so there is no survival to learn."
            )
        seen = y["time"][y["event"]]
        self.times = np.unique(seen)
        if len(self.times) > MOST_TIMES:
            grid = np.linspace(0, 1, MOST_TIMES)
            self.times = np.unique(np.quantile(seen, grid, method="inverted_cdf"))
        shares = np.arange(1, 10) / 10  # exact tenths: linspace is a digit off
        self.edges = np.unique(np.quantile(seen, shares, method="inverted_cdf"))
        self.prior = self.prior_of(y)
        return self

    def prior_of(self, y: Y) -> FloatArray:
        time, survival = kaplan_meier_estimator(y["event"], y["time"])
        return np.asarray(SurvivalCurves(survival[None, :], time).at(self.times)[0])

    def check(self, y: Any) -> Y:
        given = np.asarray(y)
        if given.ndim != 1 or len(given.dtype.names or ()) != 2:
            raise InputError(_NEEDS_PAIRS)
        event, time = (np.asarray(given[name]) for name in given.dtype.names or ())
        if not (np.issubdtype(time.dtype, np.number) and np.isin(event, (0, 1)).all()):
            raise InputError(_NEEDS_PAIRS)
        wrong = ~(np.isfinite(time) & (time > 0))
        _refuse(wrong, time, "survival times must be positive, but that of {} is {}.")
        checked = np.empty(len(given), dtype=SURVIVAL_DTYPE)
        checked["event"], checked["time"] = event, time
        return checked

    def learnable(self, y: Y) -> bool:
        return int(y["event"].sum()) > 1

    def strata(self, y: Y) -> Y:
        return y["event"].astype(int)

    def prepared(self, learner: Any) -> Any:
        if hasattr(learner, "predict_survival_function"):
            own = clone(learner)
            switches = [
                n for n in own.get_params() if n.rpartition("__")[2] == "fit_baseline_model"
            ]
            return own.set_params(**dict.fromkeys(switches, True))
        return RankedSurvival(learner)

    def ask(self, learner: Any, X: Any) -> FloatArray:
        with np.errstate(over="ignore"):  # a hazard without bound: survival is 0
            curves = learner.predict_survival_function(X)
        if not len(curves):
            return np.empty((0, len(self.times)))
        values = np.vstack([curve.a * curve.y + curve.b for curve in curves])
        return SurvivalCurves(np.clip(values, 0.0, 1.0), curves[0].x).at(self.times)

    def scores(self, values: FloatArray) -> SurvivalCurves:
        return SurvivalCurves(values, self.times)

    def decide(self, values: FloatArray) -> Y:
        return self.scores(values).risk

    def loss(self, y: Y, values: FloatArray) -> FloatArray:
        inner = self.scores(values).at(self.edges)
        ends = np.zeros((len(y), 1))
        survival = np.concatenate([1 + ends, inner, ends], axis=1)
        patient, interval = np.arange(len(y)), np.searchsorted(self.edges, y["time"])
        mass = survival[patient, interval] - survival[patient, interval + 1]
        # Beyond the last edge no curve is judged: an event there counts by survival to that
        # edge alone, and so must a censoring.
        known = np.minimum(y["time"], self.edges[-1])
        padded = np.concatenate([1 + ends, values], axis=1)
        free = padded[patient, np.searchsorted(self.times, known, side="right")]
        likelihood = np.where(y["event"], mass, free)
        return np.asarray(-np.log(np.clip(likelihood, TINY, 1.0)))

    def features(self, values: FloatArray) -> FloatArray:
        middle = int(np.argmin(np.abs(self.prior - (1 + self.prior[-1]) / 2)))
        return _cloglog(values[:, [middle]]) - _cloglog(self.prior[[middle]])

    def judge(self, y: Y, values: FloatArray) -> float:
        return float(concordance_index_censored(y["event"], y["time"], self.decide(values))[0])

    def combiner(self) -> Pipeline:
        return make_pipeline(StandardScaler(), CoxPHSurvivalAnalysis(alpha=1.0))


def check_folds(folds: Any) -> None:
    """Refuse a number of inner folds that is not a whole number of at least 2."""
    if not hasattr(folds, "__index__") or folds < 2:
        raise InputError(f"folds must be a whole number of at least 2, not {folds!r}.")


TASKS: tuple[type[Task], ...] = (SurvivalTask, Classification, Regression)


def task_of(y: Any, estimator: Any) -> tuple[Task, Y]:
    """Return the task of an outcome and an estimator, fitted, and the outcome in its form.

    Raises
    ------
    InputError
        If the estimator cannot learn such an outcome.
    """
    kind = learner_type(estimator)
    try:
        given = np.asarray(y)
    except ValueError as reason:
        raise InputError(f"y must be a list of one value a patient ({reason}).") from reason
    if given.ndim and not len(given):
        raise InputError("y is empty: give one value a patient.")
    for task in TASKS:
        if task.accepts(given, kind):
            checked = task().check(given)
            return task().fit(checked), checked
    name = type(estimator).__name__
    if hasattr(estimator, "for_outcome") and not hasattr(estimator, "learner"):
        raise InputError(
            f"{name} as it is set up cannot learn this outcome; build it by "
            f"{name}.for_outcome(kind), kind being {listing(sorted(estimator.learns))}."
        )
    if given.dtype.names is not None:
        raise InputError(
            f"{name} is a {kind}, but the outcome is survival: give a scikit-survival estimator."
        )
    raise InputError(f"{name} is neither a classifier nor a regressor, and so {_NEEDS_PAIRS}")


def learner_type(learner: Any) -> str | None:
    """Return "classifier" or "regressor", or None for an estimator that learns survival.

    Raises
    ------
    InputError
        If it is no estimator.
    """
    if isinstance(learner, type):
        name = learner.__name__
        raise InputError(f"the learner is the class {name}; give an instance: {name}().")
    if not (hasattr(learner, "fit") and hasattr(learner, "get_params")):
        raise InputError(f"the learner must be a scikit-learn estimator, not {learner!r}.")
    if isinstance(learner, Pipeline) and hasattr(learner.steps[-1][1], "fit"):
        # scikit-survival writes out a whole pipeline whenever it is asked for an attribute.
        return learner_type(learner.steps[-1][1])
    # scikit-survival's IPCRidge is tagged a regressor; this attribute only survival learners have.
    kind = None if hasattr(learner, "_predict_risk_score") else get_tags(learner).estimator_type
    return None if kind is None else str(kind)


_NEEDS_PAIRS = (
    "survival needs y as a structured array of event (True or False) and time (a number), in that "
    "order, as sksurv.util.Surv.from_arrays makes it."
)


def _plain(y: Any) -> Y:
    """Return one value a patient, of one type and none of them missing."""
    given = np.asarray(y)
    if given.ndim != 1:
        raise InputError(f"y needs one value a patient, but its shape is {given.shape}.")
    _refuse(pd.isna(given), given, "y must be known for every patient, but {} is {}.")
    if given.dtype != object:
        return given
    types = sorted({type(value).__name__ for value in given})
    if len(types) > 1 and not all(isinstance(value, numbers.Real) for value in given):
        raise InputError(f"y mixes values of different types: {listing(types)}.")
    return np.array(given.tolist())


def _refuse(wrong: Any, values: Y, sentence: str) -> None:
    places = np.flatnonzero(wrong)
    if len(places):
        raise InputError(sentence.format(f"entry {places[0]}", values[places[0]]))


def _cloglog(survival: FloatArray) -> FloatArray:
    return np.log(-np.log(np.clip(survival, 1e-4, 1 - 1e-4)))
