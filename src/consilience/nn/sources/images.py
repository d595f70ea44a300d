"""Images for networks: one shape, one scale of intensity, voxels of one size."""

from __future__ import annotations

from typing import Self

import numpy as np
import numpy.typing as npt

from consilience.cohort import Images
from consilience.cohort.modality import FloatArray, Positions
from consilience.cohort.stored_arrays import READ_ERRORS
from consilience.errors import InputError
from consilience.nn.sources.moments import Moments, evenly, standardised
from consilience.nn.sources.resampling import resampled
from consilience.nn.sources.source import Reading, Source, Survey, source_for

SAMPLE_IMAGES = 200  # that tell shape, means and scales
SAMPLE_PIXELS = 50_000  # of each
LARGEST = {2: 64, 3: 32}  # pixels along an axis, by the number of axes
NAMED = 5  # unusable images that a warning tells the reason of


class UnusableImageError(ValueError):
    """Why an image cannot be used."""


class ImageSource(Source):
    """Images brought to one shape, standardised a channel, read a batch of patients at a time.

    Gives the array ``pixels`` (n, n_channels, *size_), float32: 0 is the mean, which also
    stands where a value is missing and outside the image.

    The shape, along each axis, is the median one of the training images, at most 64 pixels
    in two axes and 32 in three. Where the size of a voxel is known, the distance between
    neighbours is the same in millimetres for every patient, such that the median image is
    just covered, and the middle of the image is the middle; where it is not, the whole image
    is stretched. An image that becomes coarser is smoothed first (see `resampled`).

    Shapes, means and scales are those of at most 200 training images, evenly spaced. An image
    that cannot be read, has another number of axes or channels, or has no finite value counts
    as missing; `survey` names it.

    Attributes
    ----------
    axes_ : int
        Axes of space, 2 or 3: as most of the training images have.
    size_ : tuple of int
        Pixels along each.
    step_ : ndarray of shape (n_axes,)
        Millimetres from one to the next; empty if unknown.
    channels_ : int
        As `Images.channels`: 0 if images have no axis of channels.
    mean_, scale_ : ndarray of shape (n_channels,)
    """

    streams = True

    def fit(self, modality: Images) -> Self:
        self.channels_ = modality.channels
        self.axes_ = 0
        sample = self._sample(modality)
        self.features_ = ()
        if not sample:
            return self
        axes = [shape.size for shape, _ in sample.values()]
        self.axes_ = max(sorted(set(axes)), key=axes.count)
        sample = {at: pair for at, pair in sample.items() if pair[0].size == self.axes_}
        self._measure(modality, {at: shape for at, (shape, _) in sample.items()})
        moments = Moments(max(1, self.channels_))
        for _, values in sample.values():
            moments.add(values)
        self.mean_, self.scale_ = moments.mean, moments.scale()
        self.features_ = tuple(f"channel {i}" for i in range(len(self.mean_)))
        return self

    def _sample(self, modality: Images) -> dict[int, tuple[npt.NDArray[np.intp], FloatArray]]:
        """Return shape and some pixels, (k, n_channels), of some images that can be used."""
        sample = {}
        for position in evenly(len(modality), SAMPLE_IMAGES):
            try:
                image = self._image(modality, int(position))
            except UnusableImageError:
                continue  # `survey` names it
            pixels = image.reshape(-1, image.shape[-1])
            kept = pixels[evenly(len(pixels), SAMPLE_PIXELS)]
            sample[int(position)] = np.array(image.shape[:-1]), kept
        return sample

    def _measure(self, modality: Images, shapes: dict[int, npt.NDArray[np.intp]]) -> None:
        """Learn the shape of the grid and, where the size of voxels is known, its distances."""
        usual = np.median(np.array(list(shapes.values())), axis=0)
        self.size_ = tuple(int(n) for n in np.clip(np.round(usual), 1, LARGEST[self.axes_]))
        spacing = {at: modality.spacing(at) for at in shapes}
        extents = [shapes[at] * own for at, own in spacing.items() if own is not None]
        self.step_ = np.median(extents, axis=0) / np.array(self.size_) if extents else np.empty(0)

    def _image(self, modality: Images, position: int) -> FloatArray:
        """Return one image, (*shape, n_channels); `axes_` is 0 while it is not known.

        Raises
        ------
        UnusableImageError
            Saying why, as the predicate of a sentence about the image.
        """
        try:
            image = np.asarray(modality.image(position), dtype=np.float32)
        except READ_ERRORS as reason:  # an image may be anything that NumPy can read
            raise UnusableImageError(f"cannot be read: {_first_line(reason)}") from reason
        if not self.channels_:
            image = image[..., None]
        elif image.ndim < 1 or image.shape[-1] != self.channels_:
            has = image.shape[-1] if image.ndim else 0
            raise UnusableImageError(
                f"has {has} values in its last axis where {self.channels_} channels are told"
            )
        axes = image.ndim - 1
        if axes not in LARGEST or (self.axes_ and axes != self.axes_):
            raise UnusableImageError(f"has {axes} axes of space, not {self.axes_ or '2 or 3'}")
        if not np.isfinite(image).any():
            raise UnusableImageError("has no finite value")
        return image

    def read(self, modality: Images, patients: Positions) -> Reading:
        self._check(modality, patients)
        pixels = np.zeros((len(patients), len(self.features_), *self.size_), dtype=np.float32)
        usable = np.zeros(len(patients), dtype=bool)
        for i, patient in enumerate(patients):
            try:
                image = self._image(modality, int(patient))
            except UnusableImageError:
                continue  # `survey` names it
            pixels[i] = self._on_grid(image, modality.spacing(int(patient)))
            usable[i] = True
        return Reading({"pixels": pixels}, usable)

    def _on_grid(self, image: FloatArray, spacing: FloatArray | None) -> FloatArray:
        values = standardised(image, self.mean_, self.scale_)
        values[~np.isfinite(values)] = 0
        if len(self.step_) and spacing is not None:
            return resampled(values, self.size_, self.step_ / spacing, outside=0.0)
        return resampled(values, self.size_, np.array(image.shape[:-1]) / np.array(self.size_))

    def _check(self, modality: Images, patients: Positions) -> None:
        if modality.channels != self.channels_:
            raise InputError(
                f"its images have {modality.channels or 'no'} channels, and had "
                f"{self.channels_ or 'none'} when the model was fitted."
            )
        if len(patients) and self.features_ and len(self.step_):
            spacing = modality.spacing(int(patients[0]))
            if spacing is None:
                raise InputError(
                    "the size of its voxels is not known, and was when the model was fitted; "
                    "give `spacing` in millimetres."
                )
            if len(spacing) != self.axes_:
                raise InputError(
                    f"a voxel has {len(spacing)} sizes for {self.axes_} axes; give one an axis."
                )

    def survey(self, modality: Images, patients: Positions) -> Survey:
        """Return whose image can be used, and which cannot, and why; it reads them all."""
        self._check(modality, patients)
        reasons: dict[int, str] = {}
        for i, patient in enumerate(patients):
            try:
                self._image(modality, int(patient))
            except UnusableImageError as reason:
                reasons[i] = str(reason)
        usable = np.ones(len(patients), dtype=bool)
        usable[list(reasons)] = False
        names = modality.index[patients]
        return Survey(usable, _said({str(names[i]): why for i, why in reasons.items()}))

    def sizes(self, modality: Images, patients: Positions) -> npt.NDArray[np.int64]:
        each = 4 * len(self.features_) * int(np.prod(self.size_))
        return np.full(len(patients), each, dtype=np.int64)


def _first_line(reason: Exception) -> str:
    lines = str(reason).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(reason).__name__


def _said(reasons: dict[str, str]) -> str:
    """Return which images cannot be used, as a sentence, or nothing."""
    if not reasons:
        return ""
    told = [f"that of {name!r} {why}" for name, why in list(reasons.items())[:NAMED]]
    more = f"; and of {len(reasons) - NAMED} more" if len(reasons) > NAMED else ""
    count = "1 image counts" if len(reasons) == 1 else f"{len(reasons)} images count"
    return f"{count} as missing: {'; '.join(told)}{more}."


@source_for.register
def _(modality: Images) -> Source:
    return ImageSource()
