"""Graph fusion: patients learn from those they resemble, modality by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from consilience.errors import InputError
from consilience.fusion.block_fusion import check_whole
from consilience.fusion.deep import AT_ONCE, DeepFusion
from consilience.fusion.deep_head import DeepHead, Survival
from consilience.fusion.discovery import Discovery, Weights
from consilience.fusion.patient_graph import PatientGraph
from consilience.fusion.task import Y
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.fusion.networks.graph_fusion import GraphNetwork
    from consilience.nn.reading import Reader


class GraphFusion(DeepFusion):
    """placeholder"""

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"neighbours": (5, 15)}

    def __init__(
        self,
        outcome: str = "binary",
        *,
        neighbours: int = 10,
        reduction: int | None = None,
        layers: int = 2,
        dropout: float = 0.3,
        own_features: bool = True,
        width: int = 32,
        modality_dropout: float = 0.2,
        survival: Survival = "cox",
        members: int = 1,
        training: Training | None = None,
        random_state: int | None = 0,
        modalities: Sequence[str] | None = None,
        encoders: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(
            outcome,
            width=width,
            modality_dropout=modality_dropout,
            survival=survival,
            members=members,
            training=training,
            random_state=random_state,
            modalities=modalities,
            encoders=encoders,
        )
        self.neighbours = neighbours
        self.reduction = reduction
        self.layers = layers
        self.dropout = dropout
        self.own_features = own_features

    def check_settings(self) -> None:
        """Refuse numbers that are not whole or too small, and shares out of range."""
        super().check_settings()
        check_whole("neighbours", self.neighbours, 1)
        check_whole("layers", self.layers, 1)
        if self.reduction is not None:
            check_whole("reduction", self.reduction, 1)
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1, not {self.dropout!r}.")
        if self.encoders and not self.own_features:
            raise InputError("encoders have nothing to do with own_features=False; give one only.")

    def _keeps_patients(self) -> bool:
        return True

    def _network(self) -> GraphNetwork:
        from consilience.fusion.networks.graph_fusion import GraphNetwork, saying_for

        return GraphNetwork(
            self.sources_,
            self.width,
            graphs=self.graphs_,
            saying=saying_for(self.saying_),
            layers=self.layers,
            dropout=self.dropout,
            own_features=self.own_features,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def _train(
        self, reader: Reader, strata: Y, head: DeepHead | None = None, y: Any = None
    ) -> None:
        """Draw the graphs of all training patients, and train in them."""
        rows = np.arange(len(strata))
        self.saying_ = head
        self.graphs_ = self._graphs(reader, rows)
        super()._train(reader, strata, head, y)
        self.shares_ = self._shares(reader, rows)

    def _graphs(self, reader: Reader, rows: npt.NDArray[np.intp]) -> dict[str, PatientGraph]:
        from consilience.nn.graphs import summary

        found: dict[str, list[Any]] = {name: [] for name in self.sources_.fitted_}
        for batch in reader.batches(rows, AT_ONCE):
            for name, source in self.sources_.fitted_.items():
                if len(batch.parts[name]):
                    found[name].append(summary(source, batch.parts[name]).numpy())
        return {
            name: PatientGraph(self.neighbours, self.reduction).fit(np.concatenate(own))
            for name, own in found.items()
        }

    def _shares(self, reader: Reader, rows: npt.NDArray[np.intp]) -> dict[str, float]:
        """Return how much what is said changes when a modality is hidden, as shares of 1."""
        import torch

        from consilience.fusion.networks.graph_fusion import GraphNetwork

        moved = []
        with torch.inference_mode():
            for network in self.networks():
                assert isinstance(network, GraphNetwork)
                for batch in reader.batches(rows, AT_ONCE):
                    moved.append(network.moved(batch).numpy())
        change = np.concatenate(moved).mean(axis=0)
        total = change.sum()
        shares = change / total if total > 0 else change
        return dict(zip(self.sources_.fitted_, map(float, shares), strict=True))

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves, and how much each modality has to say."""
        if self.silent_:
            return super().discoveries()
        found = Weights(
            title="What each modality has to say",
            weights=dict(self.shares_),
            label="share of the change of the outputs when it is hidden",
        )
        return [*super().discoveries(), found]
