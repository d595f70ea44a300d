"""All modalities of a cohort, each with its source."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator

from consilience.cohort import Cohort
from consilience.cohort.modality import Positions
from consilience.errors import InputError, InputWarning
from consilience.nn.sources.source import Reading, Source, Survey, source_for

Answer = TypeVar("Answer")


class Sources(BaseEstimator):  # type: ignore[misc]
    """The sources of several modalities, in the order of their names.

    Parameters
    ----------
    names : sequence of str
        The modalities.

    Attributes
    ----------
    fitted_ : dict of str to Source
        Those in which some training patient has anything a network can use.
    kinds_ : dict of str to str
        Name of the class of each modality.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def fit(self, cohort: Cohort) -> Self:
        """Fit each source on the patients whom its modality measured.

        Warns
        -----
        InputWarning
            If nothing of a modality can be used that could not be seen before it was read.
        """
        self.fitted_: dict[str, Source] = {}
        self.kinds_: dict[str, str] = {}
        for name in sorted(self.names):
            modality = cohort.modalities[name]
            rows = cohort.positions(name)[cohort.has(name)]
            source = source_for(modality).fit(modality.take(rows))
            if source.features_:
                self.fitted_[name] = source
                self.kinds_[name] = type(modality).__name__
            elif said := source.survey(modality, rows).warning:
                warnings.warn(f"modality {name!r} tells nothing: {said}", InputWarning, 2)
        return self

    def read(self, name: str, cohort: Cohort, rows: np.ndarray) -> Reading:
        """Return the arrays of patients who all have the modality.

        Parameters
        ----------
        name : str
        cohort : Cohort
        rows : ndarray of int
            Positions of patients in the cohort.

        Raises
        ------
        InputError
            If the modality is not as it was when the source was fitted.
        """
        return self._asked(name, cohort, rows, self.fitted_[name].read)

    def survey(self, name: str, cohort: Cohort, rows: np.ndarray) -> Survey:
        """Return who can be used of patients who all have the modality, and what to say of it.

        Parameters and errors as in `read`.
        """
        return self._asked(name, cohort, rows, self.fitted_[name].survey)

    def sizes(self, name: str, cohort: Cohort, rows: np.ndarray) -> npt.NDArray[np.int64]:
        """Return how many bytes the arrays of each patient take (parameters as in `read`)."""
        return self._asked(name, cohort, rows, self.fitted_[name].sizes)

    def _asked(
        self,
        name: str,
        cohort: Cohort,
        rows: np.ndarray,
        question: Callable[[Any, Positions], Answer],
    ) -> Answer:
        """Ask a source about patients of the modality, which must be as it was."""
        modality = cohort.modalities[name]
        kind = type(modality).__name__
        if kind != self.kinds_[name]:
            raise InputError(
                f"modality {name!r} was a {self.kinds_[name]} when the model was fitted, "
                f"and is a {kind} now."
            )
        try:
            return question(modality, cohort.positions(name)[rows])
        except InputError as reason:
            raise InputError(f"modality {name!r}: {reason}") from reason
