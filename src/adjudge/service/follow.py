"""Following a log: the newest good snapshot, then every commit since, as often as there are new ones.

A service that starts, a standby that waits for its turn and whoever makes snapshots all do just this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from adjudge.engine.plan import Plan
from adjudge.log import End, Kind, Log
from adjudge.log.codec import Events, Note, blocks_of
from adjudge.log.scan import scan
from adjudge.log.segment import Part
from adjudge.service import snapshot
from adjudge.service.activation import Activation, Seat, SystemActivation
from adjudge.service.fold import Folder, part_of
from adjudge.service.personal.keys import Keys
from adjudge.service.rekey.entry import Rekey
from adjudge.service.rekey.moved import moved_to
from adjudge.service.snapshot import SnapshotError
from adjudge.service.workspace import Workspace

Told = Callable[[int, int], None]
"""Is told how far folding has come: positions done, and positions in all."""


def nobody(done: int, total: int) -> None:
    """Is told and does nothing."""


FOLDED: frozenset[Part] = frozenset(("fields", "records"))
"""What folding reads of events, beside their ids."""


class Follower:
    """The state that a log has built up, and how far it has been folded.

    Parameters
    ----------
    plans
        The compiled systems.
    log
        The log; only read.
    snapshots
        Folder of its snapshots; None if there are none.
    say
        Is told, in a sentence, of every snapshot that could not be used.
    until
        Leave out snapshots that were made after this position; None takes the newest.
    keys
        The keys of persons, where a stream has personal fields.

    Attributes
    ----------
    restored
        Position of the snapshot that it began with; where the log began, if there was none.
    saved
        The same, or that of the snapshot that it has written last.

    Raises
    ------
    SnapshotError
        If the beginning of the log was archived and no snapshot reaches back to it.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        log: Log,
        snapshots: Path | None = None,
        *,
        say: Callable[[str], None],
        until: int | None = None,
        keys: Keys | None = None,
    ) -> None:
        self.log = log
        self._snapshots, self._say, self._keys = snapshots, say, keys
        self.workspace, self.end = _start(plans, log, snapshots, say, until, keys)
        self.restored = self.saved = self.end.position
        self._folder = Folder(self.workspace)

    def catch_up(self, told: Told = nobody, *, stop: int | None = None) -> int:
        """Fold what the log has more by now, and return how many positions that was.

        Parameters
        ----------
        told
            Is told how far it has come.
        stop
            Leave out the commits that end after this position; None folds all.

        Raises
        ------
        LogError
            If the log is damaged: what was changed in it must not find its way into decisions.
        """
        first, total = self.end.position, len(self.log) if stop is None else stop
        for stretch in scan(self.log, first, stop, FOLDED, after=self.end.link):
            self._folder.block(stretch.first, stretch.block, stretch.received_at)
            if stretch.end is not None:
                self.end = stretch.end
                told(self.end.position, total)
        self._folder.finish()
        return self.end.position - first

    def become(self, plans: Sequence[Plan], told: Told = nobody) -> None:
        """Go on with other plans: over the same state where it fits them, else over one that is folded anew.

        Parameters
        ----------
        plans
            All systems from here on.
        told
            Is told how far folding has come.
        """
        systems = self.workspace.systems
        if {plan.system.name for plan in plans} == systems.keys() and self.workspace.fits(plans):
            self.workspace.go_on_with(plans)
            return
        other = Follower(plans, self.log, self._snapshots, say=self._say, keys=self._keys)
        other.catch_up(told)
        self.workspace, self.end, self._folder = other.workspace, other.end, Folder(other.workspace)

    def snapshot(self, folder: Path) -> Path:
        """Write a snapshot of the state as it is, and return its directory."""
        made = snapshot.save(self.workspace, self.end, folder)
        self.saved = self.end.position
        return made


NOTES: frozenset[Part] = frozenset()
"""What is read of events where only entries beside them are looked for."""


def state_at(
    plans: Sequence[Plan],
    log: Log,
    position: int,
    *,
    snapshots: Path | None = None,
    keys: Keys | None = None,
    told: Told = nobody,
) -> Workspace:
    """Return the workspace as it was just before a position of the log.

    Parameters
    ----------
    plans
        The systems whose state is meant.
    log, snapshots, keys, told
        See `Follower`.
    position
        Any; it may lie inside a commit.
    """
    follower = Follower(plans, log, snapshots, say=quiet, until=position, keys=keys)
    follower.catch_up(told, stop=position)
    folder = Folder(follower.workspace)
    for commit in log.read(follower.end.position, position):  # the one that holds it, if others come before it there
        for first, block in blocks_of(commit):
            if first >= position:
                break
            if isinstance(block, Events) and first + len(block) > position:
                block = part_of(block, 0, position - first)
            folder.block(first, block, commit.received_at)
    folder.finish()
    return follower.workspace


@dataclass(frozen=True)
class Last:
    """What decided last in a stretch of a log.

    Parameters
    ----------
    active
        The systems, by name.
    activated
        Position of the last activation of each card, by its digest.
    secret
        Fingerprint of the workspace's secret; empty if nothing was activated.
    seats
        The challengers that run.
    """

    active: dict[str, SystemActivation]
    activated: dict[str, int]
    secret: str
    seats: list[Seat]

    @classmethod
    def before(cls, log: Log, snapshots: Path | None, position: int) -> Last:
        """Return what decided just before a position; needs no plan and folds nothing.

        Parameters
        ----------
        log
            The log.
        snapshots
            Folder of its snapshots: only what came after one has to be read.
        position
            Any.
        """
        facts, end = snapshot.newest(log, snapshots, until=position)
        active, secret = ({}, "") if facts is None else (facts.active, facts.secret)
        activated, seats = ({}, []) if facts is None else (dict(facts.activated), list(facts.seats))
        for stretch in scan(log, end.position, position, NOTES):
            if isinstance(stretch.block, Note) and stretch.block.kind == Kind.ACTIVATION:
                found = Activation.read(stretch.block)
                active, secret = found.systems, found.secret
                seats = [seat.at(stretch.first) for seat in found.challengers]
                activated.update(dict.fromkeys(found.cards, stretch.first))
            elif isinstance(stretch.block, Note) and stretch.block.kind == Kind.REKEY:
                secret = Rekey.read(stretch.block).new
        return cls(active, activated, secret, seats)


def active_at(log: Log, snapshots: Path | None, position: int) -> dict[str, SystemActivation]:
    """Return what decided just before a position of a log, by system; see `Last.before`."""
    return Last.before(log, snapshots, position).active


def quiet(text: str) -> None:
    """Is told and says nothing."""


def _start(
    plans: Sequence[Plan],
    log: Log,
    snapshots: Path | None,
    say: Callable[[str], None],
    until: int | None,
    keys: Keys | None,
) -> tuple[Workspace, End]:
    for path in snapshot.found(snapshots) if snapshots is not None else ():
        if until is not None and snapshot.position_of(path) > until:
            continue
        try:
            return snapshot.load(plans, log, path, keys)
        except SnapshotError as error:
            say(f"{error}; going back to an earlier one")
    begin = log.begin()
    if begin.position:
        message = (
            "the beginning of the log was archived, and no snapshot that fits reaches back to it: give the archive"
        )
        raise SnapshotError(message)
    workspace = Workspace(plans, log, keys)
    workspace.moved = moved_to(log, workspace.secret)
    return workspace, begin
