"""What a workspace reads again from its log: fields, hashes and decisions of earlier events, in its own terms.

Entries are read in the rows of the schemas and with the secret that hold now, whatever held when they were written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.log.codec import Again, Events, Note, Table
from adjudge.log.segment import Part as Wanted
from adjudge.service import table
from adjudge.service.activation import Activation, SystemActivation, rows_from
from adjudge.service.card import Card
from adjudge.service.decode import EventStruct
from adjudge.service.record import Recorded
from adjudge.typing import FloatArray, HashArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Workspace

FIELDS: frozenset[Wanted] = frozenset(("fields",))
"""What is read of an event when something changes about it."""


def fields_at(workspace: Workspace, stream: str, positions: Sequence[int]) -> FloatArray:
    """Return the encoded fields of earlier events of one stream, one column each."""
    fields, at = np.empty((workspace.encoder(stream).width, len(positions))), np.asarray(positions)
    if stream in workspace.remains:
        kept = workspace.remains[stream].have(at)
        fields[:, kept] = workspace.remains[stream].take(at[kept])
        rest = np.flatnonzero(~kept)
    else:
        rest = np.arange(len(at))
    for (first, block), places in workspace.lookup.grouped(at[rest].tolist(), FIELDS):
        columns = rest[places]
        rows = at[columns] - first
        if isinstance(block, Events):
            fields[:, columns] = fields_of(workspace, first, block)[:, rows]
        else:
            assert isinstance(block, Table)
            part = np.empty((len(fields), len(rows)))
            workspace.encoder(stream).frame(workspace.lookup.frame(first, block)[rows.tolist()], part)
            fields[:, columns] = part
    return fields


def fields_of(workspace: Workspace, first: int, block: Events) -> FloatArray:
    """Return a block's fields in the rows of the schema as it is now, hashed with the secret of the plans."""
    fields, schema = block.matrix(), workspace.doors[block.stream].schema
    if block.schema != schema.digest:
        fields = rows_from(fields, workspace.layouts[block.schema], schema)
    if workspace.is_moved(first):
        row = workspace.encoder(block.stream).row
        fields = np.array(fields)
        hashes = fields.view(np.uint64)
        texts = [row[f.name] for f in schema if f.is_text and f.name != schema.id_field]
        hashes[texts] = workspace.moved_hashes(first, hashes[texts])
        hashes[row[schema.id_field]] = hash_texts(workspace.secret, TEXT_TAG, block.ids.texts())
    return fields


def hashes_in(workspace: Workspace, first: int, block: Events | Table, names: Sequence[str]) -> HashArray:
    """Return the keyed hashes of some text fields of logged events, one row a field.

    Parameters
    ----------
    first
        Position of the first.
    block
        As the log keeps them.
    names
        The fields.
    """
    encoder = workspace.encoder(block.stream)
    if isinstance(block, Events):
        fields = fields_of(workspace, first, block)
    else:
        fields = np.empty((encoder.width, len(block)))
        encoder.frame(table.decode(block.parquet), fields)
    row = encoder.row
    return np.ascontiguousarray(fields[[row[name] for name in names]]).view(np.uint64)


def is_at(workspace: Workspace, position: int, stream: str, event: EventStruct) -> bool:
    """Return whether an event is the one at a position of the log; of an erased one the encoded fields tell."""
    first, block = workspace.lookup.block(position)
    if isinstance(block, Table):
        return table.event(workspace.doors[stream], workspace.lookup.frame(first, block), position - first) == event
    assert isinstance(block, Events)
    i = position - first
    then = workspace.vault.read(stream, block.ids[i].decode(), block.bodies[i])
    if not then.erased:
        return workspace.doors[stream].one(then.body) == event
    rows = [workspace.prepare(stream, [event], position).fields, fields_at(workspace, stream, [position])]
    if workspace.is_moved(position):  # nobody can tell any more what a rekey would have made of what was erased
        row = workspace.encoder(stream).row
        rows = [np.delete(r, [row[name] for name in workspace.doors[stream].schema.personal_fields], 0) for r in rows]
    return rows[0].tobytes() == rows[1].tobytes()


def made_of(workspace: Workspace, first: int, block: Events, ids: Sequence[str]) -> dict[str, Recorded]:
    """Return what was decided about the events of a block, by system.

    Parameters
    ----------
    first
        Position of the first event.
    block
        The events.
    ids
        Their ids.
    """
    read = [Recorded.read(workspace.cards[made.card], ids, first, made) for made in block.made]
    if workspace.moved is not None and workspace.is_moved(first):
        read = [recorded.rehashed(workspace.moved.where_known) for recorded in read]
    return {recorded.card.system: recorded for recorded in read}


def second(workspace: Workspace, position: int) -> Recorded:
    """Return the second decision that stands at a position."""
    first, block = workspace.lookup.block(position)
    assert isinstance(block, Again)
    return Recorded.read_again(workspace.cards[block.made.card], block).some(np.array([position - first]))


def activation_of(workspace: Workspace, card: Card) -> SystemActivation:
    """Return the activation that a card was written with; `NotFoundError` if the log does not hold it any more."""
    _, note = workspace.lookup.block(workspace.activated[card.digest])
    assert isinstance(note, Note)
    activation = Activation.read(note)
    if not card.variant:
        return activation.systems[card.system]
    return next(seat.active for seat in activation.challengers if seat.active.card == card)
