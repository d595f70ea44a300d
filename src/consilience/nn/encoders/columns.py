"""A table's features as columns: numbers, indicators of gaps, embeddings of categories."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from consilience.nn.batch import Part
from consilience.nn.sources import TableSource

LONGEST = 16  # entries of the vector of a level


class Columns(nn.Module):
    """All that a table says of a patient, side by side.

    Attributes
    ----------
    features : tuple of str
        To which feature each column belongs.
    """

    gappy: Tensor

    def __init__(self, source: TableSource) -> None:
        super().__init__()
        gappy = np.flatnonzero(source.gappy_)
        self.register_buffer("gappy", torch.as_tensor(gappy))
        levels = {name: len(source.levels_[name]) for name in source.texts_}
        lengths = {name: min(LONGEST, (n + 2) // 2) for name, n in levels.items()}
        self.embeddings = nn.ModuleList(
            nn.Embedding(n + 1, lengths[name], padding_idx=0) for name, n in levels.items()
        )
        of_levels = [name for name in source.texts_ for _ in range(lengths[name])]
        self.features = (*source.numbers_, *(source.numbers_[i] for i in gappy), *of_levels)

    def forward(self, part: Part) -> Tensor:
        """Return the columns, (m, n_columns)."""
        gaps = 1.0 - part.arrays["known"][:, self.gappy]
        codes = part.arrays["codes"]
        levels = [layer(codes[:, i]) for i, layer in enumerate(self.embeddings)]
        return torch.cat([part.arrays["numbers"], gaps, *levels], dim=1)
