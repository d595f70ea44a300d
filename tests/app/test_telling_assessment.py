"""What decision support says on the terminal."""

from __future__ import annotations

from consilience.app.telling_assessment import tell_assessment
from consilience.records import Assessment, ClassProbability, Option, Prediction, Unmapped
from consilience.trust.options import WARNING


def said(**more: object) -> Assessment:
    told = {"patient": "p", "outcome": "death", "model": "m"}
    shares = (("0", 0.3), ("1", 0.7))
    parts = tuple(ClassProbability(label=name, probability=p) for name, p in shares)
    given = {
        "number": 0.7,
        "says": "probability of death",
        "level": "high",
        "classes": ("1", "0"),
        "prediction": Prediction(**told, kind="binary", probabilities=parts, informed=True),
    }
    return Assessment(**told, bundle="b", at="2026-03-01T12:00:00Z", **(given | more))


def printed(capsys, assessment: Assessment) -> str:
    tell_assessment(assessment)
    return " ".join(capsys.readouterr().out.split())


def test_how_sure_is_told_in_the_words_of_the_page(capsys) -> None:
    seen = printed(capsys, said())
    assert "probability of death: 70% (high risk)" in seen
    assert "Not decided: “death” and “no death” must be counted with." in seen


def test_treatments_come_after_the_warning(capsys) -> None:
    told = {"modality": "base", "feature": "drug", "number": 0.2, "sentence": "Drug a: 20 %."}
    seen = printed(capsys, said(options=(Option(treatment="a", **told),)))
    assert f"{WARNING} Drug a: 20 %." in seen
    assert WARNING not in printed(capsys, said())


def test_what_the_model_does_not_use_does_not_bury_what_it_lacks(capsys) -> None:
    unused = tuple(
        Unmapped(resource=f"Observation {n}", reason="no.", asked=False) for n in range(40)
    )
    lacks = Unmapped(resource="Observation/7", reason="labs/ldh: it has no number.")
    seen = printed(capsys, said(unmapped=(*unused, lacks)))
    assert "Could not be read Observation/7: labs/ldh: it has no number. 40 kinds of entry" in seen
    assert "Observation 3" not in seen
