"""What the fusion methods say of themselves: the docstring's first sentence and its sources."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence

from consilience.study.declaring import methods
from consilience.study.finding import CandidateFinding


def described(candidates: Sequence[CandidateFinding]) -> str:
    """Return which candidate is which method, in the methods' own words, with references.

    Of a method that is not ours nothing is known but its name.
    """
    fused = [c for c in candidates if c.role == "fused" and c.method]
    names: dict[str, list[str]] = {}
    for candidate in fused:
        names.setdefault(candidate.method, []).append(f"'{candidate.name}'")
    told = [_told(method, whose) for method, whose in names.items()]
    sources = dict.fromkeys(each for method in names for each in references(method))
    listed = [f"References: {'; '.join(source.rstrip('.') for source in sources)}."]
    return " ".join([*told, *(listed if sources else [])])


def summary(method: str) -> str:
    """Return the first sentence on a method by its name; nothing of one that is not ours."""
    return _plain(_doc(method).partition("\n\n")[0])


def references(method: str) -> list[str]:
    """Return where a method is from, an entry a paper."""
    section = re.search(r"^References\n-+\n(.*?)(?=\n\w+\n-+\n|\Z)", _doc(method), re.S | re.M)
    # Parted by an empty line, or each with its number in front.
    entries = re.split(r"\n\n|^\.\. \[\d+\]", section[1], flags=re.M) if section else []
    return [_plain(entry) for entry in entries if entry.strip()]


def _told(method: str, whose: Sequence[str]) -> str:
    *before, last = whose
    who = f"{', '.join(before)} and {last} are" if before else f"{last} is"
    if whose == [f"'{method}'"]:
        who = "The candidate"
    text = summary(method)
    # A sentence's first word goes on in small letters, an abbreviation as it is.
    start = text[:1].lower() if text[1:2].islower() or text[1:2] == " " else text[:1]
    return f"{who} {method}: {start}{text[1:]}" if text else f"{who} {method}."


def _doc(method: str) -> str:
    known = methods()
    return (inspect.getdoc(known[method]) or "") if method in known else ""


def _plain(text: str) -> str:
    """Return a docstring's words without its markup, on one line."""
    return " ".join(re.sub(r"[`*]+", "", text).split())
