"""Answers of the last minute."""

from __future__ import annotations

import pytest

from consilience.clinic.recent import Recent


class Asked:
    """Count how often an answer had to be found."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return f"answer {self.times}"


@pytest.fixture
def clock():
    return {"now": 0.0}


@pytest.fixture
def recent(clock):
    return Recent(most=2, seconds=60, clock=lambda: clock["now"])


def test_the_same_question_is_answered_once(recent):
    asked = Asked()
    assert recent.get("model", '{"a":1}', asked) == "answer 1"
    assert recent.get("model", '{"a":1}', asked) == "answer 1"
    assert asked.times == 1


def test_a_changed_record_or_model_is_another_question(recent):
    asked = Asked()
    recent.get("model", '{"a":1}', asked)
    assert recent.get("model", '{"a":2}', asked) == "answer 2"
    assert recent.get("another model", '{"a":1}', asked) == "answer 3"


def test_an_answer_grows_old(recent, clock):
    asked = Asked()
    recent.get("model", "", asked)
    clock["now"] = 59.9
    assert recent.get("model", "", asked) == "answer 1"
    clock["now"] = 60.0
    assert recent.get("model", "", asked) == "answer 2"


def test_the_oldest_makes_room(recent):
    asked = Asked()
    for content in ("a", "b", "c"):
        recent.get("model", content, asked)
    assert recent.get("model", "c", asked) == "answer 3"
    assert recent.get("model", "a", asked) == "answer 4"


def test_a_failure_is_not_kept(recent):
    def failing():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        recent.get("model", "", failing)
    assert recent.get("model", "", Asked()) == "answer 1"
