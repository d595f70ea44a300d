"""Multimodal biomedical AI: evidence from independent sources, one conclusion."""

__version__ = "0.1.0"

__all__ = ["__version__"]
