"""How sources are combined: one method a file, all with a Cohort as ``X``."""

from consilience.fusion.early import EarlyFusion
from consilience.fusion.late import LateFusion
from consilience.fusion.single import SingleModality
from consilience.fusion.stacked import StackedFusion

__all__ = ["EarlyFusion", "LateFusion", "SingleModality", "StackedFusion"]
