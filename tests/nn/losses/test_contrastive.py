import numpy as np
import pytest
import torch

from consilience.errors import InputError
from consilience.nn.losses import contrastive_loss


def info_nce(a, b, temperature):
    """One pair of modalities, patient by patient."""
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    s = a @ b.T / temperature
    total = 0.0
    for i in range(len(a)):
        total -= s[i, i] - 0.5 * (np.log(np.exp(s[i]).sum()) + np.log(np.exp(s[:, i]).sum()))
    return total / len(a)


def test_it_is_info_nce_over_the_patients_who_have_both():
    rng = np.random.default_rng(0)
    vectors, present = rng.normal(size=(12, 3, 5)), rng.random((12, 3)) < 0.7
    summed, counted = 0.0, 0
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        both = present[:, a] & present[:, b]
        summed += both.sum() * info_nce(vectors[both, a], vectors[both, b], 0.3)
        counted += both.sum()
    loss = contrastive_loss(torch.tensor(vectors), torch.tensor(present), 0.3)
    assert loss.item() == pytest.approx(summed / counted, rel=1e-9)


def test_codes_that_are_all_alike_make_log_n_and_matched_ones_nothing():
    there = torch.ones(16, 2, dtype=torch.bool)
    assert contrastive_loss(torch.ones(16, 2, 4), there).item() == pytest.approx(np.log(16))
    matched = torch.eye(16)[:, None, :].expand(16, 2, 16)
    assert contrastive_loss(matched, there, 0.02).item() < 1e-6


def test_what_stands_where_a_modality_is_absent_is_of_no_account():
    torch.manual_seed(0)
    vectors, present = torch.randn(10, 3, 4), torch.rand(10, 3) < 0.6
    other = torch.where(present[:, :, None], vectors, torch.full_like(vectors, 7.0))
    assert contrastive_loss(vectors, present) == contrastive_loss(other, present)
    vectors.requires_grad_()
    contrastive_loss(vectors, present).backward()
    assert torch.isfinite(vectors.grad).all()
    assert vectors.grad[~present].abs().max() == 0


def test_nobody_with_two_modalities_makes_0_with_a_gradient():
    vectors = torch.zeros(4, 2, 3, requires_grad=True)
    present = torch.tensor([[True, False], [True, True], [False, True], [False, True]])
    loss = contrastive_loss(vectors, present)
    loss.backward()
    assert loss.item() == 0


def test_a_temperature_of_0_is_refused():
    with pytest.raises(InputError, match="temperature must be above 0"):
        contrastive_loss(torch.zeros(2, 2, 2), torch.ones(2, 2, dtype=torch.bool), 0.0)
