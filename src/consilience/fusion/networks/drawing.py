"""Draws of what patients measured, or would have, from a network with a posterior."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from consilience.fusion.networks.multimodal_vae import VAENetwork
from consilience.nn.batch import Batch
from consilience.nn.decoders import Measured

DRAWS = 30  # from which the spread of a hidden modality is taken


class Located(NamedTuple):
    """Posteriors of patients; see `Posterior` and `Said` for the shapes."""

    mean: Tensor
    log_variance: Tensor
    weight: Tensor
    own_mean: Tensor
    own_log_variance: Tensor
    present: Tensor


@torch.inference_mode()
def located(network: VAENetwork, batches: Sequence[Batch], hidden: str | None = None) -> Located:
    """Return the posteriors of the patients of some batches, one modality hidden if asked."""
    parts = []
    for batch in batches:
        said = network.said(batch)
        left = torch.tensor([name != hidden for name in network.names])
        present = said.present & left
        posterior = network.experts(said.mean, said.log_variance, present)
        own = [each * left[:, None] for each in (said.private_mean, said.private_log_variance)]
        parts.append((*posterior[:3], *own, present))
    shared = [torch.cat(each, dim=1) for each in list(zip(*parts, strict=True))[:3]]
    return Located(*shared, *(torch.cat(each) for each in list(zip(*parts, strict=True))[3:]))


def nowhere(network: VAENetwork, n: int) -> Located:
    """Return the prior, n times."""
    shared = torch.zeros(1, n, network.latent)
    own = torch.zeros(n, len(network.names), network.private)
    present = torch.zeros(n, len(network.names), dtype=torch.bool)
    return Located(shared, shared, torch.ones(1, n), own, own, present)


class Drawer:
    """Draws of every table of some patients.

    Parameters
    ----------
    network : VAENetwork
        Ready to predict.
    place : Located
    widening : mapping of str to float
        By how much draws of numbers of a modality that is not there lie farther from what
        is expected than the network says.
    names : sequence of str, optional
        The tables to draw; all by default.
    """

    def __init__(
        self,
        network: VAENetwork,
        place: Located,
        widening: Mapping[str, float],
        names: Sequence[str] | None = None,
    ) -> None:
        self.network, self.place, self.widening, self.names = network, place, widening, names
        centre = torch.einsum("sn,snk->nk", place.weight, place.mean)
        self.expected = self._told(centre, place.own_mean)

    @torch.inference_mode()
    def _told(self, shared: Tensor, own: Tensor) -> dict[str, Measured]:
        outputs = self.network.decoded(shared, own, self.names)
        return {name: self.network.decoder_of(name).measured(o) for name, o in outputs.items()}

    @torch.inference_mode()
    def draw(self, rng: np.random.Generator) -> dict[str, Measured]:
        """Return one draw of each patient's tables."""
        shared, own = self._latents(rng)
        found = {}
        for name, outputs in self.network.decoded(shared, own, self.names).items():
            decoder = self.network.decoder_of(name)
            drawn = decoder.drawn(outputs, rng)
            absent = ~self.place.present[:, self.network.names.index(name)].numpy()
            wide = np.where(absent, self.widening.get(name, 1.0), 1.0)[:, None]
            centre = self.expected[name].numbers
            numbers = np.where(
                decoder.scattering(), centre + wide * (drawn.numbers - centre), drawn.numbers
            )
            found[name] = Measured(numbers, drawn.levels)
        return found

    def _latents(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        place = self.place
        above = torch.as_tensor(rng.random(place.weight.shape[1]), dtype=torch.float32)
        component = (torch.cumsum(place.weight, dim=0) < above).sum(dim=0)
        component = component.clamp(max=len(place.weight) - 1)
        who = torch.arange(len(component))
        shared = _scattered(place.mean[component, who], place.log_variance[component, who], rng)
        return shared, _scattered(place.own_mean, place.own_log_variance, rng)


def _scattered(mean: Tensor, log_variance: Tensor, rng: np.random.Generator) -> Tensor:
    noise = torch.as_tensor(rng.normal(size=tuple(mean.shape)), dtype=mean.dtype)
    return mean + torch.exp(0.5 * log_variance) * noise


def widening(network: VAENetwork, batch: Batch, seed: int) -> dict[str, float]:
    """Return how much farther hidden numbers lie from what is expected than draws do.

    Each modality of the batch is hidden in turn from those who have another. The root of
    the mean squared distance of continuous numbers, in the standard deviations drawn; 1
    where there is none to tell.
    """
    rng, found = np.random.default_rng(seed), {}
    for name in network.tables():
        place = located(network, [batch], hidden=name)
        column = network.names.index(name)
        other = place.present.any(dim=1).numpy()
        rows = batch.parts[name].rows.numpy()
        if len(rows):
            found[name] = _distance(network, place, batch, column, other[rows], rng)
    return found


def _distance(
    network: VAENetwork,
    place: Located,
    batch: Batch,
    column: int,
    counted: npt.NDArray[np.bool_],
    rng: np.random.Generator,
) -> float:
    name = network.names[column]
    part, drawer, decoder = (
        batch.parts[name],
        Drawer(network, place, {}, [name]),
        network.decoder_of(name),
    )
    rows = part.rows.numpy()
    draws = np.stack([drawer.draw(rng)[name].numbers[rows] for _ in range(DRAWS)])
    scale, mean = decoder.scale.numpy(), decoder.mean.numpy()
    truth = part.arrays["numbers"].numpy() * scale + mean
    away = (truth - drawer.expected[name].numbers[rows]) ** 2 / np.maximum(draws.var(axis=0), 1e-12)
    known = (part.arrays["known"].numpy() > 0) & decoder.scattering() & counted[:, None]
    return float(np.sqrt(away[known].mean())) if known.any() else 1.0
