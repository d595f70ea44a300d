"""What decision support says of a patient, on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from consilience.clinic.web import wording
from consilience.records import Advice, Assessment
from consilience.trust.options import WARNING

STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red"}
MOST_REASONS = 6


def tell_assessment(said: Assessment) -> None:
    """Print it in the order in which it is asked: how high, how sure, why, what to do."""
    console = Console()
    console.print(Text(headline(said), style="bold"))
    if wording.sure(said):
        console.print(Text(f"  {wording.sure(said)}"))
    likely = (f"{one.label}: {one.probability:.0%}" for one in wording.differential(said))
    _list(console, "How likely each is", likely)
    _list(console, "Why", _reasons(said))
    _list(console, "What would change it", (one.sentence for one in said.counterfactuals))
    _list(console, "Not measured, and worth it", (one.sentence for one in said.missing))
    _list(console, "Treatments side by side", _options(said))
    if said.advice:
        console.print(Text("Rules", style="bold"))
    for advice in said.advice:
        console.print(_advice(advice))
    _list(console, "To know", said.warnings)
    _list(console, "Could not be read", _unread(said))
    console.print(Text(f"{said.bundle}, model {said.model[:12]}, {said.at}", style="dim"))


def headline(said: Assessment) -> str:
    """Return the number in a sentence, or that the model is silent, and why."""
    if said.number is None:
        return f"No {said.says or said.outcome} is told: {' '.join(said.silent)}"
    return f"{said.says}: {shown(said)}" + (f" ({said.level} risk)" if said.level else "")


def shown(said: Assessment) -> str:
    """Return the number as it is read: a percentage, or a value with its unit."""
    assert said.number is not None
    if said.prediction is not None and said.prediction.kind == "continuous":
        return f"{said.number:.4g} {said.prediction.unit}".strip()
    return f"{said.number:.0%}"


def _reasons(said: Assessment) -> Iterator[str]:
    parts = said.explanation.contributions if said.explanation else ()
    yield from (part.sentence for part in parts[:MOST_REASONS] if part.sentence)


def _options(said: Assessment) -> Iterator[str]:
    """Give the treatments side by side, and before them what must be known of them."""
    if said.options:
        yield WARNING
    yield from (one.sentence for one in said.options)


def _unread(said: Assessment) -> Iterator[str]:
    """Give what the model lacks; what it has no use for is only counted."""
    yield from (f"{one.resource}: {one.reason}" for one in said.unmapped if one.asked)
    unasked = sum(not one.asked for one in said.unmapped)
    if unasked:
        kinds = "kind" if unasked == 1 else "kinds"
        yield f"{unasked} {kinds} of entry that the model does not use (--json lists them)."


def _list(console: Console, title: str, lines: Iterator[str] | tuple[str, ...]) -> None:
    found = [line for line in lines if line]
    if found:
        console.print(Text(title, style="bold"))
    for line in found:
        console.print(Text(f"  {line}"))


def _advice(advice: Advice) -> Text:
    source = advice.source
    told = f" [{source.organisation} {source.year}]" if source else ""
    return Text.assemble(
        ("  " + advice.urgency, STYLES[advice.urgency]), f"  {advice.sentence}{told}"
    )
