"""The network of `GraphFusion`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import singledispatch
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience.fusion.deep_head import ClassesDeepHead, DeepHead, DiscreteTimeDeepHead
from consilience.fusion.patient_graph import PatientGraph
from consilience.nn.batch import Batch
from consilience.nn.graphs import LEAK, PatientConvolutions, summary
from consilience.nn.network import Encoded, FusionNetwork
from consilience.nn.sources import Sources

WHOLE = 3  # of up to so many modalities every combination of what they say is looked at


class Saying(nn.Module):
    """What a modality says of a patient, in a form whose products mean something.

    Of a number, such as a log hazard ratio o: (1, o), so that products of several hold
    each alone and all together.
    """

    def __init__(self, n_outputs: int) -> None:
        super().__init__()
        self.n_outputs = n_outputs
        self.size = 1 + n_outputs

    def forward(self, outputs: Tensor) -> Tensor:
        """Return what outputs (..., n_outputs) say, (..., size)."""
        return torch.cat([torch.ones_like(outputs[..., :1]), outputs], dim=-1)


class ClassesSaying(Saying):
    """Of classes: their probabilities."""

    def __init__(self, n_outputs: int) -> None:
        super().__init__(n_outputs)
        self.size = n_outputs

    def forward(self, outputs: Tensor) -> Tensor:
        return outputs.softmax(dim=-1) * self.size


class TimesSaying(Saying):
    """Of hazards in intervals: the probability of the event in each, and of none."""

    def forward(self, outputs: Tensor) -> Tensor:
        free = functional.logsigmoid(-outputs).cumsum(dim=-1)
        alive = torch.cat([torch.zeros_like(free[..., :1]), free], dim=-1).exp()
        shares = torch.cat([alive[..., :-1] - alive[..., 1:], alive[..., -1:]], dim=-1)
        return shares * self.size


@singledispatch
def saying_for(head: DeepHead) -> Saying:
    """Return what outputs of a kind say; register one to add a kind of outcome."""
    return Saying(head.n_outputs_)


@saying_for.register
def _(head: ClassesDeepHead) -> Saying:
    return ClassesSaying(head.n_outputs_)


@saying_for.register
def _(head: DiscreteTimeDeepHead) -> Saying:
    return TimesSaying(head.n_outputs_)


def correlated(said: Tensor) -> Tensor:
    """Return the products of what the modalities say, (n, k).

    Of one to three modalities the whole tensor, s_1 x s_2 x s_3, flattened (MOGONET,
    equation 7); of more, the outer products of all pairs, whose number does not explode.

    Parameters
    ----------
    said : Tensor of shape (n, n_modalities, size)
    """
    count = said.shape[1]
    if count > WHOLE:
        first, second = zip(*combinations(range(count), 2), strict=True)
        pairs = torch.einsum("npi,npj->npij", said[:, list(first)], said[:, list(second)])
        return pairs.flatten(1)
    whole = said[:, 0]
    for place in range(1, count):
        whole = (whole[:, :, None] * said[:, place, None, :]).flatten(1)
    return whole


def n_correlated(count: int, size: int) -> int:
    """Return how many numbers `correlated` gives."""
    return count * (count - 1) // 2 * size**2 if count > WHOLE else int(size**count)


class GraphNetwork(FusionNetwork):
    """Graph convolutions a modality, what each says, and what their combinations say.

    Parameters
    ----------
    sources : Sources
    width : int
        Of the states of the graph convolutions, and of the last hidden layer.
    graphs : mapping of str to PatientGraph
    saying : Saying
    layers : int
        Graph convolutions.
    dropout : float
    own_features : bool
        Whether what a modality's encoder makes of a patient alone is added to his state.
    encoders, modality_dropout
        See `FusionNetwork`.
    """

    def __init__(
        self,
        sources: Sources,
        width: int,
        *,
        graphs: Mapping[str, PatientGraph],
        saying: Saying,
        layers: int,
        dropout: float,
        own_features: bool = True,
        encoders: Mapping[str, Any] | None = None,
        modality_dropout: float = 0.0,
    ) -> None:
        super().__init__(sources, width, encoders=encoders, modality_dropout=modality_dropout)
        self.sources = tuple(sources.fitted_.values())
        self.saying = saying
        count = len(self.names)
        self.own_features = own_features
        if not own_features:
            self.encoders = nn.ModuleList()
        self.graphs = nn.ModuleList(
            PatientConvolutions(graphs[name], [width] * layers, dropout) for name in self.names
        )
        self.speakers = nn.ModuleList(nn.Linear(width, saying.n_outputs) for _ in self.names)
        # What is said in the place of a modality that a patient lacks.
        self.silent = nn.Parameter(torch.zeros(count, saying.n_outputs))
        self.join = nn.Linear(n_correlated(count, saying.size), width)

    @contextmanager
    def held(self, batch: Batch) -> Iterator[None]:
        """Hold fast to whom the patients of a batch are joined in each graph."""
        with ExitStack() as graphs:
            for place, name in enumerate(self.names):
                if len(batch.parts[name]):
                    own = summary(self.sources[place], batch.parts[name])
                    graph = self.graphs[place]
                    assert isinstance(graph, PatientConvolutions)
                    graphs.enter_context(graph.held(own))
            yield

    def encode(self, batch: Batch) -> Encoded:
        """Return the patients' states in each graph, after modality dropout."""
        vectors, present = self._states(batch)
        kept = self.kept(present)
        return Encoded(vectors * kept[:, :, None], kept)

    def _states(self, batch: Batch) -> Encoded:
        own = [
            self._state(place, batch) if len(batch.parts[name]) else None
            for place, name in enumerate(self.names)
        ]
        vectors = torch.zeros(batch.size, len(self.names), self.width, device=batch.device)
        for place, (name, states) in enumerate(zip(self.names, own, strict=True)):
            if states is not None:
                rows = batch.parts[name].rows
                vectors = vectors.index_put((rows, torch.full_like(rows, place)), states)
        return Encoded(vectors, batch.present())

    def _state(self, place: int, batch: Batch) -> Tensor:
        part = batch.parts[self.names[place]]
        state: Tensor = self.graphs[place](summary(self.sources[place], part))
        if self.own_features:
            state = state + self.encoders[place](part)
        return state.float()

    def outputs(self, vectors: Tensor) -> Tensor:
        """Return what each modality's own layer makes of states, (n, n_modalities, n_outputs)."""
        own = [speaker(vectors[:, place]) for place, speaker in enumerate(self.speakers)]
        return torch.stack(own, dim=1)

    def discover(self, outputs: Tensor, kept: Tensor) -> Tensor:
        """Return the embedding, (n, width), of what the modalities say that are kept."""
        spoken = torch.where(kept[:, :, None], outputs, self.silent)
        return functional.leaky_relu(self.join(correlated(self.saying(spoken))), LEAK)

    def embed(self, batch: Batch) -> Tensor:
        vectors, present = self._states(batch)
        return self.discover(self.outputs(vectors), self.kept(present))

    def moved(self, batch: Batch) -> Tensor:
        """Return how far the outputs move when a modality is hidden, (n, n_modalities)."""
        assert self.head is not None
        vectors, present = self._states(batch)
        outputs = self.outputs(vectors)
        whole = self.head(self.discover(outputs, present))
        far = []
        for place in range(len(self.names)):
            left = present.clone()
            left[:, place] = False
            far.append((self.head(self.discover(outputs, left)) - whole).abs().mean(dim=1))
        return torch.stack(far, dim=1)

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of the whole and, added to it, that of each modality alone."""
        assert self.head is not None
        vectors, present = self._states(batch)
        outputs = self.outputs(vectors)
        joined = self.head(self.discover(outputs, self.kept(present)))
        terms = {"outcome": self.head.loss(joined, batch.targets)}
        for place, name in enumerate(self.names):
            rows = batch.parts[name].rows
            if len(rows) and self.training:
                own = {key: target[rows] for key, target in batch.targets.items()}
                terms[f"outcome by {name}"] = self.head.loss(outputs[rows, place], own)
        return terms
