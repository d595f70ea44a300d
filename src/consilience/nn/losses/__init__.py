"""What networks are trained to make small, as functions and modules that compose."""

from consilience.nn.losses.cox import cox_loss
from consilience.nn.losses.discrete_time import discrete_time_loss

__all__ = ["cox_loss", "discrete_time_loss"]
