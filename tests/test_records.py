"""Records are frozen, belong together, and go to JSON and back unchanged."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consilience.records import (
    Advice,
    ClassProbability,
    Contribution,
    Explanation,
    Prediction,
    SurvivalAt,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
share = st.floats(0, 1)
words = st.text(max_size=20)


@st.composite
def predictions(draw) -> Prediction:
    kind = draw(st.sampled_from(["binary", "multiclass", "continuous", "survival"]))
    values = {}
    if kind in ("binary", "multiclass"):
        p = draw(share)
        values["probabilities"] = (
            ClassProbability(label="0", probability=1 - p),
            ClassProbability(label="1", probability=p),
        )
    if kind == "continuous":
        values["value"] = draw(finite)
    if kind == "survival":
        values["risk"] = draw(finite)
        points = draw(st.lists(st.tuples(st.floats(0, 1e6), share), max_size=3))
        values["survival"] = tuple(SurvivalAt(time=t, probability=p) for t, p in points)
    return Prediction(
        patient=draw(words), outcome=draw(words), kind=kind, unit=draw(words),
        informed=draw(st.booleans()), sources=tuple(draw(st.lists(words, max_size=3))),
        warnings=tuple(draw(st.lists(words, max_size=3))), model=draw(words), **values,
    )  # fmt: skip


@given(predictions())
def test_a_prediction_survives_json(said):
    assert Prediction.model_validate_json(said.model_dump_json()) == said
    assert hash(Prediction.model_validate(said.model_dump())) == hash(said)


def one(**changes) -> Prediction:
    usual = {
        "patient": "a", "outcome": "los", "kind": "continuous", "value": 1.0,
        "informed": True, "model": "m",
    }  # fmt: skip
    return Prediction(**{**usual, **changes})


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        one().value = 2.0


@pytest.mark.parametrize(
    "changes",
    [
        {"value": None},
        {"risk": 1.0},
        {"kind": "survival"},
        {"kind": "binary"},
        {"probabilities": ({"label": "1", "probability": 1.0},)},
        {"survival": ({"time": 1.0, "probability": 0.5},)},
        {"kind": "binary", "value": None, "probabilities": ({"label": "1", "probability": 0.5},)},
        {"kind": "binary", "value": None, "probabilities": ({"label": "1", "probability": 1.5},)},
        {"value": math.nan},
        {"value": math.inf},
        {"kind": "ordinal"},
        {"unknown": 1},
    ],
    ids=str,
)
def test_what_does_not_belong_together_is_refused(changes):
    with pytest.raises(ValidationError):
        one(**changes)


def test_probability_by_class():
    both = ({"label": "no", "probability": 0.25}, {"label": "yes", "probability": 0.75})
    said = one(kind="binary", value=None, probabilities=both)
    assert said.probability_of("yes") == 0.75
    with pytest.raises(KeyError):
        said.probability_of("perhaps")


def explanation(patient: str = "a") -> Explanation:
    parts = (Contribution(modality="labs", feature="ldh", value="310 U/L", effect=0.4),)
    return Explanation(
        patient=patient, outcome="los", model="m", method="exact", scale="days", baseline=0.6,
        contributions=parts,
    )  # fmt: skip


def test_advice_carries_what_it_rests_on_through_json():
    advice = Advice(
        patient="a", rule="long stay 1", urgency="info", sentence="Plan for a longer stay.",
        reasons=("one day is expected",), prediction=one(), explanation=explanation(),
    )  # fmt: skip
    assert Advice.model_validate_json(advice.model_dump_json()) == advice


@pytest.mark.parametrize("changes", [{"patient": "b"}, {"explanation": explanation("b")}], ids=str)
def test_advice_is_of_one_patient(changes):
    usual = {
        "patient": "a", "rule": "r", "urgency": "info", "sentence": "s", "prediction": one(),
    }  # fmt: skip
    with pytest.raises(ValidationError, match="different patients"):
        Advice(**{**usual, **changes})
