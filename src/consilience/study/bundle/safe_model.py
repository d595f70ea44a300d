"""A fitted model as bytes and back, without pickle."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import numpy as np

from consilience.errors import InputError
from consilience.fusion.deep import DeepFusion
from consilience.nn.training import need_torch
from consilience.nn.weights import brought_back, set_apart
from consilience.study.bundle.allowed import encoder_types, with_trusted
from consilience.study.bundle.audit import CACHED, SCHEMA, Refused, audited
from consilience.study.bundle.folder import MODEL, WEIGHTS
from consilience.study.bundle.tensors import dump_tensors, load_tensors

LEAVES = ("JsonNode", "TypeNode", "FunctionNode")  # the same whether they are shared or not


def dump_model(model: Any, *, trust: Sequence[str] = ()) -> bytes:
    """Return a fitted model as the bytes of ``model.skops``.

    The same model gives the same bytes, whichever process writes them, so that their
    hash is its fingerprint.

    Parameters
    ----------
    model : estimator
        Fitted.
    trust : sequence of str
        Types outside the list of safe ones that may be in it, such as
        ``"my.package.Learner"``; whoever loads the file has to name them again.

    Raises
    ------
    InputError
        If it holds a type that `load_model` would refuse; the sentence says which.
    """
    data = _dumped(model)
    load_model(data, "the model", trust=trust)
    return data


def _dumped(model: Any) -> bytes:
    import skops.io
    from skops.io.exceptions import UnsupportedTypeException

    try:
        own = model.without_patients() if hasattr(model, "without_patients") else model
        _refuse_modules(own)
        return _canonical(skops.io.dumps(own))
    except UnsupportedTypeException as reason:
        raise InputError(f"the model cannot be saved: {reason}") from reason
    except RecursionError as reason:
        raise InputError("the model cannot be saved: it refers to itself.") from reason


def dump_parts(model: Any, *, trust: Sequence[str] = ()) -> tuple[bytes, bytes | None]:
    """Return ``model.skops`` and, if the model holds networks, ``weights.safetensors``.

    Parameters
    ----------
    model : estimator
        Fitted.
    trust : sequence of str
        As in `dump_model`.

    Raises
    ------
    InputError
        As `dump_model`.
    """
    with set_apart() as apart:
        data = _dumped(model)
    weights = dump_tensors(apart.arrays) if apart.arrays else None
    load_model(data, "the model", trust=trust, weights=weights)
    return data, weights


def load_model(
    data: bytes, source: str, *, trust: Sequence[str] = (), weights: bytes | None = None
) -> Any:
    """Return the model that bytes hold; nothing that the file names is run.

    Parameters
    ----------
    data : bytes
        What `dump_model` returned.
    source : str
        What the bytes are called in errors.
    trust : sequence of str
        Types outside the list of safe ones that the reader vouches for.
    weights : bytes, optional
        The weights of its networks, where they are in a file of their own.

    Raises
    ------
    InputError
        If it is no model file, is damaged, or holds anything that is not on the list; if it
        holds networks and the extra ``deep`` is not installed.
    """
    import skops.io

    from consilience.study.bundle.bounds import check_bounds

    allowed = with_trusted(tuple(trust))
    arrays = {} if weights is None else _arrays(weights, source)
    try:
        named = audited(data, allowed)
        # The list is ours; what the file does not name is left out, for skops copies it often.
        known = sorted(named & frozenset().union(*allowed.values()))
        if named & encoder_types():
            need_torch()
        with brought_back(arrays) as apart:
            model = skops.io.loads(data, trusted=known)
        if apart.taken != set(arrays):
            raise Refused("does not use all the weights that lie beside it")
        check_bounds(model)
        _build_networks(model)
    except Refused as reason:
        raise InputError(f"{source}: it {reason}.{_advice(str(reason))}") from reason
    except InputError as reason:
        raise InputError(f"{source}: {reason}") from reason
    except Exception as reason:
        # The file is a stranger's: whatever it makes the libraries say, it cannot be loaded.
        raise InputError(
            f"{source}: the model cannot be rebuilt ({_first_line(reason)})."
        ) from reason
    return model


def _build_networks(model: Any) -> None:
    """Build the networks, so that settings and weights that do not fit are refused now."""
    from consilience.study.bundle.bounds import parts_of

    for part in list(parts_of(model)):
        if isinstance(part, DeepFusion) and hasattr(part, "members_"):
            part.__dict__.pop("_ready", None)
            part.networks()


def _refuse_modules(model: Any) -> None:
    """Refuse torch modules of a user's, given as encoders: they are code, which no bundle holds."""
    from consilience.study.bundle.bounds import parts_of

    torch, encoders = (sys.modules.get(name) for name in ("torch", "consilience.nn.encoders"))
    if torch is None or encoders is None:
        return
    for part in parts_of(model):
        inside = vars(part).values() if isinstance(part, encoders.EncoderSettings) else ()
        own = next((value for value in inside if isinstance(value, torch.nn.Module)), None)
        if own is not None:
            raise InputError(
                f"the model cannot be saved: {type(part).__name__} holds a torch module of your "
                f"own ({type(own).__name__}), whose code a bundle cannot hold; use another encoder "
                "of consilience.nn.encoders."
            )


def _arrays(weights: bytes, source: str) -> dict[str, Any]:
    path = str(Path(source).with_name(WEIGHTS)) if Path(source).name == MODEL else WEIGHTS
    try:
        return load_tensors(weights)
    except Refused as reason:
        raise InputError(f"{path}: it {reason}.") from reason


def _advice(reason: str) -> str:
    if "list of safe types" not in reason:
        return ""
    return (
        " Use learners of scikit-learn or scikit-survival that are on it, or, if you wrote or "
        "reviewed the type yourself, name it in `trust`."
    )


def _first_line(reason: Exception) -> str:
    text = str(reason).strip().splitlines()
    return (text[0] if text else type(reason).__name__).rstrip(".")


def _canonical(data: bytes) -> bytes:
    """Return a skops file without what differs from one process to the next.

    skops numbers objects by their address in memory, and writes one that stands in two
    places twice; here they are numbered in order and written once.
    """
    with ZipFile(io.BytesIO(data)) as source:
        writing = _Numbering()
        schema = writing.rewritten(json.loads(source.read(SCHEMA)))
        target = io.BytesIO()
        with ZipFile(target, "w", ZIP_DEFLATED) as archive:
            archive.writestr(_entry(SCHEMA), json.dumps(schema, separators=(",", ":")))
            for old, new in writing.files.items():
                archive.writestr(_entry(new), _without_padding(source.read(old)))
    return target.getvalue()


def _without_padding(data: bytes) -> bytes:
    """Return an array's file with zeros between the fields of its rows.

    A tree's nodes are C structures: what lies between their fields is whatever the
    memory held before.
    """
    array = np.lib.format.read_array(io.BytesIO(data), allow_pickle=False)
    if array.dtype.names is None:
        return data
    clean = np.zeros(array.shape, array.dtype)
    for name in array.dtype.names:
        clean[name] = array[name]
    target = io.BytesIO()
    np.lib.format.write_array(target, clean, allow_pickle=False)
    return target.getvalue()


class _Numbering:
    """New numbers for the nodes of a schema and for its files, in the order they come."""

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.files: dict[str, str] = {}

    def rewritten(self, item: Any) -> Any:
        """Return a part of the schema with new numbers."""
        if isinstance(item, list):
            return [self.rewritten(value) for value in item]
        if not isinstance(item, dict):
            return item
        node = dict(item)
        old = node.pop("__id__", None) if "__loader__" in node else None
        if old in self.numbers:
            return {**CACHED, "__id__": self.numbers[old]}
        if old is not None and node["__loader__"] not in LEAVES:
            self.numbers[old] = node["__id__"] = len(self.numbers) + 1
        if "file" in node and "__loader__" in node:
            node["file"] = self.files.setdefault(node["file"], f"{len(self.files) + 1}.npy")
        return {key: self.rewritten(value) for key, value in node.items()}


def _entry(name: str) -> ZipInfo:
    entry = ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.compress_type = ZIP_DEFLATED
    return entry
