"""Optional libraries: imported where they are used, and named when they are missing."""

from __future__ import annotations

import importlib
from types import ModuleType

from consilience.errors import MissingExtraError


def require(module: str, *, extra: str, purpose: str) -> ModuleType:
    """Import an optional library.

    Parameters
    ----------
    module : str
        The module to import, such as ``"anndata"``.
    extra : str
        The extra of this package that installs it.
    purpose : str
        What needs it, as the subject of a sentence: "reading .h5ad files".

    Raises
    ------
    MissingExtraError
        If it is not installed; the sentence says which extra to install.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as missing:
        if missing.name != module.partition(".")[0]:
            raise
        raise MissingExtraError(
            f"{purpose} needs the extra {extra!r}: pip install 'consilience[{extra}]'."
        ) from missing
