"""What networks are trained to make small, as functions and modules that compose."""

from consilience.nn.losses.adversarial import ModalityDiscriminator, reverse_gradient
from consilience.nn.losses.contrastive import contrastive_loss
from consilience.nn.losses.cox import cox_loss
from consilience.nn.losses.cycle import cycle_loss
from consilience.nn.losses.discrete_time import discrete_time_loss
from consilience.nn.losses.gaussian import divergence, product_of_experts
from consilience.nn.losses.negative_binomial import negative_binomial_loss
from consilience.nn.losses.total_correlation import total_correlation

__all__ = [
    "ModalityDiscriminator",
    "contrastive_loss",
    "cox_loss",
    "cycle_loss",
    "discrete_time_loss",
    "divergence",
    "negative_binomial_loss",
    "product_of_experts",
    "reverse_gradient",
    "total_correlation",
]
