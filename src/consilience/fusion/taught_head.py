"""What a teacher says of the training patients, as targets of a network's head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, singledispatch
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.fusion.attributions import Scale, scale_of
from consilience.fusion.deep_head import (
    ClassesDeepHead,
    CoxDeepHead,
    DeepHead,
    DiscreteTimeDeepHead,
    NumberDeepHead,
)
from consilience.fusion.task import Classification, SurvivalTask, Task, Y

if TYPE_CHECKING:
    from consilience.nn.heads import Head

Lesson: TypeAlias = Callable[[Any, Any], Any]  # of two tensors, a scalar tensor


class TaughtDeepHead(DeepHead):
    """A head of the outcome that also learns a teacher's values.

    Parameters
    ----------
    head : DeepHead
        Of the outcome.
    temperature : float
        At which classes are taught.
    weight : float
        Of what the teacher says, 0 to 1.
    """

    def __init__(self, head: DeepHead, temperature: float, weight: float) -> None:
        self.head = head
        self.temperature = temperature
        self.weight = weight

    def teach(self, values: FloatArray, task: Task) -> Self:
        """Keep the teacher's values of the training patients until `targets` is asked for.

        They are on the columns of the teacher's own task, who may have seen fewer classes
        or times: patients with nothing measured taught him nothing.
        """
        self._told = values, task
        return self

    def fit(self, y: Y, task: Task) -> Self:
        self.head.fit(y, task)
        self.n_outputs_ = self.head.n_outputs_
        if hasattr(self, "_told"):
            self._taught = lesson_of(self.head, *self._told).astype(np.float32)
        return self

    def targets(self, y: Y) -> dict[str, Any]:
        return {**self.head.targets(y), "taught": self._taught}

    def module(self, width: int) -> Head:
        from consilience.fusion.networks.distillation import TaughtHead

        lesson = lesson_for(self.head, self.temperature)
        return TaughtHead(self.head.module(width), lesson, self.weight)

    def settle(self, outputs: FloatArray, y: Y) -> Self:
        self.head.settle(outputs, y)
        return self

    def values(self, outputs: FloatArray, task: Task) -> FloatArray:
        return self.head.values(outputs, task)


@scale_of.register
def _(head: TaughtDeepHead, task: Task) -> Scale:
    return scale_of(head.head, task)


@singledispatch
def lesson_of(head: DeepHead, values: FloatArray, task: Task) -> FloatArray:
    """Return a teacher's values (n, n_columns) on his task in the form that a head's lesson reads.

    Classes: the probabilities. A number: standardised as the head's own target.
    """
    raise NotImplementedError(type(head).__name__)


@lesson_of.register
def _(head: ClassesDeepHead, values: FloatArray, task: Task) -> FloatArray:
    assert isinstance(task, Classification)
    placed = np.zeros((len(values), head.n_outputs_))
    placed[:, np.searchsorted(head.classes_, task.classes)] = values
    return placed


@lesson_of.register
def _(head: NumberDeepHead, values: FloatArray, task: Task) -> FloatArray:
    return np.asarray((values - head.mean_) / head.scale_)


@lesson_of.register
def _(head: CoxDeepHead, values: FloatArray, task: Task) -> FloatArray:
    # log(-log S) at one time: a log hazard ratio, where hazards are proportional.
    return task.features(values)


@lesson_of.register
def _(head: DiscreteTimeDeepHead, values: FloatArray, task: Task) -> FloatArray:
    assert isinstance(task, SurvivalTask)
    return task.scores(values).at(head.edges_)


@singledispatch
def lesson_for(head: DeepHead, temperature: float) -> Lesson:
    """Return the loss between a head's outputs and what `lesson_of` gives."""
    raise NotImplementedError(type(head).__name__)


@lesson_for.register
def _(head: ClassesDeepHead, temperature: float) -> Lesson:
    from consilience.fusion.networks.distillation import classes_lesson

    return partial(classes_lesson, temperature=temperature)


@lesson_for.register
def _(head: NumberDeepHead, temperature: float) -> Lesson:
    from consilience.fusion.networks.distillation import number_lesson

    return number_lesson


@lesson_for.register
def _(head: CoxDeepHead, temperature: float) -> Lesson:
    from consilience.fusion.networks.distillation import risk_lesson

    return risk_lesson


@lesson_for.register
def _(head: DiscreteTimeDeepHead, temperature: float) -> Lesson:
    from consilience.fusion.networks.distillation import hazards_lesson

    return hazards_lesson
