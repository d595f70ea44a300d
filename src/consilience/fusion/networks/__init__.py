"""The networks of the deep methods; importing one needs the extra ``deep``."""

__all__: list[str] = []
