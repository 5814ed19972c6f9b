"""Where challengers are seated: by the service that decides, or in the log of a workspace at rest."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple, Protocol

from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.log import Log
from adjudge.log.codec import Note
from adjudge.service.access.ledger import By, check_signed
from adjudge.service.access.management import Management
from adjudge.service.access.offline import OfflineLedger
from adjudge.service.activation import Activation
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.figures import Source
from adjudge.service.challengers.seated import Seated
from adjudge.service.columns import Entries, active_of, named_system
from adjudge.service.decider import Decider
from adjudge.service.follow import Last, quiet
from adjudge.service.home import bundles_of, holder, open_log, snapshots_of
from adjudge.service.paced import Paced
from adjudge.service.resolver import Resolver
from adjudge.service.settings import Settings
from adjudge.service.verdict import wall_clock
from adjudge.service.versions.desk import Activated, LiveDesk
from adjudge.service.versions.offline import OfflineDesk
from adjudge.service.versions.revision import Revision
from adjudge.service.warm import warm
from adjudge.service.writer import Writer


class Bench(NamedTuple):
    """One system with its challengers, and those of all others."""

    champion: Plan
    seated: list[Seated]

    @property
    def own(self) -> list[Seated]:
        """Its challengers."""
        return [one for one in self.seated if one.seat.system == self.champion.system.name]

    @property
    def name(self) -> str:
        """Name of the system."""
        return self.champion.system.name


class Site(Protocol):
    """Where challengers are seated."""

    @property
    def management(self) -> Management:
        """What the management entries have made."""
        ...

    @property
    def bundles(self) -> Bundles:
        """Where models are."""
        ...

    @property
    def clock(self) -> Callable[[], int]:
        """Returns microseconds since 1970 UTC."""
        ...

    @property
    def turn(self) -> Lock:
        """Is held while something is changed, so that one change begins from what the one before has made."""
        ...

    def bench(self, system: str | None) -> Bench:
        """Return a system with its challengers; `InputError` where it is none, or several and none is named."""
        ...

    def benches(self) -> list[Bench]:
        """Return every system with its challengers."""
        ...

    def seat(self, champion: Plan, seated: Sequence[Seated], by: By, notes: Sequence[Note]) -> int:
        """Have a champion and challengers decide from the next position on, and return that."""
        ...

    def revise(self, revision: Revision, by: By, notes: Sequence[Note] = ()) -> Activated:
        """Have something else decide from the next position on, with more entries in the same commit."""
        ...

    def source(self, bench: Bench) -> Source:
        """Return where figures about a system's challengers come from."""
        ...

    def record(self, action: str, who: str, why: str, content: dict[str, Any]) -> int:
        """Append a management entry, and return its position."""
        ...


class LiveSite:
    """Seats challengers where a service decides, while it goes on.

    Parameters
    ----------
    decider
        Decides.
    desk
        Where else it is changed: one change comes after the other.
    """

    def __init__(self, decider: Decider, desk: LiveDesk) -> None:
        self._decider = decider
        self._desk = desk
        self.turn = desk.turn
        self.record = decider.record

    @property
    def management(self) -> Management:
        """What the management entries have made."""
        return self._decider.workspace.management

    @property
    def bundles(self) -> Bundles:
        """Where models are."""
        return self._decider.resolver.bundles

    @property
    def clock(self) -> Callable[[], int]:
        """The decider's."""
        return self._decider.clock

    def bench(self, system: str | None) -> Bench:
        """Return a system with its challengers."""
        workspace = self._decider.workspace
        return Bench(workspace.system(system).plan, [one for s in workspace.systems.values() for one in s.seated])

    def benches(self) -> list[Bench]:
        """Return every system with its challengers."""
        return [self.bench(name) for name in self._decider.workspace.systems]

    def seat(self, champion: Plan, seated: Sequence[Seated], by: By, notes: Sequence[Note]) -> int:
        """Have a champion and challengers decide from the next position on."""
        running = self._decider.workspace.systems.values()
        ran = [plan.scorer for s in running for plan in (s.plan, *(one.plan for one in s.seated))]
        new = [plan for plan in (champion, *(one.plan for one in seated)) if not any(plan.scorer is one for one in ran)]
        warm(new, quiet)  # a model of another kind brings kernels of its own
        return self._decider.activate(champion, by.who, by.why, notes=notes, seated=seated)

    def revise(self, revision: Revision, by: By, notes: Sequence[Note] = ()) -> Activated:
        """Have something else decide from the next position on, or as soon as its state is folded."""
        return self._desk.revise(revision, by.who, notes)

    def source(self, bench: Bench) -> Source:
        """Return where figures about a system's challengers come from."""
        workspace = self._decider.workspace
        start = 0 if workspace.moved is None else workspace.moved.position  # hashes of before a rekey are others
        entries = Entries(dict(workspace.cards), dict(workspace.layouts), start)
        return Source(Paced(self._decider.log), bench.champion, entries)


class RestSite:
    """Seats challengers in a log that nobody decides on; the next start goes on with them.

    Parameters
    ----------
    log
        The log.
    snapshots
        Folder of its snapshots: only what came after the newest has to be read.
    bundles
        Where models are.
    clock
        Returns microseconds since 1970 UTC.
    """

    def __init__(
        self, log: Log, snapshots: Path | None, bundles: Bundles, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._log, self._snapshots = log, snapshots
        self._ledger = OfflineLedger(log, snapshots, holder=holder(), clock=clock)
        self._resolver = Resolver((), bundles)
        self.bundles = bundles
        self.clock = clock
        self.turn = Lock()
        self.record = self._ledger.record

    @property
    def management(self) -> Management:
        """What the management entries have made."""
        return self._ledger.management

    def bench(self, system: str | None) -> Bench:
        """Return a system with its challengers."""
        last = self._last()
        if not last.active:
            message = "nothing has decided on this log yet: serve it once"
            raise InputError(message, field="workspace")
        return self._bench(last, named_system(last.active, system))

    def benches(self) -> list[Bench]:
        """Return every system with its challengers."""
        last = self._last()
        return [self._bench(last, name) for name in last.active]

    def seat(self, champion: Plan, seated: Sequence[Seated], by: By, notes: Sequence[Note]) -> int:
        """Write down that a champion and challengers decide from the next position on."""
        check_signed(by.who, by.why)
        writer = Writer(self._log, clock=self.clock, timer=time.monotonic, holder=holder())
        last = self._last()
        plans = {name: self._resolver.plan(one) for name, one in last.active.items()}
        given = {name: one.given for name, one in last.active.items()}
        plans[champion.system.name] = champion
        activation = Activation.of([*plans.values()], given, [one.seat for one in seated])
        if activation.secret != last.secret:
            message = "the log was made with another secret than the one given (ADJUDGE_SECRET)"
            raise InputError(message, field="ADJUDGE_SECRET")
        position = writer.position
        writer.append([activation.note(by.who, by.why), *notes], self.clock())
        self._ledger.catch_up()
        return position

    def revise(self, revision: Revision, by: By, notes: Sequence[Note] = ()) -> Activated:
        """Write down that something else decides from here on."""
        desk = OfflineDesk(self._log, self._snapshots, self.bundles, by.who, self.clock)
        made = desk.revise(revision, notes)
        self._ledger.catch_up()
        return made

    def source(self, bench: Bench) -> Source:
        """Return where figures about a system's challengers come from."""
        _, entries = active_of(self._log, self.bundles.secret, self._snapshots)
        return Source(self._log, bench.champion, entries)

    def _last(self) -> Last:
        return Last.before(self._log, self._snapshots, len(self._log))

    def _bench(self, last: Last, name: str) -> Bench:
        return Bench(self._resolver.plan(last.active[name]), self._resolver.seated(last.seats))


@contextmanager
def open_site(settings: Settings, secret: bytes) -> Iterator[RestSite]:
    """Open a workspace that no service runs on.

    Parameters
    ----------
    settings
        Where it is.
    secret
        The workspace's 16 bytes.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive a process.
    """
    if settings.log == "memory":
        message = "a log in memory ends with its process; change it while it runs, with --url"
        raise InputError(message, field="log")
    with closing(open_log(settings)) as log:
        yield RestSite(log, snapshots_of(settings), bundles_of(settings, secret))
