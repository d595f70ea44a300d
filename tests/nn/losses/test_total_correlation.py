import numpy as np
import pytest
import torch

from consilience.nn.losses import total_correlation

NOISE = 0.6  # standard deviation of each patient's posterior


def aggregate(correlation, n=1500, seed=0):
    """Posteriors whose aggregate is a Gaussian with unit variances and a correlation."""
    rng = np.random.default_rng(seed)
    whole = np.array([[1.0, correlation], [correlation, 1.0]])
    mean = rng.multivariate_normal([0, 0], whole - NOISE**2 * np.eye(2), size=n)
    latent = mean + NOISE * rng.normal(size=mean.shape)
    return map(torch.tensor, (latent, mean, np.full(mean.shape, 2 * np.log(NOISE))))


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.6])
def test_two_gaussian_dimensions_make_their_mutual_information(correlation):
    truth = -0.5 * np.log(1 - correlation**2)
    assert total_correlation(*aggregate(correlation)).item() == pytest.approx(truth, abs=0.03)


def test_one_dimension_has_none():
    latent, mean, spread = (each[:, :1] for each in aggregate(0.0))
    assert total_correlation(latent, mean, spread).item() == pytest.approx(0.0, abs=1e-12)


def test_its_gradient_pulls_correlated_dimensions_apart():
    latent, mean, spread = aggregate(0.6, n=400)
    noise = latent - mean
    mean = mean.clone().requires_grad_()
    before = total_correlation(mean + noise, mean, spread)
    before.backward()
    moved = mean.detach() - 40.0 * mean.grad
    assert np.corrcoef(moved.T)[0, 1] < np.corrcoef(mean.detach().T)[0, 1]
