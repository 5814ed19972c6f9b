"""What a rekey has moved: the hashes of earlier entries, as the secret of today would have made them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adjudge.log import Kind, Log
from adjudge.log.codec import CodecError, Note, blocks_of
from adjudge.log.scan import scan
from adjudge.service.activation import Activation, fingerprint, secret_of, wrong_secret
from adjudge.service.rekey.entry import Rekey
from adjudge.typing import HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.plan import Plan


@dataclass(frozen=True)
class Moved:
    """Which hash became which by the rekey that led to the secret in use.

    Parameters
    ----------
    position
        Where the rekey stands in the log: what comes before it is hashed with an earlier secret.
    rekey
        The entry.
    old, new
        Hashes by any earlier secret, ascending, and what each is now.

    Examples
    --------
    >>> moved = Moved(9, Rekey(["a"], "b"), np.array([0, 5, 8], np.uint64), np.array([0, 70, 60], np.uint64))
    >>> moved.all(np.array([8, 0, 5], np.uint64)).tolist(), moved.one(5), moved.one(6)
    ([60, 0, 70], 70, None)
    """

    position: int
    rekey: Rekey
    old: HashArray
    new: HashArray

    def all(self, hashes: HashArray) -> HashArray:
        """Return what hashes of entries before the rekey are now; what is missing (0) stays missing."""
        places = self._places(hashes)
        if not np.array_equal(self.old[places], hashes):
            message = f"the rekey at position {self.position} does not know every hash of the entries before it"
            raise CodecError(message)
        return self.new[places]

    def where_known(self, hashes: HashArray) -> HashArray:
        """Return the same for what may be no hashes of entries: those stay as they are."""
        places = self._places(hashes)
        return np.where(self.old[places] == hashes, self.new[places], hashes)

    def one(self, hash_: int) -> int | None:
        """Return what a hash of before the rekey is now, None if no entry had it."""
        place = int(self._places(np.array([hash_], np.uint64))[0])
        return int(self.new[place]) if int(self.old[place]) == hash_ else None

    def _places(self, hashes: HashArray) -> IntArray:
        return np.minimum(np.searchsorted(self.old, hashes), len(self.old) - 1)


def rekeys_of(log: Log) -> Iterator[tuple[int, Rekey, Note]]:
    """Yield the rekeys of a log with their positions; the whole log is read."""
    for stretch in scan(log, parts=frozenset()):
        if isinstance(stretch.block, Note) and stretch.block.kind == Kind.REKEY:
            yield stretch.first, Rekey.read(stretch.block), stretch.block


def first_secret(log: Log) -> str | None:
    """Return the fingerprint of the secret that a log begins with, None if nobody has ever decided on it."""
    for stretch in scan(log, parts=frozenset()):
        if isinstance(stretch.block, Note) and stretch.block.kind == Kind.ACTIVATION:
            return Activation.read(stretch.block).secret
        if isinstance(stretch.block, Note) and stretch.block.kind == Kind.REKEY:  # what activated before is archived
            return Rekey.read(stretch.block).earlier[-1]
    return None


def moved_to(log: Log, secret: bytes) -> Moved | None:
    """Return what the rekey moved that led to a secret; None for the secret that the log begins with.

    Raises
    ------
    DefinitionError
        If the log was never hashed with it, naming the fingerprint of the secret that is needed.
    """
    own, needed = fingerprint(secret), first_secret(log)
    if needed is None or needed == own:
        return None
    for position, rekey, note in rekeys_of(log):
        if rekey.new == own:
            return _read(position, note, secret)
        needed = rekey.new
    raise wrong_secret(needed, own)


def moved_at(log: Log, position: int, secret: bytes) -> Moved:
    """Return what the rekey at a position moved; nothing if it was archived, with every entry before it."""
    for commit in log.read(position, position + 1) if position >= log.begin().position else ():
        for first, block in blocks_of(commit):
            if first == position and isinstance(block, Note) and block.kind == Kind.REKEY:
                return _read(position, block, secret)
    nothing = np.zeros(1, np.uint64)
    return Moved(position, Rekey([], fingerprint(secret)), nothing, nothing)


def stretches(log: Log, secret: bytes) -> list[tuple[str, int, int | None]]:
    """Return the stretches of a log that were hashed with one secret: fingerprint, first position, one past the last.

    Parameters
    ----------
    log
        The log.
    secret
        The secret in use; the last stretch is open to the end.
    """
    own, begun, at = fingerprint(secret), first_secret(log), 0
    if begun is None or begun == own:
        return [(own, 0, None)]
    found: list[tuple[str, int, int | None]] = []
    for position, rekey, _ in rekeys_of(log):
        found.append((begun, at, position))
        begun, at = rekey.new, position
    return [*found, (begun, at, None)]


def plans_at(
    position: int, plans: Sequence[Plan], earlier: Mapping[str, Sequence[Plan]], log: Log
) -> Sequence[Plan] | None:
    """Return the plans that were compiled with the secret of a position, None if they are not at hand.

    Parameters
    ----------
    position
        A position of the log.
    plans
        The systems compiled with the secret in use.
    earlier
        The same systems compiled with earlier secrets, by fingerprint.
    log
        The log.
    """
    secret = secret_of(plans)
    then = next(
        s for s, first, after in stretches(log, secret) if first <= position and (after is None or position < after)
    )
    return plans if then == fingerprint(secret) else earlier.get(then)


def _read(position: int, note: Note, secret: bytes) -> Moved:
    rekey = Rekey.read(note)
    old, new = rekey.open(secret, note.data)
    zero = np.zeros(1, np.uint64)
    order = np.argsort(old)
    return Moved(position, rekey, np.concatenate([zero, old[order]]), np.concatenate([zero, new[order]]))
