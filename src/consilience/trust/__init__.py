"""Whether a finding can be relied on: leakage, subgroups, what a model leans on."""

from consilience.trust.abstention import Answered, Silence, risk_coverage
from consilience.trust.chance import chance_check, permuted_outcome, permuted_outcomes
from consilience.trust.check import Check
from consilience.trust.conditional import Conditional, conditional
from consilience.trust.conformal import ClassSets, ValueIntervals
from consilience.trust.counterfactual import counterfactuals
from consilience.trust.drift import Counts, Distributions, Stability, population_stability
from consilience.trust.duplicates import (
    Duplicates,
    Pair,
    duplicate_patients,
    duplicates_check,
    find_duplicates,
)
from consilience.trust.explanation import explain
from consilience.trust.group_calibration import Calibration
from consilience.trust.importance import Importance, permutation_importance
from consilience.trust.importance_over_folds import MeanImportance, aggregate
from consilience.trust.missing_test import by_cost, missing_tests
from consilience.trust.modality_effect import modality_effects
from consilience.trust.number import EventWithin, Number, PredictedValue, ProbabilityOf
from consilience.trust.options import treatment_options
from consilience.trust.plausible import Plausible
from consilience.trust.recalibration import Recalibration
from consilience.trust.splits import split_leakage
from consilience.trust.strata import Stratum, strata_of
from consilience.trust.subgroups import Subgroup, subgroup_table
from consilience.trust.support import Support
from consilience.trust.survival_bounds import TimeBounds
from consilience.trust.suspicious import suspicious_features
from consilience.trust.thresholds import conformal_quantile
from consilience.trust.words import FeatureNote, worded

__all__ = [
    "Answered",
    "Calibration",
    "Check",
    "ClassSets",
    "Conditional",
    "Counts",
    "Distributions",
    "Duplicates",
    "EventWithin",
    "FeatureNote",
    "Importance",
    "MeanImportance",
    "Number",
    "Pair",
    "Plausible",
    "PredictedValue",
    "ProbabilityOf",
    "Recalibration",
    "Silence",
    "Stability",
    "Stratum",
    "Subgroup",
    "Support",
    "TimeBounds",
    "ValueIntervals",
    "aggregate",
    "by_cost",
    "chance_check",
    "conditional",
    "conformal_quantile",
    "counterfactuals",
    "duplicate_patients",
    "duplicates_check",
    "explain",
    "find_duplicates",
    "missing_tests",
    "modality_effects",
    "permutation_importance",
    "permuted_outcome",
    "permuted_outcomes",
    "population_stability",
    "risk_coverage",
    "split_leakage",
    "strata_of",
    "subgroup_table",
    "suspicious_features",
    "treatment_options",
    "worded",
]
