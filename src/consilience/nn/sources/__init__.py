"""From modalities to the arrays that networks read; no torch here."""

from consilience.nn.sources.bag import BagSource
from consilience.nn.sources.images import ImageSource
from consilience.nn.sources.source import Reading, Source, Survey, source_for
from consilience.nn.sources.sources import Sources
from consilience.nn.sources.table import TableSource

__all__ = [
    "BagSource",
    "ImageSource",
    "Reading",
    "Source",
    "Sources",
    "Survey",
    "TableSource",
    "source_for",
]
