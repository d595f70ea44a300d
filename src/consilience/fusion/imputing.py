"""What was not measured, said by what was: one verb for every method that can."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.utils.validation import check_is_fitted

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.cohort.table import Kind
from consilience.fusion.base import check_cohort
from consilience.fusion.blocks import Blocks, anything
from consilience.fusion.encoding import TableEncoder

if TYPE_CHECKING:
    from consilience.fusion.block_fusion import Blockwise


class Imputes:
    """A method that can say what a patient's missing values and modalities would have been."""

    blocks_: Blocks

    @abstractmethod
    def _reconstruct(self, blocks: dict[str, FloatArray]) -> dict[str, FloatArray]:
        """Return every modality's matrix without gaps, on the blocks' scale."""

    def impute(self: Blockwise, cohort: Cohort) -> Cohort:  # type: ignore[misc]
        """Return the cohort with missing values and missing modalities of tables filled in.

        Measured values stay as they are. A category is the level that is highest in the
        reconstruction. Patients with nothing measured stay so, and so does a feature that
        nobody in training had. What is filled in is an estimate: it belongs in no table of
        measurements, and does not know how uncertain it is.

        Parameters
        ----------
        cohort : Cohort
            Training patients or new ones.

        Returns
        -------
        Cohort
            The modalities the method was fitted on, where they are tables, filled; the
            others as they were.
        """
        check_is_fitted(self, "blocks_")
        check_cohort(cohort)
        blocks = self.blocks_.matrices(cohort)
        known = np.flatnonzero(anything(blocks))
        if not len(known):
            return cohort
        found = self._reconstruct({name: matrix[known] for name, matrix in blocks.items()})
        for name, values in found.items():
            encoder = self.blocks_.stack_.fitted_[name]
            if isinstance(encoder, TableEncoder):
                estimate = _as_measured(self.blocks_, name, values, encoder)
                table = filled(cohort, name, estimate.set_axis(cohort.index[known]))
                cohort = cohort.with_modality(name, table)
        return cohort


def _as_measured(
    blocks: Blocks, name: str, values: FloatArray, encoder: TableEncoder
) -> pd.DataFrame:
    """Return a reconstruction in the features' own units, categories as words."""
    columns = pd.DataFrame(blocks.own_unit(name, values), columns=blocks.features_[name])
    for column, value in blocks.constants_[name].items():
        columns[column] = value
    columns = columns.reindex(columns=encoder.raw_names)
    own = columns[encoder.numeric_].copy()
    for feature, levels in encoder.levels_.items():
        if levels:
            indicators = columns[[f"{feature} = {level}" for level in levels]].to_numpy()
            own[feature] = np.array(levels, dtype=object)[indicators.argmax(axis=1)]
    return own


def filled(cohort: Cohort, name: str, estimate: pd.DataFrame) -> Table:
    """Return the table with the estimate where there is no value."""
    if name not in cohort.modalities or not cohort.has(name).any():
        return Table(estimate)
    table = cohort.modalities[name]
    assert isinstance(table, Table)
    patients = np.flatnonzero(cohort.has(name))
    measured = table.take(cohort.positions(name)[patients]).frame
    measured.index = cohort.index[patients]
    rows = cohort.index[cohort.has(name) | cohort.index.isin(estimate.index)]
    whole = measured.reindex(rows)
    shared = [feature for feature in estimate.columns if feature in whole.columns]
    for feature in shared:
        whole[feature] = whole[feature].where(whole[feature].notna(), estimate[feature])
    kinds: dict[str, Kind] = {
        feature: "categorical" if kind == "categorical" else "continuous"
        for feature, kind in table.kinds.items()
    }
    return Table(whole, kinds=kinds, units=table.units)
