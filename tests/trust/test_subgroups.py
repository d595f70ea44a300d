"""A group in which a model is blind, or wrong on the whole, is pointed out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.metrics import Probabilities, SurvivalCurves, Values
from consilience.metrics.catalogue import metric_named, metrics_for
from consilience.trust import Subgroup, subgroup_table

AUROC = metric_named("auroc", "binary")


def binary(n: int, seed: int, blind: np.ndarray | None = None) -> tuple[np.ndarray, Probabilities]:
    """Return calibrated probabilities, except where they say nothing of the outcome."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 1, n)
    y = (rng.random(n) < p).astype(int)
    if blind is not None:
        y = np.where(blind, rng.random(n) < 0.5, y).astype(int)
    return y, Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def by_name(table: list[Subgroup]) -> dict[str, Subgroup]:
    return {group.group: group for group in table}


def test_a_group_in_which_the_model_is_blind_differs() -> None:
    sex = np.array(["f", "m"] * 300)
    y, scores = binary(600, seed=0, blind=sex == "m")
    groups = by_name(subgroup_table(AUROC, y, [scores], pd.DataFrame({"sex": sex})))
    assert groups["m"].score.estimate == pytest.approx(
        roc_auc_score(y[sex == "m"], scores.positive[sex == "m"])
    )
    assert groups["m"].differs
    assert groups["m"].difference.high < 0
    assert groups["m"].difference.estimate == pytest.approx(-groups["f"].difference.estimate)
    assert groups["m"].score.low < 0.5 < groups["m"].score.high


def test_groups_that_do_not_differ_are_rarely_said_to() -> None:
    """Holm at 0.05 over all groups: of 60 tables about 3 hold a false alarm, not 9."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y, scores = binary(200, seed)
        columns = pd.DataFrame(
            {"sex": rng.choice(["f", "m"], 200), "age": rng.normal(60, 10, 200),
             "site": rng.choice(list("abcde"), 200)}
        )  # fmt: skip
        alarms += any(g.differs for g in subgroup_table(AUROC, y, [scores], columns, seed=seed))
    assert alarms < 9


def test_calibration_is_one_where_right_and_twice_where_half_was_predicted() -> None:
    sex = np.array(["f", "m"] * 1000)
    rng = np.random.default_rng(0)
    p = rng.uniform(0.1, 0.4, 2000)
    y = (rng.random(2000) < np.where(sex == "m", 2 * p, p)).astype(int)
    scores = Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))
    groups = by_name(subgroup_table(AUROC, y, [scores], pd.DataFrame({"sex": sex})))
    right, wrong = (groups[name].calibration[0].interval for name in "fm")
    assert right.low < 1 < right.high
    assert wrong.low < 2 < wrong.high
    assert wrong.low > 1.5


def test_small_groups_are_marked_shown_and_never_said_to_differ() -> None:
    site = np.array(["big"] * 190 + ["tiny"] * 8 + ["one"] * 2)
    y, scores = binary(200, seed=1)
    y[-2:] = 1
    groups = by_name(subgroup_table(AUROC, y, [scores], pd.DataFrame({"site": site})))
    assert [groups[name].small for name in ("big", "tiny", "one")] == [False, True, True]
    assert [groups[name].n for name in ("big", "tiny", "one")] == [190, 8, 2]
    assert math.isnan(groups["one"].score.estimate)
    assert groups["one"].positives == 2
    assert not groups["tiny"].differs
    assert not groups["one"].differs


def test_many_patients_with_few_events_are_small_too() -> None:
    y, scores = binary(200, seed=1)
    site = np.array(["a"] * 100 + ["b"] * 100)
    y[:100] = 0
    y[:3] = 1
    assert by_name(subgroup_table(AUROC, y, [scores], pd.DataFrame({"s": site})))["a"].small


def test_missing_values_are_a_group_and_repeats_are_averaged() -> None:
    rng = np.random.default_rng(0)
    age = pd.Series(rng.normal(60, 10, 300)).where(rng.random(300) < 0.8)
    y, one = binary(300, seed=1)
    noisy = np.clip(one.positive + rng.normal(0, 0.1, 300), 0.01, 0.99)
    two = Probabilities(np.column_stack([1 - noisy, noisy]), one.classes)
    group = by_name(subgroup_table(AUROC, y, [one, two], pd.DataFrame({"age": age})))["missing"]
    absent = age.isna().to_numpy()
    assert group.n == absent.sum()
    assert group.score.estimate == pytest.approx(
        np.mean([roc_auc_score(y[absent], s.positive[absent]) for s in (one, two)])
    )


def test_numbers_and_survival_have_their_own_calibration() -> None:
    rng = np.random.default_rng(0)
    sex = np.array(["f", "m"] * 300)
    truth = rng.normal(10, 2, 600)
    values = Values((truth + np.where(sex == "m", -1.0, 0.0) + rng.normal(0, 1, 600))[:, None])
    mae = metric_named("mae", "continuous")
    groups = by_name(subgroup_table(mae, truth, [values], pd.DataFrame({"sex": sex})))
    off = groups["m"].calibration[0].interval
    assert off.low < 1 < off.high
    assert groups["f"].calibration[0].interval.low < 0 < groups["f"].calibration[0].interval.high

    y = np.empty(600, dtype=SURVIVAL_DTYPE)
    rate = np.where(sex == "m", 2.0, 1.0)
    event, censor = rng.exponential(1 / rate), rng.exponential(2, 600)
    y["event"], y["time"] = event <= censor, np.minimum(event, censor)
    times = np.linspace(0.002, 2, 1000)  # curves are steps: a coarse grid predicts too few
    curves = SurvivalCurves(np.exp(-np.outer(rng.uniform(0.99, 1.01, 600), times)), times)
    found = by_name(
        subgroup_table(metrics_for("survival")[0], y, [curves], pd.DataFrame({"sex": sex}))
    )
    right, wrong = (found[name].calibration[0].interval for name in "fm")
    horizon = np.median(y["time"][y["event"]])
    due = (1 - np.exp(-2 * horizon)) / (1 - np.exp(-horizon))
    assert right.low < 1 < right.high
    assert wrong.low < due < wrong.high
    assert wrong.low > 1.2
    assert found["m"].positives == int(y["event"][sex == "m"].sum())


def test_it_repeats_with_the_seed_and_is_json() -> None:
    y, scores = binary(100, seed=1)
    columns = pd.DataFrame({"sex": ["f", "m"] * 50})
    once = subgroup_table(AUROC, y, [scores], columns, seed=3)
    assert once == subgroup_table(AUROC, y, [scores], columns, seed=3)
    assert json.loads(json.dumps([asdict(group) for group in once]))[0]["column"] == "sex"


def test_lengths_that_differ_are_refused() -> None:
    y, scores = binary(100, seed=1)
    with pytest.raises(InputError, match="50 rows of groups"):
        subgroup_table(AUROC, y, [scores], pd.DataFrame({"sex": ["f"] * 50}))
    with pytest.raises(InputError, match="no scores"):
        subgroup_table(AUROC, y, [], pd.DataFrame({"sex": ["f"] * 100}))
