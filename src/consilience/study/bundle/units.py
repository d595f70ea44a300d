"""Units of measurement: whether two are the same, and how one becomes the other."""

from __future__ import annotations

_PREFIXED: dict[str, tuple[str, float]] = {
    prefix + unit: (unit, scale)
    for unit in ("g", "mol", "l", "m", "u", "iu")
    for prefix, scale in {
        "k": 1e3, "": 1.0, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12,
    }.items()
}  # fmt: skip
_OTHERS: dict[str, tuple[str, float]] = {
    **dict.fromkeys(("d", "day", "days"), ("time", 1.0)),
    **dict.fromkeys(("week", "weeks"), ("time", 7.0)),
    **dict.fromkeys(("month", "months"), ("time", 365.25 / 12)),
    **dict.fromkeys(("y", "yr", "year", "years"), ("time", 365.25)),
    "%": ("share", 0.01),
    "1": ("share", 1.0),
    "fraction": ("share", 1.0),
}
_KNOWN = {**_PREFIXED, **_OTHERS}


def same_unit(one: str, other: str) -> bool:
    """Return whether two units are one, however the micro sign and blanks are written."""
    return _plain(one) == _plain(other)


def conversion(given: str, wanted: str) -> float | None:
    """Return what to multiply values in one unit by to have them in another.

    Masses, amounts of substance, volumes, lengths, times and shares, and quotients of
    them. None where it is not known, as between mg/dL and mmol/L, which depends on the
    substance.

    Examples
    --------
    >>> from consilience.study.bundle.units import conversion
    >>> conversion("g/dL", "g/L")
    10.0
    >>> conversion("mg/dL", "mmol/L") is None
    True
    """
    ours, theirs = _parts(given), _parts(wanted)
    if len(ours) != len(theirs):
        return None
    factor = 1.0
    for place, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        if one not in _KNOWN or other not in _KNOWN or _KNOWN[one][0] != _KNOWN[other][0]:
            return None
        ratio = _KNOWN[one][1] / _KNOWN[other][1]
        factor = factor * ratio if place == 0 else factor / ratio
    return float(f"{factor:.12g}")


def _plain(unit: str) -> str:
    return "".join(unit.replace("µ", "u").replace("μ", "u").split())


def _parts(unit: str) -> list[str]:
    return _plain(unit).lower().split("/")
