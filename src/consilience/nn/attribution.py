"""What each measurement adds to a network's output: integrated gradients, permutation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import singledispatch

import numpy as np
import torch
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.nn.batch import Batch, Part
from consilience.nn.levels import LEVELS, levels_of
from consilience.nn.network import FusionNetwork
from consilience.nn.sources import Source, Sources, TableSource

Said = Callable[[Tensor], Tensor]
"""From a network's outputs (n, n_outputs) to the numbers to be explained, (n, k)."""


@dataclass(frozen=True)
class Share:
    """What one modality adds, for the patients of a batch who have it.

    Attributes
    ----------
    rows : Tensor of int64, (m,)
        Which patients of the batch.
    features : Tensor of shape (m, n_features, k)
        In the order of the source's `features_`; summed over instances and pixels.
    whole : Tensor of shape (m, k)
        The modality as a whole.
    instances : Tensor of shape (n_instances, k), optional
        Of a bag: summed over features.
    owner, place : Tensor of int64, (n_instances,), optional
        Whose instance it is (of the m), and which of his.
    pixels : Tensor of shape (m, ..., k), optional
        Of images, as they were read.
    """

    rows: Tensor
    features: Tensor
    whole: Tensor
    instances: Tensor | None = None
    owner: Tensor | None = None
    place: Tensor | None = None
    pixels: Tensor | None = None


@dataclass(frozen=True)
class Attributed:
    """What was found for a batch.

    Attributes
    ----------
    output, base : Tensor of shape (n, k)
        What is explained, and what it would be with every value at its baseline.
    shares : dict of str to Share
        By modality; none for one that nobody in the batch has.
    """

    output: Tensor
    base: Tensor
    shares: dict[str, Share]


@singledispatch
def measured(source: Source, part: Part) -> list[str]:
    """Return the names of a part's arrays that hold measurements, in the order of features.

    Arrays of floating-point numbers, by default; register a function for a kind of source
    that has others beside them, such as masks.
    """
    return [name for name, array in part.arrays.items() if array.is_floating_point()]


@measured.register
def _(source: TableSource, part: Part) -> list[str]:
    return ["numbers"]


def integrated_gradients(
    network: FusionNetwork, sources: Sources, batch: Batch, said: Said, steps: int = 32
) -> Attributed:
    """Return what each value adds to the output, by integrated gradients.

    The gradient is integrated on the straight line from a baseline b to the measurements x::

        (x_i - b_i) * integral over t from 0 to 1 of dF/dx_i (b + t (x - b))

    so that all together add up to F(x) - F(b) (Sundararajan et al. 2017, equation 1 and
    proposition 1), by Gauss-Legendre quadrature. The baseline is 0 where a number is
    measured, its mean in training, and for a category that of "not known". Which
    modalities, values and instances a patient has is the same all along the line, and so is
    whom a network of patients joins him to: where that changes it jumps, and a gradient does
    not see jumps.

    Parameters
    ----------
    network : FusionNetwork
        Ready to predict, with a head; patients must not depend on each other.
    sources : Sources
        The network's.
    batch : Batch
    said : callable
        What is explained, from the network's outputs.
    steps : int
        Points of the quadrature.

    References
    ----------
    Sundararajan M, Taly A, Yan Q. Axiomatic attribution for deep networks. ICML 2017.
    """
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    walk = _Walk(network, sources, batch, said)
    totals: dict[tuple[str, str | int], Tensor] = {}
    with network.held(batch):
        for node, weight in zip((nodes + 1) / 2, weights / 2, strict=True):
            for key, slope in walk.slopes(float(node)).items():
                added = float(weight) * slope
                totals[key] = totals[key] + added if key in totals else added
        with torch.no_grad():
            output, base = walk.at(1.0), walk.at(0.0)
    shares = {
        name: _share(sources.fitted_[name], part, name, totals, output.shape[1])
        for name, part in batch.parts.items()
        if len(part)
    }
    return Attributed(output, base, shares)


class _Walk:
    """The line from the baseline to the measurements of a batch."""

    def __init__(self, network: FusionNetwork, sources: Sources, batch: Batch, said: Said) -> None:
        self.network, self.batch, self.said = network, batch, said
        self.values = {
            (name, array): part.arrays[array]
            for name, part in batch.parts.items()
            if len(part)
            for array in measured(sources.fitted_[name], part)
        }
        self.levels = {
            name: levels_of(part, _sizes(sources.fitted_[name]))
            for name, part in batch.parts.items()
            if len(part) and _sizes(sources.fitted_[name])
        }

    def at(self, t: float) -> Tensor:
        """Return what is explained at a point of the line, (n, k)."""
        points = {key: t * value for key, value in self.values.items()}
        columns = {name: [t * own for own in each] for name, each in self.levels.items()}
        with _levels(self.network, self.batch, t):
            return self._ask(points, columns)

    def slopes(self, t: float) -> dict[tuple[str, str | int], Tensor]:
        """Return value less baseline times gradient at a point, (rows, ..., k) an array."""
        points = {key: (t * v).detach().requires_grad_() for key, v in self.values.items()}
        columns = {
            name: [(t * own).requires_grad_() for own in each] for name, each in self.levels.items()
        }
        with torch.enable_grad(), _levels(self.network, self.batch, t) as looked_up:
            explained = self._ask(points, columns)
        entries: list[tuple[tuple[str, str | int], Tensor, Tensor]] = [
            (key, points[key], value) for key, value in self.values.items()
        ]
        entries += [
            ((name, i), own, self.levels[name][i])
            for name, on_the_way in columns.items()
            for i, own in enumerate(on_the_way)
        ]
        entries += [(one.key, one.point, one.change) for one in looked_up]
        leaves = [point for _, point, _ in entries]
        found: dict[tuple[str, str | int], Tensor] = {}
        each = [_gradients(explained[:, k], leaves) for k in range(explained.shape[1])]
        for i, (key, _, change) in enumerate(entries):
            slope = _narrowed(torch.stack([own[i] * change for own in each], dim=-1), key)
            found[key] = found[key] + slope if key in found else slope
        return found

    def _ask(
        self, points: Mapping[tuple[str, str], Tensor], columns: Mapping[str, list[Tensor]]
    ) -> Tensor:
        parts = dict(self.batch.parts)
        for name, each in columns.items():
            arrays = {**parts[name].arrays, LEVELS: torch.cat(each, dim=1)}
            parts[name] = replace(parts[name], arrays=arrays)
        for (name, array), point in points.items():
            parts[name] = replace(parts[name], arrays={**parts[name].arrays, array: point})
        return said_of(self.network, replace(self.batch, parts=parts), self.said)


def _sizes(source: Source) -> list[int]:
    """Return how many levels each category of a source has; none but tables have any."""
    return [len(own) for own in source.levels_.values()] if isinstance(source, TableSource) else []


def _narrowed(slope: Tensor, key: tuple[str, str | int]) -> Tensor:
    """Return a category's slopes summed over the entries of its vector, (m, k)."""
    return slope.sum(dim=1) if isinstance(key[1], int) else slope


def _gradients(output: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    """Return the gradient of each patient's output, zeros where nothing depends on a leaf."""
    if not output.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(output.sum(), leaves, retain_graph=True, allow_unused=True)
    return [
        torch.zeros_like(leaf) if own is None else own
        for leaf, own in zip(leaves, found, strict=True)
    ]


@dataclass(frozen=True)
class _LookedUp:
    """Vectors of one category, on their way from "not known" to the patients' own."""

    key: tuple[str, int]
    point: Tensor
    change: Tensor


@dataclass
class _Levels:
    """Puts the vectors that the network looks up for categories on the line."""

    batch: Batch
    t: float
    owners: dict[nn.Module, str]
    found: list[_LookedUp] = field(default_factory=list)

    def __call__(self, layer: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> Tensor:
        assert isinstance(layer, nn.Embedding)
        place = self._place(layer, given[0])
        if place is None:
            return out
        name, columns = place
        change = out.detach()
        if layer.padding_idx is not None:
            change = change - layer.weight[layer.padding_idx].detach()
        start = out.detach() - change
        if len(columns) == 1 and out.dim() == 2:
            return self._moved((name, columns[0]), start, change)
        moved = [self._moved((name, c), start[:, c], change[:, c]) for c in columns]
        return torch.stack(moved, dim=1)

    def _moved(self, key: tuple[str, int], start: Tensor, change: Tensor) -> Tensor:
        point = start + self.t * change
        if torch.is_grad_enabled():
            point.requires_grad_()
            self.found.append(_LookedUp(key, point, change))
        return point

    def _place(self, layer: nn.Module, asked: Tensor) -> tuple[str, tuple[int, ...]] | None:
        """Return the modality and the categories that were looked up; None for other vectors.

        A network looks up one category, ``codes[:, i]``, or all at once in their order.
        """
        for name, part in self.batch.parts.items():
            codes = part.arrays.get("codes")
            if codes is None or not codes.numel() or len(asked) != len(codes):
                continue
            if asked.shape == codes.shape and self.owners.get(layer, name) == name:
                return name, tuple(range(codes.shape[1]))
            shared = asked.untyped_storage().data_ptr() == codes.untyped_storage().data_ptr()
            if shared and asked.dim() == 1:
                return name, (int(asked.storage_offset() - codes.storage_offset()),)
        return None


@contextmanager
def _levels(network: FusionNetwork, batch: Batch, t: float) -> Iterator[list[_LookedUp]]:
    """Have all vectors of categories on the line at `t` while the network is asked."""
    owners = {
        layer: name
        # Some read no modality by an encoder.
        for name, encoder in zip(network.names, network.encoders, strict=False)
        for layer in encoder.modules()
    }
    levels = _Levels(batch, t, owners)
    layers = [layer for layer in network.modules() if isinstance(layer, nn.Embedding)]
    hooks = [layer.register_forward_hook(levels) for layer in layers]
    try:
        yield levels.found
    finally:
        for hook in hooks:
            hook.remove()


def _share(
    source: Source,
    part: Part,
    name: str,
    totals: Mapping[tuple[str, str | int], Tensor],
    width: int,
) -> Share:
    """Return a modality's share from what was found of each of its arrays."""
    m, columns = len(part), []
    instances = pixels = None
    for array in measured(source, part):
        found = totals[name, array]
        if part.owner is not None and len(found) == len(part.owner):
            instances = found.flatten(1, -2).sum(dim=1)
            found = torch.zeros(m, *found.shape[1:]).index_add(0, part.owner, found)
        elif found.dim() > 3:
            pixels = found
        columns.append(found.flatten(2, -2).sum(dim=2) if found.dim() > 3 else found)
    n_levels = part.arrays["codes"].shape[1] if "codes" in part.arrays else 0
    zero = torch.zeros(m, width)
    columns += [totals.get((name, c), zero)[:, None] for c in range(n_levels)]
    features = torch.cat(columns, dim=1)
    return Share(
        part.rows,
        features,
        features.sum(dim=1),
        instances=instances,
        owner=None if instances is None else part.owner,
        place=part.arrays.get("place") if instances is not None else None,
        pixels=pixels,
    )


def permuted(
    network: FusionNetwork,
    sources: Sources,
    batch: Batch,
    said: Said,
    repeats: int,
    rng: np.random.Generator,
) -> Attributed:
    """Return how the output falls, patient by patient, when measurements are exchanged.

    The mean over `repeats` of the output less that with the modality, or one feature of
    it, exchanged at random among the patients of the batch who have it; in a bag a
    feature is exchanged among all instances. One pass of the network a feature and repeat.

    Parameters
    ----------
    network, sources, batch, said
        See `integrated_gradients`.
    repeats : int
    rng : numpy.random.Generator
    """
    with torch.inference_mode():
        output = said_of(network, batch, said)
        shares = {}
        for name, part in batch.parts.items():
            if not len(part):
                continue
            arrays = measured(sources.fitted_[name], part)
            turns = [_exchange_all(part, rng) for _ in range(repeats)]
            whole = _mean_fall(network, batch, said, name, turns, output)
            columns = []
            for array, column in _columns(part, arrays):
                turns = [_exchange(part, array, column, rng) for _ in range(repeats)]
                columns.append(_mean_fall(network, batch, said, name, turns, output))
            shares[name] = Share(part.rows, torch.stack(columns, dim=1), whole)
        base = output.mean(dim=0, keepdim=True).expand_as(output)
    return Attributed(output, base, shares)


def said_of(network: FusionNetwork, batch: Batch, said: Said) -> Tensor:
    """Return what is explained of a batch, (n, k).

    Raises
    ------
    InputError
        If the network has no head.
    """
    outputs = network(batch)[1]
    if outputs is None:
        raise InputError("a network without an outcome has no prediction to explain.")
    return said(outputs)


def _mean_fall(
    network: FusionNetwork, batch: Batch, said: Said, name: str, turns: list[Part], output: Tensor
) -> Tensor:
    """Return the mean fall of the output, (m, k), with a modality's part replaced in turn."""
    total = torch.zeros_like(output)
    for turn in turns:
        changed = replace(batch, parts={**batch.parts, name: turn})
        total += output - said_of(network, changed, said)
    return total[batch.parts[name].rows] / len(turns)


def _columns(part: Part, arrays: list[str]) -> list[tuple[str, int]]:
    """Return the array and column of each feature, in the order of the source's features."""
    found = [(array, column) for array in arrays for column in range(part.arrays[array].shape[1])]
    n_levels = part.arrays["codes"].shape[1] if "codes" in part.arrays else 0
    return found + [("codes", column) for column in range(n_levels)]


def _exchange_all(part: Part, rng: np.random.Generator) -> Part:
    """Return the part with each patient given another's measurements."""
    order = torch.as_tensor(rng.permutation(len(part)))
    if part.owner is None:
        return replace(part, arrays={name: array[order] for name, array in part.arrays.items()})
    counts = torch.bincount(part.owner, minlength=len(part))
    starts = torch.cumsum(counts, 0) - counts
    taken = [torch.arange(int(starts[i]), int(starts[i] + counts[i])) for i in order]
    rows, owner = torch.cat(taken), torch.repeat_interleave(torch.arange(len(part)), counts[order])
    arrays = {
        name: array[rows] if len(array) == len(part.owner) else array[order]
        for name, array in part.arrays.items()
    }
    return replace(part, arrays=arrays, owner=owner)


def _exchange(part: Part, array: str, column: int, rng: np.random.Generator) -> Part:
    """Return the part with one feature, and whether it is known, exchanged among its rows."""
    order = torch.as_tensor(rng.permutation(len(part.arrays[array])))
    arrays = dict(part.arrays)
    for name in (array, "known") if array == "numbers" and "known" in arrays else (array,):
        changed = arrays[name].clone()
        changed[:, column] = changed[order, column]
        arrays[name] = changed
    return replace(part, arrays=arrays)
