import pytest
import torch

from consilience.nn.losses import cycle_loss


def test_it_is_the_mean_square_over_what_counts():
    left, back = torch.zeros(2, 2, 3), torch.tensor([[[1.0] * 3, [9.0] * 3], [[3.0] * 3] * 2])
    counted = torch.tensor([[True, False], [True, False]])
    assert cycle_loss(left, back, counted).item() == pytest.approx((1 + 9) / 2)
    assert cycle_loss(back, back, counted).item() == 0


def test_only_the_way_back_is_moved():
    left, back = (torch.randn(3, 2, 4, requires_grad=True) for _ in range(2))
    cycle_loss(left, back, torch.ones(3, 2, dtype=torch.bool)).backward()
    assert left.grad is None
    assert back.grad.abs().min() > 0


def test_nothing_to_count_makes_0():
    back = torch.randn(3, 2, 4, requires_grad=True)
    loss = cycle_loss(back, back, torch.zeros(3, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0
