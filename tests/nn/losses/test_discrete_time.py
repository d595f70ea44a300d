import numpy as np
import pytest
import torch
from scipy.special import expit

from consilience.nn.losses import discrete_time_loss


def likelihood(logits, survived, event):
    """The formula, patient by patient."""
    total = 0.0
    for row, s, e in zip(expit(logits), survived, event, strict=True):
        total += np.log(1 - row[:s]).sum() + (np.log(row[s]) if e else 0.0)
    return -total / len(logits)


def drawn(seed, n=30, k=6):
    rng = np.random.default_rng(seed)
    event = rng.random(n) < 0.5
    survived = np.where(event, rng.integers(0, k, n), rng.integers(0, k + 1, n))
    return rng.normal(size=(n, k)), survived, event


@pytest.mark.parametrize("seed", range(4))
def test_it_is_the_likelihood_of_hazards(seed):
    logits, survived, event = drawn(seed)
    loss = discrete_time_loss(*map(torch.tensor, (logits, survived, event)))
    assert loss.item() == pytest.approx(likelihood(logits, survived, event), rel=1e-12)


def test_its_minimum_is_events_divided_by_those_at_risk():
    _, survived, event = drawn(7, n=400)
    at_risk = np.array([(survived > k).sum() + (event & (survived == k)).sum() for k in range(6)])
    hazard = np.array([(event & (survived == k)).sum() for k in range(6)]) / at_risk
    logits = torch.tensor(np.log(hazard / (1 - hazard)), requires_grad=True)
    discrete_time_loss(
        logits.expand(400, 6), torch.tensor(survived), torch.tensor(event)
    ).backward()
    assert logits.grad.abs().max() < 1e-12


def test_extreme_logits_stay_finite():
    logits = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = discrete_time_loss(logits, torch.tensor([1, 1]), torch.tensor([True, False]))
    loss.backward()
    assert torch.isfinite(loss)
    assert torch.isfinite(logits.grad).all()


def test_a_patient_censored_at_once_says_nothing():
    logits = torch.randn(1, 4, requires_grad=True)
    loss = discrete_time_loss(logits, torch.tensor([0]), torch.tensor([False]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad.abs().max() == 0
