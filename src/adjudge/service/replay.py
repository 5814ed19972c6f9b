"""Replay: folding a log again, and holding what was decided then against what the same plans decide now."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import msgspec
import numpy as np

from adjudge.engine.decision import Decisions
from adjudge.engine.plan import Plan
from adjudge.errors import UnavailableError
from adjudge.log import Entry, Kind, Log
from adjudge.service import table
from adjudge.service.record import StoredAnswer
from adjudge.service.workspace import Change, Workspace

Watch = Callable[[Sequence[Entry], dict[str, Decisions]], None]
"""Is shown the entries of a stretch and what each system decides about them now."""

SHOWN = 20
"""How many differences are described; all are counted."""


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
        Decisions: probability, score, action and reasons, compared as they were answered.
    differences
        The first differences in words.
    """

    events: int = 0
    features_compared: int = 0
    features_differing: int = 0
    scores_compared: int = 0
    scores_differing: int = 0
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True if nothing differs."""
        return not self.features_differing and not self.scores_differing


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

    Raises
    ------
    UnavailableError
        If the log was made by systems with other versions.
    """
    result = Replay()
    workspace = Workspace(plans, log)
    decode = msgspec.json.Decoder(StoredAnswer).decode

    def compare(entries: Sequence[Entry], made: dict[str, Decisions]) -> None:
        result.events += len(entries) * bool(made)
        for name, decisions in made.items():
            running = workspace.systems[name]
            recorder = running.recorder
            answers = recorder.answers(decisions, [0.0] * len(entries))
            for entry, answer, bits in zip(entries, answers, recorder.features(decisions), strict=True):
                record, features = workspace.share(running, entry.decided, entry.features)
                _compare_features(result, entry, recorder.names, features, bits)
                _compare_answers(result, entry, decode(record), decode(answer))

    fold_log(workspace, log, batch=batch, watch=compare)
    return result


def fold_log(workspace: Workspace, log: Log, *, batch: int = 512, watch: Watch | None = None) -> None:
    """Fold every entry of a log into a new workspace.

    Parameters
    ----------
    workspace
        A workspace that has seen nothing.
    log
        Read from its beginning.
    batch
        How many events are folded at a time; never changes a result.
    watch
        Is shown what was decided.

    Raises
    ------
    UnavailableError
        If the log was made by systems with other versions.
    """
    for (kind, stream), run in groupby(log.read(), key=lambda entry: (entry.kind, entry.stream)):
        for entries in _pieces(run, batch):
            if kind == Kind.EVENT:
                _fold_events(workspace, stream, entries, watch)
            elif kind == Kind.TABLE:
                for entry in entries:
                    frame = table.decode(entry.body)
                    schema = workspace.door(stream).schema
                    ids = frame[schema.id_field].cast(str).to_list()
                    workspace.insert(entry, frame, ids, workspace.prepare_table(entry, frame))
            elif kind == Kind.ACTIVATION:
                _check_versions(workspace, entries[-1])
            else:
                workspace.change([_change(entry) for entry in entries])


def _pieces(run: Iterator[Entry], size: int) -> Iterator[list[Entry]]:
    piece: list[Entry] = []
    for entry in run:
        piece.append(entry)
        if len(piece) == size:
            yield piece
            piece = []
    if piece:
        yield piece


def _fold_events(workspace: Workspace, stream: str, entries: Sequence[Entry], watch: Watch | None) -> None:
    door = workspace.door(stream)
    events = [door.one(entry.body) for entry in entries]
    for start, stop, made in workspace.decide(workspace.prepare(stream, events, entries[0].seq)):
        if watch is not None:
            watch(entries[start:stop], made)


def _change(entry: Entry) -> Change:
    content = msgspec.json.decode(entry.body)
    return Change(entry.kind, entry.stream, entry.id, content.get("name", ""), float(content.get("value", False)))


def _check_versions(workspace: Workspace, entry: Entry) -> None:
    written = msgspec.json.decode(entry.body)
    now = {name: dict(s.plan.versions) for name, s in workspace.systems.items()}
    if written != now:
        parts = sorted(
            f"{name}.{part}"
            for name in {*written, *now}
            for part in {*written.get(name, {}), *now.get(name, {})}
            if written.get(name, {}).get(part) != now.get(name, {}).get(part)
        )
        message = f"the log was made by other versions than these: {', '.join(parts)} differ"
        raise UnavailableError(message)


def _compare_features(result: Replay, entry: Entry, names: Sequence[str], then: bytes, now: bytes) -> None:
    result.features_compared += len(names)
    if then == now:
        return
    old, new = np.frombuffer(then, np.int64), np.frombuffer(now, np.int64)
    differing = np.flatnonzero(old != new) if len(old) == len(new) else np.arange(len(names))
    result.features_differing += len(differing)
    which = ", ".join(names[i] for i in differing[:5])
    _tell(result, f"event at {entry.seq}: {len(differing)} features differ, such as {which}")


def _compare_answers(result: Replay, entry: Entry, then: StoredAnswer, now: StoredAnswer) -> None:
    result.scores_compared += 1
    now.latency_ms = then.latency_ms  # how long somebody waited is not part of the decision
    if then != now:
        result.scores_differing += 1
        _tell(
            result,
            f"event at {entry.seq}: decided {then.decision} ({then.probability}) then, "
            f"{now.decision} ({now.probability}) now",
        )


def _tell(result: Replay, difference: str) -> None:
    if len(result.differences) < SHOWN:
        result.differences.append(difference)
