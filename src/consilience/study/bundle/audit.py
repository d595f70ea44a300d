"""Reading a model file as a stranger's: everything is looked at before anything is built.

The file is skops' (a zip of ``schema.json`` and ``.npy`` arrays). skops has its own audit, which
trusts every scikit-learn estimator and has been walked round before (CVE-2024-37065,
CVE-2025-54412, CVE-2025-54413: a node that names one type and builds another). This one
comes first and is narrower: a fixed list of pairs (kind of node, type), no method, partial,
operator or reduce nodes, no old protocols, bounded sizes and depth.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import Any
from zipfile import BadZipFile, ZipFile

import numpy as np

from consilience.errors import listing

LARGEST = 2**31  # bytes of a model, unpacked
LARGEST_SCHEMA = 2**29
DEEPEST = 300  # nested nodes; a pipeline in a calibrated classifier in a stack has about 60
OLDEST_PROTOCOL = 2
SCHEMA = "schema.json"
CACHED = {"__class__": "CachedNode", "__module__": "skops", "__loader__": "CachedNode"}

Node = Mapping[str, Any]


class Refused(Exception):  # noqa: N818 - it is what the audit says, in words
    """Why a model file is not loaded, as the end of a sentence."""


def audited(data: bytes, allowed: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Look through a model file; nothing in it is imported, built or run.

    Parameters
    ----------
    data : bytes
        The file.
    allowed : mapping of str to frozenset of str
        For each kind of node, the types it may name.

    Returns
    -------
    frozenset of str
        Those of the allowed types that it names.

    Raises
    ------
    Refused
        With the reason.
    """
    try:
        with ZipFile(io.BytesIO(data)) as archive:
            sizes = _members(archive)
            schema = json.loads(archive.read(SCHEMA))
            _check_protocol(schema)
            _check_arrays(archive, sizes)
            return _check_nodes(schema, allowed, archive)
    except (BadZipFile, EOFError, NotImplementedError, OSError) as reason:
        raise Refused(f"is no model file or is cut short ({reason})") from reason
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as reason:
        raise Refused(f"is not in the form of a model file ({reason})") from reason
    except RecursionError as reason:
        raise Refused("is nested too deeply") from reason


def _members(archive: ZipFile) -> dict[str, int]:
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    strange = [n for n in names if n != SCHEMA and not (n.endswith(".npy") and n.isascii())]
    strange += [name for name in names if "/" in name or "\\" in name or ".." in name]
    if strange:
        raise Refused(f"holds {listing(strange, most=3)}, which no model file has")
    if len(set(names)) < len(names):
        raise Refused("holds one name twice")
    if SCHEMA not in names:
        raise Refused(f"holds no {SCHEMA}")
    sizes = {entry.filename: entry.file_size for entry in entries}
    if sum(sizes.values()) > LARGEST or sizes[SCHEMA] > LARGEST_SCHEMA:
        raise Refused(
            f"would unpack to {sum(sizes.values()):,} bytes; at most {LARGEST:,} are allowed"
        )
    return sizes


def _check_protocol(schema: Any) -> None:
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or protocol < OLDEST_PROTOCOL:
        raise Refused(f"is of skops protocol {protocol!r}; {OLDEST_PROTOCOL} or newer is read")


def _check_arrays(archive: ZipFile, sizes: Mapping[str, int]) -> None:
    """Refuse arrays of objects, and those whose header promises more than there is."""
    for name, size in sizes.items():
        if name != SCHEMA:
            shape, dtype, start = array_header(archive, name)
            if dtype.hasobject:
                raise Refused(f"holds an array of objects, {name!r}, which would need pickle")
            if start + int(np.prod(shape, dtype=object)) * dtype.itemsize != size:
                raise Refused(f"holds an array, {name!r}, that is not as long as it says")


def array_header(archive: ZipFile, name: str) -> tuple[tuple[int, ...], np.dtype[Any], int]:
    """Return shape, dtype and where the numbers start, without reading them."""
    with archive.open(name) as stream:
        readers: dict[tuple[int, int], Any] = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }
        shape, _, dtype = readers[np.lib.format.read_magic(stream)](stream)
        return shape, dtype, stream.tell()


def _check_nodes(
    schema: Node, allowed: Mapping[str, frozenset[str]], archive: ZipFile
) -> frozenset[str]:
    seen: set[Any] = set()
    named: set[str] = set()
    refused: set[str] = set()
    for node in nodes_of(schema):
        kind, name = _kind_and_name(node)
        named.add(name)
        if name not in allowed.get(kind, frozenset()):
            refused.add(name if kind in allowed else f"{name} as {kind}")
        # skops builds an id once: a second node under it would be audited and never used.
        own = node.get("__id__")
        if own is not None and (kind == "CachedNode") != (own in seen):
            raise Refused("gives two different things the same number")
        seen.add(own)
        _CHECKS.get(kind, _nothing)(node, archive)
    if refused:
        raise Refused(f"holds {listing(sorted(refused))}, which is not on the list of safe types")
    return frozenset(named)


def nodes_of(schema: Any) -> Iterator[Node]:
    """Yield every node of a model file's schema.

    Raises
    ------
    Refused
        If it is nested too deeply, or something with an id is no node.
    """
    stack: list[tuple[Any, int]] = [(schema, 0)]
    while stack:
        item, depth = stack.pop()
        if depth > DEEPEST:
            raise Refused("is nested too deeply")
        if isinstance(item, dict):
            if "__loader__" in item:
                yield item
            elif "__id__" in item or "__class__" in item:
                raise Refused("holds a part that does not say what it is")
            stack += [(value, depth + 1) for value in reversed(item.values())]
        elif isinstance(item, list):
            stack += [(value, depth + 1) for value in reversed(item)]


def _kind_and_name(node: Node) -> tuple[str, str]:
    parts = [node["__loader__"], node["__module__"], node["__class__"]]
    if not all(isinstance(part, str) for part in parts) or "." in parts[2]:
        raise Refused("holds a part whose type is not written as a type")
    return parts[0], f"{parts[1]}.{parts[2]}"


def _nothing(node: Node, archive: ZipFile) -> None:
    """Nothing more to check."""


def _check_dict(node: Node, archive: ZipFile) -> None:
    keys = node["key_types"]
    if keys["__loader__"] != "ListNode" or not isinstance(node["content"], dict):
        raise Refused("holds a dict that is not written as one")
    if any(key["__loader__"] != "TypeNode" for key in keys["content"]):
        raise Refused("holds a dict whose keys are made by something else than a type")


def _check_tree(node: Node, archive: ZipFile) -> None:
    """Refuse a tree whose constructor would read beyond the array that it is given."""
    arguments = node["__reduce__"]["args"]["content"]
    n_features, classes, n_outputs = arguments
    outputs = _whole(n_outputs)
    if _whole(n_features) < 0 or outputs < 1 or classes.get("type") != "numpy":
        raise Refused("holds a tree with impossible sizes")
    shape, dtype, _ = array_header(archive, classes["file"])
    if shape != (outputs,) or dtype.kind not in "iu":
        raise Refused("holds a tree with impossible sizes")


def _whole(node: Node) -> int:
    value = json.loads(node["content"]) if node["__loader__"] == "JsonNode" else None
    if type(value) is not int:
        raise Refused("holds a tree with impossible sizes")
    return value


_CHECKS = {"DictNode": _check_dict, "TreeNode": _check_tree}
