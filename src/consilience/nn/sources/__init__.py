"""From modalities to the arrays that networks read; no torch here."""

from consilience.nn.sources.source import Reading, Source, source_for
from consilience.nn.sources.sources import Sources
from consilience.nn.sources.table import TableSource

__all__ = ["Reading", "Source", "Sources", "TableSource", "source_for"]
