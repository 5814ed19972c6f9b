"""Changing what decides in a workspace that no service runs on: the next start goes on with it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from adjudge.engine.versions import state_version
from adjudge.errors import InputError, did_you_mean
from adjudge.log import Log
from adjudge.log.codec import Note
from adjudge.service.access.ledger import check_signed
from adjudge.service.activation import Activation, SystemActivation
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.seating import following
from adjudge.service.follow import Last
from adjudge.service.home import bundles_of, holder, open_log, snapshots_of
from adjudge.service.resolver import Resolver
from adjudge.service.settings import Settings
from adjudge.service.verdict import wall_clock
from adjudge.service.versions.desk import Activated, ActiveSystem, ActiveSystems, HeldList
from adjudge.service.versions.revision import Revision, revised
from adjudge.service.writer import Writer


class OfflineDesk:
    """Changes what decides on a log by writing into it directly; nothing is folded for it.

    Parameters
    ----------
    log
        The log.
    snapshots
        Folder of its snapshots: only what came after the newest has to be read.
    bundles
        Where models are.
    who
        Who does it.
    clock
        Returns microseconds since 1970 UTC.
    """

    def __init__(
        self, log: Log, snapshots: Path | None, bundles: Bundles, who: str, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._log = log
        self._snapshots = snapshots
        self._resolver = Resolver((), bundles)
        self._who = who
        self._clock = clock

    def active(self) -> ActiveSystems:
        """Return what decides at the end of the log."""
        last = Last.before(self._log, self._snapshots, len(self._log))
        return ActiveSystems(
            [ActiveSystem.of(self._resolver.plan(one), last.activated[one.card.digest]) for one in last.active.values()]
        )

    def held(self, name: str, system: str | None = None) -> HeldList:
        """Return what a named list holds at the end of the log; `system` is needed where there are several."""
        active = Last.before(self._log, self._snapshots, len(self._log)).active
        return HeldList.of(self._resolver.plan(active[_named(active, system)]), name)

    def revise(self, revision: Revision, notes: Sequence[Note] = ()) -> Activated:
        """Write down that something else decides from here on.

        Parameters
        ----------
        revision
            What is to be different.
        notes
            Management entries of the same commit; where nothing would be different they are not written either.

        Raises
        ------
        InputError
            If anything about it is wrong; then nothing is different.
        UnavailableError
            If a process decides on the log.
        """
        check_signed(self._who, revision.why)
        writer = Writer(self._log, clock=self._clock, timer=time.monotonic, holder=holder())
        last = Last.before(self._log, self._snapshots, writer.position)
        active, name = last.active, _named(last.active, revision.system)
        plans = {other: self._resolver.plan(one) for other, one in active.items()}
        plan = revised(plans[name], revision, self._resolver.bundles)
        if self._log.begin().position and state_version(plan) != state_version(plans[name]):
            message = "the beginning of the log was archived, so no other state can be folded from it at the next start"
            raise InputError(message, field=next(iter(revision.parts)), code="archived")
        given = {other: one.given for other, one in active.items()}
        now_seated = self._resolver.seated(last.seats)
        sitting = following(now_seated, plans[name], plan, self._resolver.bundles, self._who)
        activation = Activation.of([*{**plans, name: plan}.values()], given, sitting.seats)
        if activation.secret != last.secret:
            message = "the log was made with another secret than the one given (ADJUDGE_SECRET)"
            raise InputError(message, field="ADJUDGE_SECRET")
        now = activation.systems[name].card
        if now == active[name].card:
            return Activated(name, "unchanged", last.activated[now.digest], now.versions)
        seq = writer.position
        writer.append([activation.note(self._who, revision.why), *notes, *sitting.notes], self._clock())
        return Activated(name, "active", seq, now.versions)


def _named(active: dict[str, SystemActivation], name: str | None) -> str:
    if not active:
        message = "nothing has decided on this log yet: serve it once"
        raise InputError(message, field="workspace")
    if name is None and len(active) == 1:
        return next(iter(active))
    if name not in active:
        known = ", ".join(active)
        hint = f"there is no system {name!r}{did_you_mean(name, active)}" if name else f"say which system: {known}"
        raise InputError(hint, field="system", code="unknown_system")
    return name


@contextmanager
def open_desk(settings: Settings, secret: bytes, who: str) -> Iterator[OfflineDesk]:
    """Open a workspace for changing what decides in it.

    Parameters
    ----------
    settings
        Where it is.
    secret
        The workspace's 16 bytes.
    who
        Who does it.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive a process.
    """
    if settings.log == "memory":
        message = "a log in memory ends with its process; change it while it runs, with --url"
        raise InputError(message, field="log")
    with closing(open_log(settings)) as log:
        yield OfflineDesk(log, snapshots_of(settings), bundles_of(settings, secret), who)
