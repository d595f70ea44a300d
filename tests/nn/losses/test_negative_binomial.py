import numpy as np
import pytest
import torch
from scipy.stats import nbinom, poisson

from consilience.nn.losses import negative_binomial_loss


def test_it_is_scipys_likelihood():
    rng = np.random.default_rng(0)
    counts = rng.integers(0, 60, 50).astype(float)
    mean, size = rng.uniform(0.1, 40, 50), rng.uniform(0.1, 30, 50)
    loss = negative_binomial_loss(*map(torch.tensor, (counts, np.log(mean), np.log(size))))
    truth = -nbinom.logpmf(counts, size, size / (size + mean))
    np.testing.assert_allclose(loss.numpy(), truth, rtol=1e-9)


def test_a_large_size_is_a_poisson():
    counts = np.arange(20)
    loss = negative_binomial_loss(
        torch.tensor(counts), torch.tensor(np.log(6.0)), torch.tensor(np.log(1e7))
    )
    np.testing.assert_allclose(loss.numpy(), -poisson.logpmf(counts, 6.0), atol=1e-4)


def test_the_mean_is_where_the_gradient_is_0():
    log_mean = torch.tensor(np.log(7.5), requires_grad=True)
    counts = torch.tensor([3.0, 12.0, 7.0, 8.0], dtype=torch.float64)
    negative_binomial_loss(counts, log_mean, torch.tensor(0.3)).sum().backward()
    assert log_mean.grad.item() == pytest.approx(0.0, abs=1e-6)
