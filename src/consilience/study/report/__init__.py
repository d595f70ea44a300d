"""A finding as a page for a clinician."""

from consilience.study.report.render import render_report

__all__ = ["render_report"]
