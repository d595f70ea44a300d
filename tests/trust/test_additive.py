import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import complete_cohort, gappy_cohort
from tests.trust.asked import Formula, cohort_of, effects_of, game_of, over_orders

from consilience.cohort import Cohort, Table
from consilience.fusion import EarlyFusion, StackedFusion
from consilience.trust.additive import additive_effects, trial_of
from consilience.trust.explanation import ADDITIVE, explain
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Hybrids
from consilience.trust.number import EventWithin, PredictedValue, ProbabilityOf


@pytest.mark.parametrize(
    ("kind", "learner", "number"),
    [
        ("binary", LogisticRegression(), ProbabilityOf("p", "1")),
        ("continuous", Ridge(), PredictedValue("v")),
        ("survival", CoxPHSurvivalAnalysis(alpha=1.0), EventWithin("e", 40.0)),
    ],
)
def test_a_linear_model_gets_weight_times_value_less_mean(kind, learner, number):
    cohort, y, matrices = complete_cohort(kind)
    model = EarlyFusion(learner).fit(cohort, y)
    patient, background = cohort[[3]], cohort[20:60]
    found = explain(model, patient, background, number)
    assert found.method == ADDITIVE
    weights = np.ravel(model.expert_.learner_.coef_)
    raw = np.hstack(matrices)
    spread = raw.std(axis=0)
    expected = weights / spread * (raw[3] - raw[20:60].mean(axis=0))
    names = [(n, f) for n, table in cohort.modalities.items() for f in table.features]
    effects = effects_of(found)
    np.testing.assert_allclose([effects[name] for name in names], expected, atol=1e-8)


def test_it_is_the_shapley_value_also_where_modalities_and_values_are_missing():
    cohort, y = gappy_cohort("continuous", n=60, features=1, nobody=0.0, missing=0.4)
    some = cohort[cohort.measured["alpha"].to_numpy() & cohort.measured["beta"].to_numpy()]
    model = EarlyFusion(Ridge()).fit(cohort, y)
    for place in range(8):
        rest = np.delete(np.arange(len(some)), place)[:9]
        hybrids = Hybrids(some[[place]], some[rest], list(some.modalities))
        game = ModelGame(model, hybrids, PredictedValue("v"), 8192)
        found = additive_effects(game, trial_of(game))
        assert found is not None
        np.testing.assert_allclose(found[1], over_orders(game, grouped=False), atol=1e-9)
        np.testing.assert_allclose(found[1], over_orders(game, grouped=True), atol=1e-9)


def test_who_lacks_a_modality_that_others_have_shares_its_effect_exactly():
    """A partly measured background: a value counts only once its modality has joined."""
    cohort, y = gappy_cohort("continuous", n=60, features=2, nobody=0.0, missing=0.5)
    model = EarlyFusion(Ridge()).fit(cohort, y)
    full = cohort.complete()
    lacking = cohort[~cohort.has("beta") & cohort.has("alpha")][:4]
    ids = [*full.index[:1], *lacking.index, *full.index[1:4]]
    some = cohort[cohort.index.get_indexer(ids)]
    game = ModelGame(
        model, Hybrids(some[[0]], some[1:], ["alpha", "beta"]), PredictedValue("v"), 8192
    )
    assert any(player.feature is None for player in game.players)
    found = additive_effects(game, trial_of(game))
    assert found is not None
    np.testing.assert_allclose(found[1], over_orders(game, grouped=False), atol=1e-9)


def test_curves_that_add_up_are_exact_too():
    cohort = cohort_of(a=3, b=2)
    model = Formula(
        lambda x: x[:, 0] ** 2 + np.sin(x[:, 1]) - np.maximum(x[:, 2], 0) + 2 * x[:, 3],
        a=["a0", "a1", "a2"],
        b=["b0"],
    )
    game = game_of(model, cohort)
    found = additive_effects(game, trial_of(game))
    assert found is not None
    np.testing.assert_allclose(found[1], over_orders(game, grouped=False), atol=1e-12)
    assert found[1][-1] == 0  # b1 is not read


@pytest.mark.parametrize(
    "formula",
    [lambda x: x[:, 0] * x[:, 1], lambda x: x[:, 0] + 1e-3 * (x[:, 1] > 0) * x[:, 2]],
)
def test_a_model_that_does_not_add_up_is_refused(formula):
    cohort = cohort_of(a=3)
    game = game_of(Formula(formula, a=["a0", "a1", "a2"]), cohort)
    assert additive_effects(game, trial_of(game)) is None


def test_a_category_is_one_feature():
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(80)]
    stage = rng.choice(["I", "II", "III"], 80)
    frame = pd.DataFrame({"stage": stage, "ldh": rng.normal(200, 30, 80)}, index=ids)
    y = (stage == "III") * 4.0 + frame["ldh"].to_numpy() / 50 + rng.normal(size=80) / 10
    cohort = Cohort(pd.DataFrame(index=ids), {"labs": Table(frame)})
    model = EarlyFusion(Ridge(alpha=0.1)).fit(cohort, y)
    found = explain(model, cohort[[int(np.argmax(stage == "III"))]], cohort, PredictedValue("v"))
    effects = effects_of(found)
    assert found.method == ADDITIVE and set(effects) == {("labs", "stage"), ("labs", "ldh")}
    assert effects["labs", "stage"] == pytest.approx(4 * (1 - (stage == "III").mean()), abs=0.15)


def test_stacking_linear_experts_is_additive_on_the_link_scale():
    cohort, y, _ = complete_cohort("binary")
    model = StackedFusion(LogisticRegression(C=0.1), random_state=0).fit(cohort, y)
    found = explain(model, cohort[[0]], cohort[40:60], ProbabilityOf("p", "1"))
    assert found.method == ADDITIVE
