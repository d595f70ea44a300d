"""Text of unknown origin inside GitHub Flavored Markdown: shown as it is, never obeyed."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

# What begins emphasis, code, a link or an image, HTML, an entity, a strike or a mention.
ANYWHERE = re.compile(r"[\\`*_\[\]<>~&@]")
# What begins a list, a heading, a rule or a table.
LINE_START = re.compile(r"^([-+#=|:]|\d{1,9}[.)])")
AUTOLINK = re.compile(r"(?i)\b(www)\.|([a-z][a-z0-9+.-]*):(?=//)|\b(mailto|xmpp|javascript|data):")
INVISIBLE = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
JOINERS = {"\u200c", "\u200d"}  # inside words of some scripts


def plain(text: str) -> str:
    r"""Return text on one line: no control characters, no marks that turn its direction.

    Examples
    --------
    >>> plain("LDH\n 612\u202e U/L")
    'LDH 612 U/L'
    """
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    spaced = re.sub(r"\s+", " ", text)
    kept = (one for one in spaced if one in JOINERS or unicodedata.category(one) not in INVISIBLE)
    return "".join(kept).strip()


@lru_cache(maxsize=4096)  # what rules say is said of many patients
def escaped(text: str) -> str:
    r"""Return text that Markdown shows as it is.

    GitHub Flavored Markdown 0.29, 6.1: any ASCII punctuation may stand behind a backslash;
    ``<`` and ``&`` become entities, for readers that know HTML alone.

    Examples
    --------
    >>> escaped("<script>alert(1)</script>")
    '&lt;script&gt;alert(1)&lt;/script&gt;'
    >>> escaped("LDH 612 U/L, high for his group")
    'LDH 612 U/L, high for his group'
    """
    line = AUTOLINK.sub(_broken, ANYWHERE.sub(_behind_a_backslash, plain(text)))
    return LINE_START.sub(lambda found: found[1][:-1] + "\\" + found[1][-1], line)


ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _behind_a_backslash(found: re.Match[str]) -> str:
    return ENTITIES.get(found[0], "\\" + found[0])


def _broken(found: re.Match[str]) -> str:
    """Return an address that stays text: its colon or dot stands behind a backslash."""
    return found[0][:-1] + "\\" + found[0][-1]
