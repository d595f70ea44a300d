"""Files of users' tables: one format a module, each giving a `Sheet` or modalities."""

__all__ = ()
