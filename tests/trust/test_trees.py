from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    RandomForestRegressor,
)
from tests.laws.cohorts import complete_cohort, gappy_cohort
from tests.trust.asked import effects_of, over_orders

from consilience.fusion import EarlyFusion, SingleModality
from consilience.fusion.tuned import Tuned
from consilience.trust.explanation import explain
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Hybrids
from consilience.trust.number import PredictedValue, ProbabilityOf
from consilience.trust.trees import METHOD

shap = pytest.importorskip("shap")
ONE = ProbabilityOf("p", "1")
BOOSTED = GradientBoostingClassifier(n_estimators=20, random_state=0)


def total(explanation):
    return explanation.baseline + sum(one.effect for one in explanation.contributions)


@pytest.mark.parametrize(
    "learner",
    [BOOSTED, HistGradientBoostingClassifier(max_iter=20), Tuned(BOOSTED, {"max_depth": [2, 3]})],
)
def test_boosted_trees_get_the_values_of_shap_itself(learner):
    cohort, y, _ = complete_cohort("binary")
    model = EarlyFusion(learner).fit(cohort, y)
    patient, background = cohort[[5]], cohort[60:100]
    found = explain(model, patient, background, ONE)
    assert found.method == METHOD
    inside = model.expert_.learner_
    inside = getattr(inside, "best_", inside)
    stack = model.expert_.stack_
    explainer = shap.TreeExplainer(
        inside, stack.transform(background), feature_perturbation="interventional"
    )
    own = np.ravel(explainer.shap_values(stack.transform(patient)))
    effects = effects_of(found)
    names = [(name, column) for name, column in stack.columns]
    np.testing.assert_allclose([effects[name] for name in names], own, atol=1e-9)
    assert total(found) == pytest.approx(ONE.linked(ONE.of(model.scores(patient)))[0], abs=1e-6)


def test_they_are_the_shapley_values_by_definition():
    cohort, y, _ = complete_cohort("continuous", widths=(2, 2, 1))
    model = EarlyFusion(RandomForestRegressor(15, max_depth=4, random_state=0)).fit(cohort, y)
    patient, background = cohort[[2]], cohort[80:92]
    found = explain(model, patient, background, PredictedValue("v"))
    assert found.method == METHOD
    hybrids = Hybrids(patient, background, list(cohort.modalities))
    exact = over_orders(ModelGame(model, hybrids, PredictedValue("v"), 0), grouped=False)
    effects = effects_of(found)
    np.testing.assert_allclose([effects[tuple(p)] for p in hybrids.players], exact, atol=1e-5)


def test_of_a_recalibrated_number_they_are_as_exact():
    cohort, y, _ = complete_cohort("binary")
    model = EarlyFusion(BOOSTED).fit(cohort, y)
    patient, background = cohort[[5]], cohort[60:100]
    own = explain(model, patient, background, ONE)
    moved = replace(ONE, slope=0.6, intercept=-0.8)
    found = explain(model, patient, background, moved)
    assert found.method == METHOD
    assert found.baseline == pytest.approx(0.6 * own.baseline - 0.8)
    effects = effects_of(own)
    assert effects_of(found) == pytest.approx({key: 0.6 * effects[key] for key in effects})


def test_columns_of_a_category_and_of_gaps_are_one_feature_and_the_effects_add_up():
    cohort, y = gappy_cohort("binary", n=150)
    model = EarlyFusion(BOOSTED).fit(cohort, y)
    rest = cohort[cohort.measured.any(axis=1).to_numpy()]
    used = 0
    for place in range(12):
        found = explain(model, rest[[place]], rest[20:50], ONE)
        told = ONE.linked(ONE.of(model.scores(rest[[place]])))[0]
        assert total(found) == pytest.approx(told, abs=1e-6)
        effects = effects_of(found)
        lacking = [n for n in rest.modalities if not rest.has(n)[place]]
        features = {f for n, f in effects if n not in lacking and f is not None}
        known = {f for n, t in rest.modalities.items() if n not in lacking for f in t.features}
        assert features <= known and not any(f for n, f in effects if n in lacking)
        used += found.method == METHOD
    assert used == 12


def test_a_forests_probabilities_do_not_add_up_on_the_scale_and_are_sampled():
    cohort, y, _ = complete_cohort("binary")
    forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
    model = SingleModality(forest, modality="alpha").fit(cohort, y)
    found = explain(model, cohort[[0]], cohort[50:80], ONE)
    assert found.method.startswith("Owen values")
    assert total(found) == pytest.approx(ONE.linked(ONE.of(model.scores(cohort[[0]])))[0], abs=1e-9)
