"""Summaries are short, and cut where a reader would cut them."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from consilience.clinic.hooks.markdown import plain
from consilience.clinic.hooks.summary import ELLIPSIS, length, shortened

FAMILY = "👩\u200d👩\u200d👧"
FLAG = "🇩🇪"


@given(st.text(max_size=400))
def test_never_too_long_and_never_changed_before_the_cut(text):
    cut = shortened(text)
    assert length(cut) < 140
    assert len(cut.encode("utf-16-le", "surrogatepass")) // 2 == length(cut)
    whole = plain(text)
    assert cut == whole or (cut.endswith(ELLIPSIS) and whole.startswith(cut[:-1]))


@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=60, max_size=80))
def test_words_stay_whole(words):
    cut = shortened(" ".join(words))
    assert cut[:-1].split() == words[: len(cut[:-1].split())]


def test_a_long_word_is_cut_between_characters():
    for character in (FAMILY, FLAG, "e\u0301", "👍🏽", "각"):
        cut = shortened(character * 100)[:-1]
        assert cut
        assert len(cut) % len(character) == 0, character
        assert cut == character * (len(cut) // len(character))
        assert unicodedata.is_normalized("NFC", cut) == unicodedata.is_normalized("NFC", character)


def test_139_characters_pass_and_140_do_not():
    assert shortened("a" * 139) == "a" * 139
    assert length(shortened("a" * 140)) <= 139
    assert length(shortened("😀" * 70)) <= 139  # two code units each
