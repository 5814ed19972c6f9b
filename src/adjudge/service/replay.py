"""Replay: folding a log again, and holding what was decided then against what the same versions decide now.

The log says which versions decided from where on. Each is made again, so a replay goes through all of them, and what is
at hand today makes no difference.
"""

from __future__ import annotations

import functools
import itertools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from adjudge.engine.layers import Replayed
from adjudge.engine.plan import Plan
from adjudge.log import Log
from adjudge.log.codec import Again, CodecError, Events
from adjudge.log.segment import Part
from adjudge.service.activation import Activation, earlier_secret, fingerprint, secret_of
from adjudge.service.again import First
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.seated import guard_of
from adjudge.service.fold import RUN, Folder, part_of
from adjudge.service.follow import Follower, Told, active_at, nobody, state_at
from adjudge.service.personal.keys import Keys
from adjudge.service.personal.seal import Readable
from adjudge.service.record import Recorded
from adjudge.service.rekey.moved import stretches
from adjudge.service.resolver import NotRestoredError, Resolver
from adjudge.service.watches import failed
from adjudge.service.workspace import Workspace
from adjudge.typing import AnyArray, IntArray

log_ = logging.getLogger(__name__)

BODIES: frozenset[Part] = frozenset(("bodies",))
"""What is read of an event to tell whether it is readable."""

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
        Decisions: probability, score, action and reasons, compared as they are recorded.
    other_versions
        Decisions by versions of a system that cannot be made again here; they were folded and not compared.
    not_restored
        Which versions these are, and why.
    erased
        Events, and second decisions, of persons whose keys are destroyed; they were folded and can not be compared.
    archived
        Second decisions about events that were archived; what they were made from is not at hand.
    differences
        The first differences in words.
    """

    events: int = 0
    features_compared: int = 0
    features_differing: int = 0
    scores_compared: int = 0
    scores_differing: int = 0
    other_versions: int = 0
    erased: int = 0
    archived: int = 0
    not_restored: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def equal(self) -> bool:
        """True if nothing differs."""
        return not self.features_differing and not self.scores_differing


class Comparer(Folder):
    """Folds commits like `Folder`, and decides every event anew from its body to compare.

    Parameters
    ----------
    workspace
        The state before the first commit.
    resolver
        Makes the plans that were active.
    result
        Filled in.
    snapshots
        Folder of the log's snapshots.
    keys
        The keys of persons.
    run
        Events that are folded at a time.
    """

    def __init__(
        self,
        workspace: Workspace,
        resolver: Resolver,
        result: Replay,
        *,
        snapshots: Path | None = None,
        keys: Keys | None = None,
        run: int = RUN,
    ) -> None:
        super().__init__(workspace, run=run)
        self.result = result
        self._resolver = resolver
        self._snapshots = snapshots
        self._keys = keys
        self._sit()

    def activated(self, position: int, activation: Activation) -> None:
        """Decide as was decided from here on; a state that does not fit is folded from the log once more."""
        super().activated(position, activation)
        self._tell_lost(activation)
        plans = self._resolver.plans_of(activation.systems)
        if self.workspace.fits(plans):
            self.workspace.go_on_with(plans)
        else:
            log = self.workspace.log
            self.workspace = state_at(plans, log, position + 1, snapshots=self._snapshots, keys=self._keys)
        self._sit()

    def _sit(self) -> None:
        """Have those challengers run that ran then."""
        self.workspace.sit(self._resolver.seated(self.workspace.seats))

    def _tell_lost(self, activation: Activation) -> None:
        for active in (*activation.systems.values(), *(seat.active for seat in activation.challengers)):
            try:
                self._resolver.plan(active)
            except NotRestoredError as error:
                if str(error) not in self.result.not_restored:
                    self.result.not_restored.append(str(error))

    def events(self, first: int, block: Events) -> None:
        """Decide events that are logged at consecutive positions again, and compare."""
        workspace, result = self.workspace, self.result
        ids = block.ids.texts()
        then = workspace.made_of(first, block, ids)
        deciding = {s.name: s for s in workspace.deciding(block.stream)}
        other = [
            name for name, made in then.items() if name not in deciding or deciding[name].recorder_of(made.card) is None
        ]
        if deciding and not then:  # brought in as history, and never decided
            super().events(first, block)
            return
        if other:
            result.other_versions += len(other) * len(ids)
            super().events(first, block)
            return
        read = self._read(first, block, ids)
        at = 0
        for erased, run in itertools.groupby(read, key=lambda r: r.erased):
            bodies = [r.body for r in run]
            part = block if len(bodies) == len(block) else part_of(block, at, at + len(bodies))
            if erased:
                result.erased += len(bodies)
                super().events(first + at, part)
            else:
                self._decide_again(first + at, part, bodies)
            at += len(bodies)

    def _read(self, first: int, block: Events, ids: Sequence[str]) -> list[Readable]:
        """Return the bodies as they can be read now; `CodecError` names the position of one that is damaged."""
        read = []
        for position, (id_, body) in enumerate(zip(ids, block.bodies.all(), strict=True), first):
            try:
                read.append(self.workspace.vault.read(block.stream, id_, body))
            except CodecError as error:
                message = f"position {position}: {error}"
                raise CodecError(message) from None
        return read

    def again(self, first: int, block: Again) -> None:
        """Make second decisions again, from what the log keeps of the first, and compare."""
        workspace, then = self.workspace, Recorded.read_again(self.workspace.cards[block.made.card], block)
        running = workspace.systems.get(then.card.system)
        if running is None or running.recorder.card != then.card:
            self.result.other_versions += len(block)
        elif block.events().min() < workspace.log.begin().position:
            self.result.archived += len(block)
        elif len(readable := self._readable(block)):
            then = then.some(readable)
            guard = Replayed(then.records["layers"].T, functools.partial(failed, running.name))
            decisions = First.read(workspace, running, np.asarray(then.positions)).decide(running, guard)
            now = running.recorder.record(decisions, then.records["latency_ms"].tolist(), then.positions)
            _compare(self.result, then, now)
        super().again(first, block)

    def _readable(self, block: Again) -> IntArray:
        """Return which second decisions are about nobody who was erased, and count the others."""
        workspace, erased = self.workspace, np.zeros(len(block), np.bool_)
        positions = block.events().tolist()
        for (first, events), places in workspace.lookup.grouped(positions, BODIES):
            assert isinstance(events, Events)  # only what was decided is decided again
            for place in places:
                at = positions[place] - first
                body, id_ = events.bodies[at], block.ids.texts()[place]
                erased[place] = workspace.vault.read(block.stream, id_, body).erased
        self.result.erased += int(np.count_nonzero(erased))
        return np.flatnonzero(~erased)

    def _decide_again(self, first: int, block: Events, bodies: Sequence[bytes]) -> None:
        """Decide readable events again, by those who decided them then, and compare."""
        workspace, result = self.workspace, self.result
        door = workspace.door(block.stream)
        prepared = workspace.prepare(block.stream, [door.one(body) for body in bodies], first)
        then = workspace.made_of(first, block, prepared.ids)
        workspace.enter(prepared)
        guards = {
            guard_of(name, made.card.variant): Replayed(made.records["layers"].T, functools.partial(failed, name))
            for name, made in then.items()
        }
        for start, stop, made in workspace.decide(prepared, guards):
            result.events += (stop - start) * bool(made)
            positions = range(first + start, first + stop)
            for name, said in made.items():
                # how long somebody waited is no part of the decision
                latencies = then[name].records["latency_ms"][start:stop].tolist()
                for one in said:
                    now = one.recorder.record(one.decisions, one.of(latencies), one.of(positions))
                    old = then[name].part(start, stop)
                    _compare(result, old if one.whole else old.some(one.events), now)


def replay(
    plans: Sequence[Plan],
    log: Log,
    *,
    start: int = 0,
    stop: int | None = None,
    snapshots: Path | None = None,
    batch: int = RUN,
    keys: Keys | None = None,
    bundles: Bundles | None = None,
    earlier: Mapping[str, Sequence[Plan]] | None = None,
    told: Told = nobody,
) -> Replay:
    """Fold a log and compare every decision of a range in it with the one made now.

    Parameters
    ----------
    plans
        The systems at hand; what decided otherwise is made again from the log.
    log
        What they left behind.
    start, stop
        First position to compare, and one past the last; what lies before is folded, from a snapshot where there is
        one, and what was archived is left out. A commit that holds some of these positions is compared whole.
    snapshots
        Folder of the log's snapshots; None folds from the beginning.
    batch
        How many events are folded at a time; never changes a result.
    keys
        The keys of persons, where a stream has personal fields.
    bundles
        Where the models of earlier versions are.
    earlier
        The same systems compiled with the secrets of before each rekey, by fingerprint; what was hashed with one of
        them is compared with it.
    told
        Is told how far it has come.

    Raises
    ------
    DefinitionError
        If a part of the range was hashed with a secret that is not given, naming its fingerprint.
    """
    start = max(start, log.begin().position)
    result, end = Replay(), len(log) if stop is None else min(stop, len(log))
    known = {**(earlier or {}), fingerprint(secret_of(plans)): plans}
    for secret, first, after in stretches(log, secret_of(plans)):
        low, high = max(start, first), end if after is None else min(end, after)
        if low >= high:
            continue
        if secret not in known:
            raise earlier_secret(secret, low, high)
        resolver = Resolver(known[secret], None if bundles is None else bundles.under(secret_of(known[secret])))
        by = resolver.plans_of(active_at(log, snapshots, low))
        follower = Follower(by, log, snapshots, say=log_.warning, until=low, keys=keys)
        follower.catch_up(lambda done, _: told(done, end), stop=low)
        comparer = Comparer(follower.workspace, resolver, result, snapshots=snapshots, keys=keys, run=batch)
        for commit in log.read(follower.end.position, high):
            comparer.fold(commit)
            told(min(commit.stop, end), end)
        comparer.finish()
    return result


def _compare(result: Replay, then: Recorded, now: Recorded) -> None:
    if now.card != then.card:  # somebody else has decided
        result.scores_compared += len(now.records)
        result.scores_differing += len(now.records)
        who = [recorded.card.variant or "the champion" for recorded in (then, now)]
        _tell(result, f"event at {now.positions[0]}: decided by {who[0]} then, by {who[1]} now")
        return
    names = now.card.names
    old, new = np.ascontiguousarray(then.features).view(np.int64), now.features.view(np.int64)
    differing = old != new
    result.features_compared += differing.size
    result.features_differing += int(np.count_nonzero(differing))
    for i in np.flatnonzero(differing.any(axis=0)).tolist():
        which = ", ".join(names[k] for k in np.flatnonzero(differing[:, i])[:5])
        count = np.count_nonzero(differing[:, i])
        _tell(result, f"event at {now.positions[i]}: {count} features differ, such as {which}")
    result.scores_compared += len(now.records)
    for i in _unequal(then.records, now.records).tolist():
        result.scores_differing += 1
        a, b, actions = then.records[i], now.records[i], now.card.actions
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
