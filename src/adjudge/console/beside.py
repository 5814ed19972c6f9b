"""Running a command beside the service: folding a log, or reading all of it, holds up no decision."""

from __future__ import annotations

import asyncio
import shutil
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from adjudge.errors import UnavailableError

MOST_S = 600.0
"""How long a process beside may take."""

LAST = 4
"""Lines of what a process says that are told when it fails."""

SHORT, LONG = asyncio.Semaphore(1), asyncio.Semaphore(1)
"""What somebody waits for has its turn, and what is looked for meanwhile another one."""


async def beside(
    command: Sequence[str],
    *,
    environ: Mapping[str, str] | None = None,
    told: Callable[[str], None] = lambda line: None,
    turn: asyncio.Semaphore = SHORT,
) -> bytes:
    """Return what a command prints; it runs when nothing more urgent does, and one at a time of a kind.

    Parameters
    ----------
    command
        The command line.
    environ
        Its environment; that of this process where absent.
    told
        Told each line that it says beside.
    turn
        What it waits for: `SHORT` or `LONG`.

    Raises
    ------
    UnavailableError
        If it fails or takes too long; says what it said.
    """
    polite = ["nice", "-n", "10"] if shutil.which("nice") else []
    async with turn:
        child = await _started([*polite, *command], environ)
        lines: deque[str] = deque(maxlen=LAST)
        try:
            assert child.stdout is not None
            assert child.stderr is not None
            heard = _heard(child.stderr, lines, told)
            out, _, _ = await asyncio.wait_for(asyncio.gather(child.stdout.read(), heard, child.wait()), MOST_S)
        except TimeoutError:
            message = f"{_name(command)} has taken more than {MOST_S:.0f} s"
            raise UnavailableError(message) from None
        finally:
            if child.returncode is None:  # it takes too long, or nobody waits for it any more
                child.kill()
                await child.wait()
    if child.returncode not in (0, 1) or not out:
        message = f"{_name(command)} has failed: {' '.join(lines).removeprefix('adjudge: ')}"
        raise UnavailableError(message[:400])
    return out


async def _started(command: Sequence[str], environ: Mapping[str, str] | None) -> asyncio.subprocess.Process:
    """Start a process, to the end even where that is cancelled: a half started one can never be awaited."""
    pipe = asyncio.subprocess.PIPE
    starting = asyncio.create_task(asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe, env=environ))
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        child = await starting
        child.kill()
        await child.wait()
        raise


def _name(command: Sequence[str]) -> str:
    return command[3] if len(command) > 3 else command[0]


async def _heard(said: asyncio.StreamReader, lines: deque[str], told: Callable[[str], None]) -> None:
    """Keep the last lines that a process says, from where its error begins, if it has one."""
    async for line in said:
        text = line.decode("utf-8", "replace").strip()
        if text.startswith("adjudge: "):
            lines.clear()
        if text:
            lines.append(text)
            told(text)
