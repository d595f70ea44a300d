"""From a latent vector back to a modality: likelihoods by the kinds of its features."""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional

from consilience.nn.losses import negative_binomial_loss
from consilience.nn.sources import Source, TableSource

NARROWEST = -6.0  # log variance of a standardised number, below which a density runs away
FARTHEST = 5.0  # most by which a count's log mean may leave that of its feature
SIZES = (-6.0, 8.0)  # log size of a negative binomial; at the upper end it is a Poisson


class Measured(NamedTuple):
    """A table's features, as measured or as expected.

    Attributes
    ----------
    numbers : ndarray of shape (n, n_numbers)
        In the features' own units, in the source's order.
    levels : list of ndarray, (n, n_levels)
        Of each category: the probabilities of its levels, or 1 for the level drawn.
    """

    numbers: npt.NDArray[np.float64]
    levels: list[npt.NDArray[np.float64]]


class TableDecoder(nn.Module):
    """What a latent vector says of a table: a linear map and, on top, a small bend.

    Each kind of feature has its likelihood: Gaussian with a learned variance for
    continuous numbers, Bernoulli for binary ones, negative binomial with a learned size
    for counts, and categorical for words. The linear map alone makes a factor model; the
    bend starts at 0, so that the network leaves it only where the data ask for it.

    Parameters
    ----------
    source : TableSource
        Fitted.
    width : int
        Of the latent vector.
    hidden : int
        Width of the bend's one hidden layer; 0 for none.
    """

    mean: Tensor
    scale: Tensor
    binary: Tensor
    count: Tensor
    offset: Tensor
    slope: Tensor

    def __init__(self, source: TableSource, width: int, hidden: int = 32) -> None:
        super().__init__()
        kinds = np.array([source.kinds_[name] for name in source.numbers_], dtype=str)
        self.n_numbers = len(kinds)
        self.sizes = [len(levels) for levels in source.levels_.values()]
        self.width = self.n_numbers + sum(self.sizes)
        for name, values in _offsets(source, kinds).items():
            self.register_buffer(name, torch.as_tensor(values))
        self.plain = bool(np.all(kinds == "continuous"))
        self.linear = nn.Linear(width, self.width)
        self.bend = _bend(width, hidden, self.width)
        self.log_variance = nn.Parameter(torch.zeros(self.n_numbers))
        self.log_size = nn.Parameter(torch.full((int(self.count.sum()),), 1.0))

    def forward(self, latent: Tensor) -> Tensor:
        """Return what the likelihoods are told by, (..., n_outputs), of latents (..., width)."""
        outputs: Tensor = self.linear(latent)
        return outputs if self.bend is None else outputs + self.bend(latent)

    def loss(self, outputs: Tensor, arrays: Mapping[str, Tensor]) -> Tensor:
        """Return each patient's negative log-likelihood, summed over what was measured.

        Parameters
        ----------
        outputs : Tensor of shape (..., m, n_outputs)
        arrays : dict of str to Tensor
            As the source reads them, m patients.

        Returns
        -------
        Tensor of shape (..., m)
        """
        eta, numbers = outputs[..., : self.n_numbers], arrays["numbers"]
        spread = self.log_variance.clamp(min=NARROWEST)
        entries = 0.5 * (spread + (numbers - eta).square() * torch.exp(-spread))
        if not self.plain:
            entries = self._by_kind(entries, eta, numbers * self.scale + self.mean)
        total = (entries * arrays["known"]).sum(dim=-1)
        for column, logits in enumerate(self._logits(outputs)):
            total = total + _word_loss(logits, arrays["codes"][:, column])
        return total

    def _by_kind(self, entries: Tensor, eta: Tensor, own: Tensor) -> Tensor:
        logits = eta[..., self.binary] + self.offset[self.binary]
        one = own[:, self.binary].round().clamp(0, 1).expand_as(logits)
        bits = functional.binary_cross_entropy_with_logits(logits, one, reduction="none")
        counts = negative_binomial_loss(
            own[:, self.count].round().clamp(min=0), self._log_mean(eta), self._log_size()
        )
        kinds = torch.arange(self.n_numbers, device=eta.device)
        parts = [entries[..., ~(self.binary | self.count)], bits, counts]
        places = [kinds[~(self.binary | self.count)], kinds[self.binary], kinds[self.count]]
        return torch.cat(parts, dim=-1)[..., torch.argsort(torch.cat(places))]

    def _log_mean(self, eta: Tensor) -> Tensor:
        """Return the counts' log means; an eta of 1 is about a standard deviation."""
        away = eta[..., self.count] * self.slope[self.count]
        return self.offset[self.count] + away.clamp(-FARTHEST, FARTHEST)

    def _log_size(self) -> Tensor:
        return self.log_size.clamp(*SIZES)

    def _logits(self, outputs: Tensor) -> list[Tensor]:
        if not self.sizes:
            return []
        return list(torch.split(outputs[..., self.n_numbers :], self.sizes, dim=-1))

    def expected(self, outputs: Tensor) -> Tensor:
        """Return the expected numbers, standardised as the source reads them, (..., n_numbers)."""
        eta = outputs[..., : self.n_numbers]
        if self.plain:
            return eta
        own = torch.where(self.binary, torch.sigmoid(eta + self.offset), eta)
        own = own.index_copy(-1, self.count.nonzero()[:, 0], self._log_mean(eta).exp())
        return torch.where(self.binary | self.count, (own - self.mean) / self.scale, own)

    def rebuilt(self, outputs: Tensor) -> dict[str, Tensor]:
        """Return what is expected as arrays that the modality's encoder reads."""
        numbers = self.expected(outputs)
        codes = [logits.argmax(dim=-1) + 1 for logits in self._logits(outputs)]
        none = torch.zeros((*numbers.shape[:-1], 0), dtype=torch.int64, device=numbers.device)
        return {
            "numbers": numbers,
            "known": torch.ones_like(numbers),
            "codes": torch.stack(codes, dim=-1) if codes else none,
        }

    def measured(self, outputs: Tensor) -> Measured:
        """Return what is expected of patients, (n, n_outputs), in the features' own units."""
        numbers = self.expected(outputs).numpy().astype(float)
        levels = [logits.softmax(dim=-1).numpy().astype(float) for logits in self._logits(outputs)]
        return Measured(numbers * self.scale.numpy() + self.mean.numpy(), levels)

    def scattering(self) -> npt.NDArray[np.bool_]:
        """Return which numbers are continuous: neither 0 / 1 nor counts, (n_numbers,)."""
        return np.asarray(~(self.binary | self.count).numpy())

    def drawn(self, outputs: Tensor, rng: np.random.Generator) -> Measured:
        """Return one draw of the likelihood of each patient, (n, n_outputs)."""
        numbers, levels = self.measured(outputs)
        spread = torch.exp(0.5 * self.log_variance.clamp(min=NARROWEST)).detach().numpy()
        noise = rng.normal(size=numbers.shape) * spread * self.scale.numpy()
        binary, count = self.binary.numpy(), self.count.numpy()
        out = np.where(binary | count, numbers, numbers + noise)
        out[:, binary] = rng.random((len(out), int(binary.sum()))) < numbers[:, binary]
        size = np.exp(self._log_size().detach().numpy().astype(float))
        mean = np.maximum(numbers[:, count], 1e-12)
        out[:, count] = rng.negative_binomial(size, size / (size + mean))
        return Measured(out, [_one_level(each, rng) for each in levels])


def _offsets(
    source: TableSource, kinds: npt.NDArray[np.str_]
) -> dict[str, npt.NDArray[np.generic]]:
    """Return where each likelihood starts: at the feature's mean, by its scale."""
    binary, count = kinds == "binary", kinds == "count"
    share = np.clip(source.mean_, 1e-3, 1 - 1e-3)
    mean = np.maximum(source.mean_, 1e-3)
    offset = np.where(binary, np.log(share / (1 - share)), np.where(count, np.log(mean), 0.0))
    return {
        "mean": source.mean_.astype(np.float32),
        "scale": source.scale_.astype(np.float32),
        "binary": binary,
        "count": count,
        "offset": offset.astype(np.float32),
        "slope": np.minimum(source.scale_ / mean, 1.0).astype(np.float32),
    }


def _bend(width: int, hidden: int, n_outputs: int) -> nn.Sequential | None:
    if not hidden:
        return None
    last = nn.Linear(hidden, n_outputs, bias=False)
    nn.init.zeros_(last.weight)
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), last)


def _word_loss(logits: Tensor, codes: Tensor) -> Tensor:
    """Return the cross-entropy of one category, 0 where it was not measured."""
    told = functional.log_softmax(logits, dim=-1)
    place = (codes - 1).clamp(min=0).expand(told.shape[:-1])
    return -told.gather(-1, place[..., None])[..., 0] * (codes > 0)


def _one_level(
    shares: npt.NDArray[np.float64], rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    above = rng.random((len(shares), 1)) * shares.sum(axis=1, keepdims=True)
    place = (np.cumsum(shares, axis=1) < above).sum(axis=1)
    return np.asarray(np.eye(shares.shape[1])[np.minimum(place, shares.shape[1] - 1)])


@singledispatch
def decoder_for(source: Source, width: int, hidden: int) -> TableDecoder | None:
    """Return an untrained decoder of a kind of source; None: it is read, and not rebuilt."""
    return None


@decoder_for.register
def _(source: TableSource, width: int, hidden: int) -> TableDecoder | None:
    return TableDecoder(source, width, hidden)
