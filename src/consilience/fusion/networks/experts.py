"""How what each modality says becomes one posterior: products and mixtures of experts."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import torch
from torch import Tensor, nn

from consilience.nn.losses import product_of_experts

ENUMERATED = 5  # modalities up to which all their subsets are taken, 31
DRAWN = 4  # subsets a training step


class Posterior(NamedTuple):
    """A mixture of Gaussians a patient.

    Attributes
    ----------
    mean, log_variance : Tensor of shape (n_components, n, width)
    weight : Tensor of shape (n_components, n)
        They add up to 1.
    members : Tensor of bool, (n_components, n, n_modalities)
        Which modalities each component knows.
    """

    mean: Tensor
    log_variance: Tensor
    weight: Tensor
    members: Tensor

    def centre(self) -> Tensor:
        """Return the mean of the mixture, (n, width)."""
        return torch.einsum("sn,snk->nk", self.weight, self.mean)


class Experts(nn.Module):
    """Subsets of the modalities; each is a component, the product of its modalities' experts.

    Parameters
    ----------
    n_modalities : int
    """

    subsets: Tensor
    prior = 0.0  # precision of the prior as an expert more

    def __init__(self, n_modalities: int) -> None:
        super().__init__()
        self.register_buffer("subsets", self.chosen(n_modalities), persistent=False)

    def chosen(self, n_modalities: int) -> Tensor:
        """Return the subsets, (n_subsets, n_modalities) of bool."""
        raise NotImplementedError

    def forward(self, mean: Tensor, log_variance: Tensor, shown: Tensor) -> Posterior:
        """Return the posterior from the experts shown.

        A subset of which a patient has nothing is no component of his; where nothing is
        shown it is the prior.

        Parameters
        ----------
        mean, log_variance : Tensor of shape (n, n_modalities, width)
        shown : Tensor of bool, (n, n_modalities)
        """
        members = self.subsets[:, None, :] & shown
        weight = members.any(dim=2).to(mean.dtype)
        weight = torch.where(shown.any(dim=1), weight, torch.ones_like(weight))
        product = product_of_experts(mean, log_variance, members, self.prior)
        return Posterior(*product, weight / weight.sum(dim=0), members)

    def training_sets(self, present: Tensor, kept: Tensor) -> Tensor:
        """Return the modalities of each component to train, (n_components, n, n_modalities)."""
        return self.subsets[:, None, :] & present


class Product(Experts):
    """One component: everything there, times the prior (Wu and Goodman 2018)."""

    prior = 1.0

    def chosen(self, n_modalities: int) -> Tensor:
        return torch.ones(1, n_modalities, dtype=torch.bool)

    def training_sets(self, present: Tensor, kept: Tensor) -> Tensor:
        # A product that never saw a part of the modalities does not know what to do with one.
        return torch.stack([present, kept])


class Mixture(Experts):
    """A component each modality (Shi et al. 2019)."""

    def chosen(self, n_modalities: int) -> Tensor:
        return torch.eye(n_modalities, dtype=torch.bool)


class MixtureOfProducts(Experts):
    """A component each subset of the modalities (Sutter et al. 2021).

    All subsets are taken up to five modalities. Beyond, of the 2^M - 1 only each modality
    alone, all but each one, and all together: 2 M + 1. A training step draws four.
    """

    def chosen(self, n_modalities: int) -> Tensor:
        if n_modalities <= ENUMERATED:
            every = itertools.product([False, True], repeat=n_modalities)
            return torch.tensor([row for row in every if any(row)])
        alone = torch.eye(n_modalities, dtype=torch.bool)
        together = torch.ones(1, n_modalities, dtype=torch.bool)
        return torch.cat([alone, ~alone, together])

    def training_sets(self, present: Tensor, kept: Tensor) -> Tensor:
        order = torch.randperm(len(self.subsets), device=present.device)[:DRAWN]
        return self.subsets[order][:, None, :] & present


EXPERTS: dict[str, type[Experts]] = {
    "product": Product,
    "mixture": Mixture,
    "mixture-of-products": MixtureOfProducts,
}
