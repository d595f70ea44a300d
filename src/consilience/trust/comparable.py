"""A modality as rows that can be compared between patients."""

from __future__ import annotations

from functools import singledispatch

import numpy as np
import pandas as pd

from consilience.cohort import Bag, Images, Modality, Table
from consilience.cohort.modality import FloatArray
from consilience.cohort.table import Blocks

THUMBNAIL = 8


@singledispatch
def comparable(modality: Modality) -> Blocks:
    """Return numbers and texts, a row a patient, that are equal for equal measurements.

    A table is itself; a bag is the mean and the spread of its instances and their
    number; an image is the means over a grid of 8 cells along each axis, and its
    overall mean and spread. Register a function to add a kind.

    Raises
    ------
    TypeError
        If no function is registered for the kind.
    """
    raise TypeError(f"nothing says how to compare {type(modality).__name__} between patients")


@comparable.register
def _(modality: Table) -> Blocks:
    return Blocks(modality.numeric, modality.categorical.set_axis(modality.index, axis=0))


@comparable.register
def _(modality: Bag) -> Blocks:
    rows = [_bag_row(modality.instances(i)) for i in range(len(modality))]
    return _numbers_alone(np.array(rows).reshape(len(rows), -1), modality)


@comparable.register
def _(modality: Images) -> Blocks:
    rows = [_thumbnail(modality.image(i)) for i in range(len(modality))]
    width = max((len(row) for row in rows), default=0)
    values = np.full((len(rows), width), np.nan)
    for place, row in enumerate(rows):
        values[place, : len(row)] = row
    return _numbers_alone(values, modality)


def _numbers_alone(values: FloatArray, modality: Modality) -> Blocks:
    return Blocks(values, pd.DataFrame(index=modality.index))


def _bag_row(instances: FloatArray) -> FloatArray:
    known = np.asarray(instances, dtype=float)
    return np.concatenate([known.mean(axis=0), known.std(axis=0), [len(known)]])


def _thumbnail(image: FloatArray) -> FloatArray:
    cells = np.asarray(image, dtype=float)
    overall = [cells.mean(), cells.std()]
    for axis in range(cells.ndim):
        parts = np.array_split(cells, min(THUMBNAIL, cells.shape[axis]), axis=axis)
        cells = np.concatenate([part.mean(axis=axis, keepdims=True) for part in parts], axis=axis)
    return np.concatenate([cells.ravel(), overall])
