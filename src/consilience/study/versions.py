"""With which versions numbers were made."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from consilience.fusion.deep import DeepFusion

LIBRARIES = ("consilience", "numpy", "scipy", "pandas", "scikit-learn", "scikit-survival")


DEEP = ("torch", "lightning")


def versions(methods: Iterable[Any] = ()) -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on.

    Parameters
    ----------
    methods : iterable of estimator
        What is fitted; where networks are among them, so are the libraries that train them.
    """
    known = {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}}
    if any(isinstance(method, DeepFusion) for method in methods):
        known.update({name: found for name in DEEP if (found := _installed(name))})
    return known


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
