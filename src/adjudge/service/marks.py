"""Labels, outcomes and retractions on their way in: they pass the same door as events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from adjudge.define import Field, Label, Outcome, Schema
from adjudge.define.label import Truth, problem_with
from adjudge.errors import InputError, did_you_mean
from adjudge.log import Kind
from adjudge.service.decode import Decoded, EventDecoder
from adjudge.service.workspace import Change, Running, Workspace


def _door(what: str, value: bool = True) -> EventDecoder:
    """Return the decoder of labels, outcomes or retractions: they pass the same door as events."""
    fields = [Field("id", "id"), Field("stream", "category", optional=True)]
    if value:
        fields += [Field(what, "category", optional=True), Field("value", "boolean")]
    wider = {"value": Said} if what == "outcome" else {}
    return EventDecoder(Schema(what, tuple(fields), id_field="id", time_field=""), wider)


Said = bool | Annotated[str, msgspec.Meta(max_length=200)]
"""What an outcome may be said to be: so or not so, or one of its values."""

LABELS, OUTCOMES, RETRACTIONS = _door("label"), _door("outcome"), _door("retraction", value=False)
"""Decoders of what is said about earlier events."""


class WaitingChange(msgspec.Struct, omit_defaults=True):
    """One thing that was said about an event that has not come.

    Parameters
    ----------
    kind
        Label, outcome or retraction.
    stream, id
        The event.
    name
        The label or outcome; absent for a retraction.
    value
        What was said of it; absent for a retraction.
    """

    kind: str
    stream: str
    id: str
    name: str = ""
    value: bool | str | None = None


class Waiting(msgspec.Struct):
    """What waits for events that have not come.

    Parameters
    ----------
    waiting
        How many there are.
    changes
        The first of them.
    """

    waiting: int
    changes: list[WaitingChange]

    @classmethod
    def of(cls, workspace: Workspace, limit: int) -> Waiting:
        """Return what waits in a workspace, so many at most."""
        return cls(workspace.waiting, [_waiting(change) for change in workspace.waiting_changes[:limit]])


def _waiting(change: Change) -> WaitingChange:
    value = None if change.kind == Kind.RETRACTION else change.text or change.value == 1.0
    return WaitingChange(change.kind.name.lower(), change.stream, change.id, change.name, value)


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
        return Decoded([door.one(body)], [0], [], alone=True)
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
    systems = workspace.deciding(stream)
    what, name = ("label", item.label) if kind == Kind.LABEL else ("outcome", item.outcome)
    names = list(dict.fromkeys(truth.name for truth in _truths(systems, kind)))
    if name is None and len(names) == 1:
        name = names[0]
    if name is None:
        message = f"{what} is required, one of {', '.join(names) or 'none: there is no such thing'}"
        return InputError(message, field=what, code="missing_field")
    change = Change.saying(kind, stream, item.id, name, item.value)
    return unsayable(systems, change) or change


def unsayable(systems: Sequence[Running], change: Change) -> InputError | None:
    """Return why a label or outcome cannot be set, None if it can: some system must know it, and the value said of it.

    Parameters
    ----------
    systems
        Those that decide the change's stream.
    change
        What is to be set.
    """
    what = "label" if change.kind == Kind.LABEL else "outcome"
    known = _truths(systems, change.kind)
    meant = [truth for truth in known if truth.name == change.name]
    if not meant:
        hint = did_you_mean(change.name, [truth.name for truth in known])
        message = f"stream {change.stream!r} has no {what} {change.name!r}{hint}"
        return InputError(message, field=what, code=f"unknown_{what}")
    value: bool | str = change.text or bool(change.value)
    problems = [problem_with(truth, value) for truth in meant]
    if not all(problems):
        return None
    code = "unknown_value" if change.text and any(truth.values for truth in meant) else "wrong_type"
    return InputError(f"{what} {change.name!r} {problems[0]}", field="value", code=code)


def _truths(systems: Sequence[Running], kind: Kind) -> list[Truth]:
    """Return the labels, or the outcomes, that some systems know."""
    wanted = Label if kind == Kind.LABEL else Outcome
    return [truth for s in systems for truth in s.plan.system.truths.values() if isinstance(truth, wanted)]
