"""The network of `Pretraining`: a cross-modal transformer that tells what was hidden from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from consilience.errors import InputError
from consilience.fusion.networks.cross_modal_transformer import CrossModalNetwork
from consilience.nn.batch import Batch, Part
from consilience.nn.decoders import TableDecoder, decoder_for
from consilience.nn.losses import contrastive_loss
from consilience.nn.sources import Sources

FIXED = 0  # seed of what is hidden from patients held back, so that epochs can be compared


@dataclass(frozen=True)
class Objectives:
    """What is learned without an outcome.

    Attributes
    ----------
    masked_features, masked_modalities, contrastive : float
        Weights of the terms; 0 leaves one out.
    hidden : float
        Share of the features hidden.
    temperature : float
        Of the contrastive term.
    """

    masked_features: float
    masked_modalities: float
    contrastive: float
    hidden: float
    temperature: float


class Told(NamedTuple):
    """Sums over what was hidden: its negative log-likelihood, and how many values it is."""

    loss: Tensor
    values: Tensor


class PretrainingNetwork(CrossModalNetwork):
    """The transformer, a decoder for each table, and a map for the contrastive term.

    Parameters
    ----------
    sources : Sources
    width : int
    objectives : Objectives
    **options
        Of `CrossModalNetwork`.
    """

    def __init__(
        self, sources: Sources, width: int, *, objectives: Objectives, **options: Any
    ) -> None:
        super().__init__(sources, width, **options)
        self.objectives = objectives
        found = {
            str(i): decoder_for(source, width, 0)
            for i, source in enumerate(sources.fitted_.values())
        }
        self.decoders = nn.ModuleDict({i: own for i, own in found.items() if own is not None})
        self.projection = nn.Linear(width, width)
        if not (self.decoders or objectives.contrastive):
            raise InputError(
                "there is no table whose features could be told, and contrastive is 0: "
                "nothing would be learned."
            )

    def losses(self, batch: Batch) -> dict[str, Tensor]:
        terms = {} if self.head is None else super().losses(batch)
        weights = self.objectives
        draw = None if self.training else torch.Generator(batch.device).manual_seed(FIXED)
        shown, asked = self._features_hidden(batch, draw)
        tokens, present = self.labelled(shown), batch.present()
        apart = weights.masked_modalities > 0 or weights.contrastive > 0
        views = halves(present, draw) if apart else [present]
        states = [self.read(tokens, view) for view in views]
        if weights.masked_features:
            within = [present & view for view in views]
            terms["masked features"] = weights.masked_features * self._untold(asked, states, within)
        if weights.masked_modalities:
            beyond = [present & ~view & view.any(dim=1, keepdim=True) for view in views]
            told = self._untold(batch, states, beyond)
            terms["masked modalities"] = weights.masked_modalities * told
        if weights.contrastive:
            codes = self.projection(torch.stack(states, dim=1))
            has = torch.stack([view.any(dim=1) for view in views], dim=1)
            term = contrastive_loss(codes, has, weights.temperature)
            terms["contrastive"] = weights.contrastive * term
        return terms

    def _features_hidden(self, batch: Batch, draw: torch.Generator | None) -> tuple[Batch, Batch]:
        """Return the batch without some features, and with those alone."""
        if not self.objectives.masked_features:
            return batch, batch
        shown, asked = dict(batch.parts), dict(batch.parts)
        for i in self.decoders:
            name = self.names[int(i)]
            if len(batch.parts[name]):
                shown[name], asked[name] = _parted(batch.parts[name], self.objectives.hidden, draw)
        return (
            Batch(shown, batch.size, batch.patients, batch.targets),
            Batch(asked, batch.size, batch.patients, batch.targets),
        )

    def _untold(self, batch: Batch, states: list[Tensor], rows: list[Tensor]) -> Tensor:
        """Return the mean negative log-likelihood of a batch's values, given the states.

        The mean over values within a modality, then over modalities: a wide one counts
        no more than a narrow one.

        Parameters
        ----------
        batch : Batch
            With the values that are asked for.
        states : list of Tensor, (n, width)
        rows : list of Tensor of bool, (n, n_modalities)
            Of which patients and modalities each state has to tell.
        """
        means = []
        for i, decoder in self.decoders.items():
            part, column = batch.parts[self.names[int(i)]], int(i)
            if len(part):
                assert isinstance(decoder, TableDecoder)
                told = [
                    _told(decoder, part, state, own[:, column])
                    for state, own in zip(states, rows, strict=True)
                ]
                loss, values = (torch.stack(each).sum() for each in zip(*told, strict=True))
                if values > 0:
                    means.append(loss / values)
        return torch.stack(means).mean() if means else torch.stack(states).sum() * 0.0


def _told(decoder: TableDecoder, part: Part, state: Tensor, asked: Tensor) -> Told:
    mine = asked[part.rows]
    arrays = {name: array[mine] for name, array in part.arrays.items()}
    loss = decoder.loss(decoder(state[part.rows[mine]]), arrays).sum()
    return Told(loss, arrays["known"].sum() + (arrays["codes"] > 0).sum())


def _parted(part: Part, share: float, draw: torch.Generator | None) -> tuple[Part, Part]:
    """Return a table without a share of its values, and with those alone."""
    device = part.rows.device
    numbers, codes = part.arrays["numbers"], part.arrays["codes"]
    off = torch.rand(numbers.shape, generator=draw, device=device) < share
    gone = torch.rand(codes.shape, generator=draw, device=device) < share
    return _kept(part, ~off, ~gone), _kept(part, off, gone)


def _kept(part: Part, numbers: Tensor, codes: Tensor) -> Part:
    arrays = {
        "numbers": part.arrays["numbers"] * numbers,
        "known": part.arrays["known"] * numbers,
        "codes": part.arrays["codes"] * codes,
    }
    return Part(arrays, part.rows)


def halves(present: Tensor, draw: torch.Generator | None = None) -> list[Tensor]:
    """Return each patient's modalities parted in two at random, both (n, n_modalities) of bool.

    Each modality falls to either side by the toss of a coin; neither side of a patient
    with two or more is empty. The only modality of a patient is on the first side.

    Parameters
    ----------
    present : Tensor of bool, (n, n_modalities)
    draw : Generator, optional
        torch's own by default.
    """
    order = torch.rand(present.shape, generator=draw, device=present.device)
    order = order.masked_fill(~present, 2.0)
    first = present & (order < 0.5)
    # The lowest is always on the first side, the highest of several always on the second.
    lowest = nn.functional.one_hot(order.argmin(dim=1), present.shape[1]).bool()
    highest = order.masked_fill(~present, -1.0).argmax(dim=1)
    highest = nn.functional.one_hot(highest, present.shape[1]).bool()
    several = present.sum(dim=1, keepdim=True) > 1
    first = (first | (lowest & present)) & ~(highest & several)
    return [first, present & ~first]
