"""Which metrics there are for which kind of outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from consilience.cohort.outcome import OutcomeKind
from consilience.errors import InputError, listing, suggestion
from consilience.metrics import (
    calibration,
    concordance,
    discrimination,
    multiclass,
    regression,
    survival,
)
from consilience.metrics.metric import Metric, Y
from consilience.metrics.multiclass import codes
from consilience.metrics.scores import FloatArray, Probabilities, SurvivalCurves, Values

_Plain = Callable[..., Any]


def metrics_for(kind: OutcomeKind) -> tuple[Metric, ...]:
    """Return the metrics of a kind of outcome, the primary one first.

    Raises
    ------
    InputError
        If there is no such kind.
    """
    if kind not in METRICS:
        raise InputError(
            f"there is no kind of outcome {kind!r}; there are {listing(METRICS)}."
            f"{suggestion(kind, METRICS)}"
        )
    return METRICS[kind]


def metric_named(name: str, kind: OutcomeKind) -> Metric:
    """Return the metric of that name for a kind of outcome.

    Raises
    ------
    InputError
        If there is none.
    """
    known = {metric.name: metric for metric in metrics_for(kind)}
    if name not in known:
        raise InputError(
            f"there is no metric {name!r} for {kind} outcomes; there are "
            f"{listing(known, most=40)}.{suggestion(name, known)}"
        )
    return known[name]


# How a plain function is given what it needs of an outcome and its scores. Module-level
# functions in partials, so that a metric can be sent to another process.


def _binary(function: _Plain, y: Y, scores: Probabilities, train_y: Y | None) -> float:
    return float(function(_zero_one(y, scores), scores.positive))


def _binary_weighted(
    function: _Plain, y: Y, scores: Probabilities, counts: FloatArray
) -> FloatArray:
    values: FloatArray = function(_zero_one(y, scores), scores.positive, counts)
    return values


def _zero_one(y: Y, scores: Probabilities) -> Y:
    if len(scores.classes) != 2:
        raise InputError(
            f"a binary metric needs probabilities of two classes, not of {listing(scores.classes)}."
        )
    return codes(y, scores.classes)


def _multiclass(function: _Plain, y: Y, scores: Probabilities, train_y: Y | None) -> float:
    return float(function(y, scores.values, scores.classes))


def _multiclass_weighted(
    function: _Plain, y: Y, scores: Probabilities, counts: FloatArray
) -> FloatArray:
    values: FloatArray = function(y, scores.values, scores.classes, counts)
    return values


def _continuous(function: _Plain, y: Y, scores: Values, train_y: Y | None) -> float:
    return float(function(y, scores.values[:, 0]))


def _continuous_weighted(function: _Plain, y: Y, scores: Values, counts: FloatArray) -> FloatArray:
    values: FloatArray = function(y, scores.values[:, 0], counts)
    return values


def _risk(function: _Plain, y: Y, scores: SurvivalCurves, train_y: Y | None) -> float:
    return float(function(y, scores.risk))


def _risk_with_censoring(
    function: _Plain, y: Y, scores: SurvivalCurves, train_y: Y | None
) -> float:
    return float(function(y, scores.risk, train_y))


def _risk_weighted(
    function: _Plain, y: Y, scores: SurvivalCurves, counts: FloatArray
) -> FloatArray:
    values: FloatArray = function(y, scores.risk, counts)
    return values


_BINARY: frozenset[OutcomeKind] = frozenset({"binary"})
_MULTICLASS: frozenset[OutcomeKind] = frozenset({"multiclass"})
_CONTINUOUS: frozenset[OutcomeKind] = frozenset({"continuous"})
_SURVIVAL: frozenset[OutcomeKind] = frozenset({"survival"})


def _for_binary(
    name: str,
    label: str,
    higher: bool,
    chance: float | None,
    functions: tuple[_Plain, _Plain],
    ideal: float | None = None,
) -> Metric:
    point, weighted = partial(_binary, functions[0]), partial(_binary_weighted, functions[1])
    return Metric(name, label, higher, chance, _BINARY, point, weighted, ideal)


def _for_classes(
    name: str, label: str, higher: bool, chance: float | None, functions: tuple[_Plain, _Plain]
) -> Metric:
    point = partial(_multiclass, functions[0])
    weighted = partial(_multiclass_weighted, functions[1])
    return Metric(name, label, higher, chance, _MULTICLASS, point, weighted)


def _for_numbers(
    name: str, label: str, higher: bool, chance: float | None, functions: tuple[_Plain, _Plain]
) -> Metric:
    point = partial(_continuous, functions[0])
    weighted = partial(_continuous_weighted, functions[1])
    return Metric(name, label, higher, chance, _CONTINUOUS, point, weighted)


def _ranking(metric: Metric) -> Metric:
    return replace(metric, ranks=True)


METRICS: dict[OutcomeKind, tuple[Metric, ...]] = {
    "binary": (
        _ranking(
            _for_binary(
                "auroc", "AUROC", True, 0.5, (discrimination.auroc, discrimination.weighted_auroc)
            )
        ),
        _ranking(
            _for_binary(
                "auprc", "AUPRC", True, None, (discrimination.auprc, discrimination.weighted_auprc)
            )
        ),
        _for_binary(
            "balanced_accuracy",
            "Balanced accuracy",
            True,
            0.5,
            (discrimination.balanced_accuracy, discrimination.weighted_balanced_accuracy),
        ),
        _for_binary("f1", "F1", True, None, (discrimination.f1, discrimination.weighted_f1)),
        _for_binary(
            "brier", "Brier score", False, None, (calibration.brier, calibration.weighted_brier)
        ),
        _for_binary(
            "log_loss",
            "Log loss",
            False,
            None,
            (calibration.log_loss, calibration.weighted_log_loss),
        ),
        _for_binary(
            "calibration_slope",
            "Calibration slope",
            True,
            None,
            (calibration.calibration_slope, calibration.weighted_calibration_slope),
            ideal=1.0,
        ),
        _for_binary(
            "calibration_intercept",
            "Calibration intercept",
            True,
            None,
            (calibration.calibration_intercept, calibration.weighted_calibration_intercept),
            ideal=0.0,
        ),
    ),
    "multiclass": (
        _ranking(
            _for_classes(
                "macro_auroc",
                "Macro AUROC",
                True,
                0.5,
                (multiclass.macro_auroc, multiclass.weighted_macro_auroc),
            )
        ),
        _for_classes(
            "balanced_accuracy",
            "Balanced accuracy",
            True,
            None,
            (
                multiclass.multiclass_balanced_accuracy,
                multiclass.weighted_multiclass_balanced_accuracy,
            ),
        ),
        _for_classes(
            "macro_f1", "Macro F1", True, None, (multiclass.macro_f1, multiclass.weighted_macro_f1)
        ),
        _for_classes(
            "log_loss",
            "Log loss",
            False,
            None,
            (multiclass.multiclass_log_loss, multiclass.weighted_multiclass_log_loss),
        ),
        _for_classes(
            "brier",
            "Brier score",
            False,
            None,
            (multiclass.multiclass_brier, multiclass.weighted_multiclass_brier),
        ),
    ),
    "continuous": (
        _for_numbers("r2", "R²", True, 0.0, (regression.r2, regression.weighted_r2)),
        _for_numbers(
            "mae", "Mean absolute error", False, None, (regression.mae, regression.weighted_mae)
        ),
        _ranking(
            _for_numbers(
                "spearman",
                "Spearman correlation",
                True,
                0.0,
                (regression.spearman, regression.weighted_spearman),
            )
        ),
    ),
    "survival": (
        _ranking(
            Metric(
                "harrell_concordance",
                "Harrell's concordance",
                True,
                0.5,
                _SURVIVAL,
                partial(_risk, concordance.harrell_concordance),
                partial(_risk_weighted, concordance.weighted_harrell),
            )
        ),
        Metric(
            "uno_concordance",
            "Uno's concordance",
            True,
            0.5,
            _SURVIVAL,
            partial(_risk_with_censoring, concordance.uno_concordance),
            partial(_risk_weighted, concordance.weighted_uno),
        ),
        Metric(
            "integrated_brier_score",
            "Integrated Brier score",
            False,
            None,
            _SURVIVAL,
            survival.integrated_brier_score,
            survival.weighted_integrated_brier_score,
        ),
        Metric(
            "time_dependent_auc",
            "Time-dependent AUC",
            True,
            0.5,
            _SURVIVAL,
            survival.time_dependent_auc,
            survival.weighted_time_dependent_auc,
        ),
    ),
}
