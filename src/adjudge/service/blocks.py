"""Blocks of events as the log keeps them, made of what is ready to be folded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from adjudge.log.codec import Events, Texts
from adjudge.service import table
from adjudge.service.challengers.sheet import Run
from adjudge.service.decode import EventDecoder
from adjudge.service.record import Recorded
from adjudge.service.workspace import Prepared, Running, Workspace

if TYPE_CHECKING:
    from adjudge.engine.batch import Batch

ROWS = 4096
"""Rows of a table that become one block."""

BLOCKS = 25
"""Blocks of one commit, so that none becomes larger than a database takes."""


def block_of(
    door: EventDecoder, prepared: Prepared, bodies: Sequence[bytes], decided: Mapping[str, Recorded]
) -> Events:
    """Return events as the log keeps them.

    Parameters
    ----------
    door
        Decoder of their stream.
    prepared, bodies
        The events, ready to be folded and as `Workspace.seal` writes them.
    decided
        What each system decided, by name; empty for a stream that is only kept.
    """
    return Events(
        stream=prepared.stream,
        schema=door.schema.digest,
        ids=Texts.pack([id_.encode() for id_ in prepared.ids]),
        bodies=Texts.pack(bodies),
        fields=prepared.fields.tobytes(),
        made=[recorded.made() for recorded in decided.values()],
    )


def blocks_of_runs(
    door: EventDecoder, prepared: Prepared, bodies: Sequence[bytes], runs: Sequence[Run]
) -> list[Events]:
    """Return events as the log keeps them, one block for each run that the same versions decided.

    Parameters
    ----------
    door, prepared, bodies
        As for `block_of`.
    runs
        See `adjudge.service.challengers.sheet.Sheet.runs`.
    """
    if len(runs) == 1:
        return [block_of(door, prepared, bodies, runs[0][2])]
    blocks = []
    for start, stop, decided in runs:
        part = Prepared(
            prepared.stream, prepared.ids[start:stop], prepared.first + start, prepared.fields[:, start:stop], []
        )
        blocks.append(block_of(door, part, bodies[start:stop], decided))
    return blocks


def sealed_table(
    workspace: Workspace, stream: str, first: int, frame: Any, batches: Sequence[tuple[Running, Batch]]
) -> Iterator[list[Events]]:
    """Yield a table's events one by one instead of as a table, a commit at a time: their personal values are sealed.

    Parameters
    ----------
    workspace
        Seals them.
    stream, first
        Their stream, and the position of the first.
    frame
        The table.
    batches
        What `Workspace.prepare_table` has made of it.
    """
    door, (running, batch) = workspace.doors[stream], batches[0]
    fields = batch.matrix[: running.plan.stream(stream).encoder.width]
    blocks: list[Events] = []
    for start in range(0, frame.height, ROWS):
        events = table.events(door, frame[start : start + ROWS])
        stop = start + len(events)
        ids = [getattr(event, door.schema.id_field) for event in events]
        part = Prepared(stream, ids, first + start, fields[:, start:stop], [])
        blocks.append(block_of(door, part, workspace.seal(part, events), {}))
        if len(blocks) == BLOCKS or stop == frame.height:
            yield blocks
            blocks = []
