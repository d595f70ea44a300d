"""Whether patients of different subtypes live differently long."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sksurv.compare import compare_survival
from sksurv.nonparametric import kaplan_meier_estimator

from consilience.cohort import Cohort, Survival
from consilience.errors import InputError
from consilience.fusion.subtype_profiles import in_order, labels_of


@dataclass(frozen=True)
class SurvivalDifference:
    """How survival differs between subtypes.

    Measured in the patients whom the subtypes were made from, it is exploratory: among
    many embeddings and numbers of subtypes, one parts survival by chance. In patients
    who are assigned afterwards it is evidence.

    Attributes
    ----------
    statistic, p_value : float
        Of the log-rank test over all subtypes.
    groups : DataFrame
        A row a subtype: patients, events, expected (events, were there no difference) and
        median (the time to which half survive; NaN where more than half do to the end).
    curves : DataFrame
        Kaplan-Meier: subtype, time, survival, at_risk; a row a time at which anyone's
        follow-up ended.
    left_out : DataFrame
        Patients without a subtype or a known outcome: patient, reason.
    """

    statistic: float
    p_value: float
    groups: pd.DataFrame
    curves: pd.DataFrame
    left_out: pd.DataFrame


def survival_difference(cohort: Cohort, labels: pd.Series, outcome: Survival) -> SurvivalDifference:
    """Return the log-rank test and the Kaplan-Meier curves of subtypes.

    Parameters
    ----------
    cohort : Cohort
    labels : Series
        Subtype by patient; missing for those with none.
    outcome : Survival
        The columns of event and time.

    Raises
    ------
    InputError
        If the outcome is no survival or cannot be read, or there are not two subtypes to
        compare.
    """
    if not isinstance(outcome, Survival):
        raise InputError(f"give a survival outcome, Survival(event, time), not {outcome!r}.")
    target = outcome.of(cohort)
    own = labels_of(target.cohort, labels)
    known = own.notna().to_numpy()
    y, groups = target.y[known], own[known].astype(str).to_numpy(dtype=object)
    unassigned = pd.DataFrame({"patient": own.index[~known], "reason": "no subtype"})
    left_out = pd.concat([target.left_out[["patient", "reason"]], unassigned], ignore_index=True)
    statistic, p_value, stats, _ = compare_survival(y, groups, return_stats=True)
    curves = {name: _curve(y[groups == name]) for name in in_order(groups)}
    table = stats.rename(columns={"counts": "patients", "observed": "events"})
    table = table[["patients", "events", "expected"]].loc[list(curves)].rename_axis("subtype")
    table["median"] = [_median(curve) for curve in curves.values()]
    whole = pd.concat(curves, names=["subtype"]).reset_index("subtype").reset_index(drop=True)
    return SurvivalDifference(float(statistic), float(p_value), table, whole, left_out)


def _curve(y: np.ndarray) -> pd.DataFrame:
    time, survival = kaplan_meier_estimator(y["event"], y["time"])
    at_risk = len(y) - np.searchsorted(np.sort(y["time"]), time, side="left")
    return pd.DataFrame({"time": time, "survival": survival, "at_risk": at_risk})


def _median(curve: pd.DataFrame) -> float:
    below = curve.loc[curve["survival"] <= 0.5, "time"]
    return float(below.iloc[0]) if len(below) else float("nan")
