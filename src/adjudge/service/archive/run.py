"""Archiving a log: deciding where to cut it, writing the files, and only then dropping what they hold.

What the rest of the log needs stays: a pinned snapshot of the state at the cut, with what remains of the events before.
A crash between any two steps loses nothing, and doing it again goes on where it ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.log import End, Log
from adjudge.service import snapshot
from adjudge.service.access.offline import OfflineLedger
from adjudge.service.alerts import routes
from adjudge.service.archive import files
from adjudge.service.archive.archives import ARCHIVED
from adjudge.service.archive.files import Archive, ArchiveError, Told
from adjudge.service.bundles import Bundles
from adjudge.service.follow import Follower, active_at, nobody
from adjudge.service.home import bundles_of, holder, open_keys, open_log, snapshots_of
from adjudge.service.outbox import endpoint, ledger
from adjudge.service.personal.keys import Keys
from adjudge.service.remains import remains_of
from adjudge.service.resolver import Resolver
from adjudge.service.run import secret
from adjudge.service.settings import Settings
from adjudge.service.verdict import Clock, wall_clock


@dataclass(frozen=True)
class Place:
    """Where the parts of a workspace are.

    Parameters
    ----------
    workspace
        Its folder.
    snapshots
        Folder of its snapshots.
    archive
        Folder of its archive, made when something is written.
    """

    workspace: Path
    snapshots: Path
    archive: Path


@dataclass(frozen=True)
class Cut:
    """Where a log is to be cut.

    Parameters
    ----------
    begin
        Where it begins now.
    end
        Where it is to begin.
    """

    begin: End
    end: End

    @property
    def entries(self) -> int:
        """How many entries move to the archive."""
        return self.end.position - self.begin.position


class Archiver:
    """Archives the beginning of a log in three steps: `cut`, `write` and `drop`.

    Only the last one needs the right to append, for a moment: it says in the log what is done.

    Parameters
    ----------
    plans
        The systems of the workspace.
    log
        Its log.
    place
        Where the rest of it is.
    keys
        The keys of persons, where a stream has personal fields.
    bundles
        Where the models of earlier versions are.
    clock
        Stamps what is said in the log.
    say
        Is told, in a sentence, of every snapshot that could not be used.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        log: Log,
        place: Place,
        *,
        keys: Keys | None = None,
        bundles: Bundles | None = None,
        clock: Clock = wall_clock,
        say: Callable[[str], None] = lambda sentence: None,
    ) -> None:
        self.place = place
        self._log = log
        self._clock = clock
        self._resolver = Resolver(plans, bundles)
        self._open = partial(Follower, log=log, snapshots=place.snapshots, say=say, keys=keys)
        self._now: Follower = self._open(plans)

    def cut(self, before_us: int, *, told: Told = nobody) -> Cut:
        """Return where the log is to begin, so that it loses what was admitted before a time.

        An archiving that was cut short is finished, whatever the time.

        Parameters
        ----------
        before_us
            The time, in microseconds since 1970 UTC.
        told
            Is told how far folding the log has come.

        Raises
        ------
        InputError
            If something of it is still needed: it was not delivered, or events of it may come again.
        """
        self._now.catch_up(told)
        begin = self._log.begin()
        archived = self._now.workspace.management.archives.position
        position = max(begin.position, archived, _first_since(self._log, before_us))
        if position == begin.position:
            return Cut(begin, begin)
        _check_delivered(self.place.workspace, position)
        state = self._state_at(position, told)
        self._check_age(state)
        return Cut(begin, state.end)

    def write(self, cut: Cut, *, told: Told = nobody) -> list[Path]:
        """Write what moves to the archive, and return the files that are new; see `files.write`."""
        return files.write(self._log, self.place.archive, cut.end.position, told=told) if cut.entries else []

    def drop(self, cut: Cut, *, who: str, why: str) -> None:
        """Drop from the log what was written to the archive.

        Parameters
        ----------
        cut
            Where the log is to begin.
        who, why
            Who does it and for what reason, for the log.

        Raises
        ------
        UnavailableError
            If a process decides on the log; nothing has happened then.
        ArchiveError
            If the archive does not hold it.
        """
        snapshots = self.place.snapshots
        if cut.entries:
            self._record(cut, who, why)
            self._now.catch_up()
            state = self._state_at(cut.end.position)
            state.workspace.remains = remains_of(state.workspace, cut.end.position)
            snapshot.save(state.workspace, cut.end, snapshots, pinned=True)
            self._now.snapshot(snapshots)
            # what was labelled after these may be gone, so the log cannot be folded from them
            between = range(cut.end.position + 1, self._now.end.position)
            snapshot.remove(p for p in snapshot.found(snapshots) if snapshot.position_of(p) in between)
            self._log.drop(cut.end.position)
        begin = self._log.begin().position
        snapshot.remove(p for p in snapshot.found(snapshots) if snapshot.position_of(p) < begin)

    def _record(self, cut: Cut, who: str, why: str) -> None:
        """Say in the log what is archived; from here on nothing new counts for it."""
        archive = Archive(self.place.archive)
        last = next((f for f in archive.files if f.header.stop >= cut.end.position), None)
        if last is None:
            message = f"the archive does not reach position {cut.end.position}"
            raise ArchiveError(message)
        if self._now.workspace.management.archives.position < cut.end.position:
            content = {"position": cut.end.position, "link": cut.end.link.hex(), "digest": last.digest}
            log = OfflineLedger(self._log, self.place.snapshots, holder=holder(), clock=self._clock)
            log.record(ARCHIVED, who, why, content)

    def _state_at(self, position: int, told: Told = nobody) -> Follower:
        """Return the state at the cut, of what decided there: it is where a replay of the rest begins."""
        plans = self._resolver.plans_of(active_at(self._log, self.place.snapshots, position))
        state: Follower = self._open(plans, until=position)
        state.catch_up(told, stop=position)
        return state

    def _check_age(self, state: Follower) -> None:
        """Refuse to archive events so young that they may be sent again and would not be refused as too late."""
        newest, then = self._now.workspace.newest_us, state.workspace.newest_us
        lateness = self._now.workspace.lateness_us
        if newest is not None and then is not None and then >= newest - lateness:
            message = (
                f"the entries before position {state.end.position:,} hold events that are not "
                f"{timedelta(microseconds=lateness)} older than the newest one, and may come again; archive less"
            )
            raise InputError(message, field="older_than", code="too_young")


def _first_since(log: Log, time_us: int) -> int:
    """Return the position of the first commit that was admitted at a time or later; the end of the log if none was."""
    low, high = log.begin().position, len(log)
    while low < high:
        middle = next(iter(log.read((low + high) // 2, (low + high) // 2 + 1)))
        if middle.received_at < time_us:
            low = middle.stop
        else:
            high = middle.first
    return low


def _check_delivered(workspace: Path, position: int) -> None:
    """Refuse to archive what an endpoint, or a route of alerts, is still to get."""
    told = [route.endpoint() for route in routes.read_routing(workspace).routes]
    named = [*(endpoint.read_endpoints(workspace) if (workspace / endpoint.FILE).exists() else ()), *told]
    if not named:
        return
    with closing(ledger.Ledger(workspace / ledger.FILE)) as owed:
        for one in named:
            reached = owed.position(one.id)
            behind = [o.seq for o in owed.living(one.id, 1)] + ([] if reached is None else [reached])
            if behind and min(behind) < position:
                message = (
                    f"endpoint {one.id!r} has got what it is owed up to position {min(behind):,} only, and position "
                    f"{position:,} was to be the first that stays: run adjudge outbox run, or archive less"
                )
                raise InputError(message, field="older_than", code="not_delivered")


@contextmanager
def open_archiver(
    plans: Sequence[Plan], settings: Settings, archive: Path, say: Callable[[str], None]
) -> Iterator[Archiver]:
    """Open the log of a workspace for archiving.

    Parameters
    ----------
    plans
        The systems of the workspace.
    settings
        Where it is.
    archive
        Folder of the archive.
    say
        See `Archiver`.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive its process.
    """
    snapshots = snapshots_of(settings)
    if snapshots is None:
        message = "a log in memory cannot be archived"
        raise InputError(message, field="log")
    place = Place(Path(settings.workspace), snapshots, archive)
    with ExitStack() as stack:
        log = stack.enter_context(closing(open_log(settings)))
        keys, bundles = stack.enter_context(open_keys(plans, settings)), bundles_of(settings, secret())
        yield Archiver(plans, log, place, keys=keys, bundles=bundles, say=say)
