"""The networks of the deep methods; importing one needs the extra ``deep``."""
