"""The append-only log and its implementations."""

from adjudge.log.memory import MemoryLog
from adjudge.log.protocol import Entry, Kind, Log, LogError

__all__ = ["Entry", "Kind", "Log", "LogError", "MemoryLog"]
