"""Logs as lines of JSON, without anything of any patient.

Our own sentences name no patient. Other libraries quote what they were given: of theirs only
the fixed text is written, never the values put into it, and of an exception its kind and
where it came from, never its message.
"""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import IO, Any

OURS = "consilience"
PLAIN = ("uvicorn", "asyncio")  # their fixed texts say nothing of any request
DEEPEST = 12  # places of an exception that are named


class JsonLines(logging.Formatter):
    """One event, one line of JSON: time, level, logger, text, and an exception's places."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "at": at.replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": _text(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = record.exc_info[0].__name__
            line["places"] = _places(record.exc_info[2])
        return json.dumps(line, ensure_ascii=True)


def log_json(stream: IO[str], level: int = logging.INFO) -> logging.Handler:
    """Write all logs of this process to a stream as lines of JSON, in place of what was set.

    Parameters
    ----------
    stream : text file
    level : int
        For our own; other libraries are heard from warnings on.

    Returns
    -------
    logging.Handler
        To be removed again where that is wanted.
    """
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(OURS).setLevel(level)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [], name != "uvicorn.access"
    logging.captureWarnings(capture=True)
    return handler


def _text(record: logging.LogRecord) -> str:
    family = record.name.partition(".")[0]
    if family == OURS:
        return record.getMessage()
    if family in PLAIN and isinstance(record.msg, str):
        return record.msg.strip()
    return "(left out: another library's words may quote what it was given)"


def _places(trace: TracebackType | None) -> list[str]:
    frames = traceback.extract_tb(trace)[-DEEPEST:]
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in frames]
