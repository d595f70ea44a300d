from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sksurv.linear_model import CoxPHSurvivalAnalysis
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.fusion import LateFusion
from consilience.trust.additive import trial_of
from consilience.trust.averaged import averaged_game
from consilience.trust.game import ModelGame
from consilience.trust.hybrid import Hybrids
from consilience.trust.number import EventWithin, PredictedValue, ProbabilityOf
from consilience.trust.shapley import owen_values

LEARNERS = {
    "binary": (LogisticRegression(), ProbabilityOf("p", "1")),
    "continuous": (Ridge(), PredictedValue("v")),
    "survival": (CoxPHSurvivalAnalysis(alpha=3.0), EventWithin("e", 40.0)),
}


def game_of(kind, place, weights="equal", *, line=(1.0, 0.0)):
    cohort, y = gappy_cohort(kind, n=80, features=2)
    learner, number = LEARNERS[kind]
    model = LateFusion(learner, weights=weights, random_state=0).fit(cohort, y)
    number = replace(number, slope=line[0], intercept=line[1])
    background = cohort[np.delete(np.arange(12), place)]
    return ModelGame(model, Hybrids(cohort[[place]], background, model.modalities_), number, 8192)


@pytest.mark.parametrize("kind", LEARNERS)
@pytest.mark.parametrize("weights", ["equal", "validated"])
def test_its_answers_and_owen_values_are_the_models_whatever_is_missing(kind, weights):
    for place in range(6):
        game = game_of(kind, place, weights)
        if len(game.spans) < 2:
            continue
        average = averaged_game(game, trial_of(game))
        assert average is not None
        rng = np.random.default_rng(place)
        masks = rng.random((60, len(game.players))) < 0.5
        rows = rng.integers(0, game.n, 60)
        computed, asked = average.values(masks, rows), game.values(masks, rows)
        np.testing.assert_allclose(computed, asked, atol=1e-7)
        before = owen_values(game, 0)
        after = owen_values(average, 0)
        assert not before.sampled and not after.sampled
        np.testing.assert_allclose(after.effects, before.effects, atol=1e-7)


@pytest.mark.parametrize("kind", LEARNERS)
def test_it_is_the_models_own_numbers_that_are_averaged(kind):
    game = next(g for p in range(6) if len((g := game_of(kind, p, line=(0.6, -0.7))).spans) > 1)
    average = averaged_game(game, trial_of(game))
    assert average is not None
    moved, asked = owen_values(average, 0), owen_values(game, 0)
    assert not asked.sampled
    assert moved.baseline == pytest.approx(asked.baseline, abs=1e-7)
    np.testing.assert_allclose(moved.effects, asked.effects, atol=1e-7)


def test_paths_are_those_that_the_model_would_be_asked_about():
    for place in range(6):
        game = game_of("survival", place)
        average = averaged_game(game, trial_of(game))
        assert average is not None
        rng = np.random.default_rng(0)
        for name, span in game.spans.items():
            width = span.stop - span.start
            starts = rng.random((7, len(game.players))) < 0.5
            starts[:, span] = False
            orders = np.array([rng.permutation(width) for _ in range(7)])
            rows = rng.integers(0, game.n, 7)
            np.testing.assert_allclose(
                average.paths(name, starts, orders, rows),
                game.paths(name, starts, orders, rows),
                atol=1e-7,
            )


def test_an_average_of_what_does_not_add_up_is_refused():
    cohort, y, _ = complete_cohort("binary")
    forest = RandomForestClassifier(20, min_samples_leaf=5, random_state=0)
    model = LateFusion(forest).fit(cohort, y)
    hybrids = Hybrids(cohort[[0]], cohort[30:50], model.modalities_)
    game = ModelGame(model, hybrids, ProbabilityOf("p", "1"), 8192)
    assert averaged_game(game, trial_of(game)) is None
