"""A small network that learns what a large method says."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.base import Fusion
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import DeepHead
from consilience.fusion.discovery import Discovery, Weights
from consilience.fusion.intermediate import IntermediateFusion
from consilience.fusion.task import Y
from consilience.fusion.taught_head import TaughtDeepHead
from consilience.nn.sources import Sources
from consilience.nn.training import Training, need_torch

if TYPE_CHECKING:
    from consilience.nn.network import FusionNetwork

STUDENTS = (IntermediateFusion, CrossModalTransformer)
HOTTEST = 1000  # beyond, all classes are alike
SMALL = 4  # width of the default student


@dataclass(frozen=True)
class Size:
    """How large a fitted method is.

    Attributes
    ----------
    parameters : int
        Numbers that were learned.
    bytes : int
        Which they take.
    """

    parameters: int
    bytes: int


class DistilledFusion(DeepFusion):
    """A small student that learns from the outcome and from what a large teacher says.

    The teacher is fitted first. The student is trained on the same patients with the loss
    ``(1 - weight) * outcome + weight * distance to the teacher`` [1]_, where the distance is

    - for classes, the cross-entropy to the teacher's probabilities, both softened by the
      temperature, times its square;
    - for a number, the squared distance, standardised;
    - for survival with Cox's likelihood, the squared distance between log hazard ratios, the
      teacher's read off its curves, log(-log S), in the middle of follow-up;
    - for survival in intervals, the likelihood that the teacher's curves expect.

    All predictions are the student's. Missing modalities: as the student does.

    Parameters
    ----------
    outcome : str
        "binary", "multiclass", "continuous" or "survival"; `for_outcome` sets it, for
        teacher and student too.
    teacher : Fusion, optional
        Any method; a `CrossModalTransformer` by default.
    student : IntermediateFusion or CrossModalTransformer, optional
        The first with a width of 4, and without a linear path, by default.
    temperature : float
        Above 0: at 1 the teacher's probabilities are taken as they are.
    weight : float
        Of the teacher, 0 to 1.
    training, random_state
        Of the default teacher and student; those given have their own.
    modalities, encoders
        See `DeepFusion`; encoders are for the default teacher and student.

    Attributes
    ----------
    teacher_ : Fusion
        Fitted; a bundle does not hold it.
    student_ : DeepFusion
        Fitted.
    sizes_ : dict of str to dict
        Parameters and bytes of "teacher" and "student".

    References
    ----------
    .. [1] Hinton G, Vinyals O, Dean J. Distilling the knowledge in a neural network. 2015,
       arXiv:1503.02531.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __init__(
        self,
        outcome: str | None = "binary",
        teacher: Fusion | None = None,
        student: DeepFusion | None = None,
        *,
        temperature: float = 2.0,
        weight: float = 0.5,
        training: Training | None = None,
        random_state: int | None = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        Fusion.__init__(self, modalities=modalities, encoders=encoders)
        self.outcome = outcome
        self.teacher = teacher
        self.student = student
        self.temperature = temperature
        self.weight = weight
        self.training = training
        self.random_state = random_state

    def check_settings(self) -> None:
        Fusion.check_settings(self)
        need_torch()
        if not 0 < self.temperature <= HOTTEST:
            raise InputError(
                f"temperature must be above 0 and at most {HOTTEST:,}, not {self.temperature!r}."
            )
        if not 0 <= self.weight <= 1:
            raise InputError(f"weight must be from 0 to 1, not {self.weight!r}.")
        if self.student is not None and not isinstance(self.student, STUDENTS):
            raise InputError(
                "the student must be an IntermediateFusion or a CrossModalTransformer, not a "
                f"{type(self.student).__name__}."
            )
        if getattr(self.student, "pretrained", None) is not None:
            raise InputError("the student starts from nothing: give pretrained to the teacher.")
        self._student().check_settings()

    def _student(self) -> DeepFusion:
        """Return the student, unfitted, for the outcome and the modalities used."""
        if self.student is None:
            return IntermediateFusion(
                self.outcome,
                width=SMALL,
                linear_path=False,
                training=self.training,
                random_state=self.random_state,
                encoders=self.encoders,
            )
        own: DeepFusion = clone(self.student)
        own.set_params(outcome=self.outcome)
        return own

    def _teacher(self) -> Fusion:
        """Return the teacher, unfitted, for the outcome and the modalities used."""
        if self.teacher is None:
            return CrossModalTransformer(
                self.outcome,
                training=self.training,
                random_state=self.random_state,
                encoders=self.encoders,
            )
        own: Fusion = clone(self.teacher)
        if "outcome" in own.get_params(deep=False):
            own.set_params(outcome=self.outcome)
        if self.outcome not in get_tags(own).outcomes:
            raise InputError(
                f"the teacher, as it is set up, does not learn an outcome that is {self.outcome}."
            )
        return own

    def _fit(self, cohort: Cohort, y: Y) -> None:
        self.__dict__.pop("teacher_", None)
        student = self.student_ = self._student()
        student.modalities_, student.task_ = self.modalities_, self.task_
        student.n_features_in_ = self.n_features_in_
        for name in ("classes_", "unique_times_"):
            if hasattr(self, name):
                setattr(student, name, getattr(self, name))
        self.teacher_ = self._teacher().fit(cohort, y)
        student._fit_on(Sources(self.modalities_).fit(cohort), cohort, y, self._taught)
        self.sources_, self.members_ = student.sources_, student.members_
        self.silent_ = student.silent_
        if not self.silent_:
            found = {"teacher": size_of(self.teacher_), "student": size_of(student)}
            self.sizes_ = {
                who: {"parameters": size.parameters, "bytes": size.bytes}
                for who, size in found.items()
            }

    def _taught(self, head: DeepHead, cohort: Cohort) -> DeepHead:
        own = TaughtDeepHead(head, self.temperature, self.weight)
        return own.teach(self.teacher_.values(cohort), self.teacher_.task_)

    def _network(self) -> FusionNetwork:
        return self.student_._network()

    def networks(self) -> list[FusionNetwork]:
        """Return the student's trained networks, one a member, ready to predict."""
        check_is_fitted(self, "members_")
        return self.student_.networks()

    def sizes(self) -> dict[str, dict[str, int]]:
        """Return parameters and bytes of "teacher" and "student"."""
        check_is_fitted(self, "members_")
        return self.sizes_

    def latency(self, cohort: Cohort, repeats: int = 3) -> dict[str, float]:
        """Return how long teacher and student take to predict, in seconds a patient.

        The cohort is predicted as one; the fastest of the repeats counts, after one that
        does not.

        Parameters
        ----------
        cohort : Cohort
        repeats : int

        Raises
        ------
        InputError
            If the cohort is empty, or the teacher is not there, as in a loaded bundle.
        """
        check_is_fitted(self, "members_")
        if not len(cohort):
            raise InputError("latency needs at least one patient.")
        if "teacher_" not in self.__dict__:
            raise InputError("the teacher is not there any more: a saved model is the student.")
        return {
            "teacher": _seconds(self.teacher_, cohort, repeats) / len(cohort),
            "student": _seconds(self.student_, cohort, repeats) / len(cohort),
        }

    def without_patients(self) -> Self:
        """Return the fitted method as a bundle holds it: the student, without the teacher."""
        own: Self = super().without_patients()
        own.__dict__.pop("teacher_", None)
        return own

    def discoveries(self) -> list[Discovery]:
        """Return what the student shows, and how large both are."""
        if self.silent_:
            return []
        weights = {who: float(size["parameters"]) for who, size in self.sizes_.items()}
        found = self.student_.discoveries()
        return [*found, Weights("Size of teacher and student", weights, "learned numbers")]


def size_of(model: Fusion) -> Size:
    """Return how many numbers a fitted method holds.

    Of a deep method the weights of its networks; of another, all arrays of numbers in its
    fitted attributes.
    """
    if isinstance(model, DeepFusion):
        arrays = [a for member in model.members_ for a in member.weights_.arrays_.values()]
    else:
        arrays = _arrays({k: own for k, own in vars(model).items() if k.endswith("_")}, set())
    return Size(sum(a.size for a in arrays), sum(a.nbytes for a in arrays))


def _arrays(thing: Any, seen: set[int]) -> list[npt.NDArray[Any]]:
    if id(thing) in seen:
        return []
    seen.add(id(thing))
    if isinstance(thing, np.ndarray):
        return [thing] if thing.dtype.kind in "biuf" else []
    if isinstance(thing, BaseEstimator):
        thing = vars(thing)
    inside = list(thing.values()) if isinstance(thing, dict) else thing
    if not isinstance(inside, list | tuple):
        return []
    return [array for own in inside for array in _arrays(own, seen)]


def _seconds(model: Fusion, cohort: Cohort, repeats: int) -> float:
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        model.values(cohort)
        taken.append(time.perf_counter() - start)
    return min(taken[1:])
