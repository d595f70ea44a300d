"""Drawing for a page: matplotlib figures in page pixels, as SVG that the page's colours fill."""

from __future__ import annotations

import io
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec

from markupsafe import Markup, escape

from consilience.study.report.theme import SERIES, stand_in, themed
from consilience.study.report.wording import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 400.0
"""Width of a figure in pixels: a phone shows it nearly full size, a desktop half as large again."""

SIZE = 12.0
"""Size of text in pixels of the figure."""

LINE = 18.0
"""Height of a line of text."""

DASHES: tuple[object, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (7, 2, 1.5, 2)), (0, (3, 1)))
MARKERS = ("o", "s", "^", "D", "v", "P")

Arguments = ParamSpec("Arguments")


@dataclass(frozen=True)
class Chart:
    """A figure with what a reader needs to understand it.

    Attributes
    ----------
    key : str
        Its id in the page.
    title : str
    caption : str
        What to see and how to read it.
    figure : Figure
    columns, rows
        The same numbers as a table.
    group
        What it belongs to: charts of one group stand together.
    """

    key: str
    title: str
    caption: str
    figure: Figure
    columns: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    group: str = ""

    @property
    def svg(self) -> Markup:
        """The drawing, ready to stand in the page."""
        return to_svg(self.figure, self.key, self.title)


@dataclass(frozen=True)
class Style:
    """How a series is drawn: told apart by colour, dash and marker at once."""

    place: int = 0

    @property
    def colour(self) -> str:
        """Its colour."""
        return stand_in(SERIES[self.place % len(SERIES)])

    @property
    def dash(self) -> object:
        """Its line style."""
        return DASHES[self.place % len(DASHES)]

    @property
    def marker(self) -> str:
        """Its marker."""
        return MARKERS[self.place % len(MARKERS)]


@contextmanager
def page_style() -> Iterator[None]:
    """Set text, lines and colours as pages have them; nothing leaks to the caller's figures."""
    import matplotlib as mpl

    ink, muted = stand_in("ink"), stand_in("muted")
    settings: Any = {
        "figure.dpi": 72,
        "savefig.dpi": 72,
        "font.family": "DejaVu Sans",
        "font.size": SIZE,
        "text.color": ink,
        "text.parse_math": False,
        "text.usetex": False,
        "axes.edgecolor": muted,
        "axes.labelcolor": ink,
        "axes.labelsize": SIZE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
        "xtick.color": muted,
        "ytick.color": muted,
        "xtick.labelcolor": ink,
        "ytick.labelcolor": ink,
        "xtick.labelsize": SIZE,
        "ytick.labelsize": SIZE,
        "path.simplify": True,
        "path.simplify_threshold": 0.2,
        "svg.fonttype": "none",
    }
    with mpl.rc_context(settings), warnings.catch_warnings():
        # The reader's own fonts draw the text; that this one lacks a sign is no matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def drawn(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Run a drawing function in the page's style."""

    @wraps(draw)
    def styled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with page_style():
            return draw(*args, **kwargs)

    return styled


def blank(height: float, width: float = WIDTH) -> Figure:
    """Return an empty figure of a size in pixels."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width / 72, height / 72), dpi=72)


def place(figure: Figure, left: float, top: float, right: float, bottom: float) -> Axes:
    """Return axes that leave margins in pixels."""
    width, height = (72 * size for size in figure.get_size_inches())
    box = (left / width, bottom / height, 1 - (left + right) / width, 1 - (top + bottom) / height)
    return figure.add_axes(box)


def graph(
    entries: Sequence[tuple[str, Style]], *, height: float = 300, bottom: float = 44
) -> tuple[Figure, Axes]:
    """Return a figure with a legend above a frame to draw in."""
    figure = blank(height + LINE * len(entries))
    legend(figure, entries)
    return figure, place(figure, 58, 12 + LINE * len(entries), 14, bottom)


def legend(figure: Figure, entries: Sequence[tuple[str, Style]], *, line: bool = True) -> None:
    """Write what each series is, a line each, above the frame."""
    from matplotlib.lines import Line2D

    width, height = (72 * size for size in figure.get_size_inches())
    for row, (label, style) in enumerate(entries):
        y = 1 - (row + 0.5) * LINE / height
        ends = [8 / width, 38 / width] if line else [18 / width]
        sample = Line2D(ends, [y] * len(ends), color=style.colour, linewidth=2)
        sample.set_linestyle(style.dash)  # type: ignore[arg-type]
        sample.set(marker=style.marker, markersize=6)
        figure.add_artist(sample)
        left = ends[-1] + 10 / width
        figure.text(left, y, shorten(label, (0.98 - left) * width), va="center_baseline")


def width_of(text: str, size: float = SIZE) -> float:
    """Return about how wide a text is, in pixels."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    # A generous em: a box that stands in for a sign the font lacks is wider than the sign.
    wide = 1.25 * sum(unicodedata.east_asian_width(character) in "WF" for character in text)
    narrow = "".join(c if unicodedata.east_asian_width(c) not in "WF" else "" for c in text)
    if not narrow:
        return wide * size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        font = FontProperties(family="DejaVu Sans", size=size)
        width = TextToPath().get_text_width_height_descent(narrow, font, ismath=False)[0]
    return float(width) + wide * size


def shorten(name: object, width: float, size: float = SIZE) -> str:
    """Return a name that fits a width, with an ellipsis where something was cut.

    The end is kept as well as the beginning: long names often differ there alone.
    """
    text = plain(name)
    if width_of(text, size) <= width:
        return text
    low, high = 0, len(text) - 1
    while low < high:  # the most characters that fit
        middle = (low + high + 1) // 2
        fits = width_of(_cut(text, middle), size) <= width
        low, high = (middle, high) if fits else (low, middle - 1)
    return _cut(text, low)


def _cut(text: str, kept: int) -> str:
    tail = kept * 2 // 5
    return f"{text[: kept - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"


def to_svg(figure: Figure, key: str, title: str) -> Markup:
    """Return a figure as SVG for a page: the same bytes for the same numbers."""
    import matplotlib as mpl

    buffer = io.StringIO()
    bare = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with page_style(), mpl.rc_context({"svg.hashsalt": key}):
        figure.savefig(buffer, format="svg", metadata=bare, transparent=True)
    drawing = buffer.getvalue()
    body = drawing[drawing.index("<svg") :]
    inside = _slim(body[body.index(">") + 1 : body.rindex("</svg>")], key)
    width, height = (72 * size for size in figure.get_size_inches())
    return Markup(
        f'<svg viewBox="0 0 {width:g} {height:g}" role="img" aria-label="{escape(title)}">'
        f"<title>{escape(title)}</title>{themed(inside)}</svg>"
    )


_SLIMMING: tuple[tuple[str, str], ...] = (
    (r"<metadata>.*?</metadata>", ""),
    (r"<style.*?</style>", ""),
    (r"<!--.*?-->", ""),
    (r" transform=\"rotate\(-0 [^\"]*\)\"", ""),
    (r"font-family: [^;\"]*;? ?", ""),
    (r"xlink:href", "href"),
    (r"(?<=[ \"(,])(-?\d+\.\d{2})\d+", r"\1"),
    (r"\s*\n\s*", "\n"),
)


def _slim(svg: str, key: str) -> str:
    """Drop what a page does not need and make ids its own."""
    tags = re.split(r"(<text[^>]*>[^<]*</text>)", svg)
    slim = "".join(_slim_part(part) for part in tags)
    slim = re.sub(r' id="(?:[A-Za-z]+_|matplotlib\.)[^"]*"', "", slim)
    slim = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{key}-", slim)
    while "<g>\n</g>" in slim:
        slim = slim.replace("<g>\n</g>\n", "").replace("<g>\n</g>", "")
    return slim


def _slim_part(part: str) -> str:
    if not part.startswith("<text"):
        for pattern, replacement in _SLIMMING:
            part = re.sub(pattern, replacement, part, flags=re.DOTALL)
        return part
    opening, _, words = part.partition(">")  # what a user wrote is never rewritten
    for pattern, replacement in _SLIMMING:
        opening = re.sub(pattern, replacement, opening, flags=re.DOTALL)
    return f"{opening}>{words}"
