"""What is suggested, and how names are listed."""

from __future__ import annotations

import pytest

from consilience.errors import listing, suggestion


@pytest.mark.parametrize(
    ("given", "said"), [("foldz", "'folds'"), ("c", "'C'"), ("AGE", "'age'"), ("xyz", "")]
)
def test_the_closest_name_is_suggested(given: str, said: str) -> None:
    assert said in suggestion(given, ["folds", "C", "age"])
    assert bool(said) == bool(suggestion(given, ["folds", "C", "age"]))


def test_a_long_list_says_how_many_more() -> None:
    assert listing("abc", most=2) == "'a', 'b' and 1 more"
    assert listing(["a"]) == "'a'"
