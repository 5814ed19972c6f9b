"""A night's work: a whole table is decided piece by piece, each kept as it is done, so that it goes on where it ended.

What was decided at once, during the day, is answered as it was then; what is left out is counted. Nothing is decided
twice: an id that the log knows has its first decision.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adjudge.errors import ConflictError, InputError
from adjudge.service import logs
from adjudge.service.home import bundles_of, holder, open_keys, open_log, snapshots_of

if TYPE_CHECKING:
    from adjudge.service.decider import Decider
    from adjudge.service.run import Served
    from adjudge.service.settings import Settings

PIECE = 5_000
"""Rows that are decided and kept at a time."""

MANIFEST, SUMMARY = "manifest.json", "summary.json"
DECISIONS, REFUSED = "decisions.jsonl", "refused.jsonl"
"""Files of a folder: what is being done, how it went, what was decided, and what was refused and why."""


class Manifest(msgspec.Struct, frozen=True):
    """What a folder holds the night's work of.

    Parameters
    ----------
    sha256
        Of the table.
    system
        Which system decides; empty where there is one.
    below, field
        Only rows whose value of this field is below that; 0 for all.
    piece
        Rows of a piece.
    """

    sha256: str
    system: str = ""
    below: float = 0.0
    field: str = ""
    piece: int = PIECE


class Done(msgspec.Struct, frozen=True):
    """How a piece, or all of it, went.

    Parameters
    ----------
    rows
        Rows of the table.
    answers
        How many of each decision.
    repeated
        How many of them had been decided before.
    refused
        Rows that were refused.
    left
        Rows that are decided at once and not at night.
    """

    rows: int = 0
    answers: dict[str, int] = {}
    repeated: int = 0
    refused: int = 0
    left: int = 0

    def plus(self, other: Done) -> Done:
        """Return both together.

        Examples
        --------
        >>> Done(2, {"approve": 2}).plus(Done(3, {"approve": 1, "block": 1}, left=1))
        Done(rows=5, answers={'approve': 3, 'block': 1}, repeated=0, refused=0, left=1)
        """
        answers = dict(sorted((Counter(self.answers) + Counter(other.answers)).items()))
        sums = (getattr(self, name) + getattr(other, name) for name in ("rows", "repeated", "refused", "left"))
        rows, repeated, refused, left = sums
        return Done(rows, answers, repeated, refused, left)


class Night:
    """The folder of one night's work.

    Parameters
    ----------
    folder
        Where it is kept; made if it is not there.
    manifest
        What is to be done.

    Raises
    ------
    ConflictError
        If it holds the work of another table, or of other settings.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        self.folder = folder
        path = folder / MANIFEST
        if path.is_file():
            if msgspec.json.decode(path.read_bytes(), type=Manifest) != manifest:
                message = f"{str(folder)!r} holds the work of another table, or of other settings; name another folder"
                raise ConflictError(message, field="to", code="other_work")
            return
        if folder.is_dir() and any(folder.iterdir()):
            message = f"{str(folder)!r} holds something else: name a new folder"
            raise ConflictError(message, field="to", code="other_work")
        folder.mkdir(parents=True, exist_ok=True)
        _write(path, msgspec.json.encode(manifest))

    def summary(self) -> Done | None:
        """Return how it went, None while it is not finished."""
        path = self.folder / SUMMARY
        return msgspec.json.decode(path.read_bytes(), type=Done) if path.is_file() else None

    def piece(self, number: int) -> Done | None:
        """Return how a piece went, None if it is still to be done."""
        path = self._named(number, SUMMARY)
        return msgspec.json.decode(path.read_bytes(), type=Done) if path.is_file() else None

    def keep(self, number: int, done: Done, decided: bytes, refused: bytes) -> None:
        """Keep a piece: what says that it is done is written last."""
        _write(self._named(number, DECISIONS), decided)
        _write(self._named(number, REFUSED), refused)
        _write(self._named(number, SUMMARY), msgspec.json.encode(done))

    def finish(self, pieces: int) -> Done:
        """Put the pieces together, and return how all of it went."""
        whole = Done()
        for number in range(pieces):
            done = self.piece(number)
            assert done is not None  # every piece was kept before
            whole = whole.plus(done)
        for name in (DECISIONS, REFUSED):
            with (self.folder / f"{name}.part").open("wb") as stream:
                for number in range(pieces):
                    stream.write(self._named(number, name).read_bytes())
            (self.folder / f"{name}.part").replace(self.folder / name)
        _write(self.folder / SUMMARY, msgspec.json.encode(whole))
        for path in self.folder.glob("piece-*"):
            path.unlink()
        return whole

    def _named(self, number: int, name: str) -> Path:
        return self.folder / f"piece-{number:06}-{name}"


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(content)
    draft.replace(path)


def hash_of(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def at_night(row: bytes, field: str, below: float) -> bool:
    """Return whether a row is decided at night: it is below the amount, or says none.

    Parameters
    ----------
    row
        The row as JSON.
    field
        Field with its amount.
    below
        Amount from which on rows are decided at once; 0 where all wait for the night.

    Examples
    --------
    >>> [at_night(row, "amount", 500.0) for row in (b'{"amount": "499.99"}', b'{"amount": 500}', b"{}", b"{")]
    [True, False, True, True]
    """
    if not below:
        return True
    try:
        said: Any = msgspec.json.decode(row)
        amount = float(said[field])
    except (msgspec.DecodeError, KeyError, ValueError, TypeError):
        return True  # it says no amount, or is for the service to refuse by name
    return not amount >= below


@contextmanager
def decider_at_rest(served: Served, settings: Settings) -> Iterator[Decider]:
    """Open the log of a workspace that no service runs on, fold it, and give what decides on it, as a start would.

    Parameters
    ----------
    served
        Its systems.
    settings
        Where it is.

    Raises
    ------
    InputError
        If the log does not outlive a process.
    UnavailableError
        If a process decides on the log.
    """
    from adjudge.service.activation import secret_of
    from adjudge.service.decider import Decider
    from adjudge.service.follow import Follower, active_at
    from adjudge.service.resolver import Resolver
    from adjudge.service.run import plans_of
    from adjudge.service.watches import Watches

    if settings.log == "memory":
        message = "a log in memory ends with its process; ask the service that has it, with --url"
        raise InputError(message, field="log")
    plans, snapshots = plans_of(served.systems, served.bundles), snapshots_of(settings)
    with closing(open_log(settings, new=True)) as log, open_keys(plans, settings) as keys:
        bundles = bundles_of(settings, secret_of(plans))
        for path in served.bundles:
            bundles.keep(path)
        resolver = Resolver(plans, bundles)
        follower = Follower(resolver.starting(active_at(log, snapshots, len(log))), log, snapshots, say=_say, keys=keys)
        follower.catch_up()
        yield Decider(
            list(resolver.plans.values()),
            log,
            holder=holder(),
            follower=follower,
            watches=Watches(settings.budget),
            resolver=resolver,
        )


def _say(text: str) -> None:
    logs.say(text, "nightly")
