"""How much each instance of a bag counted, with its coordinates: what a slide is painted with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from consilience.cohort import Bag, Cohort
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.deep import DeepFusion

if TYPE_CHECKING:
    from consilience.nn.batch import Batch

EVERYTHING = "all"  # what looks at a bag where no group of features does
AXES = ("x", "y", "z")


def attention_frame(method: DeepFusion, cohort: Cohort) -> pd.DataFrame:
    """Return how much each instance of each patient counted.

    Parameters
    ----------
    method : DeepFusion
        Fitted. Its networks have ``attention(batch)``, which returns the weights of the
        instances by bag, (n_instances, n_groups), and ``looks``, the groups' names. The
        weights of several members are averaged.
    cohort : Cohort
        Bags of many instances: give a few patients at a time, as ``cohort[[3]]``.

    Returns
    -------
    DataFrame
        A row an instance and group, with the columns patient, modality, instance (its
        number in the bag, from 0), x, y, z as far as a bag has coordinates (NaN
        otherwise), group and weight. The weights of a patient, modality and group add
        up to 1. Patients without a bag, and instances without a value, have no row.

    Raises
    ------
    InputError
        If the method was fitted without a bag.
    """
    networks = method.networks()
    _check_bags(method)
    reader = method._reader(cohort)
    frames = [
        frame
        for batch in (reader.batches(np.arange(len(cohort)), 1) if networks else ())
        for frame in _frames(networks, batch, cohort)
    ]
    axes = [axis for axis in AXES if any(axis in frame for frame in frames)]
    columns = ["patient", "modality", "instance", *axes, "group", "weight"]
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True).reindex(columns=columns)


def _check_bags(method: DeepFusion) -> None:
    if Bag.__name__ not in method.sources_.kinds_.values():
        raise InputError(
            f"{type(method).__name__} was fitted without a bag, so it weighs no instances."
        )


def _frames(networks: Sequence[Any], batch: Batch, cohort: Cohort) -> Iterator[pd.DataFrame]:
    """Yield a frame for each bag of the one patient of a batch."""
    import torch

    with torch.inference_mode():
        found = [network.attention(batch) for network in networks]
    for name in found[0]:
        weights = np.mean([own[name].double().numpy() for own in found], axis=0)
        place = batch.parts[name].arrays["place"].numpy()
        position = int(batch.patients[0])
        where = _coordinates(cohort, name, position)
        frame = pd.DataFrame({"modality": name, "instance": place})
        frame.insert(0, "patient", cohort.index[position])
        for axis, values in zip(AXES, where[place].T, strict=False):
            frame[axis] = values
        groups = pd.DataFrame(weights, columns=list(networks[0].looks))
        yield frame.join(groups).melt(list(frame), var_name="group", value_name="weight")


def _coordinates(cohort: Cohort, name: str, position: int) -> FloatArray:
    """Return where a patient's instances lie, (n, n_axes); no axes if it is not known."""
    bag = cohort.modalities[name]
    assert isinstance(bag, Bag)
    row = int(cohort.positions(name)[position])
    found = bag.coordinates(row)
    return np.empty((int(bag.counts[row]), 0)) if found is None else found
