"""Whether a method's settings are of the kinds that its constructor names."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Collection, Mapping, Sequence
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pandas as pd

from consilience.errors import InputError, listing

LARGEST_SEED = 2**32 - 1


def check_types(method: Any) -> None:
    """Refuse settings that are not of the kind their annotation in the constructor says.

    What a setting may be is said once, where it is declared. Its range, and the words
    it may be, are for the method itself.

    Parameters
    ----------
    method : estimator
        With annotated parameters; one without an annotation may be anything.

    Raises
    ------
    InputError
        Naming the setting, what it may be, and what it is.
    """
    for name, hint in _hints(type(method)).items():
        if not hasattr(method, name):
            continue
        value = getattr(method, name)
        if not _fits(value, hint):
            raise InputError(_refusal(name, value, hint))
        if name == "random_state" and value is not None and not 0 <= value <= LARGEST_SEED:
            raise InputError(f"random_state must be from 0 to {LARGEST_SEED}, not {value!r}.")


def _refusal(name: str, value: Any, hint: Any) -> str:
    for each in (hint, *get_args(hint)):
        if get_origin(each) is Mapping and isinstance(value, Mapping):
            inner = get_args(each)[1]
            for key, own in value.items():
                if not _fits(own, inner):
                    return _refusal(f"{name}[{key!r}]", own, inner)
    if isinstance(value, str) and _fits([value], hint):
        return f"give {name} as a list: [{value!r}]."
    return f"{name} must be {' or '.join(_words(hint, 1))}, not {_shown(value)}."


def _hints(method: type) -> dict[str, Any]:
    try:
        hints = get_type_hints(getattr(method, "__init__"))  # noqa: B009  (mypy on the plain form)
    except NameError:  # annotations of a class made inside a function cannot be looked up
        return {}
    return {name: hint for name, hint in hints.items() if name != "return"}


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    return _FITS[origin](value, get_args(hint)) if origin in _FITS else _is_a(value, origin)


def _is_a(value: Any, kind: Any) -> bool:
    return not isinstance(kind, type) or isinstance(value, kind)


def _is_whole(value: Any, _: Any) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_number(value: Any, _: Any) -> bool:
    number = isinstance(value, numbers.Real) and not isinstance(value, bool)
    return number and _is_in_reach(value)


def _is_in_reach(value: Any) -> bool:
    """Return whether a number is not a whole one beyond all floats."""
    try:
        float(value)
    except OverflowError:
        return False
    return True


def _is_flag(value: Any, _: Any) -> bool:
    return isinstance(value, bool | np.bool_)


def _is_list(value: Any, inner: tuple[Any, ...]) -> bool:
    if isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        return False
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return False
    return all(_fits(item, each) for item in value for each in inner[:1])


def _is_mapping(value: Any, inner: tuple[Any, ...]) -> bool:
    if not isinstance(value, Mapping | pd.DataFrame | pd.Series):
        return False
    pairs = [zip(pair, inner, strict=False) for pair in value.items()]
    return all(_fits(item, hint) for pair in pairs for item, hint in pair)


def _is_word(value: Any, _: Any) -> bool:
    return isinstance(value, str)


def _is_one_of(value: Any, inner: tuple[Any, ...]) -> bool:
    """Return whether it is of the type of an allowed word; which words are, the method says."""
    return isinstance(value, tuple({type(each) for each in inner}))


def _is_anything(_value: Any, _inner: Any) -> bool:
    return True


_FITS: dict[Any, Callable[[Any, tuple[Any, ...]], bool]] = {
    int: _is_whole,
    float: _is_number,
    bool: _is_flag,
    str: _is_word,
    Any: _is_anything,
    Literal: _is_one_of,
    Sequence: _is_list,
    Mapping: _is_mapping,
}

_NAMES = {
    int: ("a whole number", "whole numbers"),
    float: ("a number", "numbers"),
    bool: ("True or False", "True or False"),
    str: ("a word", "words"),
    type(None): ("None", "None"),
    Any: ("a setting", "settings"),
}


def _words(hint: Any, count: int) -> list[str]:
    """Return the kinds that a hint allows in words, of one (1) or of several (2)."""
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return [word for each in get_args(hint) for word in _words(each, count)]
    if origin is Literal:
        return [f"one of {listing(get_args(hint), most=20)}"]
    if origin is Sequence:
        return [f"{'a list' if count == 1 else 'lists'} of {_inner(hint, 0)}"]
    if origin is Mapping:
        return [f"{'a mapping' if count == 1 else 'mappings'} from names to {_inner(hint, 1)}"]
    if origin in _NAMES:
        return [_NAMES[origin][count - 1]]
    return [f"an instance of {getattr(origin, '__name__', origin)}"]


def _inner(hint: Any, place: int) -> str:
    inner = get_args(hint)
    return " or ".join(_words(inner[place], 2)) if inner else "settings"


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
