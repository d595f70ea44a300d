"""A fitted `Pretraining` as a folder: numbers in safetensors, all else in JSON, no pickle."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, clone

from consilience.errors import InputError
from consilience.extras import require
from consilience.fusion.deep import DeepFusion, Member
from consilience.nn.weights import Weights

PARTS, NUMBERS = "pretraining.json", "pretraining.safetensors"
FORMAT = 1
# Where the classes live that a folder may name; nothing else is ever made from one.
MODULES = (
    "consilience.fusion.pretraining",
    "consilience.fusion.deep",
    "consilience.nn.weights",
    "consilience.nn.training",
    "consilience.nn.sources",
    "consilience.nn.encoders",
)
Arrays = dict[str, npt.NDArray[Any]]
PLAIN = (bool, int, float, str, type(None))


def write(model: Any, folder: Path) -> None:
    """Write a fitted pretraining (see `Pretraining.save`)."""
    arrays: Arrays = {}
    parts = {"format": FORMAT, "pretraining": _packed(representation(model), "", arrays)}
    safetensors = require("safetensors.numpy", extra="deep", purpose="saving a pretraining")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / PARTS).write_text(json.dumps(parts, indent=1), encoding="utf-8")
        safetensors.save_file(arrays, folder / NUMBERS)
    except OSError as reason:
        raise InputError(f"{folder}: the pretraining cannot be written ({reason}).") from reason


def representation(model: Any) -> Any:
    """Return a fitted pretraining with what `transform` needs, and without a head."""
    own = type(model)(**{**model.get_params(deep=False), "outcome": None})
    if own.training is not None:
        own.training = clone(own.training).set_params(checkpoints=None)  # a folder of this machine
    for name in ("modalities_", "n_features_in_", "silent_", "sources_"):
        setattr(own, name, getattr(model, name))
    own.members_ = []
    for trained in model.members_:
        member = Member(trained.seed)
        member.head_, member.history_, member.weights_ = None, trained.history_, Weights()
        arrays = trained.weights_.arrays_.items()
        member.weights_.arrays_ = {k: a for k, a in arrays if not k.startswith("head.")}
        own.members_.append(member)
    return own


def read(folder: Path) -> Any:
    """Read what `write` wrote (see `Pretraining.load`)."""
    for name in (PARTS, NUMBERS):
        if not (folder / name).is_file():
            raise InputError(f"{folder}: it holds no {name}, so it is no saved pretraining.")
    numpy = require("safetensors.numpy", extra="deep", purpose="reading a pretraining")
    try:
        parts = json.loads((folder / PARTS).read_text(encoding="utf-8"))
        if parts["format"] != FORMAT:
            raise InputError(f"its format is {parts['format']!r}, and this version reads {FORMAT}.")
        return _checked(_unpacked(parts["pretraining"], numpy.load_file(folder / NUMBERS)))
    except InputError as reason:
        raise InputError(f"{folder}: {reason}") from reason
    except Exception as reason:
        # The files are a stranger's: whatever they make the libraries say, they are damaged.
        raise _damaged(folder, reason) from reason


def _checked(model: Any) -> Any:
    """Return what was read if networks can be built of it, as they are."""
    if isinstance(model, DeepFusion):
        model.check_settings()
        if not (model.silent_ or len(model.members_) == model.members):
            raise InputError("it has more or fewer networks than it says.")
        for member in model.members_:
            bad = [k for k, a in member.weights_.arrays_.items() if not np.isfinite(a).all()]
            if bad:
                raise InputError(f"its weights are not finite, in {bad[0]!r}.")
        model.networks()
    return model


def _damaged(folder: Path, reason: Exception) -> InputError:
    said = " ".join(str(reason).split())[:200]
    return InputError(f"{folder}: the pretraining is damaged ({type(reason).__name__}: {said}).")


def _packed(thing: Any, place: str, arrays: Arrays) -> Any:
    """Return a thing as JSON, its numbers put into `arrays` under the place where it stands."""
    if isinstance(thing, PLAIN):
        return thing
    for kind, pack in PACKERS.items():
        if isinstance(thing, kind):
            return pack(thing, place, arrays)
    raise InputError(
        f"the pretraining cannot be saved: {place.strip('/') or 'it'} is a "
        f"{type(thing).__name__}, which is not one of the package's own."
    )


def _packed_array(thing: npt.NDArray[Any], place: str, arrays: Arrays) -> Any:
    if thing.dtype.kind in "US":
        return {"words": thing.tolist()}
    arrays[place] = np.ascontiguousarray(thing)
    return {"array": place}


def _packed_items(thing: Any, place: str, arrays: Arrays) -> list[Any]:
    return [_packed(own, f"{place}/{i}", arrays) for i, own in enumerate(thing)]


def _packed_pairs(thing: dict[Any, Any], place: str, arrays: Arrays) -> Any:
    pairs = [[key, _packed(own, f"{place}/{key}", arrays)] for key, own in thing.items()]
    return {"dict": pairs}


def _packed_estimator(thing: BaseEstimator, place: str, arrays: Arrays) -> Any:
    name = type(thing).__name__
    if _classes().get(name) is not type(thing):
        raise InputError(
            f"the pretraining cannot be saved: {place.strip('/')} is a {name}, which is not one "
            "of the package's own."
        )
    state = {key: own for key, own in vars(thing).items() if key != "_ready"}
    return {"of": name, "state": _packed_pairs(state, place, arrays)}


PACKERS: dict[type, Callable[[Any, str, Arrays], Any]] = {
    np.generic: lambda thing, place, arrays: _packed(thing.item(), place, arrays),
    np.ndarray: _packed_array,
    tuple: lambda thing, place, arrays: {"tuple": _packed_items(thing, place, arrays)},
    list: lambda thing, place, arrays: {"list": _packed_items(thing, place, arrays)},
    dict: _packed_pairs,
    BaseEstimator: _packed_estimator,
}


def _unpacked(node: Any, arrays: Arrays) -> Any:
    if isinstance(node, PLAIN):
        return node
    if "of" in node:
        kind = _classes()[node["of"]]
        thing: Any = object.__new__(kind)
        state = _unpacked(node["state"], arrays)
        strange = [name for name in state if inspect.isroutine(getattr(kind, name, None))]
        if strange:
            raise InputError(f"it holds something else in the place of {strange[0]!r}.")
        vars(thing).update(state)
        return thing
    ((kind, own),) = node.items()
    return UNPACKERS[kind](own, arrays)


UNPACKERS: dict[str, Callable[[Any, Arrays], Any]] = {
    "array": lambda own, arrays: arrays[own],
    "words": lambda own, arrays: np.array(own, dtype=str),
    "tuple": lambda own, arrays: tuple(_unpacked(each, arrays) for each in own),
    "list": lambda own, arrays: [_unpacked(each, arrays) for each in own],
    "dict": lambda own, arrays: {key: _unpacked(each, arrays) for key, each in own},
}


@cache
def _classes() -> dict[str, type[Any]]:
    """Return the estimators that a folder may hold, by name."""
    found: dict[str, type[Any]] = {}
    for module in MODULES:
        for name, thing in vars(importlib.import_module(module)).items():
            if isinstance(thing, type) and issubclass(thing, BaseEstimator):
                found[name] = thing
    return found
