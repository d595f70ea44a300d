"""Markdown as a page shows it: no raw HTML, no links that run something."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markupsafe import Markup

DEEPEST = 6


@cache
def _reader() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")


def rendered(text: str, *, below: int) -> Markup:
    """Return Markdown as HTML.

    Raw HTML is shown as text, pictures are not loaded, and links to anything but the web
    and mail stay text (markdown-it's `validateLink`).

    Parameters
    ----------
    text : str
        CommonMark with tables.
    below : int
        Level of the heading under which it stands: its own start one deeper.
    """
    reader = _reader()
    tokens = reader.parse(text)
    headings = [token for token in tokens if token.type in ("heading_open", "heading_close")]
    highest = min((int(token.tag[1:]) for token in headings), default=1)
    for token in headings:
        token.tag = f"h{min(DEEPEST, int(token.tag[1:]) - highest + below + 1)}"
    for token in tokens:
        if token.type in ("th_open", "td_open"):
            token.attrs.pop("style", None)  # no inline style passes the page's policy
        if token.type == "th_open":
            token.attrs["scope"] = "col"
    return Markup(reader.renderer.render(tokens, reader.options, {}))
