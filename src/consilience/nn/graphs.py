"""Graph convolutions over patients: training patients in their graph, others joined to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import singledispatch
from itertools import pairwise
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience.nn.batch import Part
from consilience.nn.levels import levels_of
from consilience.nn.sources import Source, TableSource

POOLED = 4  # an image is brought to so many values along each axis
LEAK = 0.25  # slope of the activations below 0, as published
SAME = 1e-5  # features at most so far apart are those of one patient


class Graph(Protocol):
    """The training patients and who resembles whom; see `PatientGraph` for what each is."""

    nodes_: np.ndarray
    mean_: np.ndarray
    scale_: np.ndarray
    axes_: np.ndarray | None
    threshold_: float
    rows_: np.ndarray
    columns_: np.ndarray
    values_: np.ndarray
    degree_: np.ndarray

    def units(self) -> np.ndarray:
        """Return the nodes as vectors of length 1, (n_nodes, r)."""
        ...


@singledispatch
def summary(source: Source, part: Part) -> Tensor:
    """Return one vector a patient by which patients are compared, (m, d); nothing is learned.

    A bag is the mean of its instances; an image is pooled to four values an axis;
    register a kind of source for another summary.
    """
    name = sorted(key for key, array in part.arrays.items() if array.is_floating_point())[0]
    values = part.arrays[name]
    if part.owner is not None:
        total = values.new_zeros(len(part), values.shape[1]).index_add(0, part.owner, values)
        counts = torch.bincount(part.owner, minlength=len(part)).clamp(min=1)
        return total / counts[:, None]
    pool = {4: functional.adaptive_avg_pool2d, 5: functional.adaptive_avg_pool3d}
    return (pool[values.ndim](values, POOLED) if values.ndim in pool else values).flatten(1)


@summary.register
def _(source: TableSource, part: Part) -> Tensor:
    """Standardised numbers, and 1 for the level of each category that a patient has."""
    levels = levels_of(part, [len(own) for own in source.levels_.values()])
    return torch.cat([part.arrays["numbers"], *levels], dim=1)


class PatientConvolutions(nn.Module):
    """Graph convolutions (Kipf and Welling 2017) over the training patients of a modality.

    With H the states of the training patients, H_0 their features, each layer is::

        H_l+1 = dropout(leaky(norm(A^ H_l W_l)))

    A training patient, told by his features, is given his state in that graph. Any other
    patient q is joined to the training patients alone, by edges a_qj of the same
    threshold, and changes nothing for them nor for others; with d_q = 1 + sum_j a_qj::

        h_l+1 = leaky(norm((sum_j a_qj / sqrt(d_q d_j) H_l,j + h_l / d_q) W_l))

    where norm is layer normalisation, with its own scale and bias: means over neighbours
    are small, and would be drowned by what is added to them.

    Parameters
    ----------
    graph : PatientGraph
    widths : sequence of int
        Of the states after each layer.
    dropout : float
        After each layer but the last.
    """

    nodes: Tensor
    mean: Tensor
    scale: Tensor
    units: Tensor
    axes: Tensor | None
    adjacency: Tensor
    degree: Tensor
    marks: Tensor
    order: Tensor
    ruler: Tensor

    def __init__(self, graph: Graph, widths: Sequence[int], dropout: float) -> None:
        super().__init__()
        n, before = graph.nodes_.shape
        self.threshold = graph.threshold_
        self._hold("nodes", graph.nodes_)
        self._hold("mean", graph.mean_)
        self._hold("scale", graph.scale_)
        self._hold("units", graph.units())
        self._hold("axes", graph.axes_)
        self._hold("degree", graph.degree_)
        places = torch.as_tensor(np.stack([graph.rows_, graph.columns_]))
        values = torch.as_tensor(graph.values_)
        adjacency = torch.sparse_coo_tensor(places, values, (n, n), check_invariants=False)
        self.register_buffer("adjacency", adjacency.coalesce(), persistent=False)
        self._hold("ruler", np.cos(np.arange(1.0, before + 1.0) ** 2))
        marks = self.nodes.double() @ self.ruler
        order = torch.argsort(marks)
        self._hold("marks", marks[order].numpy())
        self._hold("order", order.numpy())
        sizes = [before, *widths]
        self.layers = nn.ModuleList(nn.Linear(*ends, bias=False) for ends in pairwise(sizes))
        self.norms = nn.ModuleList(nn.LayerNorm(after) for after in widths)
        self.dropout = nn.Dropout(dropout)
        self._links: tuple[Tensor, Tensor] | None = None

    def _hold(self, name: str, values: np.ndarray | None) -> None:
        """Keep what the graph says; it is no weight of the network, and not saved with them."""
        held = None if values is None else torch.as_tensor(values)
        self.register_buffer(name, held, persistent=False)

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the states of patients after the last layer, (m, width).

        Parameters
        ----------
        vectors : Tensor of shape (m, d)
            Their `summary`.
        """
        asked = (vectors - self.mean) / self.scale
        states = self.states()
        if self._links is not None:
            return self._heard(asked, states, self._links)
        place = self.place(asked)
        met = place >= 0
        if asked.requires_grad:  # his own features are asked for, not his place alone
            return self.unseen(asked, states, place)
        if bool(met.all()):
            return states[-1][place]
        unseen = self.unseen(asked[~met], states)
        return states[-1][place.clamp(min=0)].index_put((torch.nonzero(~met)[:, 0],), unseen)

    def states(self) -> list[Tensor]:
        """Return the states of the training patients before and after each layer."""
        states = [self.nodes]
        for place, layer in enumerate(self.layers):
            told = torch.sparse.mm(self.adjacency, layer(states[-1]).float())
            states.append(self._after(told, place))
        return states

    def unseen(
        self, asked: Tensor, states: Sequence[Tensor], place: Tensor | None = None
    ) -> Tensor:
        """Return the last states of patients who are joined to the training patients.

        Who is a training patient, by his `place`, is joined to the others.
        """
        return self._heard(asked, states, self.links(asked, place))

    @contextmanager
    def held(self, vectors: Tensor) -> Iterator[None]:
        """Join the patients that are asked of to whom they are joined by these features.

        Parameters
        ----------
        vectors : Tensor of shape (m, d)
            Their `summary`; inside, `forward` is asked of the same m patients.
        """
        with torch.no_grad():
            asked = (vectors - self.mean) / self.scale
            place = self.place(asked)
            links, own = self.links(asked, place)
            met = torch.nonzero(place >= 0)[:, 0]
            node = place[met]
            # Who is in the graph has the edges that are drawn there, but that to himself.
            drawn = self.adjacency.index_select(0, node).to_dense()
            drawn[torch.arange(len(node), device=node.device), node] = 0.0
            links, own = (
                links.index_copy(0, met, drawn),
                own.index_copy(0, met, 1 / self.degree[node]),
            )
            self._links = links, own
        try:
            yield
        finally:
            self._links = None

    def _heard(
        self, asked: Tensor, states: Sequence[Tensor], joined: tuple[Tensor, Tensor]
    ) -> Tensor:
        links, own = joined
        here = asked
        for step, (layer, there) in enumerate(zip(self.layers, states, strict=False)):
            told = links @ layer(there) + own[:, None] * layer(here)
            here = self._after(told, step)
        return here

    def _after(self, told: Tensor, place: int) -> Tensor:
        active = functional.leaky_relu(self.norms[place](told), LEAK)
        return active if place == len(self.layers) - 1 else self.dropout(active)

    def links(self, asked: Tensor, place: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Return normalised edges to the training patients, (m, n), and to oneself, (m,)."""
        seen = asked.double()
        seen = seen if self.axes is None else seen @ self.axes
        alike = functional.normalize(seen, dim=1) @ self.units.T
        edges = torch.where(alike >= self.threshold, alike, 0.0).float()
        if place is not None:
            others = torch.arange(len(self.nodes), device=place.device) != place[:, None]
            edges = edges * others
        degree = 1.0 + edges.sum(dim=1)
        return edges / (degree[:, None] * self.degree).sqrt(), 1.0 / degree

    def place(self, asked: Tensor) -> Tensor:
        """Return which node each patient is, told by his features; -1 for one never met."""
        mark = asked.double() @ self.ruler
        right = torch.searchsorted(self.marks, mark).clamp(max=len(self.marks) - 1)
        left = (right - 1).clamp(min=0)
        nearer = (self.marks[left] - mark).abs() < (self.marks[right] - mark).abs()
        node = self.order[torch.where(nearer, left, right)]
        gap = (self.nodes[node] - asked).abs() / (1.0 + asked.abs())
        return torch.where(gap.amax(dim=1) <= SAME, node, -1)
