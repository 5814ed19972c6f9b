"""Deciding a file: JSON lines in, JSON lines out, through the same door and the same decider as HTTP."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO

from adjudge.engine import Plan
from adjudge.service.decider import Decider
from adjudge.service.decode import BadBody, EventStruct

LINES = 512
"""Lines that are decided at a time; never changes a decision."""


@dataclass
class Done:
    """How a file went.

    Parameters
    ----------
    decided, refused
        Numbers of lines.
    """

    decided: int = 0
    refused: int = 0


def decide_lines(plan: Plan, lines: Iterable[bytes], sink: IO[bytes], tell: Callable[[str], None]) -> Done:
    """Decide events line by line, in order; a bad line is told of and the others are decided.

    Parameters
    ----------
    plan
        The compiled system.
    lines
        Events of the decided stream as JSON, one a line; empty lines are passed over.
    sink
        Gets one decision a line, in order.
    tell
        Is told of every line that was refused, with its number from 1.
    """
    decider = Decider([plan])
    door = decider.workspace.door(plan.decides)
    done = Done()
    for piece in _pieces(lines):
        events: list[EventStruct] = []
        numbers: list[int] = []
        for number, line in piece:
            try:
                events.append(door.one(line))
                numbers.append(number)
            except BadBody as bad:
                done.refused += 1
                for error in bad.errors:
                    tell(f"line {number}: {error.message}")
        for number, verdict in zip(numbers, decider.decide(plan.decides, events), strict=True):
            if verdict.error is not None:
                done.refused += 1
                tell(f"line {number}: {verdict.error.message}")
            else:
                done.decided += 1
                sink.write(verdict.record + b"\n")
    return done


def _pieces(lines: Iterable[bytes]) -> Iterator[list[tuple[int, bytes]]]:
    numbered = ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    while piece := list(islice(numbered, LINES)):
        yield piece
