"""Folding commits into a workspace: the same for a service that starts, a standby, a replay and a snapshot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjudge.log import Commit, Kind
from adjudge.log.codec import Again, Block, Changes, Events, Made, Note, Table, Texts, blocks_of
from adjudge.service.access.ledger import Act
from adjudge.service.activation import Activation
from adjudge.service.personal.erasure import Erasure
from adjudge.service.rekey.entry import Rekey
from adjudge.service.workspace import Change, Workspace

RUN = 2048
"""Events that are folded at a time: small commits in a row are folded together, which changes no result."""


class Folder:
    """Folds commits into a workspace, in order, without deciding anything again.

    Events of neighbouring commits are collected and folded together, so the state lags behind until `finish`.

    Parameters
    ----------
    workspace
        What the commits are folded into.
    run
        Events that are folded at a time; never changes a result.
    """

    def __init__(self, workspace: Workspace, *, run: int = RUN) -> None:
        self.workspace = workspace
        self._most = run
        self._run: list[tuple[int, Events]] = []
        self._events = 0

    def fold(self, commit: Commit) -> None:
        """Fold one commit."""
        for first, block in blocks_of(commit):
            self.block(first, block, commit.received_at)

    def all(self, first: int, blocks: Sequence[Events]) -> None:
        """Fold all of some events, the first of which stands at a position."""
        for block in blocks:
            self.block(first, block, 0)
            first += len(block)
        self.finish()

    def block(self, first: int, block: Block, received_at: int) -> None:
        """Fold the entries of one block, the first of which stands at a position."""
        if not isinstance(block, Events):
            self.finish()
            if isinstance(block, Again):
                self.again(first, block)
            else:
                self._other(first, block, received_at)
            return
        if self._run and not _alike(self._run[0][1], block):
            self.finish()
        self._run.append((first, block))
        self._events += len(block)
        if self._events >= self._most:
            self.finish()

    def finish(self) -> None:
        """Fold what is still collected."""
        if self._run:
            first, block = self._run[0][0], _joined([block for _, block in self._run])
            self._run, self._events = [], 0
            self.events(first, block)

    def events(self, first: int, block: Events) -> None:
        """Fold events that are logged at consecutive positions."""
        prepared = self.workspace.prepare_again(first, block)
        self.workspace.enter(prepared)
        self.workspace.refold(prepared, self.workspace.made_of(first, block, prepared.ids))

    def again(self, first: int, block: Again) -> None:
        """Fold second decisions, the first of which stands at a position."""
        self.workspace.decided_again(first, block)

    def activated(self, position: int, activation: Activation) -> None:
        """Fold what says who decides from here on; the state does not depend on it."""
        self.workspace.activate(position, activation)

    def _other(self, first: int, block: Block, received_at: int) -> None:
        workspace = self.workspace
        if isinstance(block, Changes):
            workspace.change(changes_of(block))
        elif isinstance(block, Table):
            frame = workspace.lookup.frame(first, block)
            ids = frame[workspace.door(block.stream).schema.id_field].cast(str).to_list()
            workspace.insert(first, block.stream, frame, ids, workspace.prepare_table(first, block.stream, frame))
        elif isinstance(block, Note) and block.kind == Kind.ACTIVATION:
            self.activated(first, Activation.read(block))
        elif isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
            workspace.management.apply(Act.read(first, received_at, block))
        elif isinstance(block, Note) and block.kind == Kind.ERASURE:
            workspace.erase(first, Erasure.read(block))
        elif isinstance(block, Note) and block.kind == Kind.REKEY:
            workspace.rekey(first, Rekey.read(block))


def changes_of(block: Changes) -> list[Change]:
    """Return the changes of a block one by one."""
    kind = Kind(block.kind)
    ids = block.ids.texts()
    if kind == Kind.RETRACTION:
        return [Change(kind, block.stream, id_) for id_ in ids]
    values = np.frombuffer(block.values, "<f8").tolist()
    texts = block.texts or [""] * len(ids)
    return [Change(kind, block.stream, *said) for said in zip(ids, block.names, values, texts, strict=True)]


def _alike(a: Events, b: Events) -> bool:
    """Whether two blocks can be folded as one."""
    same = a.stream == b.stream and a.schema == b.schema
    return same and [m.card for m in a.made] == [m.card for m in b.made]


def _joined(blocks: Sequence[Events]) -> Events:
    """Return blocks that are alike as one."""
    if len(blocks) == 1:
        return blocks[0]
    first = blocks[0]
    made = []
    for i, one in enumerate(first.made):
        parts = [block.made[i] for block in blocks]
        sizes = [len(block) for block in blocks]
        columns = [np.frombuffer(p.features, "<f8").reshape(-1, n) for p, n in zip(parts, sizes, strict=True)]
        made.append(type(one)(one.card, b"".join(p.records for p in parts), np.hstack(columns).tobytes()))
    return Events(
        first.stream,
        first.schema,
        Texts.join([block.ids for block in blocks]),
        Texts.join([block.bodies for block in blocks]),
        np.hstack([block.matrix() for block in blocks]).tobytes(),
        made,
    )


def part_of(block: Events, start: int, stop: int) -> Events:
    """Return some of a block's events as a block of their own."""
    made = []
    for one in block.made:
        size = len(one.records) // len(block)
        columns = np.frombuffer(one.features, "<f8").reshape(-1, len(block))[:, start:stop]
        made.append(Made(one.card, one.records[start * size : stop * size], columns.tobytes()))
    return Events(
        block.stream,
        block.schema,
        Texts.pack(block.ids.all()[start:stop]),
        Texts.pack(block.bodies.all()[start:stop]),
        block.matrix()[:, start:stop].tobytes(),
        made,
    )
