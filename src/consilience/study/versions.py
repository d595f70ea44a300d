"""With which versions numbers were made."""

from __future__ import annotations

import platform
from importlib.metadata import version

LIBRARIES = ("consilience", "numpy", "scipy", "pandas", "scikit-learn", "scikit-survival")


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    return {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
