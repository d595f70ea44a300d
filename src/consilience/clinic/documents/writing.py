"""Writing the documents of a bundle: filled as far as the run knows, marked where it does not.

References
----------
Regulation (EU) 2017/745 on medical devices (Article 61, Annexes VIII and XIV).
Regulation (EU) 2016/679 (GDPR), Article 35(7).
ISO 14971:2019, Medical devices: application of risk management to medical devices.
MDCG 2019-11 (qualification and classification of software) and MDCG 2020-1 (clinical
evaluation of medical device software).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from consilience.clinic.documents.facts import Facts, cell, interval, number
from consilience.clinic.documents.hazards import hazards
from consilience.errors import InputError

if TYPE_CHECKING:
    from consilience.clinic.rules import RuleSet
    from consilience.study.bundle import Bundle
    from consilience.study.finding import Finding

CARD = "model-card.md"
TEMPLATES = (
    "intended-use.md",
    "risk-management.md",
    "clinical-evaluation.md",
    "data-protection.md",
)
_EXPLAINED = "**A PERSON MUST WRITE** are open"  # at the head of every draft
_MARK = re.compile(r"A PERSON MUST WRITE|To be written by a person")


@dataclass(frozen=True)
class Document:
    """A document as it was written.

    Attributes
    ----------
    path : Path
    text : str
    """

    path: Path
    text: str

    @property
    def open_places(self) -> int:
        """How many places a person still has to fill."""
        return open_places(self.text)


def open_places(text: str) -> int:
    """Return how many places of a document wait for a person; 0 does not mean that it is right.

    Parameters
    ----------
    text : str
        Markdown, as written here or filled in since.
    """
    return len(_MARK.findall(text.replace(_EXPLAINED, "")))


def write_documents(
    bundle: Bundle, finding: Finding | None, rules: RuleSet | None, out: Path
) -> tuple[Document, ...]:
    """Write model card, intended use, risk file, clinical evaluation and data protection.

    They are drafts. None says that anything conforms to a law or a standard.

    Parameters
    ----------
    bundle : Bundle
    finding : Finding, optional
        Of the study that made it.
    rules : RuleSet, optional
        Those served beside it.
    out : Path
        A folder; a document that is there, which a person may have filled, is never
        written over.

    Raises
    ------
    InputError
        If a document is there already, the folder cannot be made, or the finding is of
        another study.
    """
    from consilience.study.store import write_atomically

    facts = Facts(bundle, finding, rules)
    facts.check()
    texts = {CARD: bundle.card, **{name: _rendered(name, facts) for name in TEMPLATES}}
    there = [name for name in texts if (out / name).exists()]
    if there:
        raise InputError(f"{out / there[0]}: it is there already; name another folder.")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as reason:
        raise InputError(f"{out}: the folder cannot be made ({reason.strerror}).") from reason
    for name, text in texts.items():
        write_atomically(out / name, text.encode())
    return tuple(Document(out / name, text) for name, text in texts.items())


def document_bundle(
    bundle: Path, out: Path, *, finding: Path | None = None, rules: tuple[Path, ...] = ()
) -> list[tuple[Path, int]]:
    """Write the documents of a bundle on disk; for the command line.

    Parameters
    ----------
    bundle, out : Path
        Folders.
    finding : Path, optional
        The study's finding.json.
    rules : tuple of Path
        Folders of own rules, beside those shipped.

    Returns
    -------
    list of (Path, int)
        Each document, and how many places of it wait for a person.

    Raises
    ------
    InputError
        If something cannot be read or written.
    """
    from consilience.clinic.rules import load_rules
    from consilience.study.bundle import Bundle
    from consilience.study.finding import Finding

    known = None if finding is None else Finding.load(finding)
    written = write_documents(Bundle.load(bundle), known, load_rules(rules), out)
    return [(one.path, one.open_places) for one in written]


def _rendered(name: str, facts: Facts) -> str:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from consilience import __version__

    templates = Environment(
        loader=PackageLoader("consilience.clinic.documents", "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown; what comes from data goes through `cell`
    )
    templates.filters |= {"cell": cell, "interval": interval, "number": number}
    return templates.get_template(f"{name}.jinja").render(
        bundle=facts.bundle,
        manifest=facts.bundle.manifest,
        schema=facts.bundle.schema,
        finding=facts.finding,
        found=facts.found,
        rules=facts.rules,
        hazards=hazards(facts),
        version=__version__,
    )
