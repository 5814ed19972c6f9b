"""The log: an ordered, append-only list of commits, the only truth; all state is a fold over it.

A commit holds the entries of one batch, packed (`adjudge.log.codec` packs and unpacks them). The log knows positions,
links and who may append, never what an entry means. An entry's position is its ``seq``. Whoever appends states the
position and the link that it believes to be last, so that two writers cannot interleave unseen and no commit can be
changed, left out or put in without breaking the chain.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Literal, NamedTuple, Protocol

import msgspec

from adjudge.errors import AdjudgeError, UnavailableError
from adjudge.log.chain import ORIGIN, link_of

Durability = Literal["fsync", "process"]
"""What an appended commit survives: ``fsync`` the loss of power, ``process`` the end of the process (kill -9)."""


class LogError(AdjudgeError):
    """The log refused an append, or was used after it was closed."""


class LogUnavailableError(LogError, UnavailableError):
    """The log cannot be written or read now: a full disk, a lost database. Later it may be possible again."""


class FencedError(LogError):
    """Another process decides now: this one's lease has passed on, and it must not append."""


class Kind(enum.IntEnum):
    """What an entry is; the numbers are part of the format and never change."""

    EVENT = 1
    """One event of a stream; decided if a system decides that stream."""
    LABEL = 2
    """The truth about an event, learned later."""
    RETRACTION = 3
    """An event is taken back: its row is dead to every aggregation from here on."""
    OUTCOME = 4
    """What a review or a verification came to; features may use it like a label."""
    LISTS = 5
    """The named lists that rules ask changed."""
    ACTIVATION = 6
    """A bundle, a rule set or a policy became the deciding one."""
    TABLE = 7
    """Many events of a stream at once: history from before the first decision, itself not decided."""
    MANAGEMENT = 8
    """What a person did to the workspace: keys, approvals; with who and why."""
    DECISION = 9
    """An event whose decision was a fallback was decided again; both decisions are kept."""
    ERASURE = 10
    """A person was erased: their keys are destroyed, their rows are dead."""
    REKEY = 11
    """The secret of keys and ids was replaced."""
    SHADOW = 12
    """What a challenger would have decided about earlier events; nothing follows from it."""


class End(NamedTuple):
    """Where a log ends: the position that comes next, and the link of the last commit."""

    position: int = 0
    link: bytes = ORIGIN


class Commit(msgspec.Struct, frozen=True, gc=False):
    """What one append adds: the entries of a batch, packed.

    Parameters
    ----------
    first
        Position of its first entry, from 0, without gaps.
    count
        Positions that its entries take.
    received_at
        Microseconds since 1970 UTC at which they were admitted.
    payload
        The canonical bytes of the entries.
    link
        Hash over everything above and the link of the commit before; 32 bytes.

    Examples
    --------
    >>> commit = Commit.after(ORIGIN, 0, count=1, received_at=5, payload=b"entries")
    >>> commit.stop, len(commit.link)
    (1, 32)
    """

    first: int
    count: int
    received_at: int
    payload: bytes
    link: bytes

    @property
    def stop(self) -> int:
        """Position after its last entry."""
        return self.first + self.count

    @property
    def end(self) -> End:
        """Where a log ends whose last commit this is."""
        return End(self.stop, self.link)

    @classmethod
    def after(cls, link: bytes, first: int, *, count: int, received_at: int, payload: bytes) -> Commit:
        """Return the commit that continues a chain.

        Parameters
        ----------
        link
            Link of the commit before; `ORIGIN` for the first.
        first
            Position of its first entry.
        count, received_at, payload
            See the class.
        """
        global _made
        made = cls(first, count, received_at, payload, link_of(link, first, count, received_at, payload))
        _made = made, link
        return made

    def follows(self, link: bytes) -> bool:
        """Return whether the commit continues a chain that ends in a link."""
        made, before = _made
        if made is self:
            return before == link
        return self.link == link_of(link, self.first, self.count, self.received_at, self.payload)


_made: tuple[Commit | None, bytes] = (None, b"")
"""The commit that was made last, and the link before it: whoever appends what was just made need not hash it again."""


class Lease(msgspec.Struct, frozen=True):
    """The right to append, held by one process at a time.

    Parameters
    ----------
    token
        Fencing token: each holder's is higher than those before; an append with an older one is refused.
    holder
        Who holds it, for people: host and process.
    until_us
        When it ends unless it is renewed, in microseconds since 1970 UTC.
    """

    token: int
    holder: str
    until_us: int


class Storage(msgspec.Struct, frozen=True):
    """What a log takes up.

    Parameters
    ----------
    size_bytes
        All of it, room that is free again included.
    commits
        Commits that stand by themselves.
    segments
        Segments that hold the others.
    """

    size_bytes: int
    commits: int
    segments: int


class Log(Protocol):
    """What every log can do; one process appends, any number of threads and processes read."""

    def append(self, commit: Commit) -> None:
        """Append a commit, all or nothing; when this returns, it survives what the log's durability promises.

        Parameters
        ----------
        commit
            Continues the log: its first position and its link follow those of the last commit.

        Raises
        ------
        LogError
            If it does not follow, or the log is closed.
        FencedError
            If the right to append has passed to another process.
        LogUnavailableError
            If it cannot be written now. Where the log is another server, its answer may be what was lost, and not
            the commit. `end` tells which as soon as it answers again: the commit is stored if its link is there.

        Notes
        -----
        Appending the last commit once more changes nothing and succeeds, so an append may always be tried again.
        """
        ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`.

        The range is fixed when reading begins: what is appended meanwhile is not seen. A commit is yielded whole
        if any of its positions is asked for.

        Parameters
        ----------
        start
            First position; positions before `start_position` are gone.
        stop
            Position after the last one; the end of the log where absent or beyond it.
        """
        ...

    def end(self) -> End:
        """Return where the log ends now, whoever appended last."""
        ...

    def begin(self) -> End:
        """Return the first position that is still held, and the link before it: not 0 after archiving."""
        ...

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        ...

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append, or return None while another process holds it.

        Parameters
        ----------
        holder
            Who asks, for people.
        now_us
            The time, microseconds since 1970 UTC.
        ttl_us
            How long the right lasts without being renewed. A holder that has died loses it at once where the log
            can see that; a holder that hangs loses it then.
        """
        ...

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append; `FencedError` if it has passed on."""
        ...

    def lease(self) -> Lease | None:
        """Return who holds the right to append, None if nobody does."""
        ...

    def drop(self, before: int) -> int:
        """Forget the commits that end at or before a position, and return the first position that is still held.

        Parameters
        ----------
        before
            Positions below it may go; the caller has archived them and holds a later snapshot.
        """
        ...

    def storage(self) -> Storage:
        """Return what the log takes up."""
        ...

    def maintain(self) -> bool:
        """Do some of the housekeeping that is due, and return whether more is.

        Meant to be called about every second, while appending goes on. It comes back within seconds, however much
        there is to do.
        """
        ...

    def close(self) -> None:
        """Give up the right to append and release what the log holds; closing twice is allowed."""
        ...


def is_new(commit: Commit, end: End) -> bool:
    """Return whether a commit is to be appended to a log that ends here; every implementation asks this first.

    Parameters
    ----------
    commit
        What is about to be appended.
    end
        Where the log ends.

    Returns
    -------
    bool
        False if it is the last commit already: an earlier attempt had stored it, and its answer was lost.

    Raises
    ------
    LogError
        If it neither continues the log nor is its last commit.

    Examples
    --------
    >>> commit = Commit.after(ORIGIN, 0, count=1, received_at=5, payload=b"")
    >>> is_new(commit, End()), is_new(commit, End(commit.stop, commit.link))
    (True, False)
    >>> is_new(Commit.after(ORIGIN, 3, count=1, received_at=5, payload=b""), End())
    Traceback (most recent call last):
    adjudge.log.protocol.LogError: the commit claims position 3, but the log continues at 0
    """
    if (commit.stop, commit.link) == end:
        return False
    if commit.first != end.position:
        message = f"the commit claims position {commit.first}, but the log continues at {end.position}"
        raise LogError(message)
    if commit.count < 1:
        message = f"the commit at {commit.first} holds no entry"
        raise LogError(message)
    if not commit.follows(end.link):
        message = f"the commit at {commit.first} does not continue the chain of this log"
        raise LogError(message)
    return True
