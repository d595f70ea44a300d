"""Values and names as they stand in a TOML file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def to_toml(value: Any) -> str:
    """Return a text, a number, a list or a mapping as TOML on one line."""
    if isinstance(value, Mapping):
        inside = ", ".join(f"{toml_key(name)} = {to_toml(inner)}" for name, inner in value.items())
        return f"{{ {inside} }}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(to_toml, value))}]"
    # JSON's strings are TOML's basic strings, save for one sign.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_key(name: str) -> str:
    """Return a name as a key of TOML, quoted where it must be."""
    bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if bare else to_toml(name)
