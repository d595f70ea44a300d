"""From a finding to one HTML file that needs nothing else."""

from __future__ import annotations

import os
from importlib.resources import files
from pathlib import Path

from markupsafe import Markup

from consilience.study.evidence import Evidence
from consilience.study.finding import Finding
from consilience.study.report.page import page_of
from consilience.study.report.theme import variables


def render_report(finding: Finding, evidence: Evidence, path: Path) -> None:
    """Write a finding as a page: no network, no script, light and dark, printable.

    Parameters
    ----------
    finding : Finding
    evidence : Evidence
        What the curves are drawn from; a candidate without scores has no curve.
    path : Path
        The HTML file; written whole or not at all.
    """
    whole = path.with_name(f".{path.name}.part")
    whole.write_text(html(finding, evidence), encoding="utf-8")
    os.replace(whole, path)


def html(finding: Finding, evidence: Evidence) -> str:
    """Return the page as text; the same text for the same finding."""
    import jinja2

    here = files("consilience.study.report")
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = environment.from_string((here / "template.html.jinja").read_text(encoding="utf-8"))
    style = (here / "style.css").read_text(encoding="utf-8")
    return template.render(
        page=page_of(finding, evidence), variables=Markup(variables()), style=Markup(style)
    )
