from dataclasses import replace

import numpy as np
import pytest
from tests.laws.cohorts import complete_cohort, gappy_cohort

from consilience.fusion import IntermediateFusion
from consilience.nn.training import Training
from consilience.trust import gradients
from consilience.trust.explanation import explain
from consilience.trust.number import EventWithin, ProbabilityOf

captum = pytest.importorskip("captum.attr")
torch = pytest.importorskip("torch")
QUICK = Training(30, 10, learning_rate=0.01, batch_size=48)
ONE = ProbabilityOf("p", "1")


def total(explanation):
    return explanation.baseline + sum(one.effect for one in explanation.contributions)


@pytest.fixture(scope="module")
def network():
    cohort, y, _ = complete_cohort("binary")
    return IntermediateFusion("binary", training=QUICK).fit(cohort, y), cohort


def test_the_gradients_are_those_of_captum(network):
    model, cohort = network
    patients = cohort[:6]
    inner = model.networks()[0]
    batch = model._reader(patients).batch(np.arange(6))
    names = list(batch.parts)

    def asked(*numbers):
        parts = {
            name: replace(part, arrays={**part.arrays, "numbers": own})
            for (name, part), own in zip(batch.parts.items(), numbers, strict=True)
        }
        outputs = inner(replace(batch, parts=parts))[1]
        return outputs[:, 1] - outputs[:, 0]

    numbers = tuple(batch.parts[name].arrays["numbers"] for name in names)
    expected = captum.IntegratedGradients(asked).attribute(
        numbers, n_steps=32, method="gausslegendre", internal_batch_size=6
    )
    found = model.attributions(patients, steps=32).features["1"]
    for name, own in zip(names, expected, strict=True):
        np.testing.assert_allclose(found[name].to_numpy(), own.detach().numpy(), atol=1e-5)


def test_a_network_is_explained_by_them_on_the_scale_of_the_number(network):
    model, cohort = network
    for label, sign in (("1", 1.0), ("0", -1.0)):
        number = ProbabilityOf("p", label)
        found = explain(model, cohort[[3]], cohort[50:70], number)
        assert found.method == gradients.METHOD
        told = number.linked(number.of(model.scores(cohort[[3]])))[0]
        assert total(found) == pytest.approx(told, abs=1e-4)
        own = model.attributions(cohort[[3]], steps=64).features["1"].iloc[0]
        effects = {(c.modality, c.feature): c.effect for c in found.contributions}
        np.testing.assert_allclose([sign * effects[k] for k in own.index], own, atol=1e-6)


def test_a_recalibrated_number_is_explained_by_them_times_its_slope(network):
    model, cohort = network
    own = explain(model, cohort[[3]], cohort[50:70], ONE)
    moved = explain(model, cohort[[3]], cohort[50:70], replace(ONE, slope=0.5, intercept=0.3))
    assert moved.method == gradients.METHOD
    assert moved.baseline == pytest.approx(0.5 * own.baseline + 0.3, abs=1e-4)
    assert total(moved) == pytest.approx(0.5 * total(own) + 0.3, abs=1e-4)


def test_log_hazard_ratios_differ_from_the_scale_by_a_constant():
    cohort, y = gappy_cohort("survival")
    model = IntermediateFusion("survival", training=QUICK).fit(cohort, y)
    number = EventWithin("e", float(np.median(model.unique_times_)))
    known = cohort[cohort.measured.any(axis=1).to_numpy()]
    found = explain(model, known[[0]], known[30:50], number)
    assert found.method == gradients.METHOD
    told = number.linked(number.of(model.scores(known[[0]])))[0]
    assert total(found) == pytest.approx(told, abs=1e-4)


def test_what_is_left_over_is_told_and_too_much_of_it_is_not_accepted(network, monkeypatch):
    model, cohort = network
    asked = (model, cohort[[3]], cohort[50:70], ONE)
    monkeypatch.setattr(gradients, "STEPS", 1)  # a line of one point leaves something over
    monkeypatch.setattr(gradients, "TOLERANCE", np.inf)
    rough = explain(*asked)
    told = ONE.linked(ONE.of(model.scores(cohort[[3]])))[0]
    rest = told - total(rough)
    assert abs(rest) > 1e-4 and "unexplained" in rough.warnings[0]
    monkeypatch.setattr(gradients, "TOLERANCE", abs(rest) / 2)
    sampled = explain(*asked)
    assert sampled.method.startswith("Owen values")
    assert total(sampled) == pytest.approx(told, abs=1e-5)


def test_an_ensembles_mean_output_is_not_its_number_and_is_asked_instead():
    cohort, y, _ = complete_cohort("binary")
    model = IntermediateFusion("binary", training=QUICK, members=2).fit(cohort, y)
    found = explain(model, cohort[[3]], cohort[50:62], ONE)
    assert found.method.startswith("Owen values")
