"""Tracing: whether requests leave OpenTelemetry traces, and what is being traced at this moment.

Off unless the environment asks for it by OpenTelemetry's own variables; nothing of it is imported then, and what a
request pays is one comparison. What the spans are is in `adjudge.service.spans`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from adjudge.errors import InputError, UnavailableError

if TYPE_CHECKING:
    from adjudge.service.spans import Open, Traces

CURRENT: ContextVar[Open | None] = ContextVar("adjudge_span", default=None)
"""The span that what happens now belongs to: a request's, or a batch's."""

ADDRESSES = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""Variables with the address of a collector; either switches tracing on."""

PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
"""Variables with the protocol; the first that is set counts."""


def is_on(environ: Mapping[str, str]) -> bool:
    """Return whether the environment asks for traces.

    Parameters
    ----------
    environ
        Environment variables.

    Raises
    ------
    InputError
        If it asks for an exporter or a protocol that there is not.

    Examples
    --------
    >>> is_on({}), is_on({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"})
    (False, True)
    >>> is_on({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_TRACES_EXPORTER": "none"})
    False
    """
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    asked = exporter == "otlp" or any(environ.get(name) for name in ADDRESSES)
    if not asked or exporter == "none" or environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if exporter not in ("", "otlp"):
        message = f"OTEL_TRACES_EXPORTER must be otlp or none, not {exporter!r}"
        raise InputError(message, field="OTEL_TRACES_EXPORTER")
    for name in PROTOCOLS:
        if environ.get(name):
            if environ[name] != "http/protobuf":
                message = f"{name} must be http/protobuf, not {environ[name]!r}"
                raise InputError(message, field=name)
            break
    return True


@contextmanager
def opened(environ: Mapping[str, str] | None = None) -> Iterator[Traces | None]:
    """Yield what makes spans and sends them to a collector, None where the environment does not ask for it.

    Parameters
    ----------
    environ
        Environment variables that switch it on or off; those of this process where absent. Addresses, headers, limits
        and sampling are read by OpenTelemetry's own software from this process.

    Raises
    ------
    InputError
        As `is_on` does.
    UnavailableError
        If OpenTelemetry is not installed.
    """
    if not is_on(os.environ if environ is None else environ):
        yield None
        return
    try:
        from adjudge.service.spans import exporting
    except ImportError:
        message = "the environment asks for traces, which need OpenTelemetry: pip install 'adjudge[otel]'"
        raise UnavailableError(message) from None
    traces = exporting()
    try:
        yield traces
    finally:
        traces.close()


def trace_id() -> str:
    """Return the id of the trace that what happens now belongs to; empty where there is none."""
    current = CURRENT.get()
    return "" if current is None else current.trace_id
