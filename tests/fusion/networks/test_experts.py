import itertools

import numpy as np
import pytest
import torch

from consilience.fusion.networks.experts import EXPERTS


def said(n=6, n_modalities=3, width=2, seed=0):
    torch.manual_seed(seed)
    present = torch.rand(n, n_modalities) < 0.7
    present[0], present[1] = True, False
    return torch.randn(n, n_modalities, width), torch.randn(n, n_modalities, width), present


def product(mean, log_variance, prior):
    precision = np.exp(-log_variance)
    total = precision.sum(axis=0) + prior
    return (precision * mean).sum(axis=0) / total


def subsets_of(places):
    return [s for k in range(1, len(places) + 1) for s in itertools.combinations(places, k)]


@pytest.mark.parametrize(
    ("name", "prior", "components"),
    [
        ("product", 1.0, lambda places: [tuple(places)]),
        ("mixture", 0.0, lambda places: [(p,) for p in places]),
        ("mixture-of-products", 0.0, subsets_of),
    ],
)
def test_the_centre_is_the_mean_over_the_components_of_what_is_there(name, prior, components):
    mean, log_variance, present = said()
    posterior = EXPERTS[name](3)(mean, log_variance, present)
    torch.testing.assert_close(posterior.weight.sum(dim=0), torch.ones(6))
    for i in range(6):
        places = np.flatnonzero(present[i].numpy())
        due = [
            product(mean[i, list(s)].numpy(), log_variance[i, list(s)].numpy(), prior)
            for s in components(places)
            if s
        ]
        truth = np.mean(due, axis=0) if due else np.zeros(2)
        np.testing.assert_allclose(posterior.centre()[i].numpy(), truth, rtol=1e-5, atol=1e-6)


def test_more_than_five_modalities_take_a_part_of_the_subsets():
    for n, count in [(2, 3), (5, 31), (6, 13), (13, 27)]:
        subsets = EXPERTS["mixture-of-products"](n).subsets
        assert len(subsets) == count
        assert len(torch.unique(subsets, dim=0)) == count
        assert subsets.any(dim=1).all()


def test_what_an_absent_modality_says_is_of_no_account():
    mean, log_variance, present = said()
    other = torch.where(present[:, :, None], mean, torch.full_like(mean, 5.0))
    for experts in EXPERTS.values():
        centre = experts(3)(mean, log_variance, present).centre()
        torch.testing.assert_close(experts(3)(other, log_variance, present).centre(), centre)
