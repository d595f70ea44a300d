"""What a check found, in a form that a report shows and JSON holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal["passed", "warning", "failed", "not run"]


@dataclass(frozen=True)
class Check:
    """One way in which a study can fool itself, and whether this one does.

    Attributes
    ----------
    name : str
        What was looked for: "duplicate patients".
    status : {"passed", "warning", "failed", "not run"}
        "failed" means that the score cannot be believed as it stands, "warning" that a
        person should look, "not run" that the check could not say anything.
    sentence : str
        What was found and what to do, in one or two plain sentences.
    details : list of dict
        What was found or covered, an entry each; text, numbers, lists and None only.
    """

    name: str
    status: Status
    sentence: str
    details: list[dict[str, Any]]
