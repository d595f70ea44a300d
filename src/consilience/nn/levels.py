"""Which level of each category a patient has, as columns."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from consilience.nn.batch import Part

LEVELS = "levels"  # an array beside the codes, where patients are on their way to a level


def levels_of(part: Part, sizes: Sequence[int]) -> list[Tensor]:
    """Return, for each category, 1 for the level that a patient has and else 0.

    Attributions follow a network from "not known", which is 0 in all, to the level: the
    columns on the way are in the part's array ``levels``, and are returned if it has one.

    Parameters
    ----------
    part : Part
        Of a table, with ``codes``: 1, 2, ... for the levels, 0 for "not known".
    sizes : sequence of int
        How many levels each category has.

    Returns
    -------
    list of Tensor, (m, n_levels)
    """
    if LEVELS in part.arrays:
        return list(torch.split(part.arrays[LEVELS], list(sizes), dim=1))
    codes = part.arrays["codes"]
    return [
        functional.one_hot(codes[:, i], size + 1)[:, 1:].float() for i, size in enumerate(sizes)
    ]
