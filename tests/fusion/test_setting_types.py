"""Settings of a kind that the constructor does not name are refused, in every method."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_type_hints

import numpy as np
import pandas as pd
import pytest
from tests.laws.methods import KINDS, build, data, methods

from consilience.cohort import Cohort
from consilience.errors import InputError
from consilience.fusion.setting_types import check_types


class Method:
    def __init__(
        self,
        *,
        count: int = 1,
        share: float | None = None,
        flag: bool = False,
        names: Sequence[str] = (),
        weights: Mapping[str, float] | None = None,
        way: Literal["fast", "slow"] = "fast",
        either: float | Sequence[float] = 1.0,
        random_state: int | None = None,
        anything: Any = None,
    ) -> None:
        self.__dict__.update({name: value for name, value in locals().items() if name != "self"})


@pytest.mark.parametrize(
    "options",
    [
        {"count": np.int32(3), "share": np.float32(0.5), "flag": np.True_, "either": 2},
        {"names": np.array(["a"]), "either": np.array([0.1, 1.0])},
        {"names": pd.Index(["a", "b"]), "weights": pd.Series({"a": 1.0})},
        {"names": {"a": 1}.keys(), "weights": {"a": 1}, "random_state": np.int64(2**32 - 1)},
        {"anything": object()},
    ],
)
def test_what_is_as_good_is_taken(options):
    check_types(Method(**options))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"count": True}, "count must be a whole number, not True."),
        ({"share": 10**400}, f"share must be a number or None, not 1{'0' * 56}...."),
        ({"count": 2.0}, "count must be a whole number, not 2.0."),
        ({"share": "0.5"}, "share must be a number or None, not '0.5'."),
        ({"flag": "yes"}, "flag must be True or False, not 'yes'."),
        ({"names": "rna"}, "give names as a list: ['rna']."),
        ({"names": [1]}, "names must be a list of words, not [1]."),
        ({"names": {"rna": 1}}, "names must be a list of words, not {'rna': 1}."),
        ({"weights": 2.0}, "weights must be a mapping from names to numbers or None, not 2.0."),
        ({"weights": {"rna": "2"}}, "weights['rna'] must be a number, not '2'."),
        ({"way": ["fast"]}, "way must be one of 'fast', 'slow', not ['fast']."),
        ({"either": [None]}, "either must be a number or a list of numbers, not [None]."),
        ({"random_state": -1}, "random_state must be from 0 to 4294967295, not -1."),
        ({"random_state": 2**32}, "random_state must be from 0 to 4294967295, not 4294967296."),
    ],
)
def test_what_is_of_another_kind_is_refused(options, sentence):
    with pytest.raises(InputError) as caught:
        check_types(Method(**options))
    assert str(caught.value) == sentence


WRONG: list[Any] = [
    True,
    "no such word",
    -1,
    float("nan"),
    float("inf"),
    [None],
    {1: object()},
    {"alpha": "x"},
    np.array([0.5, np.nan]),
    object(),
]


@pytest.mark.parametrize("name", methods())
def test_every_setting_of_every_method_is_taken_or_refused_in_a_sentence(name):
    method = methods()[name]
    kind = next(kind for kind in KINDS if kind in method.learns)
    cohort, _ = data(kind)
    refused = [_refusal(method, kind, cohort, *pair) for pair in _wrong_settings(method)]
    assert all(sentence.endswith(".") or "Did you mean" in sentence for sentence in refused)
    assert len(set(refused)) > len(refused) / 2  # each says what was given


def _wrong_settings(method: type) -> list[tuple[str, Any]]:
    hints = get_type_hints(method.__init__)
    names = [name for name in inspect.signature(method).parameters if hints[name] is not Any]
    return [(name, value) for name in names for value in WRONG]


def _refusal(method: type, kind: str, cohort: Cohort, name: str, value: Any) -> str:
    """Return what is said of a setting, "." if nothing; any other exception is a failure."""
    try:
        model = build(method, kind, {}).set_params(**{name: value})
        model.check_settings()
        model._used(cohort)
    except InputError as refusal:
        return str(refusal)
    return "."
