"""Whether a finding can be relied on: leakage, subgroups, what a model leans on."""

from consilience.trust.chance import chance_check, permuted_outcome, permuted_outcomes
from consilience.trust.check import Check
from consilience.trust.duplicates import (
    Duplicates,
    Pair,
    duplicate_patients,
    duplicates_check,
    find_duplicates,
)
from consilience.trust.group_calibration import Calibration
from consilience.trust.importance import Importance, permutation_importance
from consilience.trust.importance_over_folds import MeanImportance, aggregate
from consilience.trust.splits import split_leakage
from consilience.trust.strata import Stratum, strata_of
from consilience.trust.subgroups import Subgroup, subgroup_table
from consilience.trust.suspicious import suspicious_features

__all__ = [
    "Calibration",
    "Check",
    "Duplicates",
    "Importance",
    "MeanImportance",
    "Pair",
    "Stratum",
    "Subgroup",
    "aggregate",
    "chance_check",
    "duplicate_patients",
    "duplicates_check",
    "find_duplicates",
    "permutation_importance",
    "permuted_outcome",
    "permuted_outcomes",
    "split_leakage",
    "strata_of",
    "subgroup_table",
    "suspicious_features",
]
