"""Auditing a log: every commit is hashed again, so a quiet change is found at the first link that breaks.

A chain cannot tell that its newest part was taken away, or was written anew from some commit on with links to match.
Links that were noted elsewhere can: give them as `known`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from adjudge.log.chain import link_of
from adjudge.log.codec import CodecError
from adjudge.log.protocol import Commit, End, Log, LogError, LogUnavailableError

Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""

EVERY = 256
"""Commits after which progress is told."""


class Break(msgspec.Struct, frozen=True):
    """The first place where a log is not what was appended.

    Parameters
    ----------
    position
        Of the first entry of the commit that is meant.
    reason
        What is wrong there.
    """

    position: int
    reason: str


class Audit(msgspec.Struct, frozen=True):
    """What an audit found.

    Parameters
    ----------
    begin
        Position of the first entry that is held, and the link before it, in hex.
    end
        Position after the last entry that is proven, and the link there, in hex: worth noting elsewhere.
    commits
        How many were hashed.
    broken
        Where the chain breaks; None if it is whole.
    """

    begin: tuple[int, str]
    end: tuple[int, str]
    commits: int
    broken: Break | None

    @property
    def whole(self) -> bool:
        """Whether the chain is whole from begin to end."""
        return self.broken is None


def audit(
    log: Log,
    *,
    known: Iterable[End] = (),
    told: Told = lambda position, stop: None,
    proven: Callable[[Commit], None] = lambda commit: None,
) -> Audit:
    """Prove a log whole from begin to end, or name the first link that is broken.

    Parameters
    ----------
    log
        What to audit; it may be appended to meanwhile, and is proven up to where it ends now.
    known
        Ends of this log that were noted elsewhere, such as by an earlier audit or with a snapshot.
    told
        Told of progress.
    proven
        Given every commit that is proven, for whoever wants to look into it as well.

    Raises
    ------
    LogUnavailableError
        If the log cannot be read now, which says nothing about it.

    Examples
    --------
    >>> from adjudge.log import MemoryLog
    >>> log = MemoryLog()
    >>> log.append(Commit.after(log.end().link, 0, count=2, received_at=5, payload=b"entries"))
    >>> audit(log).whole, audit(log).end[0]
    (True, 2)
    >>> audit(log, known=[End(2, b"another link")]).broken
    Break(position=2, reason='its link is another than the one that was noted')
    """
    begin, end = log.begin(), log.end()
    noted = {end.position: end.link for end in known if end.position >= begin.position}
    at, commits, broken = begin, 0, _compare(begin, noted)
    try:
        for commit in log.read(begin.position, end.position) if broken is None else ():
            broken = _check(commit, at) or _compare(commit.end, noted)
            if broken is not None:
                break
            proven(commit)
            at, commits = commit.end, commits + 1
            if commits % EVERY == 0:
                told(at.position, end.position)
    except LogUnavailableError:
        raise
    except (CodecError, LogError) as error:
        broken = Break(at.position, f"it cannot be read: {error}")
    if broken is None and at != end:
        broken = Break(at.position, f"nothing can be read here, but the log says that it ends at {end.position}")
    if broken is None and noted:
        where = min(noted)
        reason = f"a link was noted for position {where}, where no commit ends"
        broken = Break(min(where, at.position), reason)
    told(at.position, end.position)
    return Audit((begin.position, begin.link.hex()), (at.position, at.link.hex()), commits, broken)


def _check(commit: Commit, at: End) -> Break | None:
    """Return what is wrong with the commit that should follow an end."""
    if commit.first != at.position:
        return Break(at.position, f"the next commit begins at {commit.first}")
    if commit.count < 1:
        return Break(at.position, "the commit holds no entry")
    link = link_of(at.link, commit.first, commit.count, commit.received_at, commit.payload)
    if commit.link != link:
        return Break(at.position, "the commit, or the link before it, is not the one that was appended")
    return None


def _compare(end: End, noted: dict[int, bytes]) -> Break | None:
    """Return what is wrong if the link at an end was noted elsewhere; what has been compared is noted no longer."""
    if noted.pop(end.position, end.link) != end.link:
        return Break(end.position, "its link is another than the one that was noted")
    return None
