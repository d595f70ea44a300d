"""Bags and images in Zarr arrays, read a patient at a time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

import numpy as np
import numpy.typing as npt
import pandas as pd

from consilience.cohort.bag import Bag
from consilience.cohort.cohort_file import BagEntry, ImagesEntry
from consilience.cohort.images import Images
from consilience.errors import InputError

CHUNK = 1_000_000  # numbers a chunk
SAFE_CODECS = frozenset({"BytesCodec", "ZstdCodec", "Crc32cCodec", "GzipCodec", "BloscCodec"})
READ_ERRORS = (RuntimeError, ValueError, OSError, KeyError, TypeError, NotImplementedError)


def write_bag(path: Path, bag: Bag) -> BagEntry:
    """Write a bag: arrays instances, counts and, where known, coordinates."""
    group = _new_group(path, bag.index)
    n = len(bag)
    total = int(bag.counts.sum())
    _write(group, "instances", total, (bag.instances(i) for i in range(n)))
    _write(group, "counts", n, [bag.counts])
    known = bag.coordinates(0) is not None
    if known:
        _write(group, "coordinates", total, (np.asarray(bag.coordinates(i)) for i in range(n)))
    return BagEntry(
        patients=n,
        features=list(bag.features),
        coordinates=known,
        coordinates_unit=bag.unit,
    )


def open_bag(path: Path, entry: BagEntry) -> Bag:
    """Return a stored bag; its instances stay on disk."""
    ids = _ids(path, entry.patients)
    counts = StoredArray(path, "counts")[:]
    return Bag(
        ids,
        StoredArray(path, "instances"),
        counts,
        coordinates=StoredArray(path, "coordinates") if entry.coordinates else None,
        features=entry.features,
        unit=entry.coordinates_unit,
    )


def write_images(path: Path, images: Images) -> ImagesEntry:
    """Write images: those of one shape and type in one array, and where each stands."""
    group = _new_group(path, images.index)
    arrays: dict[tuple[Any, ...], tuple[int, Any]] = {}
    places = np.empty((len(images), 2), dtype=np.int64)
    for i in range(len(images)):
        image = images.image(i)
        form = (image.shape, image.dtype.str)
        if form not in arrays:
            number = len(arrays)
            arrays[form] = number, _new(group, f"images{number}", (0, *image.shape), image, 1)
        number, array = arrays[form]
        places[i] = number, array.shape[0]
        array.append(image[None])
    _write(group, "places", len(places), [places])
    spacing = [images.spacing(i) for i in range(len(images))]
    known = spacing[0] is not None
    if known:
        _write(group, "spacing", len(spacing), [np.array(spacing)])
    return ImagesEntry(patients=len(images), channels=images.channels, spacing=known)


def open_images(path: Path, entry: ImagesEntry) -> Images:
    """Return stored images; they stay on disk."""
    ids = _ids(path, entry.patients)
    places = StoredArray(path, "places")[:]
    if places.shape != (entry.patients, 2):
        raise InputError(f"{path}/places does not tell where {entry.patients} images stand.")
    spacing = StoredArray(path, "spacing")[:] if entry.spacing else None
    return Images(ids, StoredImages(path, places), spacing=spacing, channels=entry.channels)


class StoredArray:
    """A Zarr array on disk, opened when first used; what it says in error names the file.

    Parameters
    ----------
    folder : Path
        The Zarr group.
    key : str
        The array in it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = key

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the whole array."""
        return tuple(self._opened.shape)

    def __len__(self) -> int:
        return self.shape[0]

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of its numbers."""
        dtype: np.dtype[Any] = self._opened.dtype
        return dtype

    def __getitem__(self, key: Any) -> npt.NDArray[Any]:
        array = self._complete
        try:
            return np.asarray(array[key])
        except IndexError:
            raise
        except READ_ERRORS as reason:
            raise self._damaged(str(reason)) from reason

    @cached_property
    def _opened(self) -> Any:
        import zarr

        path = self.folder / self.key
        if not path.is_dir():
            raise InputError(f"{path} is missing, though cohort.toml names it.")
        try:
            # An array of the older format may name a codec that runs code: not opened.
            array: Any = zarr.open_array(path, mode="r", zarr_format=3)
        except READ_ERRORS as reason:
            raise self._damaged(str(reason)) from reason
        strange = {type(codec).__name__ for codec in array.metadata.codecs} - SAFE_CODECS
        if strange or array.dtype.kind not in "biuf":
            raise self._damaged(f"its numbers are {array.dtype} in {sorted(strange) or 'bytes'}")
        return array

    @cached_property
    def _complete(self) -> Any:
        """The array, none of whose chunks is missing: Zarr reads zeros for one that is."""
        array = self._opened
        if array.nchunks_initialized != array.nchunks:
            raise self._damaged(
                f"{array.nchunks - array.nchunks_initialized} of {array.nchunks} chunks are missing"
            )
        return array

    def _damaged(self, reason: str) -> InputError:
        said = reason.strip().splitlines()[0].rstrip(".") if reason.strip() else "no reason given"
        return InputError(
            f"{self.folder / self.key} cannot be read: it is incomplete or damaged ({said})."
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"folder": self.folder, "key": self.key}


class StoredImages(Sequence[Any]):
    """The images of a Zarr group, in the order of the patients."""

    def __init__(self, folder: Path, places: npt.NDArray[np.int64]) -> None:
        self._places = places
        self._arrays = [
            StoredArray(folder, f"images{k}") for k in range(int(places[:, 0].max()) + 1)
        ]
        for number, array in enumerate(self._arrays):
            rows = places[places[:, 0] == number, 1]
            if len(rows) and (rows.min() < 0 or rows.max() >= array.shape[0]):
                raise InputError(f"{folder}/places names an image that {array.key} has not.")

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, key: int) -> StoredImage: ...
    @overload
    def __getitem__(self, key: slice) -> list[StoredImage]: ...
    def __getitem__(self, key: int | slice) -> StoredImage | list[StoredImage]:
        if isinstance(key, slice):
            return [self[i] for i in range(*key.indices(len(self)))]
        number, row = self._places[key]
        return StoredImage(self._arrays[number], int(row))


@dataclass(frozen=True)
class StoredImage:
    """One image on disk; NumPy reads it."""

    array: StoredArray
    row: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the image."""
        return self.array.shape[1:]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        return np.asarray(self.array[self.row], dtype=dtype)


def _new_group(path: Path, ids: pd.Index) -> Any:
    import zarr

    return zarr.create_group(path, zarr_format=3, attributes={"patients": list(ids)})


def _new(group: Any, key: str, shape: tuple[int, ...], like: npt.NDArray[Any], rows: int) -> Any:
    from zarr.codecs import ZstdCodec

    return group.create_array(
        key,
        shape=shape,
        chunks=(rows, *(max(1, width) for width in shape[1:])),
        dtype=like.dtype,
        compressors=[ZstdCodec(level=1, checksum=True)],
        config={"write_empty_chunks": True},
    )


def _write(group: Any, key: str, n: int, blocks: Iterable[npt.NDArray[Any]]) -> None:
    """Write blocks of rows one after another, whole chunks at a time."""
    array: Any = None
    waiting: list[npt.NDArray[Any]] = []
    at = held = rows = 0
    for block in blocks:
        if array is None:
            rows = max(1, min(n, CHUNK // max(1, int(np.prod(block.shape[1:])))))
            array = _new(group, key, (n, *block.shape[1:]), block, rows)
        waiting.append(block)
        held += len(block)
        if held >= rows:
            joined, whole = np.concatenate(waiting), held // rows * rows
            array[at : at + whole] = joined[:whole]
            waiting, at, held = [joined[whole:]], at + whole, held - whole
    if held:
        array[at:] = np.concatenate(waiting)


def _ids(path: Path, n: int) -> pd.Index:
    import zarr

    if not path.is_dir():
        raise InputError(f"{path} is missing, though cohort.toml names it.")
    try:
        ids = zarr.open_group(path, mode="r", zarr_format=3).attrs["patients"]
    except READ_ERRORS as reason:
        raise InputError(f"{path} cannot be read: it tells no patients ({reason}).") from reason
    if not isinstance(ids, list) or len(ids) != n or not all(isinstance(i, str) for i in ids):
        raise InputError(f"{path} does not name the {n} patients that cohort.toml speaks of.")
    return pd.Index(ids, dtype=object, name="patient")
