"""Numbers and how sure they are, in words."""

from __future__ import annotations

from consilience.clinic.web.wording import differential, sure
from consilience.records import Assessment, ClassProbability, Interval, Prediction


def said(kind: str, **more: object) -> Assessment:
    values = {
        "survival": {"risk": 1.0, "unit": "days"},
        "binary": {"probabilities": shares(no=0.3, yes=0.7)},
        "multiclass": {"probabilities": shares(flu=0.1, sepsis=0.7, cold=0.2)},
    }
    told = {"patient": "p", "outcome": "death", "model": "m"}
    prediction = Prediction(**told, kind=kind, informed=True, **values[kind])  # type: ignore[arg-type]
    given = {"number": 0.7, "prediction": prediction} | more
    return Assessment(**told, bundle="b", at="2026-03-01T12:00:00Z", **given)


def shares(**given: float) -> tuple[ClassProbability, ...]:
    return tuple(ClassProbability(label=name, probability=p) for name, p in given.items())


def test_a_bound_on_time_says_until_what() -> None:
    low = Interval(low=207, level=0.9)
    told = "In 90 % of such patients death comes no sooner than 207 days"
    assert sure(said("survival", interval=low)) == f"{told}."
    both = Interval(low=207, high=1095, level=0.9)
    assert sure(said("survival", interval=both)) == f"{told}, no later than 1,095 days."


def test_several_outcomes_are_ranked_and_two_are_not() -> None:
    ranked = [(one.label, one.probability) for one in differential(said("multiclass"))]
    assert ranked == [("sepsis", 0.7), ("cold", 0.2), ("flu", 0.1)]
    assert differential(said("binary")) == ()


def test_a_silent_model_ranks_nothing() -> None:
    assert differential(said("multiclass", number=None, silent=("too little is known.",))) == ()
