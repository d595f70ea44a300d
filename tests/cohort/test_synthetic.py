"""Synthetic cohorts hold the truth they say they hold."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from consilience.cohort import (
    Bag,
    Binary,
    Continuous,
    Multiclass,
    Survival,
    Synthetic,
    Table,
    fingerprint,
    synthetic_cohort,
    synthetic_truth,
)
from consilience.cohort.synthetic import LOADING, carriers_per_factor
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, SingleModality


def test_the_same_seed_gives_the_same_cohort_and_another_does_not() -> None:
    options = {"missing": 0.3, "sites": 3, "bags": 1, "noise_modalities": 1, "kind": "survival"}
    first, y = synthetic_cohort(60, seed=5, **options)
    again, y_again = synthetic_cohort(60, seed=5, **options)
    assert fingerprint(first) == fingerprint(again)
    np.testing.assert_array_equal(y, y_again)
    assert fingerprint(first) != fingerprint(synthetic_cohort(60, seed=6, **options)[0])


def test_leaving_one_thing_out_changes_nothing_else() -> None:
    whole, y = synthetic_cohort(80, seed=1)
    gaps, y_gaps = synthetic_cohort(80, seed=1, missing=0.4, noise_modalities=2)
    np.testing.assert_array_equal(y, y_gaps)
    pd.testing.assert_frame_equal(whole.patients, gaps.patients)
    for name in whole.modalities:
        rows = gaps.has(name)
        assert 0.4 < rows.mean() < 0.8
        np.testing.assert_array_equal(
            gaps.modalities[name].numeric, whole.modalities[name].numeric[rows]
        )


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [
        ("binary", Binary("outcome")),
        ("multiclass", Multiclass("outcome")),
        ("continuous", Continuous("outcome")),
        ("survival", Survival("event", "time")),
    ],
)
def test_y_is_what_the_outcome_reads_off(kind: str, outcome) -> None:
    cohort, y = synthetic_cohort(90, kind=kind, seed=2)
    target = outcome.of(cohort)
    assert len(target.left_out) == 0
    np.testing.assert_array_equal(target.y, y)
    assert Synthetic(kind=kind).outcome == outcome


def test_each_outcome_follows_its_law() -> None:
    n = 20_000
    for kind in ("binary", "multiclass", "continuous", "survival"):
        drawn = Synthetic(kind=kind, modalities=2, features=2).draw(n, 0)
        eta, y = drawn.truth.predictor, drawn.y
        assert eta.var() == pytest.approx(1 + 2 * 1.5**2, rel=0.05)
        if kind == "binary":
            model = LogisticRegression(C=1e6).fit(eta[:, None], y)
            assert model.coef_[0, 0] == pytest.approx(1.0, abs=0.06)
            assert model.intercept_[0] == pytest.approx(0.0, abs=0.06)
        elif kind == "multiclass":
            assert np.unique(y, return_counts=True)[1].tolist() == pytest.approx([n / 3] * 3, abs=1)
            means = [eta[y == label].mean() for label in "abc"]
            assert means == sorted(means)
        elif kind == "continuous":
            assert np.var(y - eta) == pytest.approx(1.0, rel=0.05)
            assert LinearRegression().fit(eta[:, None], y).coef_[0] == pytest.approx(1, abs=0.02)
        else:
            assert 0.2 < 1 - y["event"].mean() < 0.5
            # The cumulative hazard at the time, of those censored and not, has as many
            # events as its sum: the martingale property of the Weibull model.
            cumulative = (y["time"] / 1000.0) ** 1.5 * np.exp(eta)
            assert y["event"].sum() == pytest.approx(cumulative.sum(), rel=0.03)


def test_carriers_carry_their_factor_and_the_rest_is_noise() -> None:
    drawn = Synthetic(modalities=2, features=12, noise_modalities=1).draw(20_000, 3)
    truth, each = drawn.truth, carriers_per_factor(12)
    due = LOADING / np.sqrt(1 + LOADING**2)
    for name, table in drawn.cohort.modalities.items():
        frame = table.frame
        carriers = truth.carriers[name]
        assert len(carriers) == (0 if name == "n1" else 2 * each)
        with_shared = frame.corrwith(truth.factors["shared"]).abs()
        own = truth.factors[name] if name in truth.factors else truth.factors["m1"]
        strongest = pd.concat([with_shared, frame.corrwith(own).abs()], axis=1).max(axis=1)
        assert (strongest[list(carriers)] > due - 0.03).all()
        assert (strongest.drop(list(carriers)) < 0.03).all()
        assert int((with_shared > due - 0.03).sum()) == len(carriers) // 2


@pytest.mark.parametrize("options", [{}, {"missing": 0.4}, {"sites": 4, "missing": 0.2}])
def test_the_score_is_the_mean_given_the_measurements(options: dict) -> None:
    """Calibrated (slope 1 in every pattern of missing modalities), and no score beats it."""
    drawn = Synthetic(modalities=2, features=8, **options).draw(30_000, 4)
    eta, score = drawn.truth.predictor, drawn.truth.score
    pattern = drawn.cohort.measured.astype(int).astype(str).agg("".join, axis=1).to_numpy()
    for which in np.unique(pattern):
        rows = pattern == which
        if which == "00":
            assert np.all(score[rows] == 0)
            continue
        slope = np.cov(eta[rows], score[rows])[0, 1] / score[rows].var(ddof=1)
        assert slope == pytest.approx(1.0, abs=0.05), which
    rest = eta - score
    for name, table in drawn.cohort.modalities.items():
        if "sites" not in options:
            left = np.abs(np.corrcoef(table.numeric.T, rest[drawn.cohort.has(name)])[-1, :-1])
            assert left.max() < 0.03  # nothing measured says more


def test_no_model_beats_the_score_and_fusion_beats_the_best_single() -> None:
    early, best, bound = [], [], []
    for seed in range(4):
        cohort, y = synthetic_cohort(900, seed=seed)
        score = synthetic_truth(900, seed=seed).score
        train, test = np.arange(300), np.arange(300, 900)

        def auroc(model, cohort=cohort, y=y, train=train, test=test) -> float:
            fitted = model.fit(cohort[train], y[train])
            return float(roc_auc_score(y[test], fitted.predict_proba(cohort[test])[:, 1]))

        learner = LogisticRegression(C=0.1)
        early.append(auroc(EarlyFusion(learner)))
        best.append(max(auroc(SingleModality(learner, modality=m)) for m in cohort.modalities))
        bound.append(roc_auc_score(y[test], score[test]))
    assert np.mean(best) > 0.62
    assert np.mean(early) > np.mean(best) + 0.05
    assert np.mean(bound) > np.mean(early)


def test_a_null_outcome_and_noise_modalities_know_nothing() -> None:
    drawn = Synthetic(shared=0, private=0, noise_modalities=1).draw(3000, 0)
    assert np.all(drawn.truth.predictor == 0)
    assert np.all(drawn.truth.score == 0)
    model = EarlyFusion(LogisticRegression()).fit(drawn.cohort[:1500], drawn.y[:1500])
    auroc = roc_auc_score(drawn.y[1500:], model.predict_proba(drawn.cohort[1500:])[:, 1])
    assert abs(auroc - 0.5) < 4 * 0.015  # four standard errors at 750 + 750
    cohort, y = synthetic_cohort(3000, noise_modalities=1, seed=1)
    noise = SingleModality(LogisticRegression(), modality="n1").fit(cohort[:1500], y[:1500])
    p = noise.predict_proba(cohort[1500:])
    assert abs(roc_auc_score(y[1500:], p[:, 1]) - 0.5) < 4 * 0.015
    assert log_loss(y[1500:], p) > 0.68


def test_missing_at_random_follows_age_and_completely_at_random_nothing() -> None:
    for word, related in (("completely at random", False), ("at random", True)):
        cohort, y = synthetic_cohort(4000, missing=0.3, missingness=word, seed=2)
        absent = ~cohort.measured.to_numpy()
        assert absent.mean() == pytest.approx(0.3, abs=0.02)
        age = cohort.patients["age"].to_numpy()
        gap = [age[a].mean() - age[~a].mean() for a in absent.T]
        assert (min(gap) > 5) if related else (max(np.abs(gap)) < 2)
        # and it tells of the outcome through age alone
        rho = spearmanr(absent.sum(axis=1), y).statistic
        assert (rho > 0.05) if related else (abs(rho) < 0.05)


def test_missing_by_site_is_all_or_nothing_and_every_modality_stays() -> None:
    for seed in range(10):
        cohort, _ = synthetic_cohort(
            300, sites=5, modalities=4, missing=0.6, missingness="by site", seed=seed
        )
        share = cohort.measured.groupby(cohort.patients["site"]).mean()
        assert set(np.unique(share)) == {0.0, 1.0}
        assert (share == 0).to_numpy().sum() == round(0.6 * 5 * 4)
        assert (share.max() == 1).all()


def test_sites_shift_the_features_and_not_the_outcome() -> None:
    cohort, y = synthetic_cohort(4000, sites=3, site_effect=2.0, seed=0)
    site = cohort.patients["site"].to_numpy()
    means = cohort.modalities["m1"].frame.groupby(site).mean()
    assert means.std().mean() > 1.0
    rates = pd.Series(y).groupby(site).mean()
    assert rates.max() - rates.min() < 0.08
    plain, _ = synthetic_cohort(4000, sites=3, site_effect=0.0, seed=0)
    assert plain.modalities["m1"].frame.groupby(site).mean().std().mean() < 0.1


def test_bags_hold_the_same_as_tables_in_their_mean() -> None:
    tables, _ = synthetic_cohort(50, seed=3, features=6)
    bags, _ = synthetic_cohort(50, seed=3, features=6, bags=2, instances=8)
    assert [type(m) for m in bags.modalities.values()] == [Table, Bag, Bag]
    bag = bags.modalities["m2"]
    means = np.array([bag.instances(i).mean(axis=0) for i in range(50)])
    np.testing.assert_allclose(means, tables.modalities["m2"].numeric, atol=1e-12)
    assert 5 < bag.counts.mean() < 11
    assert bag.counts.min() >= 1
    assert bag.coordinates(0).shape == (bag.counts[0], 2)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "survivl"}, r"Did you mean 'survival'\?"),
        ({"missingness": "random"}, "missingness is 'random'"),
        ({"missing": 1.0}, "from 0 to below 1"),
        ({"modalities": 0}, "at least 1"),
        ({"features": 1}, "at least 2"),
        ({"bags": 4}, "more than the 3 modalities"),
        ({"missing": 0.5, "missingness": "by site"}, "at least 2 sites"),
        ({"n": 1}, "n is 1; it is at least 2"),
    ],
)
def test_impossible_designs_are_refused(options: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        synthetic_cohort(**options)
