"""Who the patients of a subtype are: their columns compared between subtypes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import chi2_contingency, false_discovery_control, kruskal

from consilience.cohort import Cohort
from consilience.errors import InputError, listing, suggestion
from consilience.fusion.subtype_profiles import in_order, labels_of

COLUMNS = ("test", "effect", "statistic", "p_value", "q_value", "patients", "smallest_expected")


def patient_enrichment(
    cohort: Cohort, labels: pd.Series, columns: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return how the patients' columns differ between subtypes.

    Numbers: the Kruskal-Wallis test; the effect is epsilon squared. Everything else:
    the chi-square test of independence; the effect is Cramer's V. Both effects run from
    0 to 1. P-values are adjusted over the columns (Benjamini and Hochberg).

    Parameters
    ----------
    cohort : Cohort
    labels : Series
        Subtype by patient; missing for those with none.
    columns : sequence of str, optional
        Of ``cohort.patients``; all by default.

    Returns
    -------
    DataFrame
        A row a column: test, effect, statistic, p_value, q_value, patients,
        smallest_expected (of a chi-square table: below 5 its p-value is rough), and what
        each subtype has (the median, or the most frequent value and its share).
        ``attrs["not_compared"]`` has the columns that do not vary, or are known in fewer
        than two subtypes.

    Raises
    ------
    InputError
        If a column is not there, or there are not two subtypes to compare.
    """
    own = labels_of(cohort, labels).to_numpy(dtype=object)
    rows: dict[str, dict[str, Any]] = {}
    left = []
    for column in _wanted(cohort, columns):
        values = cohort.patients[column]
        known = values.notna().to_numpy() & ~pd.isna(own)
        values, groups = values[known], own[known]
        if len(set(groups)) < 2 or values.nunique() < 2:
            left.append(column)
            continue
        counted = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
        rows[column] = (_by_ranks if counted else _by_counts)(values, groups)
    extra = [f"subtype {name}" for name in in_order(own)]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=None)
    table = table.reindex(columns=[*COLUMNS, *extra]).rename_axis("column")
    if len(table):
        table["q_value"] = false_discovery_control(table["p_value"].to_numpy(dtype=float))
    table = table.sort_values("p_value", kind="stable")
    table.attrs["not_compared"] = left
    return table


def _wanted(cohort: Cohort, columns: Sequence[str] | None) -> list[str]:
    have = cohort.patients.columns
    if isinstance(columns, str):
        raise InputError(f"give columns as a list: [{columns!r}].")
    for column in columns or ():
        if column not in have:
            raise InputError(
                f"cohort {cohort.name!r} has no patient column {column!r}; it has "
                f"{listing(have, most=20)}.{suggestion(column, have)}"
            )
    return list(have if columns is None else columns)


def _by_ranks(values: pd.Series, groups: Any) -> dict[str, Any]:
    numbers = values.to_numpy(dtype=float)
    parts = {name: numbers[groups == name] for name in in_order(groups)}
    test = kruskal(*parts.values())
    row = {
        "test": "Kruskal-Wallis",
        "effect": float(test.statistic / (len(numbers) - 1)),
        "statistic": float(test.statistic),
        "p_value": float(test.pvalue),
        "patients": len(numbers),
        "smallest_expected": np.nan,
    }
    return row | {f"subtype {name}": f"{np.median(part):.4g}" for name, part in parts.items()}


def _by_counts(values: pd.Series, groups: Any) -> dict[str, Any]:
    counts = pd.crosstab(groups.astype(str), values.astype(str).to_numpy())
    test = chi2_contingency(counts.to_numpy(), correction=False)
    row = {
        "test": "chi-square",
        "effect": float(np.sqrt(test.statistic / (len(values) * (min(counts.shape) - 1)))),
        "statistic": float(test.statistic),
        "p_value": float(test.pvalue),
        "patients": len(values),
        "smallest_expected": float(test.expected_freq.min()),
    }
    for name in in_order(groups):
        own = counts.loc[name]
        row[f"subtype {name}"] = f"{own.idxmax()} ({own.max() / own.sum():.0%})"
    return row
