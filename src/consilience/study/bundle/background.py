"""Condensed training patients: what a model is explained against, with nobody in it.

Each is the mean of at least `AT_LEAST` patients who are alike (microaggregation, see
`microaggregation`), so that a bundle can be explained where its training patients may not
go. There are at most `MOST` of them.

What it protects. No number in it is of fewer than five patients: who was measured by fewer
than five of a group is not in it, a value known of fewer than five is a gap. A value beyond
the fifth smallest or the fifth largest of all is first brought there, so that one extreme
patient does not show in a mean. A level of a category is named only if five patients have
it. Means are rounded, to between a twentieth and a two-hundredth of a standard deviation, so
that nobody is found by taking four known patients from a mean of five. Ids are not kept.

What it does not protect. Groups are of patients who are alike: of a group in which all have
the same value that value is told, and who is known to be much like its mean is likely to
have it (k-anonymity without diversity: Machanavajjhala et al., ACM TKDD 2007, 1:3). The
share of a 0/1 feature can be 0 or 1. There is no noise, and so no differential privacy.
Whoever has several bundles of overlapping patients can compare them.

What models are asked about it. The mean of a 0/1 feature is a share: the model is given
0.4, which no patient has. A category is the group's commonest level. Condensed patients are
less spread than patients; `consilience.trust.conditional` makes up for it.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from consilience.cohort import Cohort, Table
from consilience.cohort.modality import FloatArray, Positions
from consilience.study.bundle.microaggregation import alike
from consilience.trust.group_columns import WEIGHT

AT_LEAST = 5  # patients behind each number
MOST = 60  # condensed patients
MOST_PATIENTS = 6_000  # of larger cohorts these many are drawn
MOST_COLUMNS = 1_000  # of a table, by which patients are compared
FINENESS = 20  # of a standard deviation: how far a mean is rounded, or less
SELDOM = 0.2  # features known of a smaller share of those measured have gaps here
FEWEST_GROUPS = 8  # for which gaps are left rather than groups made larger


def condensed(cohort: Cohort, names: tuple[str, ...]) -> Cohort | None:
    """Return condensed patients of some tables; None if there are too few to hide in.

    The order of the patients does not matter. Of more than 6,000 patients, 6,000 are drawn,
    always the same.

    Parameters
    ----------
    cohort : Cohort
        Training patients.
    names : tuple of str
        The modalities that the model reads; bags and images have no mean and are left out.

    Returns
    -------
    Cohort or None
        Its patients' column `patients` says how many each stands for.
    """
    tables = [n for n in names if isinstance(cohort.modalities[n], Table)]
    if not tables or len(cohort) < 2 * AT_LEAST:
        return None
    some = cohort.only(tables)[_drawn(cohort)]
    groups = alike(_compared(some), _size(some))
    index = pd.Index([f"like {len(group)} patients, {i}" for i, group in enumerate(groups, 1)])
    made = {name: _means(some, name, groups, index) for name in tables}
    known = {name: table for name, table in made.items() if table is not None}
    if not known:
        return None
    sizes = pd.DataFrame({WEIGHT: [len(group) for group in groups]}, index=index)
    measured = [any(label in table.index for table in known.values()) for label in index]
    return Cohort(sizes[measured], known, name="background")


def _size(cohort: Cohort) -> int:
    """Return the smallest group: larger where there are gaps, so that five values are known.

    Of k patients of whom a share s is known, ks - sqrt(ks(1 - s)) is to be five, s being that
    of a feature with more gaps than nine in ten have.
    """
    shares = [_known(cohort, name) for name in cohort.modalities]
    usual = [share[share >= SELDOM] for share in shares]
    share = float(np.quantile(np.concatenate([*usual, [1.0]]), 0.1))
    sizes = np.arange(AT_LEAST, int(3 * AT_LEAST / SELDOM))
    enough = sizes * share - np.sqrt(sizes * share * (1 - share)) >= AT_LEAST
    due = int(sizes[np.argmax(enough)])
    return max(-(-len(cohort) // MOST), min(due, max(AT_LEAST, len(cohort) // FEWEST_GROUPS)))


def _known(cohort: Cohort, name: str) -> FloatArray:
    """Return the share of those whom a table measured of whom each feature is known."""
    table, rows = cohort.modalities[name], cohort.positions(name)[cohort.has(name)]
    assert isinstance(table, Table)
    numbers = (~np.isnan(_evenly(table.numeric_at(rows)))).mean(axis=0) if len(rows) else []
    words = table.categorical.iloc[rows].notna().mean().to_numpy(dtype=float)
    return np.concatenate([numbers, words]) if len(rows) else np.zeros(0)


def _drawn(cohort: Cohort) -> Positions:
    """Return the patients in the order of their ids, some of them if there are many."""
    order = np.argsort(cohort.index.to_numpy(dtype=str), kind="stable").astype(np.intp)
    if len(order) <= MOST_PATIENTS:
        return order
    chosen = np.random.default_rng(0).choice(len(order), MOST_PATIENTS, replace=False)
    return order[np.sort(chosen)]


def _compared(cohort: Cohort) -> FloatArray:
    """Return what patients are compared by, each table counting the same.

    Standardised numbers, a column for each level, and whether a table measured them, which
    counts as much as all of its columns; gaps are at the mean.
    """
    parts = []
    for name in cohort.modalities:
        has = cohort.has(name)
        columns = _standardised(_columns(cohort, name))
        parts += [columns / np.sqrt(max(columns.shape[1], 1)), 2.0 * has[:, None]]
    return np.concatenate(parts, axis=1)


def _columns(cohort: Cohort, name: str) -> FloatArray:
    table, has = cohort.modalities[name], cohort.has(name)
    assert isinstance(table, Table)
    rows = cohort.positions(name)[has]
    numeric = _clipped(_evenly(table.numeric_at(rows)))
    text = table.categorical.iloc[rows]
    coded = [(text[f] == level).to_numpy(float) for f in text for level in _common(text[f])]
    inside = np.column_stack([numeric, *coded]) if coded else numeric
    found = np.full((len(cohort), inside.shape[1]), np.nan)
    found[has] = inside
    return found


def _evenly(values: FloatArray) -> FloatArray:
    """Return all columns, or a thousand of them at even distances."""
    width = values.shape[1]
    if width <= MOST_COLUMNS:
        return np.asarray(values, dtype=float)
    chosen = np.linspace(0, width - 1, MOST_COLUMNS).astype(np.intp)
    return np.asarray(values[:, chosen], dtype=float)


def _clipped(values: FloatArray) -> FloatArray:
    """Return columns in which nobody is beyond the fifth smallest or fifth largest value."""
    count = (~np.isnan(values)).sum(axis=0)
    ordered = np.sort(values, axis=0)  # gaps last
    columns = np.arange(values.shape[1])
    few = count < 2 * AT_LEAST
    low = np.where(few, np.maximum(count - 1, 0) // 2, AT_LEAST - 1)
    high = np.where(few, low, count - AT_LEAST)
    if not len(values):
        return values
    return np.clip(values, ordered[low, columns], ordered[high, columns])


def _standardised(values: FloatArray) -> FloatArray:
    known = ~np.isnan(values)
    count = np.maximum(known.sum(axis=0), 1)
    centre = np.where(known, values, 0.0).sum(axis=0) / count
    centred = np.where(known, values - centre, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    return np.asarray(centred / np.where(spread > 0, spread, 1.0))


def _common(column: pd.Series) -> list[str]:
    """Return the levels that enough patients have to be named."""
    counts = column.value_counts()
    return sorted(str(level) for level, count in counts.items() if count >= AT_LEAST)


def _means(cohort: Cohort, name: str, groups: list[Positions], index: pd.Index) -> Table | None:
    """Return a table of the groups in which enough patients were measured."""
    table, places = cohort.modalities[name], cohort.positions(name)
    assert isinstance(table, Table)
    measured = [places[group][places[group] >= 0] for group in groups]
    kept = [i for i, rows in enumerate(measured) if len(rows) >= AT_LEAST]
    if not kept:
        return None
    values = _clipped(np.asarray(table.numeric, dtype=float))
    numbers = _rounded(np.array([_mean(values[measured[i]]) for i in kept]), values)
    text = table.categorical
    common = {feature: _common(text[feature]) for feature in text}
    words = {f: [_mode(text[f].iloc[measured[i]], common[f]) for i in kept] for f in text}
    frame = pd.concat(
        [
            pd.DataFrame(numbers, index=index[kept], columns=list(table.numeric_features)),
            pd.DataFrame(words, index=index[kept], columns=list(text.columns), dtype=object),
        ],
        axis=1,
    )[list(table.features)]
    frame = frame[frame.notna().any(axis=1)]
    return Table(frame, kinds=table.kinds, units=table.units) if len(frame) else None


def _mean(values: FloatArray) -> FloatArray:
    """Return the mean of each column, a gap where fewer than enough are known."""
    count = (~np.isnan(values)).sum(axis=0)
    total = np.nansum(values, axis=0)
    return np.where(count >= AT_LEAST, total / np.maximum(count, 1), np.nan)


def _rounded(means: FloatArray, values: FloatArray) -> FloatArray:
    """Return means rounded to a power of ten below a twentieth of a standard deviation."""
    count = np.maximum((~np.isnan(values)).sum(axis=0), 1)
    centre = np.nansum(values, axis=0) / count
    spread = np.sqrt(np.nansum((values - centre) ** 2, axis=0) / count)
    places = np.floor(np.log10(np.where(spread > 0, spread, 1.0) / FINENESS))
    whole = np.rint(means * 10.0**-places)
    return np.where(spread > 0, whole / 10.0**-places, means)


def _mode(column: pd.Series, common: list[str]) -> str | None:
    """Return the commonest level, None where fewer than enough are known."""
    if column.notna().sum() < AT_LEAST:
        return None
    counts = column[column.isin(common)].value_counts()
    best = sorted(str(level) for level, count in counts.items() if count == counts.max())
    return best[0] if best else None
