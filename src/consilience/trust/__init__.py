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
from consilience.trust.splits import split_leakage
from consilience.trust.suspicious import suspicious_features

__all__ = [
    "Check",
    "Duplicates",
    "Pair",
    "chance_check",
    "duplicate_patients",
    "duplicates_check",
    "find_duplicates",
    "permuted_outcome",
    "permuted_outcomes",
    "split_leakage",
    "suspicious_features",
]
