"""Bags for networks: all patients' instances one after another, standardised."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort import Bag
from consilience.cohort.agreement import check_features
from consilience.cohort.modality import FloatArray, Positions
from consilience.errors import listing
from consilience.nn.sources.moments import ROWS, Moments, evenly, standardised
from consilience.nn.sources.source import Reading, Source, Survey, source_for

SAMPLE_PATIENTS = 1_000  # whose instances tell means and scales
SAMPLE_INSTANCES = 200_000  # of all of them together


class BagSource(Source):
    """Instances with mean 0 and variance 1 a feature, read a batch of patients at a time.

    Gives the ragged arrays

    - ``instances`` (n_instances, n_features), float32: 0 where a value is missing;
    - ``place`` (n_instances,), int64: which of his instances each is, in the order of
      `Bag.instances` and `Bag.coordinates`, so that a weight an instance can be painted.

    An instance without any value is left out, and counted by `survey`. Means and scales
    are those of at most 200,000 instances, the same number of each of at most 1,000
    training patients (all of his, if he has fewer), evenly spaced. Features without a
    value among them are left out. Coordinates are not given to the network.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_features,)
    """

    streams = True

    def fit(self, modality: Bag) -> Self:
        moments = Moments(modality.n_features)
        patients = evenly(len(modality), SAMPLE_PATIENTS)
        for patient in patients:
            instances = modality.instances(int(patient))
            moments.add(instances[evenly(len(instances), SAMPLE_INSTANCES // len(patients))])
        names = np.array(modality.features, dtype=str)
        order = np.argsort(names, kind="stable")
        order = order[moments.count[order] > 0]
        self.features_ = tuple(str(name) for name in names[order])
        self.mean_, self.scale_ = moments.mean[order], moments.scale()[order]
        return self

    def read(self, modality: Bag, patients: Positions) -> Reading:
        columns = self._columns(modality)
        total = int(modality.counts[patients].sum())
        instances = np.empty((total, len(columns)), dtype=np.float32)
        place = np.empty(total, dtype=np.int64)
        counts = np.zeros(len(patients), dtype=np.intp)
        stop = 0
        for i, patient in enumerate(patients):
            first, own = stop, modality.instances(int(patient))
            for at in range(0, len(own), ROWS):
                values, kept = self._standardised(own[at : at + ROWS], columns)
                start, stop = stop, stop + len(values)
                instances[start:stop], place[start:stop] = values, kept + at
            counts[i] = stop - first
        return Reading(
            {"instances": instances[:stop], "place": place[:stop]},
            usable=counts > 0,
            counts=counts,
            ragged=("instances", "place"),
        )

    def _columns(self, modality: Bag) -> npt.NDArray[np.intp]:
        check_features(modality.features, self.features_)
        place = {name: i for i, name in enumerate(modality.features)}
        return np.array([place[name] for name in self.features_], dtype=np.intp)

    def _standardised(
        self, instances: FloatArray, columns: npt.NDArray[np.intp]
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.intp]]:
        """Return the instances that have any value, and which they are."""
        values = standardised(instances[:, columns], self.mean_, self.scale_)
        known = np.isfinite(values)
        kept = np.flatnonzero(known.any(axis=1))
        if not known.all():
            values = np.where(known, values, np.float32(0))[kept]
        return values, kept

    def survey(self, modality: Bag, patients: Positions) -> Survey:
        """Return who has an instance with a value, and how many instances have none."""
        columns = self._columns(modality)
        empty = np.zeros(len(patients), dtype=np.intp)
        for i, patient in enumerate(patients):
            own = modality.instances(int(patient))
            for at in range(0, len(own), ROWS):
                known = np.isfinite(own[at : at + ROWS, columns])
                empty[i] += len(known) - np.count_nonzero(known.any(axis=1))
        usable = empty < modality.counts[patients]
        return Survey(usable, _said(modality.index[patients], empty, usable))

    def sizes(self, modality: Bag, patients: Positions) -> npt.NDArray[np.int64]:
        return np.asarray(modality.counts[patients], dtype=np.int64) * 4 * len(self.features_)


def _said(names: pd.Index, empty: npt.NDArray[np.intp], usable: npt.NDArray[np.bool_]) -> str:
    """Return what there is to say about instances without a value, or nothing."""
    if not empty.any():
        return ""
    said = (
        f"{int(empty.sum())} instances have no value and are left out, "
        f"of {listing(names[empty > 0])}"
    )
    if usable.all():
        return f"{said}."
    lost = int((~usable).sum())
    who = "1 patient is" if lost == 1 else f"{lost} patients are"
    return (
        f"{said}; {who} left without an instance and counted as not measured, "
        f"{listing(names[~usable])}."
    )


@source_for.register
def _(modality: Bag) -> Source:
    return BagSource()
