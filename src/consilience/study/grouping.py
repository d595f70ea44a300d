"""What became of the patients of each subtype, by kind of outcome."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from consilience.cohort.outcome import OutcomeKind
from consilience.metrics.curves import kaplan_meier
from consilience.metrics.scores import FloatArray
from consilience.study.discovered import Curve, GroupFound
from consilience.study.part import finite

MOST_STEPS = 100
"""Points of a curve that are kept, at evenly spread ranks of time."""

Labels = npt.NDArray[np.str_]
Y = npt.NDArray[Any]


@dataclass(frozen=True)
class Grouping:
    """The groups, and the test of whether their outcomes differ.

    Attributes
    ----------
    groups : sequence of GroupFound
        In order of their names.
    test : str
        Its name; empty where there is nothing to test.
    p_value : float
        NaN where it is not defined.
    times : sequence of float
        Survival: at which the groups say who is followed and free of the event.
    """

    groups: Sequence[GroupFound]
    test: str = ""
    p_value: float = math.nan
    times: Sequence[float] = ()


def groups_of(labels: Labels, y: Y, kind: OutcomeKind) -> Grouping:
    """Return sizes and outcomes of groups of patients.

    Parameters
    ----------
    labels : ndarray of str, shape (n_patients,)
        Which group each patient is in.
    y : ndarray of shape (n_patients,)
        Their outcome, as `Target` has it.
    kind : {"binary", "multiclass", "continuous", "survival"}
    """
    return _BY_KIND[kind](labels, y) if len(labels) else Grouping(())


def round_times(last: float) -> list[float]:
    """Return about four round times from 0 to the last."""
    size = 10.0 ** math.floor(math.log10(last / 4)) if last > 0 else 1.0
    step = next(size * k for k in (1, 2, 2.5, 5, 10) if last / (size * k) <= 6)
    return [float(time) for time in np.arange(0, last + 1e-9 * step, step)]


def _survival(labels: Labels, y: Y) -> Grouping:
    times = round_times(float(y["time"].max()))
    names = np.unique(labels)
    groups = [_followed(str(name), y[labels == name], times) for name in names]
    return Grouping(groups, "log-rank", _log_rank(labels, y), times)


def _followed(name: str, y: Y, times: Sequence[float]) -> GroupFound:
    curve = kaplan_meier(y["event"], y["time"])
    kept = np.unique(np.linspace(0, len(curve) - 1, MOST_STEPS).astype(int))
    steps = np.searchsorted(curve["time"], times, side="right") - 1
    free = curve["survival"].to_numpy()[steps]
    seen = np.asarray(times) <= y["time"].max()
    time, survival, low, high = (
        curve[column].to_numpy(dtype=float)[kept] for column in ("time", "survival", "low", "high")
    )
    return GroupFound(
        name=name,
        patients=len(y),
        events=int(y["event"].sum()),
        free=[float(share) if ok else None for share, ok in zip(free, seen, strict=True)],
        followed=[int((y["time"] >= time).sum()) for time in times],
        curve=Curve(
            time=time.tolist(),
            survival=survival.tolist(),
            low=[finite(value) for value in low],
            high=[finite(value) for value in high],
        ),
    )


def _log_rank(labels: Labels, y: Y) -> float:
    """Return the p-value of the log-rank test over all groups (Mantel 1966)."""
    from sksurv.compare import compare_survival

    if len(np.unique(labels)) < 2 or not y["event"].any():
        return math.nan
    return float(compare_survival(y, labels)[1])


def _classes(labels: Labels, y: Y) -> Grouping:
    levels = np.unique(y)
    names = np.unique(labels)
    counts = np.array([[(y[labels == name] == level).sum() for level in levels] for name in names])
    groups = [
        _shares(str(name), row, [str(level) for level in levels])
        for name, row in zip(names, counts, strict=True)
    ]
    known = len(names) > 1 and len(levels) > 1
    p_value = float(stats.chi2_contingency(counts, correction=False)[1]) if known else math.nan
    return Grouping(groups, "chi-squared", p_value)


def _shares(name: str, counts: npt.NDArray[Any], levels: Sequence[str]) -> GroupFound:
    """Return the share of each class; of two, the second's with Wilson's interval."""
    total = int(counts.sum())
    ends: dict[str, float] = {}
    if len(levels) == 2:
        interval = stats.binomtest(int(counts[1]), total).proportion_ci(0.95, "wilson")
        ends = {"low": float(interval.low), "high": float(interval.high)}
    shares = {level: float(n / total) for level, n in zip(levels, counts, strict=True)}
    return GroupFound(name=name, patients=total, shares=shares, **ends)


def _numbers(labels: Labels, y: Y) -> Grouping:
    names = np.unique(labels)
    each = [y[labels == name] for name in names]
    groups = [_mean(str(name), values) for name, values in zip(names, each, strict=True)]
    known = len(each) > 1 and np.ptp(y) > 0
    p_value = float(stats.kruskal(*each).pvalue) if known else math.nan
    return Grouping(groups, "Kruskal-Wallis", p_value)


def _mean(name: str, values: FloatArray) -> GroupFound:
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return GroupFound(name=name, patients=n, mean=mean)
    reach = float(stats.t.ppf(0.975, n - 1) * values.std(ddof=1) / math.sqrt(n))
    return GroupFound(name=name, patients=n, mean=mean, low=mean - reach, high=mean + reach)


_BY_KIND: dict[OutcomeKind, Callable[[Labels, Y], Grouping]] = {
    "binary": _classes,
    "multiclass": _classes,
    "continuous": _numbers,
    "survival": _survival,
}
