"""Rows a piece at a time give what all rows at once give."""

from __future__ import annotations

import torch
from torch import nn

from consilience.nn.chunks import by_chunks


def test_values_and_gradients_are_those_of_all_rows_at_once() -> None:
    torch.manual_seed(0)
    layer = nn.Sequential(nn.Linear(5, 7), nn.GELU(), nn.Linear(7, 2)).double()
    rows = torch.randn(23, 5, dtype=torch.float64, requires_grad=True)
    others = torch.randn(23, 2, dtype=torch.float64)

    def function(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return layer(x) * y

    whole, pieces = function(rows, others), by_chunks(function, rows, others, size=4)
    torch.testing.assert_close(pieces, whole)
    leaves = [rows, *layer.parameters()]
    for ours, theirs in zip(
        torch.autograd.grad(pieces.square().sum(), leaves),
        torch.autograd.grad(whole.square().sum(), leaves),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_gradient_is_that_of_the_dropout_that_was_drawn() -> None:
    torch.manual_seed(0)
    rows = torch.ones(100, 3, requires_grad=True)
    dropped = by_chunks(nn.Dropout(0.5), rows, size=10)
    (gradient,) = torch.autograd.grad(dropped.sum(), rows)
    assert 0 < (dropped == 0).sum() < 300
    torch.testing.assert_close(gradient, dropped.detach())


def test_what_lies_between_is_not_kept() -> None:
    kept: list[int] = []

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel())
        return tensor

    wide = nn.Sequential(nn.Linear(2, 500), nn.GELU(), nn.Linear(500, 1))
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        by_chunks(wide, torch.randn(1000, 2), size=100)
    assert sum(kept) < 1000 * 500
