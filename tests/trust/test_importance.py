"""What carries the signal matters, what does not does not, and shuffling is what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis

from consilience.cohort import Cohort, Table, bag_of
from consilience.cohort.outcome import SURVIVAL_DTYPE
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion
from consilience.metrics import Probabilities
from consilience.metrics.catalogue import metric_named, metrics_for
from consilience.trust import Importance, aggregate, permutation_importance

AUROC = metric_named("auroc", "binary")


def cohort_of(n: int, seed: int, *, p: int = 5) -> tuple[Cohort, np.ndarray]:
    """Return a cohort whose outcome hangs on rna g0 and on the text `stage` alone."""
    rng = np.random.default_rng(seed)
    index = pd.Index([f"P{i:04d}" for i in range(n)])
    rna = pd.DataFrame(rng.standard_normal((n, p)), index=index).add_prefix("g")
    stage = rng.choice(["i", "ii", "iii"], n)
    noise = pd.DataFrame(rng.standard_normal((n, 4)), index=index).add_prefix("z")
    clinical = pd.DataFrame({"stage": stage, "sex": rng.choice(["f", "m"], n)}, index=index)
    logit = 2.0 * rna["g0"] + np.select([stage == "i", stage == "iii"], [-1.5, 1.5], 0.0)
    y = (rng.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    cells = bag_of({name: rng.standard_normal((3, 2)) for name in index})
    keep = rng.permutation(n)[: int(0.8 * n)]  # in another order than the patients
    modalities = {
        "rna": Table(rna.iloc[keep]), "noise": Table(noise), "clinical": Table(clinical),
        "cells": cells,
    }  # fmt: skip
    return Cohort(pd.DataFrame(index=index), modalities), y


def fitted(
    method: type[EarlyFusion | LateFusion], **options: int
) -> tuple[EarlyFusion, Cohort, np.ndarray]:
    train, y = cohort_of(400, 0, **options)
    test, truth = cohort_of(300, 1, **options)
    return method(LogisticRegression(max_iter=500)).fit(train, y), test, truth


def found(importances: list[Importance]) -> dict[tuple[str, str | None], Importance]:
    return {(one.modality, one.feature): one for one in importances}


@pytest.mark.parametrize("method", [EarlyFusion, LateFusion])
def test_what_carries_the_signal_comes_first(method: type[EarlyFusion]) -> None:
    model, test, y = fitted(method)
    importances = permutation_importance(model, test, y, AUROC, repeats=10)
    one = found(importances)
    features = [i.feature for i in importances if i.feature is not None]
    assert features[:2] == ["g0", "stage"]
    assert len(features) == 5 + 4 + 2
    assert one["rna", "g0"].drop > 0.05
    assert one["rna", None].drop > 0.05
    assert one["rna", None].removed > 0.03
    assert one["clinical", "stage"].drop > 0.03
    assert abs(one["noise", None].drop) < 0.02
    assert abs(one["cells", None].removed) < 0.02
    assert one["rna", None].n_patients == 240
    assert one["rna", "g0"].drop == pytest.approx(one["rna", None].drop, abs=0.03)


class Reader:
    """A model that says what stands in one feature, to see what it was shown."""

    def __init__(self, feature: str, modality: str = "rna") -> None:
        self.feature, self.modality = feature, modality
        self.shown: list[Cohort] = []

    def scores(self, cohort: Cohort) -> Probabilities:
        self.shown.append(cohort)
        positions = cohort.positions(self.modality)
        values = cohort.modalities[self.modality].frame[self.feature].to_numpy(dtype=float)
        p = np.full(len(cohort), 0.5)
        p[positions >= 0] = 1 / (1 + np.exp(-values[positions[positions >= 0]]))
        return Probabilities(np.column_stack([1 - p, p]), np.array([0, 1]))


def test_shuffling_deals_what_is_there_to_those_who_have_it() -> None:
    cohort, y = cohort_of(100, 0)
    model = Reader("g0")
    permutation_importance(model, cohort.only("rna"), y, AUROC, repeats=2)
    whole, once, again, removed, *by_feature = model.shown
    for dealt in (once, again):
        np.testing.assert_array_equal(dealt.has("rna"), cohort.has("rna"))
        before, after = (c.positions("rna")[c.has("rna")] for c in (whole, dealt))
        assert not np.array_equal(before, after)
        np.testing.assert_array_equal(np.sort(before), np.sort(after))
    assert not np.array_equal(once.positions("rna"), again.positions("rna"))
    assert not removed.has("rna").any()
    for tiled in by_feature:
        assert len(tiled) % len(cohort) == 0


def test_one_feature_is_shuffled_and_the_others_stay() -> None:
    cohort, y = cohort_of(100, 0)
    rna = cohort.only("rna")
    for watched, other in (("g0", "g1"), ("g1", "g0")):
        one = found(permutation_importance(Reader(watched), rna, y, AUROC, repeats=3))
        assert one["rna", other].drop == 0
        assert one["rna", watched].drop != 0
        assert one["rna", watched].drop == pytest.approx(one["rna", None].drop, abs=0.15)


def test_many_at_once_are_as_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    model, test, y = fitted(EarlyFusion)
    test = test[np.argsort(test.index)].only(["rna", "clinical"])
    at_once = permutation_importance(model, test[:60], y[:60], AUROC, repeats=2)
    monkeypatch.setattr("consilience.trust.importance.MOST_ROWS", 120)
    by_two = permutation_importance(model, test[:60], y[:60], AUROC, repeats=2)
    for a, b in zip(at_once, by_two, strict=True):
        assert (a.modality, a.feature) == (b.modality, b.feature)
        assert a.drop == pytest.approx(b.drop, abs=1e-12)


def test_of_many_features_those_that_go_with_the_score_are_tried() -> None:
    model, test, y = fitted(EarlyFusion, p=300)
    importances = permutation_importance(model, test, y, AUROC, repeats=2, most_features=10)
    features = [one.feature for one in importances if one.feature is not None]
    assert len(features) == 10
    assert features[0] == "g0"


def test_lower_is_better_turns_the_sign_and_ideal_counts_the_distance() -> None:
    model, test, y = fitted(EarlyFusion)
    for name in ("brier", "log_loss", "calibration_slope"):
        metric = metric_named(name, "binary")
        assert found(permutation_importance(model, test, y, metric))["rna", None].drop > 0


def test_numbers_and_survival() -> None:
    cohort, _ = cohort_of(300, 3)
    rng = np.random.default_rng(0)
    signal = np.zeros(300)
    has = cohort.has("rna")
    signal[has] = cohort.modalities["rna"].frame["g0"].to_numpy()[cohort.positions("rna")[has]]
    number = signal + 0.3 * rng.standard_normal(300)
    ridge = EarlyFusion(Ridge()).fit(cohort[:200], number[:200])
    r2 = metric_named("r2", "continuous")
    top = permutation_importance(ridge, cohort[200:], number[200:], r2)
    assert next(one.feature for one in top if one.feature) == "g0"
    y = np.empty(300, dtype=SURVIVAL_DTYPE)
    y["time"], y["event"] = rng.exponential(np.exp(-2 * signal)) + 1e-6, rng.random(300) < 0.8
    cox = LateFusion(CoxPHSurvivalAnalysis(alpha=1.0)).fit(cohort[:200], y[:200])
    harrell = metrics_for("survival")[0]
    top = permutation_importance(cox, cohort[200:], y[200:], harrell)
    assert next(one.feature for one in top if one.feature) == "g0"


def test_it_repeats_with_the_seed() -> None:
    model, test, y = fitted(EarlyFusion)
    once, again, other = (
        permutation_importance(model, test, y, AUROC, repeats=2, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_aggregate_is_the_corrected_t_interval() -> None:
    drops = [0.10, 0.14, 0.06, 0.12]
    folds = [
        [Importance("rna", None, drop, drop / 2, 20), Importance("rna", "g0", drop, None, 20)]
        for drop in drops
    ]
    folds[0].append(Importance("rna", "g9", 0.5, None, 20))
    whole, feature = aggregate(folds, n_train=80, n_test=20)
    reach = 3.182446 * np.std(drops, ddof=1) * np.sqrt(1 / 4 + 20 / 80)
    assert whole.drop.estimate == pytest.approx(np.mean(drops))
    assert whole.drop.high - whole.drop.estimate == pytest.approx(reach, rel=1e-5)
    assert whole.removed is not None
    assert whole.removed.estimate == pytest.approx(np.mean(drops) / 2)
    assert (feature.feature, feature.removed, feature.n_folds) == ("g0", None, 4)


def test_what_cannot_be_asked_is_refused() -> None:
    cohort, y = cohort_of(50, 0)
    with pytest.raises(InputError, match="49 entries for 50"):
        permutation_importance(Reader("g0"), cohort, y[:-1], AUROC)
    with pytest.raises(InputError, match="at least 1 repeat"):
        permutation_importance(Reader("g0"), cohort, y, AUROC, repeats=0)
