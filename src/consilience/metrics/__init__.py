"""How good predictions are: discrimination, calibration, survival, with intervals."""

from consilience.metrics.auroc_delong import delong, delong_difference
from consilience.metrics.calibration import (
    brier,
    calibration_intercept,
    calibration_slope,
    log_loss,
)
from consilience.metrics.catalogue import metric_named, metrics_for
from consilience.metrics.comparison import Difference, holm, nadeau_bengio, paired_bootstrap
from consilience.metrics.concordance import harrell_concordance, uno_concordance
from consilience.metrics.curves import (
    calibration_points,
    kaplan_meier,
    net_benefit,
    pr_points,
    roc_points,
    survival_calibration_points,
)
from consilience.metrics.discrimination import auprc, auroc, balanced_accuracy, f1
from consilience.metrics.intervals import Interval, bootstrap, resamples
from consilience.metrics.metric import Metric
from consilience.metrics.multiclass import (
    macro_auroc,
    macro_f1,
    multiclass_balanced_accuracy,
    multiclass_brier,
    multiclass_log_loss,
)
from consilience.metrics.regression import mae, r2, spearman
from consilience.metrics.scores import Probabilities, Scores, SurvivalCurves, Values
from consilience.metrics.survival import integrated_brier_score, time_dependent_auc

__all__ = [
    "Difference",
    "Interval",
    "Metric",
    "Probabilities",
    "Scores",
    "SurvivalCurves",
    "Values",
    "auprc",
    "auroc",
    "balanced_accuracy",
    "bootstrap",
    "brier",
    "calibration_intercept",
    "calibration_points",
    "calibration_slope",
    "delong",
    "delong_difference",
    "f1",
    "harrell_concordance",
    "holm",
    "integrated_brier_score",
    "kaplan_meier",
    "log_loss",
    "macro_auroc",
    "macro_f1",
    "mae",
    "metric_named",
    "metrics_for",
    "multiclass_balanced_accuracy",
    "multiclass_brier",
    "multiclass_log_loss",
    "nadeau_bengio",
    "net_benefit",
    "paired_bootstrap",
    "pr_points",
    "r2",
    "resamples",
    "roc_points",
    "spearman",
    "survival_calibration_points",
    "time_dependent_auc",
    "uno_concordance",
]
