"""Forms as they were sent: read within limits, never trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from consilience.clinic.web.refusals import Refused

LARGEST = 24 * 1024 * 1024  # bytes of a whole form: a bundle of FHIR, sent back once as text
MOST_FIELDS = 200


@dataclass(frozen=True)
class Form:
    """What was filled in.

    Attributes
    ----------
    fields : mapping of str to str
    files : mapping of str to bytes
    """

    fields: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))

    def text(self, name: str, *, longest: int = 500) -> str:
        """Return a field without blanks around it, empty if it was not sent.

        Raises
        ------
        Refused
            If it is longer than `longest` characters.
        """
        value = self.fields.get(name, "").strip()
        if len(value) > longest:
            raise Refused(f"The field {name!r} may hold at most {longest:,} characters.")
        return value


async def read_form(request: Request) -> Form:
    """Read a form.

    Raises
    ------
    Refused
        If it is larger than `LARGEST`, tells no length, or is no form.
    """
    length = request.headers.get("content-length", "")
    if not length.isascii() or not length.isdigit():
        raise Refused("The form tells no length.", status=411)
    if int(length) > LARGEST:
        most = LARGEST // (1024 * 1024)
        raise Refused(f"This is too large: at most {most} MB are taken.", status=413)
    try:
        sent = await request.form(max_files=1, max_fields=MOST_FIELDS, max_part_size=LARGEST)
    except (HTTPException, ValueError) as reason:  # ValueError: the charset that it names
        raise _unreadable() from reason
    fields: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, value in sent.multi_items():
        if isinstance(value, UploadFile):
            files[name] = await value.read()
        else:
            fields[name] = value
    await sent.close()
    if not all(map(_is_text, (*fields, *fields.values()))):
        raise _unreadable()
    return Form(MappingProxyType(fields), MappingProxyType(files))


def _is_text(value: str) -> bool:
    """Return whether a database can hold it; some charsets give half a surrogate pair."""
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in value


def _unreadable() -> Refused:
    return Refused("The form could not be read. Open the page again and resend it.")
