"""Groups of features of several tables, a vector each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from consilience.fusion.signatures import FeatureGroups
from consilience.nn.batch import Batch, Part
from consilience.nn.encoders import Encoder, EncoderSettings
from consilience.nn.encoders.columns import Columns
from consilience.nn.encoders.self_normalising import self_normalising
from consilience.nn.sources import TableSource


class ColumnsAlone(EncoderSettings):
    """A table's columns as they are; the groups make of them what they will."""

    def build(self, source: TableSource, width: int) -> Encoder:
        return TableColumns(source)


class TableColumns(Encoder):
    """The network of `ColumnsAlone`: as many columns as the table needs."""

    def __init__(self, source: TableSource) -> None:
        super().__init__()
        self.columns = Columns(source)
        self.width = len(self.columns.features)

    def forward(self, part: Part) -> Tensor:
        columns: Tensor = self.columns(part)
        return columns


class GroupTokens(nn.Module):
    """A self-normalising network for each group of features.

    A group is there if one of its tables is; the columns of the others are 0, and an
    indicator a table tells which they are.

    Parameters
    ----------
    tables : mapping of str to TableColumns
        Readers of the tables, which belong to the whole network.
    groups : dict
        Group to table to features.
    width, depth, dropout
        Of each group's network.
    """

    belongs: Tensor

    def __init__(
        self,
        tables: Mapping[str, TableColumns],
        groups: FeatureGroups,
        width: int,
        depth: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.width, self.names = width, tuple(tables)
        self.readers = list(tables.values())  # a plain list: their weights are not ours
        columns = [(name, f) for name in tables for f in tables[name].columns.features]
        self.n_groups = max(1, len(groups))
        self.layers = nn.ModuleList()
        for number, members in enumerate(groups.values()):
            own = {(table, feature) for table, features in members.items() for feature in features}
            index = [i for i, column in enumerate(columns) if column in own]
            if len(members) > 1:
                index += [len(columns) + self.names.index(table) for table in members]
            self.register_buffer(f"index{number}", torch.as_tensor(np.array(index, dtype=np.int64)))
            self.layers.append(self_normalising(len(index), [width] * depth, dropout))
        belongs = [[name in members for name in self.names] for members in groups.values()]
        self.register_buffer(
            "belongs", torch.tensor(belongs or [[False] * len(self.names)], dtype=torch.bool)
        )

    def forward(self, batch: Batch, present: Tensor) -> tuple[Tensor, Tensor]:
        """Return the groups' vectors, (n, n_groups, width), and which are there, (n, n_groups).

        Parameters
        ----------
        batch : Batch
        present : Tensor of bool, (n, n_modalities)
            Which modalities count.
        """
        place = [list(batch.parts).index(name) for name in self.names]
        has = present[:, place]
        there = (has[:, None, :] & self.belongs).any(dim=2)
        if not len(self.layers):
            return torch.zeros(batch.size, 1, self.width, device=batch.device), there
        columns = self._columns(batch, has)
        tokens = [
            layer(columns[:, getattr(self, f"index{number}")])
            for number, layer in enumerate(self.layers)
        ]
        return torch.stack(tokens, dim=1), there

    def _columns(self, batch: Batch, has: Tensor) -> Tensor:
        """Return the columns of all tables, 0 where one is absent, and who has which table."""
        found = []
        for number, (name, reader) in enumerate(zip(self.names, self.readers, strict=True)):
            part = batch.parts[name]
            columns = torch.zeros(batch.size, reader.width, device=batch.device)
            if len(part):
                columns = columns.index_copy(0, part.rows, reader(part).to(columns.dtype))
            found.append(columns * has[:, number, None])
        return torch.cat([*found, has.to(found[0].dtype)], dim=1)
