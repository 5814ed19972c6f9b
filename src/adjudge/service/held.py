"""What a log holds as it is now: its ends, what it takes up, and what people did last."""

from __future__ import annotations

from collections import deque

import msgspec

from adjudge.log import Kind, Log
from adjudge.log.codec import Note, blocks_of
from adjudge.log.protocol import Storage
from adjudge.service.access.ledger import Act

BACK = 5_000
"""Positions from the end of the log in which it is looked for what people did."""

SHOWN = 20
"""Of these, how many are told."""


class Held(msgspec.Struct, frozen=True):
    """What a log holds.

    Parameters
    ----------
    begin, end
        Positions; what lies before the first was archived.
    link
        Hash of everything up to the end, in hexadecimal.
    storage
        What it takes up.
    acts
        What people did in the last `BACK` positions, newest first, and no more than `SHOWN`.
    """

    begin: int
    end: int
    link: str
    storage: Storage
    acts: list[Act]


def held(log: Log) -> Held:
    """Return what a log holds now.

    Parameters
    ----------
    log
        Only read.
    """
    begin, end = log.begin().position, log.end()
    acts: deque[Act] = deque(maxlen=SHOWN)
    for commit in log.read(max(end.position - BACK, begin)):
        for first, block in blocks_of(commit):
            if isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
                acts.append(Act.read(first, commit.received_at, block))
    return Held(begin, end.position, end.link.hex(), log.storage(), [*reversed(acts)])
