"""Replay: folding a log again, and holding what was decided then against what the same plans decide now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.engine.plan import Plan
from adjudge.log import Commit, Kind, Log
from adjudge.log.codec import Block, Changes, Events, Note, Table, Texts, blocks_of
from adjudge.service.access.ledger import Act
from adjudge.service.activation import Activation
from adjudge.service.record import Recorded
from adjudge.service.workspace import Change, Workspace
from adjudge.typing import AnyArray

SHOWN = 20
"""How many differences are described; all are counted."""

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
            if isinstance(block, Events):
                if self._run and not _alike(self._run[0][1], block):
                    self.finish()
                self._run.append((first, block))
                self._events += len(block)
                if self._events >= self._most:
                    self.finish()
            else:
                self.finish()
                self._other(first, block, commit.received_at)

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

    def _other(self, first: int, block: Block, received_at: int) -> None:
        workspace = self.workspace
        if isinstance(block, Changes):
            workspace.change(changes_of(block))
        elif isinstance(block, Table):
            frame = workspace.lookup.frame(first, block)
            ids = frame[workspace.door(block.stream).schema.id_field].cast(str).to_list()
            workspace.insert(first, block.stream, frame, ids, workspace.prepare_table(first, block.stream, frame))
        elif isinstance(block, Note) and block.kind == Kind.ACTIVATION:
            workspace.activate(Activation.read(block))
        elif isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
            workspace.management.apply(Act.read(first, received_at, block))


@dataclass
class Replay:
    """What a replay compared and found.

    Parameters
    ----------
    events
        Decided events that were folded again.
    features_compared, features_differing
        Single feature values, compared bit by bit.
    scores_compared, scores_differing
        Decisions: probability, score, action and reasons, compared as they are recorded.
    other_versions
        Decisions by versions of a system that are not at hand; they were folded and not compared.
    differences
        The first differences in words.
    """

    events: int = 0
    features_compared: int = 0
    features_differing: int = 0
    scores_compared: int = 0
    scores_differing: int = 0
    other_versions: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True if nothing differs."""
        return not self.features_differing and not self.scores_differing


class Comparer(Folder):
    """Folds commits like `Folder`, and decides every event anew from its body to compare."""

    def __init__(self, workspace: Workspace, *, run: int = RUN) -> None:
        super().__init__(workspace, run=run)
        self.result = Replay()

    def events(self, first: int, block: Events) -> None:
        """Decide events that are logged at consecutive positions again, and compare."""
        workspace, result = self.workspace, self.result
        ids = [id_.decode() for id_ in block.ids.all()]
        then = workspace.made_of(first, block, ids)
        deciding = {s.name: s for s in workspace.deciding(block.stream)}
        result.other_versions += sum(
            len(ids) for name, made in then.items() if name not in deciding or made.card != deciding[name].recorder.card
        )
        if any(name not in deciding or made.card != deciding[name].recorder.card for name, made in then.items()):
            super().events(first, block)
            return
        door = workspace.door(block.stream)
        prepared = workspace.prepare(block.stream, [door.one(body) for body in block.bodies.all()], first)
        workspace.enter(prepared)
        for start, stop, made in workspace.decide(prepared):
            result.events += (stop - start) * bool(made)
            for name, decisions in made.items():
                # how long somebody waited is no part of the decision
                latencies = then[name].records["latency_ms"][start:stop].tolist()
                now = deciding[name].recorder.record(decisions, latencies, range(first + start, first + stop))
                _compare(result, then[name], now, start)


def replay(plans: Sequence[Plan], log: Log, *, batch: int = 512) -> Replay:
    """Fold a log from its beginning and compare every decision in it with the one made now.

    Parameters
    ----------
    plans
        The systems that decided.
    log
        What they left behind.
    batch
        How many events are folded at a time; never changes a result.
    """
    comparer = Comparer(Workspace(plans, log), run=batch)
    for commit in log.read():
        comparer.fold(commit)
    comparer.finish()
    return comparer.result


def changes_of(block: Changes) -> list[Change]:
    """Return the changes of a block one by one."""
    kind = Kind(block.kind)
    ids = [id_.decode() for id_ in block.ids.all()]
    if kind == Kind.RETRACTION:
        return [Change(kind, block.stream, id_) for id_ in ids]
    values = np.frombuffer(block.values, "<f8").tolist()
    return [
        Change(kind, block.stream, id_, name, value) for id_, name, value in zip(ids, block.names, values, strict=True)
    ]


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
        Texts.pack([id_ for block in blocks for id_ in block.ids.all()]),
        Texts.pack([body for block in blocks for body in block.bodies.all()]),
        np.hstack([block.matrix() for block in blocks]).tobytes(),
        made,
    )


def _compare(result: Replay, then: Recorded, now: Recorded, start: int) -> None:
    stop = start + len(now.records)
    names = now.card.names
    old, new = then.features[:, start:stop].view(np.int64), now.features.view(np.int64)
    differing = old != new
    result.features_compared += differing.size
    result.features_differing += int(np.count_nonzero(differing))
    for i in np.flatnonzero(differing.any(axis=0)).tolist():
        which = ", ".join(names[k] for k in np.flatnonzero(differing[:, i])[:5])
        count = np.count_nonzero(differing[:, i])
        _tell(result, f"event at {now.positions[i]}: {count} features differ, such as {which}")
    result.scores_compared += len(now.records)
    for i in _unequal(then.records[start:stop], now.records).tolist():
        result.scores_differing += 1
        a, b, actions = then.records[start + i], now.records[i], now.card.actions
        _tell(
            result,
            f"event at {now.positions[i]}: decided {actions[a['action']]} ({a['p']}) then, "
            f"{actions[b['action']]} ({b['p']}) now",
        )


def _unequal(a: AnyArray, b: AnyArray) -> AnyArray:
    """Return which records differ in any bit."""
    rows = [np.frombuffer(x.tobytes(), np.uint8).reshape(len(x), -1) for x in (a, b)]
    return np.flatnonzero((rows[0] != rows[1]).any(axis=1))


def _tell(result: Replay, difference: str) -> None:
    if len(result.differences) < SHOWN:
        result.differences.append(difference)
