"""What takes a batch back: every step that changes something notes how it is undone."""

from __future__ import annotations

from collections.abc import Callable


class Undo:
    """The steps that take back what was done since `begin`; while nothing is held, nothing is remembered.

    Examples
    --------
    >>> undo, seen = Undo(), []
    >>> undo.note(lambda: seen.append("lost"))
    >>> undo.begin()
    >>> undo.note(lambda: seen.append("first"))
    >>> undo.note(lambda: seen.append("second"))
    >>> undo.take_back()
    >>> seen, undo.held
    (['second', 'first'], False)
    """

    def __init__(self) -> None:
        self._steps: list[Callable[[], None]] | None = None

    @property
    def held(self) -> bool:
        """Whether steps are remembered."""
        return self._steps is not None

    def begin(self) -> None:
        """Begin to remember."""
        self._steps = []

    def note(self, step: Callable[[], None]) -> None:
        """Remember what takes back something that was just done."""
        if self._steps is not None:
            self._steps.append(step)

    def take_back(self) -> None:
        """Undo everything since `begin`, the last first, and remember nothing more."""
        for step in reversed(self._steps or ()):
            step()
        self._steps = None

    def end(self) -> None:
        """Keep everything since `begin`, and stop remembering."""
        self._steps = None
