"""One sentence of under 140 characters, cut where a reader would cut it."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

from consilience.clinic.hooks.markdown import plain

LONGEST = 139  # CDS Hooks 2.0: fewer than 140 characters
ELLIPSIS = "…"
JOINER = "\u200d"


@lru_cache(maxsize=4096)  # what rules say is said of many patients
def shortened(text: str, most: int = LONGEST) -> str:
    """Return text of at most so many characters, cut after a whole word.

    Characters are counted as UTF-16 code units, as browsers and most record systems do;
    in every other way of counting there are no more of them. A word that is too long by
    itself is cut between two characters as a reader sees them, never within one.

    Parameters
    ----------
    text : str
    most : int
        Code units.

    Examples
    --------
    >>> shortened("Check the potassium within a week.", 20)
    'Check the potassium…'
    """
    whole = plain(text)
    if length(whole) <= most:
        return whole
    room = most - length(ELLIPSIS)
    end = _last_break(whole, room)
    return whole[:end].rstrip(" ,;:–-(") + ELLIPSIS


def length(text: str) -> int:
    """Return how many UTF-16 code units a text has."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def _last_break(text: str, room: int) -> int:
    """Where to cut: at the last space that fits, else between two whole characters."""
    end = room
    while length(text[:end]) > room:
        end -= 1
    word = text.rfind(" ", 0, end + 1)
    if word > 0:
        return word
    while end > 0 and not _begins(text, end):
        end -= 1
    return end


def _begins(text: str, position: int) -> bool:
    """Whether a new character, as a reader sees it, begins here (UAX 29, its common cases)."""
    if position == 0:
        return True
    before, one = text[position - 1], text[position]
    if JOINER in (before, one) or unicodedata.category(one).startswith("M") or _tone(one):
        return False
    if _flag(one):
        run = len(text[:position]) - len(text[:position].rstrip(FLAGS))
        return run % 2 == 0
    return not _hangul_goes_on(before, one)


FLAGS = "".join(chr(code) for code in range(0x1F1E6, 0x1F200))


def _flag(one: str) -> bool:
    """Return whether it is a letter of a flag: two make one."""
    return one in FLAGS


def _tone(one: str) -> bool:
    """Return whether it belongs to what stands before: a skin tone, or a tag of a flag."""
    return 0x1F3FB <= ord(one) <= 0x1F3FF or 0xE0020 <= ord(one) <= 0xE007F


def _hangul_goes_on(before: str, one: str) -> bool:
    """Return whether a Korean syllable, written in parts, goes on."""
    leading = 0x1100 <= ord(before) <= 0x115F
    rest = 0x1160 <= ord(one) <= 0x11FF
    return rest or (leading and 0x1100 <= ord(one) <= 0x115F)
