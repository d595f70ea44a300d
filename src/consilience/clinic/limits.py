"""How much a caller may send."""

from __future__ import annotations

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LARGEST_BODY = 32 * 2**20
MOST_DIGITS = 18  # of a length: Python reads no number of thousands of them


class TooLargeError(Exception):
    """More was sent than is read."""


class Limits:
    """Middleware that refuses bodies which are too large, or packed.

    A packed body can be a thousand times larger than it seems; nobody needs to pack
    what is sent here.

    Parameters
    ----------
    app : ASGI application
    largest : int
        Bytes.
    """

    def __init__(self, app: ASGIApp, largest: int = LARGEST_BODY) -> None:
        self.app, self.largest = app, largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it before anything of it is read."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = {name.lower(): value for name, value in scope["headers"]}
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            await _refuse(send, 415, "Send the body unpacked, without Content-Encoding.")
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > MOST_DIGITS or int(length) > self.largest:
            await _refuse(send, 413, f"At most {self.largest:,} bytes are read.")
            return
        await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
        seen, begun = 0, False

        async def counting() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > self.largest:
                raise TooLargeError
            return message

        async def watching(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, counting, watching)
        except TooLargeError:
            if not begun:
                await _refuse(send, 413, f"At most {self.largest:,} bytes are read.")


async def _refuse(send: Send, status: int, sentence: str) -> None:
    body = json.dumps({"error": sentence}).encode()
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
