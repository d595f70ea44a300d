"""What a user says of multi-block PLS, brought to numbers: who shall agree, what is kept."""

from __future__ import annotations

import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.block_fusion import check_whole


def design_matrix(design: Any, names: Sequence[str]) -> FloatArray:
    """Return how much each pair shall agree, (n + 1, n + 1), the outcome last.

    Parameters
    ----------
    design : float, or mapping of str to mapping of str to float
        One number for all pairs of modalities, or a number a pair by their names (a
        DataFrame too); a pair may stand in either order. All agree with the outcome by 1.
    names : sequence of str
        The modalities.

    Raises
    ------
    InputError
        If a pair is missing, or not between 0 and 1, or its two orders differ.
    """
    n = len(names)
    matrix = np.ones((n + 1, n + 1))
    for i in range(n):
        for j in range(i):
            matrix[i, j] = matrix[j, i] = _agreement(design, names[i], names[j])
    np.fill_diagonal(matrix, 0.0)
    return matrix


def check_names(given: Any, what: str, known: Sequence[str]) -> None:
    """Refuse a mapping by modality that names one that is not there, or not all of them."""
    if not isinstance(given, Mapping):
        return
    for name in given:
        if name not in known:
            raise InputError(
                f"{what} names {name!r}, but the modalities are {listing(known, most=20)}."
                f"{suggestion(str(name), known)}"
            )


def check_keep(keep: Any, n_components: int | None) -> None:
    """Refuse numbers of features that fit no modality."""
    for name, own in keep.items() if isinstance(keep, Mapping) else [("", keep)]:
        place = f"keep[{name!r}]" if name else "keep"
        if own is None or isinstance(own, numbers.Integral):
            check_whole(place, own, 1)
            continue
        if isinstance(own, str) or not isinstance(own, Sequence) or not own:
            raise InputError(
                f"{place} must be a whole number of features, or one a component, not {own!r}."
            )
        for number in own:
            check_whole(place, number, 1)
        if n_components is not None and len(own) != n_components:
            raise InputError(
                f"{place} has {len(own)} entries for {n_components} components: give one each."
            )


def components_of(keep: Any, names: Sequence[str]) -> int | None:
    """Return the number of components that `keep` speaks of, None if of none."""
    given = keep.values() if isinstance(keep, Mapping) else [keep]
    lengths = {len(own) for own in given if isinstance(own, Sequence)}
    if len(lengths) > 1:
        raise InputError(
            f"keep has {listing(sorted(lengths))} entries for different modalities: "
            "give as many for each as there are components."
        )
    return lengths.pop() if lengths else None


def kept(keep: Any, widths: Mapping[str, int], component: int) -> tuple[int, ...]:
    """Return how many features each modality keeps on a component.

    Raises
    ------
    InputError
        If that is more than the modality has, or a modality is not named.
    """
    numbers_of = []
    for name, width in widths.items():
        if isinstance(keep, Mapping) and name not in keep:
            raise InputError(f"keep does not name modality {name!r}; give a number for each.")
        own = keep[name] if isinstance(keep, Mapping) else keep
        number = own[component] if isinstance(own, Sequence) else own
        if number > width:
            raise InputError(
                f"keep asks for {number} features of modality {name!r}, of which {width} vary."
            )
        numbers_of.append(int(number))
    return tuple(numbers_of)


def _agreement(design: Any, one: str, other: str) -> float:
    if isinstance(design, numbers.Real):
        said = [float(design)]
    else:
        pairs = [(one, other), (other, one)]
        said = [float(design[a][b]) for a, b in pairs if a in design and b in design[a]]
    if not said:
        raise InputError(f"design does not say how much {one!r} and {other!r} shall agree.")
    outside = [value for value in said if not 0 <= value <= 1]
    if outside:
        raise InputError(
            f"design must be between 0 and 1, but {one!r} and {other!r} have {outside[0]:g}."
        )
    if said[0] != said[-1]:
        raise InputError(
            f"design must be symmetric, but it gives {one!r} and {other!r} both {said[0]:g} "
            f"and {said[-1]:g}."
        )
    return said[0]
