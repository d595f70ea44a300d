"""How good predictions are: discrimination, calibration, survival, with intervals."""

from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves, Values

__all__ = ["Probabilities", "Scores", "SurvivalCurves", "Values"]
