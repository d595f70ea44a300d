"""The base of all fusion methods: it owns everything except the idea."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Self, get_args

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator
from sklearn.utils import ClassifierTags, RegressorTags, Tags, get_tags
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted
from sksurv.functions import StepFunction

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.discovery import Discovery
from consilience.fusion.expert import measured_by_any
from consilience.fusion.setting_types import check_types
from consilience.fusion.task import Classification, SurvivalTask, Y, task_of
from consilience.metrics.scores import Scores


@dataclass
class FusionTags(Tags):  # type: ignore[misc]
    """scikit-learn's tags, and what a method can learn and keeps.

    Attributes
    ----------
    outcomes : frozenset of str
        Kinds of outcome that this instance can learn.
    keeps_patients : bool
        Whether the fitted method, and so its bundle, holds training patients' measurements.
    """

    outcomes: frozenset[OutcomeKind] = field(default_factory=frozenset)
    keeps_patients: bool = False


EVERY_KIND: frozenset[OutcomeKind] = frozenset(get_args(OutcomeKind))
ESTIMATOR_TYPES: dict[OutcomeKind, str | None] = {
    "binary": "classifier",
    "multiclass": "classifier",
    "continuous": "regressor",
    "survival": None,
}


def _classifies(method: Any) -> bool:
    return isinstance(getattr(method, "task_", None), Classification) or (
        not hasattr(method, "task_") and get_tags(method).estimator_type == "classifier"
    )


def _survives(method: Any) -> bool:
    return isinstance(getattr(method, "task_", None), SurvivalTask) or (
        not hasattr(method, "task_") and get_tags(method).outcomes == {"survival"}
    )


class Fusion(BaseEstimator):  # type: ignore[misc]
    """A scikit-learn estimator whose ``X`` is a Cohort.

    A subclass gives `_kind`, `_fit` and `_values`; checking, aligning, the prior for
    patients with nothing measured, and the form of the prediction for each kind of
    outcome are here. Patients are put in the order of their ids before fitting, so that
    the order in which they come changes nothing.

    Parameters
    ----------
    modalities : sequence of str, optional
        Which modalities to use; all by default.
    encoders : mapping of str to Encoder or transformer, optional
        How a modality becomes columns, where its kind's own encoder will not do. A
        scikit-learn transformer is given the table as a DataFrame.

    Attributes
    ----------
    modalities_ : list of str
        The modalities used, in order.
    task_ : Task
        The kind of outcome, with the prior.
    classes_ : ndarray
        For classifiers.
    unique_times_ : ndarray
        For survival: the times at which curves are given.
    n_features_in_ : int
        Number of features over all modalities used.
    """

    learns: ClassVar[frozenset[OutcomeKind]] = EVERY_KIND
    """Kinds of outcome that the method, set up for them, can learn."""

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Settings that a study tries on inner folds, where the user names none."""

    def __init__(
        self,
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        self.modalities = modalities
        self.encoders = encoders

    @classmethod
    def for_outcome(cls, kind: OutcomeKind, **options: Any) -> Self:
        """Return the method set up for a kind of outcome.

        Parameters
        ----------
        kind : {"binary", "multiclass", "continuous", "survival"}
        **options
            Parameters of the constructor.

        Raises
        ------
        InputError
            If the method cannot learn such an outcome.
        """
        if kind not in cls.learns:
            raise InputError(
                f"{cls.__name__} cannot learn an outcome that is {kind}; it learns "
                f"{listing(sorted(cls.learns))}."
            )
        return cls(**{**cls._options_for(kind), **options})

    @classmethod
    def _options_for(cls, kind: OutcomeKind) -> dict[str, Any]:
        """Return the parameters that set the method up for a kind of outcome."""
        return {}

    @abstractmethod
    def _kind(self) -> str | None:
        """Return "classifier" or "regressor", or None for a method that learns survival."""

    @abstractmethod
    def _fit(self, cohort: Cohort, y: Y) -> None:
        """Learn from patients of whom each has at least one of `modalities_`."""

    @abstractmethod
    def _values(self, cohort: Cohort) -> FloatArray:
        """Return values (see `Task`) of patients who each have at least one modality."""

    def fit(self, cohort: Cohort, y: Any) -> Self:
        """Learn from a cohort.

        Parameters
        ----------
        cohort : Cohort
            Any pattern of missing modalities; patients with none are left aside.
        y : array-like of shape (n_patients,)
            Classes, numbers, or a structured array (event, time).

        Returns
        -------
        self

        Raises
        ------
        InputError
            If the cohort lacks a modality asked for, nobody is measured, or y does
            not fit the learner.
        """
        order = self._order(cohort)
        self.task_, checked = task_of(y, self)
        _check_length(cohort, checked)
        if isinstance(self.task_, Classification):
            self.classes_ = self.task_.classes
        if isinstance(self.task_, SurvivalTask):
            self.unique_times_ = self.task_.times
        self._fit(cohort.only(self.modalities_)[order], checked[order])
        return self

    def _order(self, cohort: Cohort) -> npt.NDArray[np.intp]:
        """Check cohort and settings; return the patients measured by anything, in order of ids."""
        check_cohort(cohort)
        self.check_settings()
        self.modalities_ = self._used(cohort)
        self.n_features_in_ = cohort.only(self.modalities_).shape[1]
        informed = np.flatnonzero(measured_by_any(cohort, self.modalities_))
        if not len(informed):
            raise InputError("no patient was measured by any of the modalities.")
        return informed[np.argsort(cohort.index[informed].to_numpy(dtype=str), kind="stable")]

    def check_settings(self) -> None:
        """Refuse settings that no cohort can be fitted with; `fit` begins with it.

        Raises
        ------
        InputError
            Naming the setting and what is allowed.
        """
        check_types(self)
        self._kind()

    def informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        """Return which patients are told more than the prior.

        They are those with anything measured, save where nothing was to be learned
        from what they have.
        """
        check_is_fitted(self, "modalities_")
        check_cohort(cohort)
        informed = measured_by_any(cohort, self.modalities_)
        if informed.any():
            informed[informed] = self._informed(cohort[informed])
        return informed

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        """Return which of these patients, each with a modality, are told more than the prior."""
        return np.ones(len(cohort), dtype=bool)

    def values(self, cohort: Cohort) -> FloatArray:
        """Return the task's values, (n_patients, n_columns): the prior where nothing is known."""
        informed = self.informed(cohort)
        values = np.tile(self.task_.prior, (len(cohort), 1))
        if informed.any():
            values[informed] = self._values(cohort[informed])
        lost = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(lost):
            raise InputError(
                f"{self._speaker()} gave no number for {len(lost)} patients, "
                f"{listing(cohort.index[lost], most=3)}."
            )
        return values

    def _speaker(self) -> str:
        """Return whose numbers the values are, for errors."""
        return type(getattr(self, "learner", self)).__name__

    def scores(self, cohort: Cohort) -> Scores:
        """Return predictions in the form that metrics read."""
        values = self.values(cohort)
        return self.task_.scores(values)

    def predict(self, cohort: Cohort) -> Y:
        """Return a class, a number, or a risk (expected time lost; higher is worse) a patient."""
        values = self.values(cohort)
        return self.task_.decide(values)

    @available_if(_classifies)  # type: ignore[untyped-decorator]
    def predict_proba(self, cohort: Cohort) -> FloatArray:
        """Return the probability of each class, (n_patients, n_classes)."""
        return self.values(cohort)

    @available_if(_survives)  # type: ignore[untyped-decorator]
    def predict_survival_function(self, cohort: Cohort, return_array: bool = False) -> Any:
        """Return survival curves: step functions, or (n_patients, n_times) at `unique_times_`."""
        values = self.values(cohort)
        if return_array:
            return values
        times = np.concatenate([[0.0], self.unique_times_])
        return np.array([StepFunction(times, np.concatenate([[1.0], row])) for row in values])

    def score(self, cohort: Cohort, y: Any) -> float:
        """Return accuracy, R², or Harrell's concordance."""
        values = self.values(cohort)
        checked = self.task_.check(y)
        _check_length(cohort, checked)
        return self.task_.judge(checked, values)

    def _asked(self) -> Sequence[str] | None:
        """Return the modalities asked for, None for all."""
        return self.modalities

    def _used(self, cohort: Cohort) -> list[str]:
        asked = self._asked()
        if isinstance(asked, str):
            raise InputError(f"give modalities as a list: [{asked!r}].")
        names = list(cohort.modalities if asked is None else asked)
        if not (names and cohort.modalities):
            raise InputError(f"cohort {cohort.name!r} has no modality to learn from.")
        if len(set(names)) < len(names):
            raise InputError(f"modalities names one twice: {listing(names, most=20)}.")
        for name in (*names, *(self.encoders or {})):
            if name not in cohort.modalities:
                raise InputError(
                    f"cohort {cohort.name!r} has no modality {name!r}; it has "
                    f"{listing(cohort.modalities, most=20)}.{suggestion(name, cohort.modalities)}"
                )
        for name, encoder in (self.encoders or {}).items():
            self._check_encoder(name, encoder)
        return [name for name in names if cohort.has(name).any()]

    def _check_encoder(self, name: str, encoder: Any) -> None:
        """Refuse what cannot be the encoder of a modality."""
        if encoder is not None and not callable(getattr(encoder, "fit", None)):
            raise InputError(
                f"the encoder of {name!r} must be an Encoder or a scikit-learn transformer, "
                f"not {encoder!r}."
            )

    def discoveries(self) -> list[Discovery]:
        """Return what the fitted method found beside its predictions, for a report to draw."""
        return []

    def without_patients(self) -> Self:
        """Return the fitted method without the ids of the patients it learned from.

        What a bundle holds; the predictions are the same.
        """
        own = copy.copy(self)
        own.__dict__.pop("patients_", None)
        for name, part in own.__dict__.items():
            if isinstance(part, Fusion) and hasattr(part, "modalities_"):
                setattr(own, name, part.without_patients())
        return own

    def _keeps_patients(self) -> bool:
        """Return whether the fitted method holds training patients' measurements."""
        return False

    def __sklearn_tags__(self) -> FusionTags:
        own = super().__sklearn_tags__()
        tags = FusionTags(**{item.name: getattr(own, item.name) for item in fields(own)})
        kind = tags.estimator_type = self._kind()
        tags.classifier_tags = ClassifierTags() if kind == "classifier" else None
        tags.regressor_tags = RegressorTags() if kind == "regressor" else None
        tags.outcomes = frozenset(o for o in self.learns if ESTIMATOR_TYPES[o] == kind)
        tags.keeps_patients = self._keeps_patients()
        tags.target_tags.required = True
        tags.input_tags.two_d_array = False
        tags.input_tags.allow_nan = True
        return tags


def check_cohort(cohort: Any) -> None:
    """Refuse what is not a Cohort."""
    if not isinstance(cohort, Cohort):
        raise InputError(f"X must be a Cohort, not {type(cohort).__name__}.")


def _check_length(cohort: Cohort, y: Y) -> None:
    if len(y) != len(cohort):
        raise InputError(f"y has {len(y)} entries for {len(cohort)} patients.")
