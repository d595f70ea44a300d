"""What was not taken over, each reason once, with how often."""

from __future__ import annotations

from collections import Counter

from consilience.records import Unmapped

MOST = 200


class Notes:
    """Collects what was not taken over; the same said twice is counted, not repeated."""

    def __init__(self) -> None:
        self._found: Counter[tuple[str, str]] = Counter()

    def add(self, resource: str, reason: str) -> None:
        """Note something and why; the reason holds nothing of the patient's."""
        self._found[resource, reason] += 1

    def listed(self) -> tuple[Unmapped, ...]:
        """Return all of it; beyond `MOST` lines the rest is counted in one."""
        lines = [
            Unmapped(resource=what if n == 1 else f"{what} ({n} times)", reason=reason)
            for (what, reason), n in self._found.items()
        ]
        rest = len(lines) - MOST
        if rest > 0:
            more = Unmapped(resource=f"{rest:,} more", reason="not listed one by one.")
            return (*lines[:MOST], more)
        return tuple(lines)
