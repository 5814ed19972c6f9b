"""The append-only log and its implementations."""

from adjudge.log.chain import ORIGIN
from adjudge.log.codec import CodecError, Entry, entries_of
from adjudge.log.memory import MemoryLog
from adjudge.log.protocol import Commit, End, FencedError, Kind, Lease, Log, LogError, LogUnavailableError

__all__ = [
    "ORIGIN",
    "CodecError",
    "Commit",
    "End",
    "Entry",
    "FencedError",
    "Kind",
    "Lease",
    "Log",
    "LogError",
    "LogUnavailableError",
    "MemoryLog",
    "entries_of",
]
