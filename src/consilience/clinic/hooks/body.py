"""The body of a call: JSON of a bounded size, plain, and readable to the end."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from consilience.clinic.hooks.refusal import Refusal

JSON_TYPE = re.compile(r"application/(?:[\w.-]+\+)?json\s*(?:;.*)?", re.IGNORECASE)
NOT_UTF8 = re.compile(r"charset\s*=\s*\"?(?!utf-?8\b)", re.IGNORECASE)
# What no database and no answer in JSON can hold: half a surrogate pair, a zero byte, and
# numbers too large for any; looked for in the text, because looking at every value is slow.
SUSPICIOUS = re.compile(rb"\\u(?:[dD][89a-fA-F]|0000)|[eE]\+?\d{3}|\d{300}")
ZERO_BYTE = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


async def read_body(headers: Mapping[str, str], chunks: AsyncIterator[bytes], most: int) -> bytes:
    """Read a body that may hold JSON.

    Parameters
    ----------
    headers : mapping of str to str
        Of the request, names in lower case.
    chunks : asynchronous iterator of bytes
        The body as it arrives; it is read no further than `most`.
    most : int
        Bytes.

    Raises
    ------
    Refusal
        413 if it is larger; 415 if it is compressed or of another type.
    """
    check_headers(headers, most)
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > most:
            raise _too_large(most)
    return bytes(body)


def check_headers(headers: Mapping[str, str], most: int) -> None:
    """Refuse what need not be read to be refused.

    Raises
    ------
    Refusal
        As `read_body`.
    """
    coding = headers.get("content-encoding", "identity").strip().lower()
    if coding not in ("", "identity"):
        # A few kilobytes can unpack to gigabytes; nobody gains from compressing a call.
        raise Refusal(
            415,
            "compressed bodies are not accepted; send plain JSON.",
            {"Accept-Encoding": "identity"},
        )
    kind = headers.get("content-type", "").strip()
    if not JSON_TYPE.fullmatch(kind) or NOT_UTF8.search(kind):
        raise Refusal(415, "the content type must be application/json, in UTF-8.")
    length = headers.get("content-length", "0")
    if length.isdecimal() and (len(length) > 18 or int(length) > most):
        raise _too_large(most)


def parsed(body: bytes) -> dict[str, Any]:
    """Return a JSON object.

    Raises
    ------
    Refusal
        400 if it is none.
    """
    try:
        told = plain_json(body)
    except (ValueError, RecursionError) as problem:
        raise Refusal(400, "the body is not JSON that can be read.") from problem
    if not isinstance(told, dict):
        raise Refusal(400, "the body must be a JSON object.")
    return told


def plain_json(text: bytes) -> Any:
    """Return what JSON in UTF-8 says, where a database and an answer can hold all of it.

    Raises
    ------
    ValueError, RecursionError
        If it is none, nests too deep, or holds what can be kept nowhere.
    """
    told = json.loads(text.decode("utf-8"), parse_constant=_not_json)
    if SUSPICIOUS.search(text):
        _writable(told)
    return told


def _writable(told: object) -> None:
    """Raise ValueError where it cannot be kept or sent back."""
    whole = json.dumps(told, ensure_ascii=False, allow_nan=False)
    whole.encode("utf-8")
    if ZERO_BYTE.search(whole):
        raise ValueError("a zero byte in a text")


def _not_json(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"the body is larger than {most // 2**20} MiB; send less of the record.")
