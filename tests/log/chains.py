"""Commits to fill logs with."""

from __future__ import annotations

from collections.abc import Sequence

from adjudge.log import Commit, End, Log


def after(end: End, count: int = 1) -> Commit:
    """Return a commit that continues a log, whose every field depends on its position."""
    n = end.position
    payload = b"payload %d " % n * (1 + n % 700)
    return Commit.after(end.link, n, count=count, received_at=1_000_000 + n, payload=payload)


def extend(log: Log, counts: Sequence[int]) -> list[Commit]:
    """Append commits with so many positions each, and return them."""
    made = []
    for count in counts:
        made.append(after(log.end(), count))
        log.append(made[-1])
    return made
