"""What is said when something the user gave cannot be used."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Input that cannot be used, in one sentence that says what, where and what to do.

    The command line prints the sentence and exits with status 2; every other
    exception is a defect of ours and keeps its traceback.
    """


class MissingExtraError(InputError):
    """What was asked for needs an optional library that is not installed."""


class InputWarning(UserWarning):
    """Input that can be used, with something the user should know about it."""


def suggestion(given: object, known: Iterable[object]) -> str:
    """Return " Did you mean 'x'?" for the closest known name, or an empty string.

    Capitals count for nothing.
    """
    names = {str(name).lower(): str(name) for name in known}
    close = difflib.get_close_matches(str(given).lower(), names, n=1, cutoff=0.6)
    return f" Did you mean {names[close[0]]!r}?" if close else ""


def listing(names: Iterable[object], most: int = 5) -> str:
    """Return the first few names, quoted, and how many more there are."""
    quoted = [repr(str(name)) for name in names]
    shown = ", ".join(quoted[:most])
    return f"{shown} and {len(quoted) - most} more" if len(quoted) > most else shown
