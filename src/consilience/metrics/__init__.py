"""How good predictions are: discrimination, calibration, survival, with intervals."""

from consilience.metrics.catalogue import metric_named, metrics_for
from consilience.metrics.comparison import Difference, holm, nadeau_bengio, paired_bootstrap
from consilience.metrics.curves import (
    calibration_points,
    kaplan_meier,
    net_benefit,
    pr_points,
    roc_points,
    survival_calibration_points,
)
from consilience.metrics.delong import delong, delong_difference
from consilience.metrics.intervals import Interval, bootstrap, resamples
from consilience.metrics.metric import Metric
from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves, Values

__all__ = [
    "Difference",
    "Interval",
    "Metric",
    "Probabilities",
    "Scores",
    "SurvivalCurves",
    "Values",
    "bootstrap",
    "calibration_points",
    "delong",
    "delong_difference",
    "holm",
    "kaplan_meier",
    "metric_named",
    "metrics_for",
    "nadeau_bengio",
    "net_benefit",
    "paired_bootstrap",
    "pr_points",
    "resamples",
    "roc_points",
    "survival_calibration_points",
]
