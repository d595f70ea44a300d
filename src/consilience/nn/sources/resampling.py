"""Images on another grid of points."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy import ndimage

from consilience.cohort.modality import FloatArray


def resampled(
    image: FloatArray, size: Sequence[int], step: FloatArray, outside: float | None = None
) -> FloatArray:
    """Return an image on a grid whose middle is the image's middle, by linear interpolation.

    Where the grid is coarser than the image, the image is smoothed first by a Gaussian of
    standard deviation (step - 1) / 2 pixels, so that fine detail does not turn into false
    coarse detail.

    Parameters
    ----------
    image : ndarray of shape (*shape, n_channels)
    size : sequence of int, (n_axes,)
        Points of the grid along each axis.
    step : ndarray of shape (n_axes,)
        Distance of neighbouring points, in pixels of the image.
    outside : float, optional
        Value outside the image; that of its nearest pixel by default.

    Returns
    -------
    ndarray of shape (n_channels, *size)
    """
    shape = np.array(image.shape[:-1])
    offset = (shape - 1) / 2 - (np.array(size) - 1) / 2 * step
    blur = np.maximum(0.0, (step - 1) / 2)
    channels = []
    for channel in np.moveaxis(image, -1, 0):
        smooth = ndimage.gaussian_filter(channel, blur, mode="nearest") if blur.any() else channel
        points = ndimage.affine_transform(
            smooth,
            step,
            offset,
            output_shape=tuple(size),
            order=1,
            mode="nearest" if outside is None else "constant",
            cval=0.0 if outside is None else outside,
        )
        channels.append(points)
    return np.stack(channels)
