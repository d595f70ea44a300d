"""What was not taken over, each reason once, with how often."""

from __future__ import annotations

from collections import Counter

from consilience.records import Unmapped

MOST = 200


class Notes:
    """Collects what was not taken over; the same said twice is counted, not repeated."""

    def __init__(self) -> None:
        self._found: Counter[tuple[str, str, bool]] = Counter()

    def add(self, resource: str, reason: str, *, asked: bool = True) -> None:
        """Note something and why; the reason holds nothing of the patient's.

        Parameters
        ----------
        resource, reason : str
        asked : bool
            Whether the model asks for it, and lacks it now.
        """
        self._found[resource, reason, asked] += 1

    def listed(self) -> tuple[Unmapped, ...]:
        """Return all of it, what the model lacks first; beyond `MOST` lines the rest as one."""
        lines = [
            Unmapped(resource=what if n == 1 else f"{what} ({n} times)", reason=reason, asked=asked)
            for (what, reason, asked), n in self._found.items()
        ]
        lines.sort(key=lambda line: not line.asked)
        rest = len(lines) - MOST
        if rest > 0:
            more = Unmapped(
                resource=f"{rest:,} more", reason="not listed one by one.", asked=lines[MOST].asked
            )
            return (*lines[:MOST], more)
        return tuple(lines)
