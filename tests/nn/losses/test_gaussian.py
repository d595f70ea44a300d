import numpy as np
import pytest
import torch
from torch.distributions import Normal, kl_divergence

from consilience.nn.losses import divergence, product_of_experts


def test_divergence_is_that_of_gaussians():
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 5, 3)
    truth = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(divergence(mean, log_variance), truth)


def test_the_product_is_bayes_rule_in_a_linear_gaussian_model():
    """Modality m says x_m = w_m z + noise: as an expert N(x_m / w_m, v_m / w_m^2)."""
    rng = np.random.default_rng(0)
    weight, variance, seen = rng.normal(size=4) + 2, rng.uniform(0.2, 2, 4), rng.normal(size=4)
    kept = np.array([True, False, True, True])
    mean, spread = product_of_experts(
        torch.tensor(seen / weight)[:, None],
        torch.tensor(np.log(variance / weight**2))[:, None],
        torch.tensor(kept),
    )
    loading = weight[kept][:, None]
    covariance = loading @ loading.T + np.diag(variance[kept])
    gain = np.linalg.solve(covariance, loading).T
    assert mean.item() == pytest.approx((gain @ seen[kept]).item(), rel=1e-12)
    assert spread.exp().item() == pytest.approx(1 - (gain @ loading).item(), rel=1e-12)


def test_nobody_leaves_the_prior_and_one_without_the_prior_is_itself():
    mean, spread = torch.tensor([[0.7], [3.0]]), torch.tensor([[0.4], [-1.0]])
    for prior in (0.0, 1.0):
        nobody = product_of_experts(mean, spread, torch.tensor([False, False]), prior)
        assert [each.item() for each in nobody] == [0.0, 0.0]
    alone = product_of_experts(mean, spread, torch.tensor([True, False]), 0.0)
    assert alone[0].item() == pytest.approx(0.7)
    assert alone[1].item() == pytest.approx(0.4)
