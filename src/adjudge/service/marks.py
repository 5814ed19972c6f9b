"""Labels, outcomes and retractions on their way in: they pass the same door as events."""

from __future__ import annotations

from typing import Any

from adjudge.define import Field, Schema
from adjudge.errors import InputError, did_you_mean
from adjudge.log import Kind
from adjudge.service.decode import Decoded, EventDecoder
from adjudge.service.workspace import Change, Workspace


def _door(what: str, value: bool = True) -> EventDecoder:
    """Return the decoder of labels, outcomes or retractions: they pass the same door as events."""
    fields = [Field("id", "id"), Field("stream", "category", optional=True)]
    if value:
        fields += [Field(what, "category", optional=True), Field("value", "boolean")]
    return EventDecoder(Schema(what, tuple(fields), id_field="id", time_field=""))


LABELS, OUTCOMES, RETRACTIONS = _door("label"), _door("outcome"), _door("retraction", value=False)
"""Decoders of what is said about earlier events."""


def one_or_many(door: EventDecoder, body: bytes, limit: int) -> Decoded:
    """Decode an array of items, or a single item as an array of one.

    Parameters
    ----------
    door
        Decodes one item.
    body
        The body of a request.
    limit
        Most items accepted.

    Raises
    ------
    InputError
        If there are more, or the body is neither.
    """
    if body.lstrip()[:1] != b"[":
        return Decoded([door.one(body)], [0], [])
    return door.many(body, limit)


def change_of(workspace: Workspace, kind: Kind, item: Any) -> Change | InputError:
    """Return the change that a decoded item means, with what it left out filled in.

    Parameters
    ----------
    workspace
        Knows streams, labels and outcomes.
    kind
        Label, outcome or retraction.
    item
        As `LABELS`, `OUTCOMES` or `RETRACTIONS` decoded it.
    """
    stream = item.stream
    if stream is None:
        decided = {s.plan.decides for s in workspace.systems.values()}
        if len(decided) != 1:
            message = f"stream is required, one of {', '.join(sorted(decided))}"
            return InputError(message, field="stream", code="missing_field")
        (stream,) = decided
    try:
        workspace.door(stream)
    except InputError as error:
        return error
    if kind == Kind.RETRACTION:
        return Change(kind, stream, item.id)
    systems = [s.plan.system for s in workspace.systems.values() if s.plan.decides == stream]
    if kind == Kind.LABEL:
        what, name = "label", item.label
        names = list(dict.fromkeys(s.label.name for s in systems if s.label))
    else:
        what, name = "outcome", item.outcome
        names = list(dict.fromkeys(o.name for s in systems for o in s.outcomes))
    if name is None and len(names) == 1:
        name = names[0]
    if name is None:
        message = f"{what} is required, one of {', '.join(names) or 'none: there is no such thing'}"
        return InputError(message, field=what, code="missing_field")
    if name not in names:
        message = f"stream {stream!r} has no {what} {name!r}{did_you_mean(name, names)}"
        return InputError(message, field=what, code=f"unknown_{what}")
    return Change(kind, stream, item.id, name, float(item.value))
