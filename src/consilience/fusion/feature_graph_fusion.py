"""Feature graph fusion: patients and features are nodes, and what is known ties the features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from consilience.cohort.modality import FloatArray
from consilience.errors import InputError
from consilience.fusion.block_fusion import DEEPEST, check_whole
from consilience.fusion.deep import DeepFusion
from consilience.fusion.deep_head import DeepHead, Survival
from consilience.fusion.discovery import Component, Components, Discovery, Loading
from consilience.fusion.known_network import KnownNetwork
from consilience.fusion.task import Y
from consilience.nn.sources import TableSource
from consilience.nn.training import Training

if TYPE_CHECKING:
    from consilience.fusion.networks.feature_graph_fusion import FeatureGraphNetwork
    from consilience.nn.reading import Reader

SHOWN = 10  # features of a modality that are named


class FeatureGraphFusion(DeepFusion):
    """A graph of patients and features, in which a user's network ties the features.

    Every number of a table, and every level of a category, is a node with a learned
    meaning e_f, a vector. Nodes that the network ties hear each other `steps` times, as in
    personalised PageRank (Gasteiger et al. 2019), with S the degree-normalised network
    and s the `spread`; a feature without an edge keeps its own::

        E <- (1 - s) E_0 + s S E

    Then each patient hears his features along edges that weigh what his standardised value
    is, h = sum_f x_f e_f, with its own layer normalisation for each modality, and one layer
    joins the modalities to the embedding that tells the outcome. Without a network this is
    intermediate fusion with one layer a modality. With it, features known to work
    together are learned together: a signal spread thinly over a pathway adds up.

    An unseen patient is a new node with edges to his features: no refit is needed, and no
    training patient is kept.

    Missing values: the training mean, an edge of weight 0. Missing modalities: no edges to
    its features, and an indicator. Other kinds than tables, and tables for which `encoders`
    names an encoder, have no feature nodes and are encoded.

    Parameters
    ----------
    outcome, width, modality_dropout, survival, members, training, random_state
        See `DeepFusion`.
    network : str, path, DataFrame, list of edges, or mapping, optional
        A CSV file with a header, or a DataFrame, whose first two columns are features and
        whose third, if any, is a weight of 0 or more; a list of (feature, feature[,
        weight]); a name that several modalities have stands for all of them. Or graphs by
        modality or pair of modalities, as in `JointNMF`. A level of a category is named
        ``feature=level``. For a bundle, which holds all settings, give the file or a list.
    steps : int
        How often feature nodes hear their neighbours.
    spread : float
        What share of a feature's meaning comes from its neighbours, at least 0, below 1.
    dropout : float
        Share of what a modality tells that is set to 0 in training.
    modalities, encoders
        See `DeepFusion`.

    Attributes
    ----------
    sources_, members_
        See `DeepFusion`.
    nodes_ : dict of str to list of str
        The feature nodes of each table.
    known_ : KnownNetwork or None
        The network, with the names in it that nobody measured.
    sizes_ : ndarray of shape (n_nodes,)
        Length of what each feature tells at a value of one standard deviation.

    Raises
    ------
    InputError
        If the network cannot be read or ties no two features; the sentence names the
        file, the row or the feature.

    References
    ----------
    Gasteiger J., Bojchevski A., Guennemann S. Predict then propagate: graph neural networks
    meet personalized PageRank. ICLR 2019.

    Schlichtkrull M. et al. Modeling relational data with graph convolutional networks.
    ESWC 2018.
    """

    grid: ClassVar[Mapping[str, Sequence[Any]]] = {"spread": (0.5, 0.9)}

    def __init__(
        self,
        outcome: str = "binary",
        *,
        network: Any = None,
        steps: int = 3,
        spread: float = 0.9,
        dropout: float = 0.3,
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
        self.network = network
        self.steps = steps
        self.spread = spread
        self.dropout = dropout

    def check_settings(self) -> None:
        """Refuse numbers that are not whole or too small, and shares out of range."""
        super().check_settings()
        check_whole("steps", self.steps, 1, DEEPEST)
        for name in ("spread", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(
                    f"{name} must be at least 0 and below 1, not {getattr(self, name)!r}."
                )

    def _network(self) -> FeatureGraphNetwork:
        from consilience.fusion.networks.feature_graph_fusion import FeatureGraphNetwork

        return FeatureGraphNetwork(
            self.sources_,
            self.width,
            nodes=self.nodes_,
            known=self.known_,
            steps=self.steps,
            spread=self.spread,
            dropout=self.dropout,
            encoders=self.encoders,
            modality_dropout=self.modality_dropout,
        )

    def _train(
        self, reader: Reader, strata: Y, head: DeepHead | None = None, y: Any = None
    ) -> None:
        """Read the network that the user gives, and train in it."""
        own = self.encoders or {}
        self.nodes_ = {
            name: node_names(source)
            for name, source in self.sources_.fitted_.items()
            if isinstance(source, TableSource) and name not in own
        }
        self.known_ = None
        if self.network is not None:
            if not self.nodes_:
                raise InputError("network ties features of tables, and there are no feature nodes.")
            self.known_ = KnownNetwork().fit(self.network, self.nodes_)
        super()._train(reader, strata, head, y)
        self.sizes_ = self._sizes()

    def without_patients(self) -> Self:
        """Return the fitted method as a bundle holds it: a network's edges, not its file's name."""
        own: Self = super().without_patients()
        known = getattr(self, "known_", None)
        if known is not None and hasattr(known, "listed_"):
            own.network = known.listed_
        return own

    def _sizes(self) -> FloatArray:
        from consilience.fusion.networks.feature_graph_fusion import FeatureGraphNetwork

        sizes = []
        for network in self.networks():
            assert isinstance(network, FeatureGraphNetwork)
            sizes.append(network.features().detach().norm(dim=1).numpy())
        return np.asarray(np.mean(sizes, axis=0))

    def discoveries(self) -> list[Discovery]:
        """Return the learning curves, and the features that tell patients most."""
        if self.silent_ or not self.nodes_:
            return super().discoveries()
        loadings, start = [], 0
        for name, own in self.nodes_.items():
            sizes = self.sizes_[start : start + len(own)]
            start += len(own)
            best = np.argsort(-sizes, kind="stable")[:SHOWN]
            loadings += [Loading(name, own[i], float(sizes[i])) for i in best]
        strongest = Component("features", tuple(loadings), notes=self._notes())
        found = Components("What features tell patients", (strongest,), "length of the message")
        return [*super().discoveries(), found]

    def _notes(self) -> str:
        if self.known_ is None:
            return "no network was given"
        tied, lost = len(np.unique(self.known_.rows_)), len(self.known_.unmatched_)
        return f"{tied} of {len(self.sizes_)} features are tied; names not measured: {lost}"


def node_names(source: TableSource) -> list[str]:
    """Return the feature nodes of a table: its numbers, and ``feature=level`` for each level."""
    levels = [f"{name}={level}" for name, own in source.levels_.items() for level in own]
    return [*source.numbers_, *levels]
