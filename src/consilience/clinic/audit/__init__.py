"""The audit log: append-only, hash-chained, on the disk before anything is shown."""

from consilience.clinic.audit.audit import Audit
from consilience.clinic.audit.entry import Entry, Head
from consilience.clinic.audit.reading import lines
from consilience.clinic.audit.verification import Verification, verify

__all__ = ["Audit", "Entry", "Head", "Verification", "lines", "verify"]
