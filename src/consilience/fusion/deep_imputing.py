"""Deep methods that say what was not measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.base import check_cohort
from consilience.fusion.deep import AT_ONCE
from consilience.fusion.deep_embedding import DeepEmbedding
from consilience.fusion.imputing import filled
from consilience.nn.sources import TableSource

if TYPE_CHECKING:
    from consilience.nn.decoders import Measured


class DeepImputes(DeepEmbedding):
    """A deep method that rebuilds the tables that it read.

    A subclass gives a `DecodingNetwork`. Modalities that are no tables are read, and not rebuilt.
    """

    def _rebuilt(self, cohort: Cohort) -> dict[str, Measured]:
        """Return what is expected of each table, in its own units; all patients are informed."""
        networks: list[Any] = list(self.networks())  # DecodingNetwork
        told = [self._outputs(network, cohort) for network in networks]
        found = [
            {name: network.decoder_of(name).measured(outputs) for name, outputs in one.items()}
            for network, one in zip(networks, told, strict=True)
        ]
        return {name: mean_of([one[name] for one in found]) for name in self.tables()}

    def _outputs(self, network: Any, cohort: Cohort) -> dict[str, Any]:
        """Return what a network's decoders say of all patients, by modality."""
        import torch

        reader = self._reader(cohort)
        with torch.inference_mode():
            parts = [
                network.rebuilt(batch) for batch in reader.batches(np.arange(len(cohort)), AT_ONCE)
            ]
        return {name: torch.cat([part[name] for part in parts]) for name in self.tables()}

    def tables(self) -> list[str]:
        """Return the modalities that can be rebuilt."""
        check_is_fitted(self, "sources_")
        fitted = self.sources_.fitted_
        return [name for name, source in fitted.items() if isinstance(source, TableSource)]

    def _shallow(self) -> dict[str, Any]:
        """Return the encoders, one layer for each table that has none given.

        The code is a linear map of it: two layers, as elsewhere.
        """
        from consilience.nn.encoders import MLP

        return {**{name: MLP(depth=1) for name in self.tables()}, **(self.encoders or {})}

    def _network_checked(self) -> None:
        """Refuse to learn nothing."""
        if self.outcome is None and not self.tables():
            raise InputError(
                f"{type(self).__name__} rebuilds tables, and none is among the modalities; "
                "give one, or an outcome to learn."
            )

    def impute(self, cohort: Cohort) -> Cohort:
        """Return the cohort with missing values and missing modalities of tables filled in.

        Measured values stay as they are. Numbers are what is expected, in the features' own
        units (of a feature that is 0 or 1, its probability); a category is the most
        probable level. Patients with nothing measured stay so, and so does a feature
        that nobody in training had.

        Parameters
        ----------
        cohort : Cohort
            Training patients or new ones.

        Returns
        -------
        Cohort
            The tables the method was fitted on, filled; other modalities as they were.
        """
        known = self._known(cohort)
        if not len(known):
            return cohort
        return self._put(cohort, known, self._rebuilt(cohort[known]))

    def _known(self, cohort: Cohort) -> Any:
        """Return the positions of the patients of whom anything is known."""
        check_is_fitted(self, "members_")
        check_cohort(cohort)
        if self.silent_:
            raise InputError(
                f"{type(self).__name__} had an outcome that cannot be learned, and learned nothing."
            )
        return np.flatnonzero(self.informed(cohort))

    def _put(self, cohort: Cohort, known: Any, found: dict[str, Measured]) -> Cohort:
        for name, estimate in found.items():
            frame = self._frame(name, estimate).set_axis(cohort.index[known])
            cohort = cohort.with_modality(name, filled(cohort, name, frame))
        return cohort

    def _source(self, name: str) -> TableSource:
        source = self.sources_.fitted_[name]
        assert isinstance(source, TableSource)
        return source

    def _frame(self, name: str, found: Measured) -> pd.DataFrame:
        """Return a table of what was found, categories as words."""
        source = self._source(name)
        frame = pd.DataFrame(found.numbers, columns=list(source.numbers_))
        for (feature, levels), shares in zip(source.levels_.items(), found.levels, strict=True):
            frame[feature] = np.array(levels, dtype=object)[shares.argmax(axis=1)]
        return frame


def mean_of(found: list[Measured]) -> Measured:
    """Return the mean of what several networks expect."""
    from consilience.nn.decoders import Measured

    numbers = np.mean([each.numbers for each in found], axis=0)
    levels = [np.mean(each, axis=0) for each in zip(*(f.levels for f in found), strict=True)]
    return Measured(numbers, levels)
