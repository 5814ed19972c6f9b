"""Starting the service for named systems: definitions and bundles become plans, plans a decider, a decider answers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

from adjudge.discover import find
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import InputError, UnavailableError
from adjudge.learn.pipeline import with_bundle
from adjudge.service import logs
from adjudge.service.activation import fingerprint, secret_of
from adjudge.service.home import bundles_of, holder, open_keys, open_log, snapshots_of
from adjudge.service.server import python
from adjudge.service.settings import Settings
from adjudge.service.tracing import opened
from adjudge.service.verdict import wall_clock

if TYPE_CHECKING:
    from adjudge.log import Log
    from adjudge.service.access.keys import Key
    from adjudge.service.decider import Decider
    from adjudge.service.follow import Follower
    from adjudge.service.front import Front
    from adjudge.service.personal.keys import Keys
    from adjudge.service.resolver import Resolver

SECRET_VARIABLE = "ADJUDGE_SECRET"
"""Environment variable with the workspace's secret: 32 hexadecimal digits."""

EARLIER_VARIABLE = "ADJUDGE_EARLIER_SECRETS"
"""Environment variable with the secrets of before each rekey, commas between: replay of what was then needs them."""

STANDBY_S = 0.2
"""How often a standby looks for new entries, and whether it is its turn."""


def secret() -> bytes:
    """Return the workspace's secret from the environment, or the one for trying things out where none is set.

    Raises
    ------
    InputError
        If it is not 32 hexadecimal digits; the value is not repeated.
    """
    text = os.environ.get(SECRET_VARIABLE)
    return SECRET if text is None else secret_from(text, SECRET_VARIABLE)


def earlier_secrets() -> list[bytes]:
    """Return the secrets of before each rekey that the environment has; `InputError` as for `secret`."""
    text = os.environ.get(EARLIER_VARIABLE, "")
    return [secret_from(one, EARLIER_VARIABLE) for one in text.replace(",", " ").split()]


def secret_from(text: str, source: str) -> bytes:
    """Return a secret that is written as 32 hexadecimal digits; `InputError` names the source and not the value."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        msg = f"{source} must be 32 hexadecimal digits"
        raise InputError(msg, field=source)
    return value


def plan_of(system: str, bundle: Path | None = None, key: bytes | None = None) -> Plan:
    """Return the plan of a named system, deciding with a bundle or by its rules alone.

    Parameters
    ----------
    system
        Name, or path of a folder with a definition.
    bundle
        Directory of a bundle; None for rules alone.
    key
        Another secret than the workspace's.
    """
    found, key = find(system), key or secret()
    if bundle is None:
        return compile(found.build({}), secret=key)
    return with_bundle(found.build, bundle, key, _say)


def plans_of(systems: Sequence[str], bundles: Sequence[Path], key: bytes | None = None) -> list[Plan]:
    """Return the plans of several systems; the first bundle belongs to the first system, and so on.

    They are compiled for the workspace's secret, unless `key` is another one.

    Raises
    ------
    InputError
        If there are more bundles than systems.
    """
    if len(bundles) > len(systems):
        msg = f"there are {len(bundles)} bundles for {len(systems)} systems"
        raise InputError(msg, field="bundle")
    padded = [*bundles, *[None] * (len(systems) - len(bundles))]
    return [plan_of(s, b, key) for s, b in zip(systems, padded, strict=True)]


def earlier_plans(systems: Sequence[str], bundles: Sequence[Path]) -> dict[str, list[Plan]]:
    """Return the plans of several systems for every earlier secret that is given, by its fingerprint."""
    return {fingerprint(key): plans_of(systems, bundles, key) for key in earlier_secrets()}


@dataclass(frozen=True)
class Served:
    """What is to be served.

    Parameters
    ----------
    systems, bundles
        See `plans_of`.
    history
        The first system's past, imported before anything is decided; None for none.
    until
        What of it lies before this time; None for all.
    """

    systems: Sequence[str]
    bundles: Sequence[Path] = ()
    history: Path | None = None
    until: datetime | None = None

    def command(self, verb: str, settings: Settings) -> list[str]:
        """Return the command line that does something else with the same systems and the same log."""
        command = python("adjudge", verb, "--workspace", settings.workspace, "--log", settings.log)
        command += [word for system in self.systems for word in ("--system", system)]
        return command + [word for bundle in self.bundles for word in ("--bundle", str(bundle))]


def serve(served: Served, settings: Settings, *, standby: bool = False) -> None:
    """Serve systems until the process is told to stop.

    Parameters
    ----------
    served
        What is to be served.
    settings
        Address, port, limits, and where the log is.
    standby
        Whether to wait while another process decides on the log, keep up with it, and take over when it ends; else
        that is an error.

    Raises
    ------
    InputError
        If nothing can listen there, or what is to be served cannot be found or read.
    UnavailableError
        If another process decides on the log.
    """
    from adjudge.service.front import Front
    from adjudge.service.server import claim
    from adjudge.service.server import serve as serve_application

    settings = replace(settings, host=claim(settings.host, settings.port))
    logs.configure(settings.log_format, settings.log_level)
    plans = plans_of(served.systems, served.bundles)
    front = Front()
    with opened() as traces, closing(open_log(settings, new=True)) as log:
        if not len(log):
            _check_entrance(settings, ())
        front.traces = traces
        with _end_told(front) as end, open_keys(plans, settings) as keys:
            end.why = serve_application(
                front, settings, lambda stop: _begin(front, plans, log, keys, served, settings, standby, stop)
            )


@dataclass
class _End:
    """Why a service ended: what there is to say where nothing else was said."""

    why: str = "failure"


@contextmanager
def _end_told(front: Front) -> Iterator[_End]:
    """Tell operation how it ended, whether it was told to or failed: what and when, for whoever finds it gone."""
    began, end = time.monotonic(), _End()
    try:
        yield end
    finally:
        seconds, health = time.monotonic() - began, front.health
        logs.say(
            f"adjudge ended ({end.why}) at position {health.position:,} after {seconds:,.0f} s; it was {health.state}",
            "ended",
            why=end.why,
            state=health.state,
            position=health.position,
            seconds=round(seconds, 3),
        )


@contextmanager
def _begin(
    front: Front,
    plans: list[Plan],
    log: Log,
    keys: Keys | None,
    served: Served,
    settings: Settings,
    standby: bool,
    stop: Event,
) -> Iterator[None]:
    """Compile, fold the log, take the right to append, and let the front hand over to the service until it ends.

    All of it while the front answers already: whoever asks whether the process lives is told so from the first second.
    """
    from adjudge.console.attach import attach as attach_console
    from adjudge.service.app import Service
    from adjudge.service.challengers.judge import Warden
    from adjudge.service.challengers.shadow import Shadows
    from adjudge.service.follow import Follower, active_at
    from adjudge.service.gauges import Gauges
    from adjudge.service.keeper import Keeper
    from adjudge.service.resolver import Resolver
    from adjudge.service.warm import warm

    front.tell("starting", "compiling kernels, or loading those of an earlier start", position=0, entries=len(log))
    warm(plans, _say, stop)
    bundles = bundles_of(settings, secret_of(plans))
    for path in served.bundles:
        bundles.keep(path)
    resolver = Resolver(plans, bundles)
    last = resolver.starting(active_at(log, snapshots_of(settings), len(log)))
    follower = Follower(last, log, snapshots_of(settings), say=_say, keys=keys)
    decider = _take_over(front, resolver, log, follower, settings, standby, stop)
    if decider is None:
        yield
        return
    _check_entrance(settings, decider.workspace.management.keys)
    command = None if snapshots_of(settings) is None else served.command("snapshot", settings)
    gauges = Gauges(decider, snapshots_of(settings))
    keeper = Keeper(decider, gauges, command=command, every=settings.snapshot_every, since=follower.saved)
    if served.history is not None and not decider.workspace.known_events:
        from adjudge.service.past import import_source

        source = find(served.systems[0]).read(served.history)
        count = import_source(decider, source, plans[0].system.name, until=served.until)
        logs.say(f"imported {count:,} events", "imported", events=count)
        keeper.settle(stop, snapshots_of(settings))  # two cores that are busy with what was imported answer slowly
    keeper.start()
    decider.shadows = Shadows(decider.watches, decider.write_down)
    decider.shadows.start()
    service = Service(decider, settings, gauges, front.traces)
    service.desk.resume()
    attach_console(service, None if command is None else lambda verb: served.command(verb, settings))
    warden = Warden(service.challengers.judge)
    warden.start()
    front.service = service
    names = ", ".join(p.system.name for p in plans)
    pages = "" if service.console is None else ", pages for people at /console"
    logs.say(
        f"adjudge decides {names} at http://{settings.host}:{settings.port} (docs at /docs{pages})",
        "started",
        systems=[p.system.name for p in plans],
        position=decider.writer.position,
    )
    try:
        yield
    finally:
        warden.stop()
        service.desk.stop()
        decider.shadows.stop()
        keeper.stop()


def _check_entrance(settings: Settings, keys: Iterable[Key]) -> None:
    """Refuse to serve where nobody could come in: only a service that is not running can be given its first key."""
    if settings.auth != "keys" or settings.oidc_issuer or any(wall_clock() < key.until_us for key in keys):
        return
    where = "" if settings.log == "memory" else f" --workspace {settings.workspace}"
    msg = (
        "the workspace has no API key that is good, so nobody could use it; make one with "
        f"`adjudge keys create --owner NAME --scopes decide --why REASON{where}`, "
        "or try things out on this machine with --auth off"
    )
    raise InputError(msg, field="auth")


def _take_over(
    front: Front, resolver: Resolver, log: Log, follower: Follower, settings: Settings, standby: bool, stop: Event
) -> Decider | None:
    """Return what decides on the log once nobody else does; None if told to stop before."""
    from adjudge.service.decider import Decider
    from adjudge.service.watches import Watches

    def told(done: int, total: int) -> None:
        front.tell("recovering", f"folding the log: {done:,} of {total:,} entries", position=done, entries=total)

    folder = snapshots_of(settings)
    waiting = False
    began, restored = time.monotonic(), follower.restored
    plans = list(resolver.plans.values())
    seen = follower.workspace.active
    while not stop.is_set():
        folded = follower.catch_up(told)
        if follower.workspace.active is not seen:  # somebody has activated something; be ready to go on with it
            follower.become(resolver.starting(follower.workspace.active), told)
            seen = follower.workspace.active
        if not waiting:
            seconds = time.monotonic() - began
            logs.say(
                f"recovered {folded:,} entries in {seconds:.1f} s, from a snapshot at {restored:,}",
                "recovered",
                entries=folded,
                seconds=round(seconds, 3),
                snapshot=restored,
            )
        try:
            watches = Watches(settings.budget)
            return Decider(
                plans, log, holder=holder(), follower=follower, told=told, watches=watches, resolver=resolver
            )
        except UnavailableError as error:
            if not standby:
                raise
            at = follower.end.position
            front.tell("standing_by", f"standing by at position {at:,}: {error}", position=at, entries=len(log))
            if not waiting:
                logs.say(front.detail, "standing_by", position=at)
            waiting = True
        if folder is not None and follower.end.position - follower.saved >= settings.snapshot_every:
            _snapshot(follower, folder)
        stop.wait(STANDBY_S)
    return None


def _snapshot(follower: Follower, folder: Path) -> None:
    """Make a snapshot on the side; one that fails must not keep a standby from taking over."""
    try:
        made = follower.snapshot(folder)
    except OSError as error:
        logs.say(f"a snapshot could not be made: {error}", "snapshot_failed", position=follower.end.position)
        follower.saved = follower.end.position  # the next one is tried when it is due
    else:
        logs.say(f"made snapshot {made.name}", "snapshot_made", position=follower.end.position)


def take_snapshot(served: Served, settings: Settings, archive: Path | None = None) -> Path | None:
    """Fold what the log has more than its newest snapshot, and write a new one; None where there is nothing new.

    Parameters
    ----------
    served
        The systems.
    settings
        Where the log is.
    archive
        Folder of its archive; None for none.

    Raises
    ------
    InputError
        If the log does not outlive its process.
    """
    from adjudge.service.archive.joined import open_with
    from adjudge.service.follow import Follower, active_at
    from adjudge.service.resolver import Resolver

    folder = snapshots_of(settings)
    if folder is None:
        msg = "a log in memory has no snapshots"
        raise InputError(msg, field="log")
    plans = plans_of(served.systems, served.bundles)
    with closing(open_with(settings, archive)) as log, open_keys(plans, settings) as keys:
        last = Resolver(plans, bundles_of(settings, secret_of(plans))).plans_of(active_at(log, folder, len(log)))
        follower = Follower(last, log, folder, say=_say, keys=keys)
        follower.catch_up()
        return follower.snapshot(folder) if follower.end.position > follower.saved else None


def _say(text: str) -> None:
    logs.say(text)
