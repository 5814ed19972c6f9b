"""Logs of operation: one line an event of operation on standard error, for people as text or for programs as JSON.

Every event has a stable id. No line holds a request's body or a value out of it: of an unexpected exception it is said
what and where it was, and not what it says, for that may quote what was being worked on.
"""

from __future__ import annotations

import logging
import secrets
import sys
import traceback
from datetime import UTC, datetime
from typing import Any

import msgspec

from adjudge.errors import AdjudgeError
from adjudge.service.tracing import trace_id

FORMATS = ("text", "json")
"""How lines may be written."""

LEVELS = ("debug", "info", "warning", "error")
"""What may be left out: everything below."""

INSTANCE = "urn:adjudge:incident:"
"""What stands before the id of a failure in a problem document."""

logger = logging.getLogger("adjudge")


class TextFormatter(logging.Formatter):
    """Time, level, event and message, then where an unexpected failure was."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line, and one more for each frame of a failure."""
        facts = facts_of(record)
        line = f"{facts['time']} {facts['level']} {facts['event']}: {facts['message']}"
        if "incident" in facts:
            line += f" (incident {facts['incident']})"
        if "trace_id" in facts:
            line += f" (trace {facts['trace_id']})"
        if "failure" in facts:
            line += f"\n  {facts['failure']}" + "".join(f"\n    at {frame}" for frame in facts["trace"])
        return line


class JsonFormatter(logging.Formatter):
    """The same as one JSON object, with the numbers and names that the message has in words."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        return msgspec.json.encode(facts_of(record), enc_hook=str).decode()


def facts_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return what a record says, by name.

    Examples
    --------
    >>> record = logging.makeLogRecord({"name": "adjudge", "msg": "took over", "event": "started", "created": 0.0})
    >>> facts_of(record)["event"], facts_of(record)["time"]
    ('started', '1970-01-01T00:00:00.000+00:00')
    """
    facts: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname.lower(),
        "event": getattr(record, "event", record.name.removeprefix("adjudge.")),
        "message": record.getMessage(),
        **getattr(record, "facts", {}),
    }
    if trace := trace_id():
        facts["trace_id"] = trace
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        said = f": {error}" if isinstance(error, AdjudgeError) else ""
        facts["failure"] = type(error).__name__ + said
        frames = traceback.extract_tb(error.__traceback__)
        facts["trace"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames]
    return facts


def configure(form: str, level: str) -> None:
    """Write what happens to standard error from here on.

    Parameters
    ----------
    form
        One of `FORMATS`.
    level
        One of `LEVELS`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    logger.handlers[:] = [handler]
    logger.setLevel(level.upper())
    logger.propagate = False


def say(text: str, event: str = "progress", **facts: Any) -> None:
    """Tell people what happens: as an event of operation where those are written, else as plain text.

    Parameters
    ----------
    text
        A sentence.
    event
        Stable id of what happens.
    facts
        What the sentence says, by name.
    """
    if logger.handlers:
        logger.info(text, extra={"event": event, "facts": facts})
    else:
        print(text, file=sys.stderr, flush=True)


def failed(instance: str) -> dict[str, Any]:
    """Return what a log record of a failure carries: its event, and the id that the answer has too."""
    return {"event": "request_failed", "facts": {"incident": instance.removeprefix(INSTANCE)}}


def incident() -> str:
    """Return a new id for a failure, to stand in the log and in the answer."""
    return secrets.token_hex(6)
