"""Text of unknown origin is shown as it is."""

from __future__ import annotations

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from consilience.clinic.hooks.markdown import escaped, plain

READER = MarkdownIt("gfm-like", {"html": True, "linkify": False}).enable(["table", "strikethrough"])
TRICKS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[press](javascript:alert(1))",
    "![x](https://evil.example/x.png)",
    "# Heading",
    "- item",
    "1. item",
    "+ item",
    "> quote",
    "***",
    "| a | b |",
    "`code`",
    "~~struck~~",
    "&lt;b&gt;",
    "a\n\n# b",
    "a\n| - |\n| b |",
    "    indented",
    "[x]: https://evil.example",
    "===",
    "<!-- comment -->",
    "<https://evil.example>",
    "\\<b>",
]


def shown(text: str) -> str:
    """Return what a reader sees; nothing but one paragraph in an item may be there."""
    html = READER.render("- " + escaped(text))
    assert set(re.findall(r"</?([a-zA-Z]+)", html)) <= {"ul", "li"}, html
    return unescape(re.sub(r"</?(?:ul|li)>", "", html)).strip()


@pytest.mark.parametrize("trick", TRICKS)
def test_markup_is_shown_not_obeyed(trick):
    assert shown(trick) == plain(trick)


@given(st.text(alphabet=st.sampled_from("<>[]()*_~`#+-.!|&@:/\\ =ab1\n\"'"), max_size=40))
def test_whatever_is_written_is_what_is_read(text):
    assert " ".join(shown(text).split()) == " ".join(plain(text).split())


def test_addresses_do_not_become_links():
    """GitHub Flavored Markdown 0.29, 6.9: what makes a link of an address, stands not there."""
    link = re.compile(r"(?i)(?<![\\])\b(?:[a-z][a-z0-9+.-]*://|www\.|mailto:|xmpp:)|(?<!\\)@")
    for text in ("see https://evil.example/x", "see WWW.evil.example", "mailto:a@b.c", "a@b.c"):
        assert link.search(text)
        assert not link.search(escaped(text))


def test_marks_that_turn_the_direction_are_taken_out():
    assert plain("abc\u202e\u2066def\u0000\u200b") == "abcdef"
    assert plain("می\u200cخواهم") == "می\u200cخواهم"
