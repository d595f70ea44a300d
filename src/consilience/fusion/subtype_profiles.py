"""What subtypes are made of: the features that tell one from the other patients."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import false_discovery_control, norm

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray
from consilience.errors import InputError

FEWEST = 2  # patients with a value, in a subtype and in the others, for a feature to be compared
COLUMNS = (
    "subtype",
    "modality",
    "feature",
    "level",
    "inside",
    "outside",
    "effect",
    "p_value",
    "q_value",
    "patients",
)


def feature_profiles(cohort: Cohort, labels: pd.Series) -> pd.DataFrame:
    """Return how each feature of each table differs in one subtype from all others.

    Numbers: Mann-Whitney's test (normal approximation, corrected for ties and continuity);
    the effect is the rank-biserial correlation, from -1 (always lower in the subtype) to
    1 (always higher). Categories: a chi-square test of each level against the others; the
    effect is the difference in its share. P-values are adjusted over all rows (Benjamini
    and Hochberg); missing values are left out.

    Subtypes were made from these features, so small p-values are no surprise: they
    describe a subtype, and do not show that there is one.

    Parameters
    ----------
    cohort : Cohort
        Of its modalities, the tables are read.
    labels : Series
        Subtype by patient; missing for those with none.

    Returns
    -------
    DataFrame
        Columns subtype, modality, feature, level (of a category), inside and outside
        (medians, or shares), effect, p_value, q_value and patients; in each subtype the
        largest effects first. ``attrs["not_compared"]`` has (subtype, modality, feature) of
        those with fewer than two values on either side or with one value throughout, and
        ``attrs["not_tables"]`` the modalities that are no tables.

    Raises
    ------
    InputError
        If there are not two subtypes to compare, or no table.
    """
    own = labels_of(cohort, labels)
    tables = {name: m for name, m in cohort.modalities.items() if isinstance(m, Table)}
    if not tables:
        raise InputError("there is no table among the modalities whose features could be compared.")
    parts: list[pd.DataFrame] = []
    for name, table in tables.items():
        patients = np.flatnonzero(cohort.has(name) & own.notna().to_numpy())
        places, groups = cohort.positions(name)[patients], own.to_numpy(dtype=object)[patients]
        names, text = list(table.numeric_features), table.categorical.iloc[places]
        of_table = [*_numbers(table.numeric_at(places), names, groups), *_levels(text, groups)]
        parts += [frame.assign(modality=name) for frame in of_table]
    found = _adjusted(pd.concat(parts, ignore_index=True))
    found.attrs["not_tables"] = [name for name in cohort.modalities if name not in tables]
    return found


def labels_of(cohort: Cohort, labels: pd.Series) -> pd.Series:
    """Return the patients' subtypes in the cohort's order.

    Raises
    ------
    InputError
        If there are not two of them.
    """
    own = labels[~labels.index.duplicated()].reindex(cohort.index)
    if own.nunique() < 2:
        raise InputError(
            f"the {len(cohort)} patients have {own.nunique()} subtypes; it takes two to compare."
        )
    return own


def in_order(groups: pd.Series | npt.NDArray[np.object_]) -> list[str]:
    """Return the names of the subtypes, "10" after "9"."""
    names = {str(name) for name in groups if not pd.isna(name)}
    return sorted(names, key=lambda name: (int(name) if name.isdigit() else 0, name))


def _numbers(
    values: FloatArray, names: list[str], groups: npt.NDArray[np.object_]
) -> Iterator[pd.DataFrame]:
    """Compare each numeric column in each subtype with the others."""
    frame = pd.DataFrame(values, columns=names)
    ranks = frame.rank()
    n, deviations = ranks.notna().sum(), ranks - ranks.mean()
    scatter = (deviations**2).sum()
    for group in in_order(groups):
        inside = groups == group
        one = ranks[inside].notna().sum()
        other = n - one
        # How far the rank sum is from what it would be by chance, and how far it would stray.
        over = deviations[inside].sum()
        stray = np.sqrt(one * other / (n * (n - 1.0)).clip(lower=1.0) * scatter)
        compared = (np.minimum(one, other) >= FEWEST) & (scatter > 0)
        z = (over.abs() - 0.5).clip(lower=0.0) / stray.where(compared)
        columns = {
            "inside": frame[inside].median(),
            "outside": frame[~inside].median(),
            "effect": 2.0 * over / (one * other).where(compared),
            "p_value": pd.Series(2.0 * norm.sf(z), index=z.index),
            "patients": n,
        }
        found = pd.DataFrame(columns).rename_axis("feature").reset_index()
        yield found.assign(subtype=group, level="")


def _levels(text: pd.DataFrame, groups: npt.NDArray[np.object_]) -> Iterator[pd.DataFrame]:
    """Compare the share of each level of each category in each subtype with the others."""
    for feature in text.columns:
        values = text[feature]
        known = values.notna().to_numpy()
        levels = pd.get_dummies(values[known].astype(str)).astype(float)
        for group in in_order(groups):
            yield _shares(levels, groups[known] == group).assign(subtype=group, feature=feature)


def _shares(levels: pd.DataFrame, inside: npt.NDArray[np.bool_]) -> pd.DataFrame:
    one, other, n = int(inside.sum()), int((~inside).sum()), len(inside)
    here, there = levels[inside].sum(), levels[~inside].sum()
    compared = min(one, other) >= FEWEST and levels.shape[1] > 1
    a, b = here / max(one, 1), there / max(other, 1)
    share = (here + there) / max(n, 1)
    stray = np.sqrt(share * (1.0 - share) * (1.0 / max(one, 1) + 1.0 / max(other, 1)))
    z = (a - b) / (stray if compared else np.nan)  # squared, the chi-square of two by two
    columns = {
        "inside": a,
        "outside": b,
        "effect": a - b,
        "p_value": pd.Series(2.0 * norm.sf(z.abs()), index=z.index),
        "patients": n,
    }
    return pd.DataFrame(columns).rename_axis("level").reset_index()


def _adjusted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that could be compared, in order, and say which could not."""
    compared = rows["p_value"].notna()
    lost = rows.loc[~compared, ["subtype", "modality", "feature"]].drop_duplicates()
    table = rows[compared].copy()
    table["q_value"] = false_discovery_control(table["p_value"].to_numpy(dtype=float))
    place = {name: rank for rank, name in enumerate(in_order(table["subtype"]))}
    order = np.lexsort((-table["effect"].abs(), table["subtype"].map(place)))
    table = table.iloc[order].reset_index(drop=True)[list(COLUMNS)]
    table.attrs["not_compared"] = list(lost.itertuples(index=False, name=None))
    return table
