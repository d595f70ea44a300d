"""When a model knows, and how surely: what a bundle carries to say so."""

from __future__ import annotations

from consilience.study.part import Part


class Reliability(Part):
    """What is needed to state uncertainty and to be silent; empty if the study did not learn it."""
