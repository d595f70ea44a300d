import numpy as np
import pytest
import torch

from consilience.nn.losses import ModalityDiscriminator, reverse_gradient


def test_values_pass_and_gradients_change_sign():
    values = torch.randn(5, 3, requires_grad=True)
    passed = reverse_gradient(values, 0.5)
    torch.testing.assert_close(passed, values, rtol=0, atol=0)
    (passed**2).sum().backward()
    torch.testing.assert_close(values.grad, -0.5 * 2 * values.detach())


def trained(strength, steps=300):
    """Two modalities a shift apart, which a learned shift can bring together."""
    torch.manual_seed(0)
    shift = torch.nn.Parameter(torch.tensor([3.0, 0.0]))
    judge = ModalityDiscriminator(2, 2, strength)
    step = torch.optim.AdamW([*judge.parameters(), shift], lr=0.02, weight_decay=0)
    there = torch.ones(64, 2, dtype=torch.bool)
    losses = []
    for _ in range(steps):
        codes = torch.stack([torch.randn(64, 2) + shift, torch.randn(64, 2)], dim=1)
        loss = judge(codes, there)
        step.zero_grad()
        loss.backward()
        step.step()
        losses.append(loss.item())
    return shift.detach().norm().item(), float(np.mean(losses[-30:]))


def test_one_optimiser_brings_the_codes_of_two_modalities_together():
    distance, loss = trained(1.0)
    assert distance < 1.0
    assert loss == pytest.approx(np.log(2), abs=0.1)


def test_without_reversal_strength_they_stay_apart():
    distance, loss = trained(0.0)
    assert distance == pytest.approx(3.0)
    assert loss < 0.3


def test_only_codes_that_are_there_are_judged():
    judge = ModalityDiscriminator(2, 3)
    present = torch.tensor([[True, False, True], [False, True, False]])
    vectors = torch.randn(2, 3, 2)
    other = torch.where(present[:, :, None], vectors, torch.full_like(vectors, 9.0))
    assert judge(vectors, present) == judge(other, present)
