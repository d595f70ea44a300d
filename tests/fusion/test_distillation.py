"""A small student that learns from a large teacher."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from tests.laws.cohorts import gappy_cohort

from consilience.errors import InputError
from consilience.fusion.cross_modal_transformer import CrossModalTransformer
from consilience.fusion.distillation import DistilledFusion, size_of
from consilience.fusion.early import EarlyFusion
from consilience.fusion.graph_fusion import GraphFusion
from consilience.fusion.intermediate import IntermediateFusion
from consilience.fusion.late import LateFusion
from consilience.fusion.networks.distillation import (
    classes_lesson,
    hazards_lesson,
    risk_lesson,
)
from consilience.fusion.pretraining import Pretraining
from consilience.nn.losses import discrete_time_loss
from consilience.nn.training import Training
from consilience.study.bundle.safe_model import dump_model, load_model

QUICK = Training(20, 20, learning_rate=0.01, batch_size=48)
KINDS = ("binary", "multiclass", "continuous", "survival")


# --- the lessons ------------------------------------------------------------------------------


def test_classes_are_taught_by_hintons_formula():
    rng = np.random.default_rng(0)
    logits, theirs = rng.normal(size=(6, 3)), softmax(rng.normal(size=(6, 3)), axis=1)
    soft = softmax(np.log(theirs) / 3.0, axis=1)
    told = np.log(softmax(logits / 3.0, axis=1))
    expected = -9.0 * (soft * told).sum(axis=1).mean()
    found = classes_lesson(torch.tensor(logits), torch.tensor(theirs), 3.0)
    assert float(found) == pytest.approx(expected)


def test_a_lesson_is_least_where_the_student_says_the_same():
    torch.manual_seed(0)
    hazard = torch.rand(5, 4) * 0.5 + 0.1
    curves = torch.cumprod(1 - hazard, dim=1)
    right = torch.logit(hazard).requires_grad_()
    (slope,) = torch.autograd.grad(hazards_lesson(right, curves), right)
    torch.testing.assert_close(slope, torch.zeros(5, 4), rtol=0, atol=1e-6)
    logits = torch.randn(5, 3, requires_grad=True)
    same = torch.softmax(logits.detach(), dim=1)
    (slope,) = torch.autograd.grad(classes_lesson(logits, same, 2.0), logits)
    torch.testing.assert_close(slope, torch.zeros(5, 3), rtol=0, atol=1e-6)


def test_a_certain_curve_teaches_the_discrete_time_likelihood():
    """A teacher sure of the interval is the outcome itself."""
    logits = torch.randn(3, 4)
    ended = torch.tensor([0, 2, 3])
    curves = (torch.arange(4)[None, :] < ended[:, None]).float()
    expected = discrete_time_loss(logits, ended, torch.ones(3, dtype=torch.bool))
    torch.testing.assert_close(hazards_lesson(logits, curves), expected)


def test_a_constant_in_the_risk_teaches_nothing():
    risk = torch.randn(7, 1)
    assert float(risk_lesson(risk, risk + 5.0)) == pytest.approx(0.0, abs=1e-10)


# --- the method -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_student_is_smaller_and_says_nearly_what_the_teacher_says(kind):
    cohort, y = gappy_cohort(kind, 240, seed=3)
    new, _ = gappy_cohort(kind, 240, seed=4)
    model = DistilledFusion.for_outcome(kind, weight=0.9, training=QUICK).fit(cohort, y)
    sizes = model.sizes()
    assert sizes["student"]["parameters"] * 5 < sizes["teacher"]["parameters"]
    assert sizes["student"]["bytes"] < sizes["teacher"]["bytes"]
    known = model.informed(new)
    ours, theirs = model.values(new)[known, 0], model.teacher_.values(new)[known, 0]
    if kind == "survival":
        ours, theirs = model.predict(new)[known], model.teacher_.predict(new)[known]
    assert spearmanr(ours, theirs)[0] > 0.75


def test_taught_alone_the_student_never_sees_the_outcome():
    """With weight 1 another outcome with the same teacher gives the same student."""
    cohort, y = gappy_cohort("binary")
    learner = LogisticRegression(C=1e-12, fit_intercept=False)  # says the same whatever y
    teacher = EarlyFusion(learner)
    training = Training(20, 20, validation=0.0)  # who is held back is drawn by the outcome
    students = [
        DistilledFusion(teacher=teacher, weight=1.0, training=training).fit(cohort, each)
        for each in (y, 1 - y)
    ]
    first = students[0].members_[0].weights_.arrays_
    for name, array in students[1].members_[0].weights_.arrays_.items():
        np.testing.assert_allclose(array, first[name], rtol=0, atol=1e-3)


def test_without_a_teachers_weight_it_is_the_student_alone():
    cohort, y = gappy_cohort("binary")
    student = IntermediateFusion(width=4, training=QUICK)
    alone = clone(student).fit(cohort, y)
    model = DistilledFusion(
        teacher=EarlyFusion(LogisticRegression()), student=student, weight=0.0
    ).fit(cohort, y)
    np.testing.assert_array_equal(model.values(cohort), alone.values(cohort))


def test_a_teacher_may_be_any_method_and_its_numbers_are_counted():
    cohort, y = gappy_cohort("binary")
    teacher = LateFusion(LogisticRegression(), random_state=0)
    student = CrossModalTransformer(width=8, heads=2, depth=1, training=QUICK)
    model = DistilledFusion(teacher=teacher, student=student).fit(cohort, y)
    assert model.sizes()["teacher"]["parameters"] == size_of(model.teacher_).parameters > 10
    weights = model.student_.members_[0].weights_
    assert model.sizes()["student"]["parameters"] == weights.size
    taken = model.latency(cohort)
    assert 0 < taken["student"] < 1
    assert 0 < taken["teacher"] < 1


def test_a_bundle_holds_the_student_alone():
    cohort, y = gappy_cohort("survival")
    model = DistilledFusion.for_outcome("survival", training=QUICK).fit(cohort, y)
    saved = dump_model(model)
    back = load_model(saved, "model.skops")
    np.testing.assert_array_equal(back.values(cohort), model.values(cohort))
    assert not hasattr(back, "teacher_")
    assert len(saved) < len(dump_model(model.teacher_))
    assert back.sizes() == model.sizes()
    with pytest.raises(InputError, match="teacher is not there"):
        back.latency(cohort)


def test_settings_that_cannot_be_are_refused():
    cohort, y = gappy_cohort("binary")
    taught = CrossModalTransformer(pretrained=Pretraining())
    for options, sentence in (
        ({"weight": 1.5}, "weight"),
        ({"temperature": 0.0}, "temperature"),
        ({"temperature": 1e300}, "temperature must be above 0 and at most 1,000"),
        ({"student": GraphFusion()}, "must be an IntermediateFusion"),
        ({"student": taught}, "pretrained to the teacher"),
        ({"student": IntermediateFusion(width=0)}, "width"),
    ):
        with pytest.raises(InputError, match=sentence):
            DistilledFusion(**options).fit(cohort, y)
