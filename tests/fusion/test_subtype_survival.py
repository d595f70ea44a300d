"""Survival of subtypes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, kstest
from sksurv.compare import compare_survival
from sksurv.util import Surv

from consilience.cohort import Binary, Cohort, Survival, Table
from consilience.errors import InputError
from consilience.fusion.subtype_survival import survival_difference

OUTCOME = Survival("dead", "days")


def drawn(n: int, hazards: dict[str, float], seed: int = 0) -> tuple[Cohort, pd.Series]:
    rng = np.random.default_rng(seed)
    labels = pd.Series(rng.choice(list(hazards), n), index=[f"p{i:03d}" for i in range(n)])
    died = rng.exponential(1 / labels.map(hazards).to_numpy(float)) + 0.01
    censored = rng.uniform(0.5, 4, n)
    patients = pd.DataFrame(
        {"dead": (died <= censored).astype(int), "days": np.minimum(died, censored)},
        index=labels.index,
    )
    table = Table(pd.DataFrame({"x": rng.normal(size=n)}, index=labels.index))
    return Cohort(patients, {"m": table}), labels


def test_the_log_rank_test():
    cohort, labels = drawn(120, {"1": 1.0, "2": 2.5, "3": 1.2})
    found = survival_difference(cohort, labels, OUTCOME)
    y = Surv.from_dataframe("dead", "days", cohort.patients.astype({"dead": bool}))
    statistic, p_value = compare_survival(y, labels.to_numpy())
    assert (found.statistic, found.p_value) == pytest.approx((statistic, p_value))
    assert found.p_value == pytest.approx(chi2.sf(statistic, 2))
    assert found.groups["events"].sum() == cohort.patients["dead"].sum()
    assert found.groups["expected"].sum() == pytest.approx(found.groups["events"].sum())
    assert found.groups.loc["2", "events"] > found.groups.loc["2", "expected"]


def test_without_a_difference_p_values_are_uniform():
    p_values = [
        survival_difference(*drawn(80, {"1": 1.0, "2": 1.0}, seed), OUTCOME).p_value
        for seed in range(80)
    ]
    assert kstest(p_values, "uniform").pvalue > 0.01


def test_kaplan_meier_by_hand():
    patients = pd.DataFrame(
        {"dead": [1, 0, 1, 1, 0, 1], "days": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]}, index=list("abcdef")
    )
    table = Table(pd.DataFrame({"x": range(6)}, index=list("abcdef")))
    cohort = Cohort(patients, {"m": table})
    labels = pd.Series(["1", "1", "1", "1", "2", "2"], index=list("abcdef"))
    found = survival_difference(cohort, labels, OUTCOME)
    first = found.curves[found.curves["subtype"] == "1"]
    assert list(first["time"]) == [1, 2, 3, 4]
    assert list(first["survival"]) == pytest.approx([0.75, 0.75, 0.375, 0.0])
    assert list(first["at_risk"]) == [4, 3, 2, 1]
    assert found.groups.loc["1", "median"] == 3
    assert found.groups.loc["2", "median"] == 6


def test_who_is_left_out_is_told():
    cohort, labels = drawn(60, {"1": 1.0, "2": 2.0})
    patients = cohort.patients.copy()
    patients.loc["p003", "days"] = np.nan
    labels["p007"] = pd.NA
    found = survival_difference(Cohort(patients, dict(cohort.modalities)), labels, OUTCOME)
    assert list(found.left_out["patient"]) == ["p003", "p007"]
    assert found.left_out.set_index("patient").loc["p007", "reason"] == "no subtype"
    assert found.groups["patients"].sum() == 58


def test_another_outcome_is_refused_in_one_sentence():
    cohort, labels = drawn(20, {"1": 1.0, "2": 2.0})
    with pytest.raises(InputError, match=r"give a survival outcome, Survival\(event, time\)"):
        survival_difference(cohort, labels, Binary("dead"))
    with pytest.raises(InputError, match="no patient column 'day'.*Did you mean 'days'"):
        survival_difference(cohort, labels, Survival("dead", "day"))
