"""A fusion method that chooses its own settings on inner folds."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid
from sklearn.utils.metaestimators import available_if

from consilience.cohort import Cohort
from consilience.cohort.modality import FloatArray
from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, InputWarning, listing, suggestion
from consilience.fusion.base import Fusion
from consilience.fusion.discovery import Discovery
from consilience.fusion.setting_types import check_types
from consilience.fusion.task import Y, check_folds


class TunedFusion(Fusion):
    """Grid search over a fusion method's own settings, on seeded inner folds by a proper loss.

    Every combination is fitted on each part of the training patients and judged on the
    rest by log loss, squared error, or censored log-likelihood (`Task.loss`); the best is
    fitted again on all of them. Of settings that do equally well the first is taken. A
    combination that the data refuse (`InputError`) is passed over and told.

    Missing modalities: as the method has it.

    Parameters
    ----------
    method : Fusion
        What to tune; cloned.
    grid : mapping of str to sequence
        Names of the method's settings (``learner__...`` for the learner's in it) and the
        values to try. With a single combination nothing is compared.
    modalities, encoders
        See `Fusion`; where given, they go before the method's own.
    folds : int
        Inner folds.
    random_state : int, optional
        Seed of the inner folds.

    Attributes
    ----------
    best_ : Fusion
        Fitted on all training patients with the best settings.
    best_params_ : dict
    losses_ : list of (dict, float)
        Every combination with its mean inner loss; NaN where it could not be fitted, or
        was not compared.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from consilience.cohort import synthetic_cohort
    >>> from consilience.fusion import LateFusion
    >>> from consilience.fusion.tuned_fusion import TunedFusion
    >>> cohort, y = synthetic_cohort(120, seed=0)
    >>> late = LateFusion(LogisticRegression(), random_state=0)
    >>> tuned = TunedFusion(late, {"weights": ["equal", "validated"]}, random_state=0)
    >>> len(tuned.fit(cohort, y).losses_)
    2
    """

    def __init__(
        self,
        method: Any,
        grid: Mapping[str, Sequence[Any]],
        *,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
        folds: int = 3,
        random_state: int | None = None,
    ) -> None:
        super().__init__(modalities=modalities, encoders=encoders)
        self.method = method
        self.grid = grid  # type: ignore[misc]  # here it is a parameter
        self.folds = folds
        self.random_state = random_state

    @classmethod
    def for_outcome(cls, kind: OutcomeKind, **options: Any) -> Self:
        """Return it with its method set up for a kind of outcome; see `Fusion.for_outcome`."""
        method = options.pop("method")
        own = type(method).for_outcome(kind, **method.get_params(deep=False))
        return cls(own, **options)

    def fit(self, cohort: Cohort, y: Any) -> Self:
        """Choose the settings and fit with them; see `Fusion.fit`.

        Raises
        ------
        InputError
            If a setting cannot be, or none of the combinations can be fitted.
        """
        super().fit(cohort, y)
        # On all patients, also those with nothing measured: they are part of the prior.
        self.best_ = self._fitted(self.best_params_, cohort, y)
        return self

    def _kind(self) -> str | None:
        return self.method._kind()  # type: ignore[no-any-return]

    def check_settings(self) -> None:
        """Refuse a method that is none, settings it has not, and values it refuses."""
        check_types(self)
        check_folds(self.folds)
        if not isinstance(self.method, Fusion):
            raise InputError(f"method must be a fusion method, not {self.method!r}.")
        known = self.method.get_params()
        for name, values in self.grid.items():
            if name not in known:
                raise InputError(
                    f"grid: {type(self.method).__name__} has no setting {name!r}; it has "
                    f"{listing(known, most=40)}.{suggestion(name, known)}"
                )
            if not len(values):
                raise InputError(f"grid: the list of values of {name!r} is empty.")
        for settings in ParameterGrid(dict(self.grid)):
            try:
                self._set_up(settings).check_settings()
            except InputError as reason:
                raise InputError(f"grid: {_said(settings)}: {reason}") from reason

    def _asked(self) -> Sequence[str] | None:
        return self.modalities if self.modalities is not None else self.method._asked()

    def _set_up(self, settings: Mapping[str, Any]) -> Any:
        """Return the method, unfitted, with some settings."""
        return clone(self.method).set_params(**settings)

    def _fitted(self, settings: Mapping[str, Any], cohort: Cohort, y: Y) -> Any:
        model = self._set_up(settings)
        takes = model.get_params(deep=False)
        given = {"modalities": self.modalities, "encoders": self.encoders}
        own = {key: value for key, value in given.items() if value is not None and key in takes}
        if "modalities" in takes:
            own["modalities"] = self.modalities_  # without what measured nobody
        return model.set_params(**own).fit(cohort, y)

    def _fit(self, cohort: Cohort, y: Y) -> None:
        # A grid's order is the user's; scikit-learn's goes by name, which is as good.
        every = list(ParameterGrid(dict(self.grid)))
        losses = [np.nan] if len(every) == 1 else self._compare(every, cohort, y)
        self.losses_ = [(dict(s), float(loss)) for s, loss in zip(every, losses, strict=True)]
        best = 0 if len(every) == 1 else int(np.nanargmin(losses))
        self.best_params_ = dict(every[best])

    def _compare(self, every: Sequence[Mapping[str, Any]], cohort: Cohort, y: Y) -> list[float]:
        """Return each combination's mean loss, NaN where it could not be fitted.

        Raises
        ------
        InputError
            If none could be.
        """
        folds = self.task_.folds(y, self.folds, self.random_state)
        losses, reasons = [], []
        for settings in every:
            try:
                losses.append(self._loss(settings, folds, cohort, y))
            except InputError as reason:
                losses.append(np.nan)
                reasons.append(f"{_said(settings)}: {reason}")
                warnings.warn(f"passed over {reasons[-1]}", InputWarning, stacklevel=4)
        if len(reasons) == len(every):
            raise InputError(
                f"{type(self.method).__name__} could be fitted with none of the {len(every)} "
                f"combinations of its grid; {reasons[0]}"
            )
        if not np.isfinite(losses).any():
            raise InputError(
                f"the {len(y)} patients measured are too few to choose settings on inner folds; "
                "give one value for each setting."
            )
        return losses

    def _loss(
        self, settings: Mapping[str, Any], folds: Sequence[Any], cohort: Cohort, y: Y
    ) -> float:
        each = []
        for train, test in folds:
            model = self._fitted(settings, cohort[train], y[train])
            values = self.task_.ask(model, cohort[test])
            each.append(float(self.task_.loss(y[test], values).mean()))
        return float(np.mean(each)) if each else np.nan

    def _values(self, cohort: Cohort) -> FloatArray:
        return self.best_.values(cohort)  # type: ignore[no-any-return]

    def _informed(self, cohort: Cohort) -> npt.NDArray[np.bool_]:
        return self.best_.informed(cohort)  # type: ignore[no-any-return]

    @available_if(lambda tuned: hasattr(getattr(tuned, "best_", tuned.method), "transform"))  # type: ignore[untyped-decorator]
    def transform(self, cohort: Cohort) -> Any:
        """Return the embedding of the method with the best settings; see its own `transform`."""
        return self.best_.transform(cohort)

    def discoveries(self) -> list[Discovery]:
        """Return what the method found with the best settings."""
        return self.best_.discoveries()  # type: ignore[no-any-return]

    def _keeps_patients(self) -> bool:
        return getattr(self, "best_", self.method)._keeps_patients()  # type: ignore[no-any-return]


def _said(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value!r}" for name, value in settings.items())
