"""What a run knows, for its documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consilience.errors import InputError
from consilience.study.bundle.documents import candidate_in

if TYPE_CHECKING:
    from consilience.clinic.rules import RuleSet
    from consilience.study.bundle import Bundle
    from consilience.study.finding import CandidateFinding, Finding


@dataclass(frozen=True)
class Facts:
    """What documents are filled from.

    Attributes
    ----------
    bundle : Bundle
    finding : Finding or None
        Of the study that made the bundle.
    rules : RuleSet or None
    """

    bundle: Bundle
    finding: Finding | None = None
    rules: RuleSet | None = None

    def check(self) -> None:
        """Refuse a finding of another study.

        Raises
        ------
        InputError
        """
        if self.finding is None:
            return
        if self.finding.cohort.fingerprint != self.bundle.provenance.data_fingerprint:
            raise InputError(
                f"the finding {self.finding.title!r} is of other patients than the bundle "
                f"{self.bundle.manifest.name!r}; give the finding.json that lies beside it."
            )

    @property
    def found(self) -> CandidateFinding | None:
        """What the study found of the bundle's own candidate."""
        if self.finding is None:
            return None
        return candidate_in(self.finding, self.bundle.manifest.candidate)


def number(value: float | None) -> str:
    """Return a number as it is written in a document."""
    return "not known" if value is None else f"{value:.3g}"


def interval(estimate: Any) -> str:
    """Return an estimate with its interval, where it has one."""
    if estimate.estimate is None or estimate.low is None or estimate.high is None:
        return number(estimate.estimate)
    return f"{number(estimate.estimate)} ({number(estimate.low)} to {number(estimate.high)})"


def cell(text: object) -> str:
    """Return text that cannot break a table of Markdown, or be markup."""
    flat = " ".join(str(text).split())
    return flat.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")
