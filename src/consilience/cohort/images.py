"""One image a patient, read when it is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from consilience.cohort.modality import FloatArray, SharedModality, patient_index
from consilience.errors import InputError


class Images(SharedModality):
    """Patients x image: two or three axes of space, and perhaps one of channels.

    Parameters
    ----------
    index : Index
        Ids of the patients measured.
    arrays : sequence of array-like
        An image a patient; anything with ``shape`` that NumPy can read, so that Zarr
        arrays stay on disk until `image` is called.
    spacing : array-like of shape (n_axes,) or (n_patients, n_axes), optional
        Size of a voxel along each axis of space, in millimetres.
    channels : int
        Length of the last axis if it holds channels; 0 if there is no such axis.

    Raises
    ------
    InputError
        If the numbers of images, spacings and patients disagree.
    """

    def __init__(
        self,
        index: pd.Index,
        arrays: Sequence[Any],
        *,
        spacing: Any = None,
        channels: int = 0,
    ) -> None:
        self._index = patient_index(pd.Index(index), "images")
        if len(arrays) != len(self._index):
            raise InputError(
                f"images: {len(arrays)} images for {len(self._index)} patients; give one each."
            )
        self._arrays = arrays
        self._spacing = _per_patient(spacing, len(self._index))
        self.channels = channels
        self._rows = None

    @property
    def n_features(self) -> int:
        """Number of values in the first image."""
        return int(np.prod(self._arrays[0].shape)) if len(self._arrays) else 0

    def image(self, position: int) -> FloatArray:
        """Return one patient's image; this is where it is read."""
        return np.asarray(self._arrays[self._row(position)])

    def spacing(self, position: int) -> FloatArray | None:
        """Return the size of one patient's voxels in millimetres, or None if unknown."""
        return None if self._spacing is None else self._spacing[self._row(position)]

    def __repr__(self) -> str:
        return f"Images({len(self)} patients)"


def _per_patient(spacing: Any, n: int) -> FloatArray | None:
    if spacing is None:
        return None
    sizes = np.atleast_2d(np.asarray(spacing, dtype=float))
    if sizes.shape[0] not in (1, n):
        raise InputError(
            f"images: {sizes.shape[0]} spacings for {n} patients; give one, or one each."
        )
    if not (sizes > 0).all():
        raise InputError("images: a spacing is not positive; give millimetres.")
    return np.broadcast_to(sizes, (n, sizes.shape[1]))
