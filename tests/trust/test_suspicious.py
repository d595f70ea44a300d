"""Planted leaks are found; noise, however wide, is not taken for one."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from consilience.cohort import Cohort, Table
from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.trust import suspicious_features
from consilience.trust.univariate import OfClass, aspects_of, association


def ids(n: int) -> list[str]:
    return [f"P{i:05d}" for i in range(n)]


def cohort_of(n: int, **frames: pd.DataFrame) -> Cohort:
    patients = pd.DataFrame({"age": np.arange(n)}, index=ids(n))
    return Cohort(patients, {name: table_of(frame) for name, frame in frames.items()})


def table_of(frame: pd.DataFrame) -> Table:
    """Return a table whose kinds need not be read off the values, which takes longest."""
    numbers = {str(name): "continuous" for name in frame.select_dtypes("number")}
    return Table(frame, kinds=numbers)


def noise(n: int, p: int, seed: int) -> pd.DataFrame:
    values = np.random.default_rng(seed).standard_normal((n, p))
    return pd.DataFrame(values, index=ids(n), columns=[f"g{j}" for j in range(p)])


def outcomes(n: int, seed: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    survival = np.empty(n, dtype=SURVIVAL_DTYPE)
    survival["event"], survival["time"] = rng.random(n) < 0.6, rng.exponential(500, n) + 1
    return {
        "binary": (rng.random(n) < 0.4).astype(int),
        "multiclass": rng.choice(["a", "b", "c"], n),
        "continuous": rng.standard_normal(n),
        "survival": survival,
    }


KINDS = ("binary", "multiclass", "continuous", "survival")


def leak_of(y: np.ndarray) -> np.ndarray:
    if y.dtype.names:
        return y["time"]
    return y if y.dtype.kind in "if" else np.searchsorted(["a", "b", "c"], y).astype(float)


@pytest.mark.parametrize("kind", KINDS)
def test_a_planted_leak_is_found_among_two_thousand_features(kind: str) -> None:
    y = outcomes(80, seed=1)[kind]
    rna = noise(80, 2000, seed=2)
    signal = leak_of(y)
    rna["g77"] = -(signal + 0.02 * np.std(signal) * np.random.default_rng(3).standard_normal(80))
    check = suspicious_features(cohort_of(80, rna=rna), y)
    assert check.status in ("warning", "failed")
    assert {d.get("feature") for d in check.details[:-1]} == {"g77"}


def test_noise_raises_at_most_one_alarm_in_a_hundred_cohorts_of_each_kind() -> None:
    """The rate promised is one in a thousand a cohort."""
    alarms = dict.fromkeys(KINDS, 0)
    for seed in range(100):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(16, 60))
        rna = noise(n, 1000, seed)
        sparse = pd.DataFrame((rng.random((n, 300)) < 0.1).astype(float), index=ids(n))
        gaps = noise(n, 12, seed + 1).mask(rng.random((n, 12)) < 0.3)
        text = pd.DataFrame(
            {"few": rng.choice(list("abc"), n), "many": rng.choice(list("abcdefghijklmnop"), n)},
            index=ids(n),
        )
        part = noise(n, 5, seed + 2).iloc[: n // 2]
        cohort = cohort_of(n, rna=rna, mutation=sparse, labs=gaps, text=text, protein=part)
        for kind, y in outcomes(n, seed + 3).items():
            alarms[kind] += suspicious_features(cohort, y).status != "passed"
    assert all(count <= 1 for count in alarms.values()), alarms


def test_a_strong_but_honest_feature_raises_no_alarm() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(300) < 0.5).astype(int)
    rna = noise(300, 10, seed=1)
    rna["g0"] += 1.5 * y
    assert 0.8 < roc_auc_score(y, rna["g0"]) < 0.92
    assert suspicious_features(cohort_of(300, rna=rna), y).status == "passed"


def test_gaps_that_tell_are_found() -> None:
    y = (np.random.default_rng(0).random(100) < 0.5).astype(int)
    labs = noise(100, 5, seed=1)
    labs.loc[y == 1, "g2"] = np.nan
    check = suspicious_features(cohort_of(100, labs=labs), y)
    assert check.status == "failed"
    assert (check.details[0]["feature"], check.details[0]["what"]) == ("g2", "being missing")


def test_a_modality_measured_only_in_the_diseased_is_found() -> None:
    y = (np.random.default_rng(0).random(100) < 0.5).astype(int)
    biopsy = noise(100, 5, seed=1)[y == 1]
    check = suspicious_features(cohort_of(100, labs=noise(100, 3, 2), biopsy=biopsy), y)
    assert check.status == "failed"
    assert check.details[0]["modality"] == "biopsy"
    assert check.details[0]["what"] == "being measured"


@pytest.mark.parametrize("kind", ["binary", "multiclass", "survival"])
def test_a_category_that_tells_is_found_and_a_name_is_not(kind: str) -> None:
    y = outcomes(120, seed=1)[kind]
    classes = y["event"] if y.dtype.names else y
    code = {label: place for place, label in enumerate(np.unique(classes))}
    rng = np.random.default_rng(0)
    letters = [f"{code[label]}{rng.integers(3)}" for label in classes]
    text = pd.DataFrame({"code": [f"c{x}" for x in letters], "name": ids(120)}, index=ids(120))
    check = suspicious_features(cohort_of(120, text=text), y)
    assert {d["feature"] for d in check.details[:-1]} == {"code"}


def test_the_alarm_holds_with_rare_events_in_a_large_cohort() -> None:
    rng = np.random.default_rng(0)
    y = np.zeros(50_000, dtype=int)
    y[rng.choice(50_000, 30, replace=False)] = 1
    labs = noise(50_000, 5, seed=1)
    labs["g3"] += 20.0 * y
    check = suspicious_features(cohort_of(50_000, labs=labs), y)
    assert check.status == "failed"
    assert check.details[0]["feature"] == "g3"
    assert check.details[-1]["patients looked at"] == 20_000


def test_strength_is_the_auroc_and_chance_the_rank_sum_test() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random(200) < 0.3).astype(int)
    columns = rng.standard_normal((200, 4)).round(1) + 0.3 * y[:, None]
    (aspect,) = aspects_of(y)
    assert isinstance(aspect, OfClass)
    found = association(columns, aspect, aspect.y)
    for j in range(4):
        assert (1 + found.strength[j]) / 2 == pytest.approx(roc_auc_score(y, columns[:, j]))
        p = stats.mannwhitneyu(
            columns[y == 1, j], columns[y == 0, j], method="asymptotic", use_continuity=False
        ).pvalue
        assert np.exp(found.log_p[j]) == pytest.approx(p, rel=1e-6)


def test_p_values_under_chance_are_uniform_for_survival() -> None:
    """Pooled over 40 outcomes: 80,000 p-values, so that the tail that decides is seen."""
    found = []
    for seed in range(40):
        y = outcomes(150, seed)["survival"]
        columns = np.random.default_rng(1000 + seed).standard_normal((150, 2000))
        found.append(np.exp(association(columns, aspects_of(y)[0], y).log_p))
    p = np.concatenate(found)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / len(p)))
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.005)
    assert np.mean(p < 0.001) <= 0.0015


def test_an_outcome_of_another_length_is_refused() -> None:
    with pytest.raises(InputError, match="3 entries for 20 patients"):
        suspicious_features(cohort_of(20, rna=noise(20, 3, 0)), np.array([0, 1, 1]))


def test_a_check_is_json() -> None:
    y = outcomes(80, seed=1)["survival"]
    rna = noise(80, 5, seed=2)
    rna["g1"] = y["time"]
    check = suspicious_features(cohort_of(80, rna=rna), y)
    assert check.status == "failed"
    json.dumps(asdict(check), allow_nan=False)
