"""The residual network of images."""

from __future__ import annotations

import pytest
import torch

from consilience.errors import InputError
from consilience.nn.batch import Part
from consilience.nn.encoders import ResidualNetwork
from consilience.nn.sources import ImageSource


def a_source(size: tuple[int, ...], channels: int = 2) -> ImageSource:
    source = ImageSource()
    source.axes_, source.size_ = len(size), size
    source.features_ = tuple(f"channel {i}" for i in range(channels))
    return source


@pytest.mark.parametrize("size", [(64, 40), (20, 32, 16), (1, 3)])
def test_a_patient_s_vector_does_not_depend_on_the_others(size) -> None:
    torch.manual_seed(0)
    encoder = ResidualNetwork().build(a_source(size), 8)
    pixels = torch.randn(3, 2, *size)
    with torch.no_grad():
        encoder.eval()
        together = encoder(Part({"pixels": pixels}, torch.arange(3)))
        alone = [encoder(Part({"pixels": p[None]}, torch.arange(1))) for p in pixels]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-5, rtol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-4


@pytest.mark.parametrize("size", [(64, 64), (32, 32, 32)])
def test_it_is_small_and_every_weight_learns(size) -> None:
    encoder = ResidualNetwork(dropout=0.0).build(a_source(size), 32)
    assert 30_000 < sum(weight.numel() for weight in encoder.parameters()) < 130_000
    encoder(Part({"pixels": torch.randn(2, 2, *size)}, torch.arange(2))).square().sum().backward()
    assert all(w.grad is not None and w.grad.abs().sum() > 0 for w in encoder.parameters())


def test_channels_must_suit_the_groups() -> None:
    with pytest.raises(InputError, match="multiple of 4, not 6"):
        ResidualNetwork(channels=6).build(a_source((8, 8)), 8)
