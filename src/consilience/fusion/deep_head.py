"""What a network's outputs mean for each kind of outcome; numbers only, no torch."""

from __future__ import annotations

from abc import abstractmethod
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from scipy.special import expit, logit, softmax
from sklearn.base import BaseEstimator

from consilience.cohort.modality import FloatArray
from consilience.fusion.hazard import Hazard
from consilience.fusion.task import Classification, Regression, SurvivalTask, Task, Y

if TYPE_CHECKING:
    from consilience.nn.heads import Head

Survival = Literal["cox", "discrete"]
INTERVALS = 10


class DeepHead(BaseEstimator):  # type: ignore[misc]
    """Between a `Task` and a network: targets on one side, the task's values on the other.

    Attributes
    ----------
    n_outputs_ : int
        How many numbers the network says of a patient.
    """

    n_outputs_: int

    @abstractmethod
    def fit(self, y: Y, task: Task) -> Self:
        """Read what the targets are on off the training outcome."""

    @abstractmethod
    def targets(self, y: Y) -> dict[str, Any]:
        """Return the targets of the network's loss, a row each patient."""

    @abstractmethod
    def module(self, width: int) -> Head:
        """Return an untrained layer from an embedding to the outputs."""

    def settle(self, outputs: FloatArray, y: Y) -> Self:
        """Learn what is left to learn from the trained network's outputs."""
        return self

    @abstractmethod
    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        """Return the task's values (n, n_columns) of outputs (n, n_outputs)."""


class ClassesDeepHead(DeepHead):
    """Probabilities by the softmax of logits."""

    def fit(self, y: Y, task: Task) -> Self:
        assert isinstance(task, Classification)
        self.classes_ = task.classes
        self.n_outputs_ = len(self.classes_)
        return self

    def targets(self, y: Y) -> dict[str, Any]:
        return {"label": np.searchsorted(self.classes_, y).astype(np.int64)}

    def module(self, width: int) -> Head:
        from consilience.nn.heads import ClassesHead

        return ClassesHead(width, self.n_outputs_)

    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        return np.asarray(softmax(outputs.astype(float), axis=1))


class NumberDeepHead(DeepHead):
    """A number, learned with mean 0 and variance 1."""

    def fit(self, y: Y, task: Task) -> Self:
        self.mean_, spread = float(np.mean(y)), float(np.std(y))
        self.scale_ = spread if spread > 0 else 1.0
        self.n_outputs_ = 1
        return self

    def targets(self, y: Y) -> dict[str, Any]:
        return {"number": ((y - self.mean_) / self.scale_).astype(np.float32)}

    def module(self, width: int) -> Head:
        from consilience.nn.heads import NumberHead

        return NumberHead(width, 1)

    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        return outputs[:, :1].astype(float) * self.scale_ + self.mean_


class CoxDeepHead(DeepHead):
    """A log hazard ratio; curves by Breslow's baseline hazard of the training patients."""

    def fit(self, y: Y, task: Task) -> Self:
        self.n_outputs_ = 1
        return self

    def targets(self, y: Y) -> dict[str, Any]:
        # Ranks of the times are all that counts; single precision must not tie them.
        ranks = np.unique(y["time"], return_inverse=True)[1]
        return {"time": ranks.astype(np.int64), "event": y["event"].astype(bool)}

    def module(self, width: int) -> Head:
        from consilience.nn.heads import CoxHead

        return CoxHead(width, 1)

    def settle(self, outputs: FloatArray, y: Y) -> Self:
        self.hazard_ = Hazard().fit(outputs[:, 0].astype(float), y)
        return self

    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        assert isinstance(task, SurvivalTask)
        return self.hazard_.curves(outputs[:, 0].astype(float), task.times)


class DiscreteTimeDeepHead(DeepHead):
    """The hazard in each of ten intervals with equal shares of the events.

    Attributes
    ----------
    edges_ : ndarray of shape (n_intervals,)
        Where the intervals end.
    base_ : ndarray of shape (n_intervals,)
        Logits of the hazards of all training patients together.
    """

    def fit(self, y: Y, task: Task) -> Self:
        seen = y["time"][y["event"]]
        shares = np.arange(1, INTERVALS + 1) / INTERVALS
        self.edges_ = np.unique(np.quantile(seen, shares, method="inverted_cdf"))
        self.n_outputs_ = len(self.edges_)
        said = self.targets(y)
        lived = said["survived"][:, None] - np.arange(self.n_outputs_)
        died = ((lived == 0) & said["event"][:, None]).sum(axis=0)
        at_risk = died + (lived > 0).sum(axis=0)
        self.base_ = logit((died + 0.5) / (at_risk + 1.0))
        return self

    def targets(self, y: Y) -> dict[str, Any]:
        # An event at an edge fell in the interval that ends there; whoever was censored
        # past the middle of an interval counts as having survived it.
        ended = np.searchsorted(self.edges_, y["time"], side="left")
        middles = (np.concatenate([[0.0], self.edges_[:-1]]) + self.edges_) / 2
        lived = np.searchsorted(middles, y["time"], side="right")
        event = y["event"] & (ended < self.n_outputs_)
        return {"survived": np.where(event, ended, lived).astype(np.int64), "event": event}

    def module(self, width: int) -> Head:
        import torch

        from consilience.nn.heads import DiscreteTimeHead

        head = DiscreteTimeHead(width, self.n_outputs_)
        with torch.no_grad():  # training begins at the hazards of all patients together
            head.layer.bias.copy_(torch.as_tensor(self.base_))
        return head

    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        assert isinstance(task, SurvivalTask)
        ends = np.cumprod(expit(-outputs.astype(float)), axis=1)
        return between(ends, self.edges_, task.times)


def between(ends: Any, edges: Any, times: FloatArray) -> FloatArray:
    """Return survival at `times` from survival at the ends of intervals, joined by lines.

    After the last edge it stays as it is.
    """
    edges = np.concatenate([[0.0], edges])
    ends = np.concatenate([np.ones((len(ends), 1)), ends], axis=1)
    right = np.clip(np.searchsorted(edges, times, side="left"), 1, len(edges) - 1)
    share = np.clip((times - edges[right - 1]) / (edges[right] - edges[right - 1]), 0.0, 1.0)
    values: FloatArray = ends[:, right - 1] + share * (ends[:, right] - ends[:, right - 1])
    return values


@singledispatch
def head_for(task: Task, survival: Survival) -> DeepHead:
    """Return an unfitted head for a task; register one to add a kind of outcome."""
    raise NotImplementedError(type(task).__name__)


@head_for.register
def _(task: Classification, survival: Survival) -> DeepHead:
    return ClassesDeepHead()


@head_for.register
def _(task: Regression, survival: Survival) -> DeepHead:
    return NumberDeepHead()


@head_for.register
def _(task: SurvivalTask, survival: Survival) -> DeepHead:
    return {"cox": CoxDeepHead, "discrete": DiscreteTimeDeepHead}[survival]()
