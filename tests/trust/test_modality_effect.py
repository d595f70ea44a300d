import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from tests.laws.cohorts import gappy_cohort
from tests.trust.asked import VALUE, Formula, cohort_of

from consilience.cohort import Cohort, Table
from consilience.errors import InputError
from consilience.fusion import EarlyFusion, LateFusion, StackedFusion
from consilience.trust.modality_effect import modality_effects
from consilience.trust.number import ProbabilityOf

ONE = ProbabilityOf("p", "1")


@pytest.mark.parametrize("method", [EarlyFusion, LateFusion, StackedFusion])
@pytest.mark.parametrize("similar", [1, 5, 100])
def test_they_add_up_whatever_is_missing(method, similar):
    cohort, y = gappy_cohort("binary")
    model = method(LogisticRegression()).fit(cohort, y)
    background = cohort[:20]
    usual = ONE.linked(ONE.of(model.scores(background))).mean()
    for place in range(20, 32):
        patient = cohort[[place]]
        found = modality_effects(model, patient, background, ONE, similar=similar)
        told = ONE.linked(ONE.of(model.scores(patient)))[0]
        assert usual + sum(one.effect for one in found) == pytest.approx(told, abs=1e-9)
        assert sorted(one.modality for one in found) == sorted(cohort.modalities)
        assert all(one.feature is None for one in found)
        lacking = {one.modality for one in found if one.value == "not measured"}
        assert lacking == {name for name in cohort.modalities if not cohort.has(name)[place]}


def test_the_weights_and_shapley_values_are_those_of_the_formula():
    cohort = cohort_of(a=1, b=1)
    model = Formula(lambda x: 2 * x[:, 0] - 3 * x[:, 1], a=["a0"], b=["b0"])
    values = np.column_stack([cohort.modalities[n].frame.to_numpy()[:, 0] for n in "ab"])
    found = {c.modality: c.effect for c in modality_effects(model, cohort[[0]], cohort[1:], VALUE)}
    by_hand = _by_hand(values[0], values[1:], np.array([2.0, -3.0]), similar=5)
    assert found == pytest.approx(dict(zip("ab", by_hand, strict=True)), abs=1e-12)


def _by_hand(own, others, slopes, similar):
    spread = np.vstack([own, others]).std(axis=0)
    squared = ((others - own) / spread) ** 2

    def worth(given):
        mean = squared[:, given].mean(axis=1) if given else np.zeros(len(others))
        width = np.sort(mean)[similar - 1] if given else 1.0
        weights = np.exp(-mean / (2 * width))
        hybrids = others.copy()
        hybrids[:, given] = own[given]
        return weights @ (hybrids @ slopes) / weights.sum()

    none, one, two, both = worth([]), worth([0]), worth([1]), worth([0, 1])
    return (one - none + both - two) / 2, (two - none + both - one) / 2


def test_one_of_two_that_say_the_same_is_not_taken_away_by_impossible_mixtures():
    """A copy that the model does not read shares the effect, as similar patients have both."""
    rng = np.random.default_rng(0)
    ids = [f"p{i}" for i in range(200)]
    value = rng.normal(size=200)
    value[0] = 2.0
    tables = {
        name: Table(pd.DataFrame({name: own}, index=ids))
        for name, own in {"x": value, "copy": value, "noise": rng.normal(size=200)}.items()
    }
    cohort = Cohort(pd.DataFrame(index=ids), tables)
    asked = Formula(lambda x: x[:, 0], x=["x"])
    found = {
        one.modality: one.effect
        for one in modality_effects(asked, cohort[[0]], cohort[1:], VALUE, similar=5)
    }
    assert found["x"] == pytest.approx(found["copy"], rel=0.35)
    assert abs(found["noise"]) < 0.25 * found["x"]


def test_mistakes_are_named():
    cohort = cohort_of(**dict.fromkeys("abcdefghijk", 1))
    model = Formula(lambda x: x[:, 0], a=["a0"])
    with pytest.raises(InputError, match="10 at most, not 11"):
        modality_effects(model, cohort[[0]], cohort[1:], VALUE)
    with pytest.raises(InputError, match="similar must be at least 1"):
        modality_effects(model, cohort[[0]], cohort[1:], VALUE, similar=0)
