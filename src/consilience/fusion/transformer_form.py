"""What makes the form of a cross-modal transformer, so that weights of one fit another."""

from __future__ import annotations

from typing import Any

from consilience.errors import InputError
from consilience.fusion.block_fusion import DEEPEST, WIDEST, check_whole

FORM = ("width", "tokens", "heads", "depth")


def check_form(method: Any) -> None:
    """Refuse a form that no transformer can have: tokens, heads, depth, dropout.

    Raises
    ------
    InputError
        Naming the setting.
    """
    check_whole("tokens", method.tokens, 1, WIDEST)
    for name in ("heads", "depth"):
        check_whole(name, getattr(method, name), 1, DEEPEST)
    if method.width % method.heads:
        raise InputError(
            f"width is {method.width}, which {method.heads} heads cannot share equally; "
            "make it a multiple."
        )
    if not 0 <= method.dropout < 1:
        raise InputError(f"dropout must be at least 0 and below 1, not {method.dropout!r}.")


def check_same_form(method: Any, other: Any, whose: str) -> None:
    """Refuse a method whose form is not that of another.

    Parameters
    ----------
    method, other : estimator
    whose : str
        What the other is, in the error.

    Raises
    ------
    InputError
        Naming the setting and both values.
    """
    for name in FORM:
        own, theirs = getattr(method, name), getattr(other, name)
        if own != theirs:
            raise InputError(f"{name} is {own}, and {whose} has {theirs}: give both the same.")
