"""A small network with a reader of its data, for tests of the training loop."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from consilience.cohort import Bag, Cohort, Table, synthetic_cohort
from consilience.nn.batch import Batch
from consilience.nn.heads import ClassesHead
from consilience.nn.network import FusionNetwork
from consilience.nn.reading import Reader
from consilience.nn.sources import Sources


class Joined(FusionNetwork):
    """Encoders and a linear layer over all their vectors."""

    def __init__(self, sources: Sources, width: int = 8, **options: Any) -> None:
        super().__init__(sources, width, **options)
        self.join = nn.Linear(len(self.names) * width, width)

    def embed(self, batch: Batch) -> Tensor:
        joined: Tensor = self.join(self.encode(batch).vectors.flatten(1))
        return joined


def cohort_of(n: int = 120, seed: int = 0) -> tuple[Cohort, np.ndarray]:
    return synthetic_cohort(n, seed=seed)


def with_bag(n: int = 40, seed: int = 0) -> tuple[Cohort, np.ndarray]:
    """A table and a bag, which streams; a fifth of the patients lack the bag."""
    cohort, y = synthetic_cohort(n, modalities=1, seed=seed)
    rng = np.random.default_rng(seed)
    have = cohort.index[rng.random(n) > 0.2]
    counts = rng.integers(1, 9, size=len(have))
    return cohort.with_modality("slide", Bag(have, rng.normal(size=(counts.sum(), 5)), counts)), y


def reader_of(cohort: Cohort, y: np.ndarray) -> Reader:
    sources = Sources(list(cohort.modalities)).fit(cohort)
    return Reader(sources, cohort, {"label": np.asarray(y, dtype=np.int64)})


def network_for(reader: Reader, seed: int = 1, **options: Any) -> Joined:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Joined(reader.sources, **{"modality_dropout": 0.2, **options})
        network.head = ClassesHead(8, 2)
    return network


def weights_of(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy().copy() for name, tensor in network.state_dict().items()}


def assert_same_weights(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name, array in one.items():
        np.testing.assert_array_equal(other[name], array, err_msg=name)


def table_cohort(values: np.ndarray) -> Cohort:
    """One table with the features f0, f1, ..."""
    index = [f"p{i}" for i in range(len(values))]
    frame = pd.DataFrame(values, index=index, columns=[f"f{j}" for j in range(values.shape[1])])
    return Cohort(pd.DataFrame(index=index), {"labs": Table(frame)})
