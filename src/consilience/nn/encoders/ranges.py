"""What an encoder's settings may be."""

from __future__ import annotations

import numbers
from collections.abc import Callable
from typing import Any, NamedTuple


class Range(NamedTuple):
    """What one setting may be: a test, and words that end "must be ..."."""

    holds: Callable[[Any], bool]
    words: str


def whole(most: int, *, optional: bool = False) -> Range:
    """Return the range of whole numbers from 1 to `most`, and None if it is optional."""
    words = f"a whole number from 1 to {most:,}"
    if not optional:
        return Range(lambda value: _is_whole(value, most), words)
    return Range(lambda value: value is None or _is_whole(value, most), f"{words}, or None")


def _is_whole(value: Any, most: int) -> bool:
    number = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return number and 1 <= value <= most


def _is_share(value: Any) -> bool:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and 0 <= value < 1


SIZE = whole(65_536)
SIZE_OR_NONE = whole(65_536, optional=True)
LAYERS = whole(256)
SHARE = Range(_is_share, "a number of at least 0 and below 1")
FLAG = Range(lambda value: isinstance(value, bool), "True or False")
