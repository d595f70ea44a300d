"""Graph fusion: patients learn from those they resemble, modality by modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt

from consilience.errors import InputError
from consilience.fusion.block_fusion import DEEPEST, WIDEST, check_whole
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
    """Graph convolutions a modality and what their labels say together (MOGONET; Wang et al. 2021).

    In each modality the training patients make a graph (`PatientGraph`: edges where the
    cosine of their features passes a threshold that gives each `neighbours` on average).
    Graph convolutions carry each patient's features along the edges, a linear layer on the
    last state says what the modality makes of him, with its own loss, and the view
    correlation discovery network learns the outcome from the products of what all say:
    probabilities of classes; 1 and the log hazard ratio or the number; probabilities of
    the event by interval. Of one to three modalities that is the whole tensor of the
    paper (equation 7); of more, the outer products of all pairs, whose number does not
    explode. All is trained together, by the sum of the losses; the patients held back
    judge the whole alone.

    Against the paper: states are normalised (layer normalisation), and what the modality's
    encoder makes of the patient alone is added to his state, so that a patient without
    neighbours is not lost; ``own_features=False`` leaves that out.

    **Unseen patients** need no refit: each is joined to the training patients nearest to
    him, by the same threshold, and to no other; see `consilience.nn.graphs`. A training
    patient who is asked again is found by his features and has his own place in the graph.
    In training, patients held back are nodes by their features (as in the paper); their
    outcomes are not used. The fitted method holds the training patients' features.

    Other kinds than tables: alike are bags with a like mean of the instances and images
    alike when pooled to four values an axis, and that summary is what neighbours pass on;
    the encoder sees the whole bag or image of the patient himself.

    Missing values: the training mean. Missing modalities: the patient is no node of that
    graph, and in the products a learned vector speaks for the modality; `modality_dropout`
    hides some in training so that it is learned.

    Parameters
    ----------
    outcome, width, modality_dropout, survival, members, training, random_state
        See `DeepFusion`.
    neighbours : int
        How many a training patient has on average, in each graph (the paper: 2 to 10).
    reduction : int, optional
        Principal components by which patients are compared; all features by default.
    layers : int
        Graph convolutions: how many steps away a patient hears others (the paper: 3).
    dropout : float
        Share of the states set to 0 in training.
    own_features : bool
        Whether what the encoder makes of a patient alone is added.
    modalities, encoders
        See `DeepFusion`.

    Attributes
    ----------
    sources_, members_
        See `DeepFusion`.
    graphs_ : dict of str to PatientGraph
    shares_ : dict of str to float
        How far the outputs of the training patients move when a modality is hidden, as
        shares of 1.

    References
    ----------
    Wang T. et al. MOGONET integrates multi-omics data using graph convolutional networks
    allowing patient classification and biomarker identification. Nature Communications
    12, 3445 (2021).
    """

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
        check_whole("layers", self.layers, 1, DEEPEST)
        if self.reduction is not None:
            check_whole("reduction", self.reduction, 1, WIDEST)
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
            saying=saying_for(self.head_),
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
        assert head is not None
        self.head_ = head
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
        networks = self.networks()  # made outside: they are kept, and may be asked for gradients
        with torch.inference_mode():
            for network in networks:
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
