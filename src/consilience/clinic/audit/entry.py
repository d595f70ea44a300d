"""One entry of the audit log, and how it is chained to the one before."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from consilience.errors import InputError


@dataclass(frozen=True)
class Entry:
    """Something that was shown, done or answered.

    Attributes
    ----------
    seq : int
        1, 2, 3 ...: the order, whatever the clock says.
    at : str
        When, by the clock; UTC.
    tenant, who, action : str
    patient, model : str or None
        A patient's id; the fingerprint of a model.
    detail : dict
        Further facts, as JSON holds them.
    previous : str
        The hash of the entry before; of the first, what `genesis` says.
    hash : str
        SHA-256 of all of the above.
    """

    seq: int
    at: str
    tenant: str
    who: str
    action: str
    patient: str | None = field(repr=False)
    model: str | None
    detail: dict[str, Any] = field(repr=False)
    previous: str
    hash: str = ""

    def computed(self) -> str:
        """Return the hash that the entry must have."""
        content = {name: value for name, value in asdict(self).items() if name != "hash"}
        return hashlib.sha256(canonical(content).encode("ascii")).hexdigest()


@dataclass(frozen=True)
class Head:
    """The newest entry, to be kept elsewhere: what `verify` compares with.

    Attributes
    ----------
    seq : int
        How many entries there were.
    hash : str
        The hash of the last.
    """

    seq: int
    hash: str

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}"

    @classmethod
    def read(cls, text: str) -> Self:
        """Read a head as `str` writes it.

        Raises
        ------
        InputError
            If it is none.
        """
        found = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64})", text.strip())
        if found is None:
            raise InputError(
                f"{text.strip()[:80]!r} is no head of an audit log; it is a number, a colon and "
                "64 hexadecimal digits, as 'consilience clinic audit head' prints it."
            )
        return cls(int(found[1]), found[2])


def canonical(content: Any) -> str:
    """Return JSON that is the same for the same content: keys in order, ASCII, no spaces."""
    return json.dumps(
        content, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False
    )


def genesis(database: str) -> str:
    """Return what the first entry follows: a hash of the database's own id."""
    return hashlib.sha256(f"consilience audit log of database {database}".encode()).hexdigest()
