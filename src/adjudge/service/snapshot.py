"""Snapshots: the state of a workspace at one position of its log, as plain arrays in a folder.

A snapshot is a shortcut and never the truth: a service that finds none, or only damaged ones, folds the log from its
beginning and comes to the same state. Each is written beside its final place and renamed when it is whole; each
file's hash stands in the manifest, the manifest's own hash in its name.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.engine.plan import Plan
from adjudge.engine.versions import state_version
from adjudge.errors import AdjudgeError
from adjudge.history import Histories, Profiles
from adjudge.log import Commit, End, Log
from adjudge.log.holder import HolderLock
from adjudge.service.access.management import Management, ManagementFacts
from adjudge.service.activation import FieldLayout, Seat, SystemActivation, fingerprint
from adjudge.service.again import Degraded
from adjudge.service.card import Card
from adjudge.service.index import Ids, Known, Passed
from adjudge.service.personal.erasure import Erased
from adjudge.service.personal.keys import Keys
from adjudge.service.rekey.moved import moved_at
from adjudge.service.remains import Remains
from adjudge.service.workspace import RETRACTED, Change, Running, Workspace
from adjudge.typing import AnyArray

logger = logging.getLogger(__name__)

FORMAT = 2
"""Version of the layout of a snapshot; an older or newer one is passed over, and the log is folded instead."""

MANIFEST = "snapshot.json"

BUILDING, LOCK = ".building-", "lock"
"""How the directory begins in which a snapshot is written, and the file in it that its process locks meanwhile."""

PINNED = "pinned"
"""Empty file in the directory of a snapshot that stays: the log begins there, and nothing else leads to that state."""

KEEP = 3
"""Snapshots that are kept besides: a damaged one falls back to the one before."""


class SnapshotError(AdjudgeError):
    """A snapshot is damaged, belongs to another log, or was made for other definitions."""


class LogShorterError(SnapshotError):
    """A snapshot was made where the log no longer reaches: entries that were acknowledged are missing."""


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot says of itself, and what of the state is no array.

    Parameters
    ----------
    format
        Version of the layout.
    position, link
        Where the log ended when it was made; the link in hexadecimal.
    layouts
        Digest of everything that decides what the arrays hold, by system.
    newest_us, decided
        As in the workspace.
    waiting
        Changes that wait for their events.
    twins
        Ids that are entered by their text, by stream.
    cards, fields
        How to read what the log holds, by digest.
    active
        What decided last, by system.
    activated
        Position of the last activation of each card, by its digest.
    files
        SHA-256 of every file.
    management
        What the management entries have made.
    erased
        The last erasure of every person that was erased.
    secret
        Fingerprint of the workspace's secret.
    passed
        As in the workspace.
    rekey
        Where the rekey stands that led to the secret in use; None if the log begins with that secret.
    seats
        Challengers that run.
    """

    format: int
    position: int
    link: str
    layouts: dict[str, str]
    newest_us: int | None
    decided: int
    waiting: list[Change]
    twins: dict[str, dict[int, dict[str, int]]]
    cards: dict[str, Card]
    fields: dict[str, FieldLayout]
    active: dict[str, SystemActivation]
    activated: dict[str, int]
    files: dict[str, str]
    management: ManagementFacts = ManagementFacts()
    erased: list[Erased] = []
    secret: str = ""
    passed: dict[int, int] = {}
    rekey: int | None = None
    seats: list[Seat] = []

    @property
    def end(self) -> End:
        """Where the log ended when it was made."""
        return End(self.position, bytes.fromhex(self.link))


def save(workspace: Workspace, end: End, folder: Path, *, pinned: bool = False) -> Path:
    """Write a snapshot and return its directory; older ones than the newest few are removed.

    Parameters
    ----------
    workspace
        The state; nobody may change it meanwhile.
    end
        Where the log ended that was folded into it.
    folder
        Where the snapshots are.
    pinned
        Whether it stays; one that is there already and would not is written anew.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{end.position:016d}"
    if target.exists() and (is_pinned(target) or not pinned):
        return target
    _sweep(folder)
    building = Path(tempfile.mkdtemp(prefix=BUILDING, dir=folder))
    lock = HolderLock(building / LOCK)
    try:
        lock.take()
        files = {name: _write(building / f"{name}.npy", array) for name, array in _arrays(workspace)}
        facts = Facts(
            format=FORMAT,
            position=end.position,
            link=end.link.hex(),
            layouts=_layouts(workspace),
            newest_us=workspace.newest_us,
            decided=workspace.decided,
            waiting=workspace.waiting_changes,
            twins={name: ids.twins for name, ids in workspace.ids.items()},
            cards=workspace.cards,
            fields=workspace.layouts,
            active=workspace.active,
            activated=workspace.activated,
            files=files,
            management=workspace.management.facts(),
            erased=list(workspace.erased.values()),
            secret=fingerprint(workspace.secret),
            passed=workspace.passed.times,
            rekey=None if workspace.moved is None else workspace.moved.position,
            seats=workspace.seats,
        )
        body = msgspec.json.encode(facts)
        _write_bytes(building / MANIFEST, hashlib.sha256(body).hexdigest().encode() + b"\n" + body)
        if pinned:
            _write_bytes(building / PINNED, b"")
            shutil.rmtree(target, ignore_errors=True)
        if not target.exists():  # else another process has just made the same
            os.replace(building, target)
            (target / LOCK).unlink(missing_ok=True)
        _sync(folder)
    finally:
        lock.give_back()
        shutil.rmtree(building, ignore_errors=True)  # renamed, unless something has failed
    remove([path for path in found(folder) if not is_pinned(path)][KEEP:])
    return target


def is_pinned(path: Path) -> bool:
    """Return whether a snapshot stays however old it is."""
    return (path / PINNED).exists()


def remove(paths: Iterable[Path]) -> None:
    """Remove snapshots; another process may be at it, and what is left goes the next time."""
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)


def _sweep(folder: Path) -> None:
    """Remove what processes that were killed have left half written."""
    for path in folder.glob(f"{BUILDING}*/{LOCK}"):
        lock = HolderLock(path)
        try:
            abandoned = lock.take()
        except FileNotFoundError:  # it has become whole
            continue
        if abandoned:
            shutil.rmtree(path.parent, ignore_errors=True)
            lock.give_back()


def found(folder: Path) -> list[Path]:
    """Return the directories of the snapshots in a folder, the newest first."""
    return sorted((p for p in folder.glob("[0-9]*") if p.is_dir()), reverse=True) if folder.is_dir() else []


def position_of(path: Path) -> int:
    """Return the position of the log at which a snapshot was made."""
    return int(path.name)


def facts_of(path: Path) -> Facts:
    """Return what a snapshot says of itself; `SnapshotError` if it cannot be read."""
    try:
        digest, body = (path / MANIFEST).read_bytes().split(b"\n", 1)
        if hashlib.sha256(body).hexdigest().encode() != digest:
            message = f"snapshot {path.name} is damaged: its manifest is not what was written"
            raise SnapshotError(message)
        facts = msgspec.json.decode(body, type=Facts)
    except (OSError, ValueError, msgspec.DecodeError) as error:
        message = f"snapshot {path.name} cannot be read: {error}"
        raise SnapshotError(message) from None
    if facts.format != FORMAT:
        message = f"snapshot {path.name} has format {facts.format}, this version reads {FORMAT}"
        raise SnapshotError(message)
    return facts


def facts_at(folder: Path | None, end: End) -> Facts | None:
    """Return what the snapshot says of itself that was made where a log ended; None if there is no good one.

    Parameters
    ----------
    folder
        Of the snapshots; None if there are none.
    end
        Where the log ended, such as where an archived one begins.
    """
    for path in found(folder) if folder is not None else ():
        if position_of(path) == end.position:
            try:
                facts = facts_of(path)
            except SnapshotError as error:
                logger.warning("%s", error)
            else:
                return facts if facts.end == end else None
    return None


def check(path: Path) -> None:
    """Raise `SnapshotError` unless every file of a snapshot is as it was written."""
    files = _Files(path, facts_of(path).files)
    for name in facts_of(path).files:
        files.read(name)


def load(plans: Sequence[Plan], log: Log, path: Path, keys: Keys | None = None) -> tuple[Workspace, End]:
    """Return the workspace that a snapshot describes, and where the log ended then.

    Parameters
    ----------
    plans
        The compiled systems.
    log
        The log that it was made from.
    path
        Directory of the snapshot.
    keys
        The keys of persons, where a stream has personal fields.

    Raises
    ------
    SnapshotError
        If it is damaged, is not of this log, or was made for other definitions.
    """
    facts = facts_of(path)
    workspace = Workspace(plans, log, keys)
    if facts.layouts != _layouts(workspace):
        message = f"snapshot {path.name} was made for other definitions"
        raise SnapshotError(message)
    _check_chain(facts, log, path)
    arrays = _Files(path, facts.files)
    for s in workspace.systems.values():
        _restore(s, arrays)
    for name in workspace.doors:
        ids, span = arrays.under(f"ids.{name}"), workspace.span_of(name)
        workspace.ids[name] = Ids.from_arrays(workspace.secret, span, ids, facts.twins[name])
        workspace.retracted[name] = Known.from_arrays(RETRACTED, arrays.under(f"retracted.{name}"))
        if remains := arrays.under(f"remains.{name}"):
            workspace.remains[name] = Remains.from_arrays(remains)
    workspace.newest_us, workspace.decided = facts.newest_us, facts.decided
    workspace.cards, workspace.layouts = dict(facts.cards), dict(facts.fields)
    workspace.active, workspace.activated = dict(facts.active), dict(facts.activated)
    workspace.seats = list(facts.seats)
    workspace.passed = Passed(facts.passed)
    workspace.management = Management(facts.management)
    workspace.moved = None if facts.rekey is None else moved_at(log, facts.rekey, workspace.secret)
    workspace.wait_for(facts.waiting)
    for erased in facts.erased:
        workspace.remember_erased(erased)
    return workspace, facts.end


def newest(log: Log, folder: Path | None, until: int | None = None) -> tuple[Facts | None, End]:
    """Return what the newest good snapshot of a log says of itself, and where the log ended then; reads no array.

    Parameters
    ----------
    log
        The log.
    folder
        Of its snapshots; None if there are none.
    until
        Leave out snapshots that were made after this position.

    Returns
    -------
    tuple[Facts | None, End]
        None, and where the log begins, if there is no snapshot.

    Raises
    ------
    SnapshotError
        If the beginning of the log was archived and no snapshot reaches back to it.
    """
    for path in found(folder) if folder is not None else ():
        if until is not None and position_of(path) > until:
            continue
        try:
            facts = facts_of(path)
            _check_chain(facts, log, path)
        except SnapshotError as error:
            logger.warning("%s; going back to an earlier one", error)
        else:
            return facts, facts.end
    begin = log.begin()
    if begin.position:
        message = (
            "the beginning of the log was archived, and no snapshot that fits reaches back to it: give the archive"
        )
        raise SnapshotError(message)
    return None, begin


def management_of(log: Log, folder: Path | None) -> tuple[Management, End]:
    """Return what management entries had made when the newest snapshot was written, and where the log ended then."""
    facts, end = newest(log, folder)
    return Management(None if facts is None else facts.management), end


def _layouts(workspace: Workspace) -> dict[str, str]:
    """Digest of what decides what the arrays hold, by system."""
    return {name: f"{state_version(s.plan)}-{workspace.span.us}" for name, s in workspace.systems.items()}


def _check_chain(facts: Facts, log: Log, path: Path) -> None:
    """Refuse a snapshot of another log, or of a part that this log has lost."""
    try:
        check_reach(facts.position, len(log), path.name)
    except LogShorterError as error:  # whoever folds goes on from an earlier one, but people must hear of it
        told = {"end": len(log), "snapshot": facts.position}
        logger.error("%s", error, extra={"event": "log_shorter_than_snapshot", "facts": told})
        raise
    if log.begin() == facts.end or facts.position == 0:
        return
    last: Commit | None = next(iter(log.read(facts.position - 1, facts.position)), None)
    if last is None or last.end != facts.end:
        message = f"snapshot {path.name} does not belong to this log"
        raise SnapshotError(message)
    before: Commit | None = next(iter(log.read(last.first - 1, last.first)), None) if last.first else None
    if not last.follows(log.begin().link if before is None else before.link):
        message = f"the commit before snapshot {path.name} is not what was written"
        raise SnapshotError(message)


def check_reach(position: int, end: int, name: str) -> None:
    """Raise `LogShorterError` if a log ends before the position at which a snapshot was made of it."""
    if position > end:
        message = (
            f"the log ends at position {end}, but snapshot {name} was made at {position}: entries that were "
            "acknowledged are missing, as when the end of the log was deleted or an old copy put back"
        )
        raise LogShorterError(message)


def _arrays(workspace: Workspace) -> Iterator[tuple[str, AnyArray]]:
    """Yield every array of a state with its name."""
    for name, s in workspace.systems.items():
        parts: dict[str, Mapping[str, AnyArray]] = {"marks": s.marks.arrays(), "degraded": s.degraded.arrays()}
        parts |= {f"history{i}": h.arrays() for i, h in enumerate(s.state.histories)}
        parts |= {f"profile{i}": p.arrays() for i, p in enumerate(s.state.profiles)}
        for part, arrays in parts.items():
            yield from ((f"{name}.{part}.{key}", array) for key, array in arrays.items())
    for name in workspace.doors:
        yield from ((f"ids.{name}.{key}", array) for key, array in workspace.ids[name].arrays().items())
        yield from ((f"retracted.{name}.{key}", array) for key, array in workspace.retracted[name].arrays().items())
    for name, remains in workspace.remains.items():
        yield from ((f"remains.{name}.{key}", array) for key, array in remains.arrays().items())


def _restore(s: Running, arrays: _Files) -> None:
    """Put the arrays of one system into place."""
    plan = s.plan
    s.marks = Known.from_arrays(s.plan.system.marks, arrays.under(f"{s.name}.marks"))
    s.degraded = Degraded.from_arrays(arrays.under(f"{s.name}.degraded"))
    s.state.histories[:] = [
        Histories.from_arrays(h.layout, arrays.under(f"{s.name}.history{i}")) for i, h in enumerate(plan.histories)
    ]
    s.state.profiles[:] = [
        Profiles.from_arrays(len(p.fields), arrays.under(f"{s.name}.profile{i}"), hashed=p.hashed)
        for i, p in enumerate(plan.profiles)
    ]


class _Files:
    """The arrays of a snapshot, read and checked when they are asked for."""

    def __init__(self, path: Path, files: Mapping[str, str]) -> None:
        self._path = path
        self._files = files

    def under(self, prefix: str) -> dict[str, AnyArray]:
        """Return the arrays whose names begin with a prefix, by the rest of their names."""
        start = prefix + "."
        return {name[len(start) :]: self.read(name) for name in self._files if name.startswith(start)}

    def read(self, name: str) -> AnyArray:
        """Return an array by its name."""
        path = self._path / f"{name}.npy"
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != self._files[name]:
                message = f"snapshot {self._path.name} is damaged: {path.name} is not what was written"
                raise SnapshotError(message)
            array: AnyArray = np.load(path, allow_pickle=False)
            return array
        except (OSError, ValueError) as error:
            message = f"snapshot {self._path.name} is damaged: {path.name}: {error}"
            raise SnapshotError(message) from None


def _write(path: Path, array: AnyArray) -> str:
    """Write an array durably and return its hash."""
    with path.open("wb") as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_bytes(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Make a rename in a folder survive a loss of power."""
    handle: Any = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
