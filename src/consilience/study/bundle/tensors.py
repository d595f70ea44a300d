"""The weights of networks in a bundle: a safetensors file, read as a stranger's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from consilience.extras import require
from consilience.study.bundle.audit import Refused

LARGEST_HEADER = 2**26
MOST_AXES = 16
WIDTHS = {
    "BOOL": 1, "U8": 1, "I8": 1, "U16": 2, "I16": 2, "F16": 2, "U32": 4, "I32": 4, "F32": 4,
    "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip


def dump_tensors(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Return arrays as the bytes of ``weights.safetensors``, the same for the same arrays."""
    numpy_form: Any = _library()
    ordered = {name: np.ascontiguousarray(arrays[name]) for name in sorted(arrays)}
    shaped = {name: array.reshape(arrays[name].shape) for name, array in ordered.items()}
    data: bytes = numpy_form.save(shaped)
    return data


def load_tensors(data: bytes) -> dict[str, npt.NDArray[Any]]:
    """Return the arrays of a safetensors file.

    Raises
    ------
    Refused
        If its header and its numbers do not belong together, or one is not finite.
    InputError
        If the extra ``deep`` is not installed.
    """
    check_tensors(data)
    numpy_form: Any = _library()
    found: dict[str, npt.NDArray[Any]] = numpy_form.load(data)
    for name, array in found.items():
        if not np.isfinite(array).all():
            raise Refused(f"holds numbers that are not finite, in {name!r}")
    return found


def _library() -> Any:
    return require("safetensors.numpy", extra="deep", purpose="a bundle that holds networks")


def check_tensors(data: bytes) -> None:
    """Refuse a file unless its arrays, one after another, are exactly its numbers.

    Raises
    ------
    Refused
        With the reason.
    """
    if len(data) < 8:
        raise Refused("is cut short")
    length = int.from_bytes(data[:8], "little")
    if length > min(LARGEST_HEADER, len(data) - 8):
        raise Refused("has a header longer than it is")
    try:
        header = json.loads(data[8 : 8 + length], object_pairs_hook=_no_name_twice)
        spans = sorted(_span(name, entry) for name, entry in header.items())
    except RecursionError as reason:
        raise Refused("is nested too deeply") from reason
    except (ValueError, KeyError, TypeError, AttributeError) as reason:
        raise Refused(f"is not in the form of a safetensors file ({reason})") from reason
    end = 0
    for start, stop in spans:
        if start != end:
            raise Refused("holds arrays that overlap or leave gaps")
        end = stop
    if end != len(data) - 8 - length:
        raise Refused("holds more or fewer numbers than its header says")


def _no_name_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    if len(set(names)) < len(names):
        raise Refused("holds one name twice")
    return dict(pairs)


def _span(name: str, entry: Any) -> tuple[int, int]:
    """Return where an array begins and ends."""
    if name == "__metadata__" or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise Refused(f"holds {name!r}, which is no array")
    if entry["dtype"] not in WIDTHS:
        raise Refused(f"holds numbers of type {entry['dtype']!r}, which no network of ours has")
    start, stop = (_whole(offset) for offset in entry["data_offsets"])
    shape = [_whole(size) for size in entry["shape"]]
    if len(shape) > MOST_AXES:
        raise Refused(f"holds an array of {len(shape)} axes")
    # In Python's whole numbers, which do not overflow.
    count = 1
    for size in shape:
        count *= size
    if stop - start != count * WIDTHS[entry["dtype"]]:
        raise Refused(f"holds an array, {name!r}, that is not as long as it says")
    return start, stop


def _whole(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise Refused("has a header with sizes that are none")
    return value
