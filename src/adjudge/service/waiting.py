"""Changes that came before their events: they wait, and count as soon as the event is there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from adjudge.service.changed import Change


class WaitingChanges:
    """The changes of events that have not come, in the order in which they came for each event.

    Whatever is different afterwards comes with what takes it back.

    Examples
    --------
    >>> from adjudge.log import Kind
    >>> waiting = WaitingChanges()
    >>> undo = waiting.add(Change(Kind.LABEL, "payments", "p-1", "fraud", 1.0))
    >>> len(waiting), ("payments", "p-1") in waiting
    (1, True)
    >>> changes, undo = waiting.take("payments", "p-1")
    >>> len(changes), len(waiting)
    (1, 0)
    >>> undo()
    >>> len(waiting)
    1
    """

    def __init__(self) -> None:
        self._changes: dict[tuple[str, str], list[Change]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Change]:
        return (change for changes in self._changes.values() for change in changes)

    def __contains__(self, event: object) -> bool:
        return event in self._changes

    def of(self, stream: str, id_: str) -> Sequence[Change]:
        """Return what waits for an event."""
        return self._changes.get((stream, id_), ())

    def add(self, change: Change) -> Callable[[], None]:
        """Let a change wait, and return what takes that back."""
        self._changes.setdefault((change.stream, change.id), []).append(change)
        self._count += 1
        return lambda: self._remove(change)

    def take(self, stream: str, id_: str) -> tuple[list[Change], Callable[[], None]]:
        """Return the changes that waited for an event that is there now, and what lets them wait again."""
        changes = self._changes.pop((stream, id_), [])
        self._count -= len(changes)
        return changes, lambda: self._put_back(changes)

    def _remove(self, change: Change) -> None:
        changes = self._changes[change.stream, change.id]
        changes.remove(change)
        self._count -= 1
        if not changes:
            del self._changes[change.stream, change.id]

    def _put_back(self, changes: list[Change]) -> None:
        if changes:
            self._changes[changes[0].stream, changes[0].id] = changes
            self._count += len(changes)
