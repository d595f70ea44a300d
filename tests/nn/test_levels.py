"""Levels of categories as columns."""

from __future__ import annotations

import torch

from consilience.nn.batch import Part
from consilience.nn.levels import LEVELS, levels_of


def test_a_level_is_a_one_and_what_is_not_known_is_nothing() -> None:
    part = Part({"codes": torch.tensor([[1, 0], [2, 3]])}, torch.arange(2))
    first, second = levels_of(part, [2, 3])
    torch.testing.assert_close(first, torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    torch.testing.assert_close(second, torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))


def test_columns_on_the_way_are_taken_as_they_are() -> None:
    way = torch.tensor([[0.5, 0.0, 0.0, 0.25, 0.0]], requires_grad=True)
    part = Part({"codes": torch.tensor([[1, 2]]), LEVELS: way}, torch.arange(1))
    first, second = levels_of(part, [2, 3])
    torch.testing.assert_close(torch.cat([first, second], dim=1), way)
    second.sum().backward()
    assert way.grad is not None
    torch.testing.assert_close(way.grad, torch.tensor([[0.0, 0.0, 1.0, 1.0, 1.0]]))
