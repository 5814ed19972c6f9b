"""Firing: a set of rules is run over the columns of the past, by the very program that decides, and leaves bits.

Events go through in runs that fit the processor's cache. Rules that read what the past does not hold are named, with
what was probably meant, and the others are run without them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.define import Rule, Rules
from adjudge.define.check import check
from adjudge.define.expression import Expression, parse
from adjudge.define.moment import moment_us
from adjudge.engine.vm import NO_ENDS, Ends, Program, Slot, compile_program, list_type
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.kernel import kernel
from adjudge.learn.past import Columns, reading, width, words
from adjudge.typing import FloatArray, HashArray, IntArray

RUN = 2048
"""Events that go through the program at a time: their columns and rules stay in the cache."""

Lists = Mapping[str, Collection[str | float]]
"""Contents of named lists."""


class Untested(msgspec.Struct, frozen=True):
    """A rule that cannot be run on a past.

    Parameters
    ----------
    rule
        Its id.
    why
        What is missing, with what was probably meant.
    """

    rule: str
    why: str


@dataclass(frozen=True)
class Firing:
    """A set of rules compiled for some columns.

    Parameters
    ----------
    rules
        Those that can be run, in the order in which they are asked.
    untested
        The others.
    program
        Runs them.
    reads
        Rows of the columns that it reads, in the order of its own.
    height
        Rows of its own matrix; the last are the rules'.
    """

    rules: tuple[Rule, ...]
    untested: tuple[Untested, ...]
    program: Program
    reads: IntArray
    height: int

    def run(self, X: FloatArray, *, spare: int = 0) -> HashArray:
        """Return which rules fire for which events, as bits, shape (words + spare, n).

        Parameters
        ----------
        X
            Columns as they were compiled for, shape (rows, n).
        spare
            Empty words after those of the rules.
        """
        n, count = X.shape[1], len(self.rules)
        bits = np.zeros((words(count) + spare, n), np.uint64)
        if not count:
            return bits
        buffer = np.empty((self.height, min(RUN, n)))
        for start in range(0, n, RUN):
            stop = min(start + RUN, n)
            if stop - start < buffer.shape[1]:
                buffer = np.empty((self.height, stop - start))
            _gather(X, self.reads, start, buffer)
            self.program.run(buffer)
            _pack(buffer, self.height - count, bits, start)
        return bits


def firing(
    rules: Rules,
    columns: Columns,
    *,
    hash_text: Callable[[str], int],
    lists: Lists | None = None,
    ends: Mapping[str, Mapping[str | float, int]] | None = None,
) -> Firing:
    """Return rules compiled for the columns of a past.

    Parameters
    ----------
    rules
        What to run.
    columns
        What can be read.
    hash_text
        The hash under which texts stand in the columns.
    lists
        Named lists besides those of the rules.
    ends
        For a named list, the event time from which on each element is none; others stay.

    Raises
    ------
    DefinitionError
        If an expression makes no sense whatever the past holds; names the rule.

    Examples
    --------
    >>> columns = Columns({"amount": Slot("money", 0)}, np.array([[5.0, 700.0, np.nan]]), {"amount": "money"})
    >>> draft = Rules((Rule("large", "amount > 500", "review"), Rule("fast", "cuont > 3", "review")))
    >>> made = firing(draft, columns, hash_text=len)
    >>> made.run(columns.X).tolist(), made.untested[0].why
    ([[0, 1, 0]], "there is no 'cuont'")
    """
    known = {**(lists or {}), **rules.lists}
    return _Compiler(columns, known, ends or {}).compile(rules, hash_text)


class _Compiler:
    def __init__(self, columns: Columns, lists: Lists, ends: Mapping[str, Mapping[str | float, int]]) -> None:
        self.columns = columns
        self.ends = ends
        self.lists = lists
        self.kinds = {name: list_type(values) for name, values in lists.items()}
        self.derived = {name: text for name, text in columns.derived.items() if name not in columns.slots}

    def compile(self, rules: Rules, hash_text: Callable[[str], int]) -> Firing:
        chosen, untested = [], []
        for rule in rules.rules:
            why = self._problem(rule)
            if why:
                untested.append(Untested(rule.id, why))
            else:
                chosen.append(rule)
        wanted = reading({name for rule in chosen for name in rule.when.names}, self.derived) | {self.columns.clock}
        held = [name for name in self.columns.slots if name in wanted]
        scope: dict[str, Slot] = {}
        reads: list[int] = []
        for name in held:
            slot = self.columns.slots[name]
            scope[name] = Slot(slot.type, len(reads))
            reads += range(slot.row, slot.row + width(slot.type))
        height, outputs = len(reads), list[tuple[Expression, int]]()
        for name, text in self.derived.items():
            if name in wanted:
                scope[name] = Slot(self.columns.types[name], height)
                outputs.append((parse(text), height))
                height += 1
        outputs += [(rule.when, height + i) for i, rule in enumerate(chosen)]
        program = compile_program(
            outputs, scope, hash_text=hash_text, lists=self.lists, ends=self._ends(chosen, scope, height)
        )
        return Firing(tuple(chosen), tuple(untested), program, np.array(reads, np.int64), height + len(chosen))

    def _ends(self, rules: Sequence[Rule], scope: Mapping[str, Slot], first: int) -> Ends:
        if not self.columns.clock:
            return NO_ENDS
        rows = {first + i: moment_us(rule.expires) for i, rule in enumerate(rules) if rule.expires is not None}
        return Ends(scope[self.columns.clock].row, rows, self.ends)

    def _problem(self, rule: Rule) -> str:
        """Return why a rule cannot be run; empty if it can. What can never make sense is raised."""
        columns, types = self.columns, self.columns.types
        for name in sorted(rule.when.names):
            if name not in types:
                return f"there is no {name!r}{did_you_mean(name, types)}"
        try:
            found = check(rule.when, types, self.kinds)
        except DefinitionError as error:
            message = f"rule {rule.id!r}: {error}"
            raise DefinitionError(message) from error
        if found != "boolean":
            message = f"rule {rule.id!r} must be a boolean, {str(rule.when)!r} is a {found}"
            raise DefinitionError(message)
        for name in sorted(reading(rule.when.names, self.derived)):
            if name not in columns.slots and name not in self.derived:
                through = "" if name in rule.when.names else f", of which {self._reader(rule, name)!r} is made,"
                return f"{name!r}{through} is not kept{did_you_mean(name, columns.slots)}"
        return ""

    def _reader(self, rule: Rule, name: str) -> str:
        """Return by which of its own names a rule comes to read another one."""
        return next(own for own in sorted(rule.when.names) if name in reading({own}, self.derived))


@kernel
def _gather(X: FloatArray, rows: IntArray, start: int, buffer: FloatArray) -> None:
    """Copy the columns that are read into the first rows of a buffer, bit by bit."""
    m = buffer.shape[1]
    for k in range(rows.shape[0]):
        row, out = X[rows[k], start : start + m], buffer[k]
        for i in range(m):
            out[i] = row[i]


@kernel
def _pack(buffer: FloatArray, first: int, bits: HashArray, start: int) -> None:
    """Note which rules' rows hold 1."""
    m = buffer.shape[1]
    for r in range(buffer.shape[0] - first):
        row, out = buffer[first + r], bits[r // 64, start : start + m]
        bit = np.uint64(1) << np.uint64(r % 64)
        for i in range(m):
            out[i] |= bit if row[i] == 1.0 else np.uint64(0)
