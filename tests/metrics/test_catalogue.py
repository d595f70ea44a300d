"""The metrics there are, and asking for one that is not there."""

from __future__ import annotations

import pytest

from consilience.errors import InputError
from consilience.metrics import metric_named, metrics_for


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "binary",
            "auroc auprc balanced_accuracy f1 brier log_loss "
            "calibration_slope calibration_intercept",
        ),
        ("multiclass", "macro_auroc balanced_accuracy macro_f1 log_loss brier"),
        ("continuous", "r2 mae spearman"),
        (
            "survival",
            "harrell_concordance uno_concordance integrated_brier_score time_dependent_auc",
        ),
    ],
)
def test_what_there_is_with_the_primary_first(kind, names):
    assert [metric.name for metric in metrics_for(kind)] == names.split()
    assert all(metric_named(metric.name, kind) is metric for metric in metrics_for(kind))
    assert all(metric.kinds == {kind} for metric in metrics_for(kind))


def test_a_misspelt_metric_is_refused_with_the_one_meant():
    with pytest.raises(InputError, match=r"no metric 'aurocc' for binary.*Did you mean 'auroc'\?"):
        metric_named("aurocc", "binary")
    with pytest.raises(
        InputError, match=r"no kind of outcome 'survivel'.*Did you mean 'survival'\?"
    ):
        metrics_for("survivel")
