"""Progress bars on a terminal, plain lines elsewhere: one bar for each kind of work, made when it is first told of."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn


class Bars:
    """Shows how far each kind of work is; call it with what is done, how far it is and how far it goes.

    Parameters
    ----------
    console
        Where to, usually standard error.

    Examples
    --------
    >>> import io
    >>> text = io.StringIO()
    >>> with Bars(Console(file=text)) as bars:
    ...     bars("train", 1, 2)
    ...     bars("train", 2, 2)
    >>> "train" in text.getvalue()
    True
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._tasks: dict[str, TaskID] = {}
        self._progress = Progress(
            TextColumn("{task.description:<28}"),
            BarColumn(24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, what: str, done: int, of: int | None) -> None:
        """Tell how far a kind of work is; None where nobody knows how far it goes."""
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=of)
            if not self._console.is_terminal:
                self._console.print(f"{what} ...", highlight=False)
        self._progress.update(self._tasks[what], completed=done, total=of)
        if of is not None and done >= of and not self._console.is_terminal:
            self._console.print(f"{what}: {done:,} done", highlight=False)
