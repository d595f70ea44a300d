"""The colours of a report: light, dark and print from one drawing.

Figures are drawn in stand-in colours; the page's style sheet says what they are.
The first series are the blue, vermilion and green of Okabe and Ito, the others were
chosen far from them for eyes without one kind of cone; all were darkened or lightened
until lines and text reach WCAG AA on the paper they stand on (tests/study/test_report_figures.py
computes both).
"""

from __future__ import annotations

import re
from types import MappingProxyType

LIGHT = MappingProxyType(
    {
        "paper": "#ffffff",
        "panel": "#f4f6f8",
        "ink": "#1b1f24",
        "muted": "#57606a",
        "rule": "#d0d7de",
        "link": "#0b5cad",
        "series1": "#0072b2",
        "series2": "#b84a00",
        "series3": "#005a3c",
        "series4": "#8c1aff",
        "series5": "#350a43",
        "series6": "#d1478c",
        "good": "#00664b",
        "warning": "#7a5200",
        "bad": "#a63c06",
    }
)

DARK = MappingProxyType(
    {
        "paper": "#11161c",
        "panel": "#1a2129",
        "ink": "#e8edf2",
        "muted": "#a3afbb",
        "rule": "#3a444f",
        "link": "#7cc0f5",
        "series1": "#56b4e9",
        "series2": "#f08a3c",
        "series3": "#9be8b0",
        "series4": "#a463ff",
        "series5": "#f5ec3c",
        "series6": "#e8437a",
        "good": "#4fd0a5",
        "warning": "#e8b94a",
        "bad": "#ff9a66",
    }
)

SERIES = ("series1", "series2", "series3", "series4", "series5", "series6")
TEXT = ("ink", "muted", "link", "good", "warning", "bad")
"""Colours that text is set in, on `paper` and on `panel`."""

_STAND_INS = MappingProxyType({name: f"#fe01{place:02x}" for place, name in enumerate(LIGHT)})
_NAMES = MappingProxyType({colour: name for name, colour in _STAND_INS.items()})


def stand_in(name: str) -> str:
    """Return the colour to draw in for a colour of the theme."""
    return _STAND_INS[name]


def themed(svg: str) -> str:
    """Return a drawing with its stand-ins replaced by the page's variables."""
    return re.sub(r"#fe01[0-9a-f]{2}", lambda found: f"var(--{_NAMES[found[0]]})", svg)


def variables() -> str:
    """Return the style sheet's variables for light, dark and print."""
    light, dark = (_block(colours) for colours in (LIGHT, DARK))
    return (
        f":root {{ color-scheme: light dark; {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )


def _block(colours: MappingProxyType[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())
