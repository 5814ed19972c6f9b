"""Expressions become one program: the same thing said twice is computed once, and constants are bound.

`compile_program` lowers checked expressions onto the instructions of `adjudge.engine.interpreter`. Values
are hash-consed (fifty rules over the same features share their loads and comparisons) and then given
registers, a register being free again after its last reader.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from adjudge.define import nodes
from adjudge.define.check import ListType, check
from adjudge.define.expression import Expression
from adjudge.define.functions import Type
from adjudge.define.nodes import Node
from adjudge.engine import interpreter as vm
from adjudge.errors import DefinitionError, ShapeError
from adjudge.typing import FloatArray, IntArray

File: TypeAlias = Literal["F", "T", "K"]
"""Where a value lives: numbers, texts (in the number registers, as bits), truth values."""

_FILES: dict[Type, File] = {"number": "F", "money": "F", "text": "T", "boolean": "K"}
_LOAD = {"F": vm.LOAD_F, "T": vm.LOAD_T, "K": vm.LOAD_K}
_STORE = {"F": vm.STORE_F, "T": vm.STORE_T, "K": vm.STORE_K}
_BINARY = {
    "+": vm.ADD,
    "-": vm.SUB,
    "*": vm.MUL,
    "/": vm.DIV,
    "//": vm.FLOORDIV,
    "%": vm.MOD,
    "**": vm.POW,
}
_FUNCTION = {
    "abs": vm.ABS,
    "floor": vm.FLOOR,
    "round": vm.ROUND,
    "sqrt": vm.SQRT,
    "exp": vm.EXP,
    "log": vm.LOG,
    "log1p": vm.LOG1P,
    "min": vm.MIN,
    "max": vm.MAX,
}
_CALENDAR = {"hour": vm.HOUR, "weekday": vm.WEEKDAY, "date": vm.DATE, "monthday": vm.MONTHDAY}
_EQUAL = {"F": (vm.EQ, vm.NE), "T": (vm.EQ_T, vm.NE_T), "K": (vm.EQ_K, vm.NE_K)}
_MISSING = {"F": vm.MISSING_F, "T": vm.MISSING_T, "K": vm.MISSING_K}
_WHERE = {"F": vm.WHERE_F, "T": vm.WHERE_T, "K": vm.WHERE_K}
_COALESCE = {"F": vm.COALESCE_F, "T": vm.COALESCE_T, "K": vm.COALESCE_K}
_CONSTANT = {
    (vm.LT, False): vm.LT_C,
    (vm.LE, False): vm.LE_C,
    (vm.LT, True): vm.GT_C,
    (vm.LE, True): vm.GE_C,
    (vm.EQ, False): vm.EQ_C,
    (vm.NE, False): vm.NE_C,
    (vm.EQ_T, False): vm.EQ_TC,
    (vm.NE_T, False): vm.NE_TC,
}
"""What a comparison becomes where its right side is a constant, or its left side (True)."""
_COMMUTES = {vm.ADD, vm.MUL, vm.EQ, vm.NE, vm.EQ_T, vm.NE_T, vm.EQ_K, vm.NE_K, vm.AND, vm.OR}


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a field or feature stands in the feature matrix.

    Parameters
    ----------
    type
        What it is; a time and a place take two rows, everything else one.
    row
        Its first row of X.
    """

    type: Type
    row: int


@dataclass(frozen=True, slots=True)
class Ends:
    """What ends by itself, judged by the time of the event in hand: so replaying an event never depends on when.

    Parameters
    ----------
    clock
        Row of X that holds the event's time in microseconds.
    rows
        For a row that a truth value is written to, the time from which on it is never true.
    lists
        For a named list, the time from which on each element is none; others stay.
    """

    clock: int
    rows: Mapping[int, int] = field(default_factory=dict)
    lists: Mapping[str, Mapping[str | float, int]] = field(default_factory=dict)


NO_ENDS = Ends(-1)
"""Nothing ends."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """Expressions compiled for one layout of the feature matrix.

    Parameters
    ----------
    words
        What the interpreter reads.
    floats, truths
        How many number and truth registers it needs.
    reads
        The rows of X that are read before they are written.
    writes
        The rows of X that are written.
    """

    words: IntArray
    floats: int
    truths: int
    reads: tuple[int, ...]
    writes: tuple[int, ...]

    def run(self, X: FloatArray) -> None:
        """Compute every output for every event of X, in place.

        Parameters
        ----------
        X
            The feature matrix, shape (slots, events), float64 and C-contiguous.

        Raises
        ------
        ShapeError
            If X has another type or layout, or too few rows.
        """
        if X.dtype != np.float64 or X.ndim != 2 or not X.flags.c_contiguous:
            message = "a feature matrix is a C-contiguous float64 array of two dimensions"
            raise ShapeError(message)
        width = min(X.shape[1], vm.BLOCK)
        R, K = np.empty((self.floats, width)), np.empty((self.truths, width), np.uint8)
        if not vm.interpret(X, self.words, R, K):
            message = f"the program needs {int(self.words[4])} rows, the feature matrix has {X.shape[0]}"
            raise ShapeError(message)


def compile_program(
    outputs: Sequence[tuple[Expression, int]],
    scope: Mapping[str, Slot],
    *,
    hash_text: Callable[[str], int],
    lists: Mapping[str, Collection[str | float]] | None = None,
    ends: Ends = NO_ENDS,
) -> Program:
    """Return the program that computes some expressions, each into a row of X of its own.

    Parameters
    ----------
    outputs
        The expressions and the rows they are written to, in order; a later one may read an earlier one's row.
    scope
        Where every name stands.
    hash_text
        The hash under which texts stand in X.
    lists
        The elements of the named lists.
    ends
        What ends by itself.

    Raises
    ------
    DefinitionError
        If an expression does not fit the scope.

    Examples
    --------
    >>> from adjudge.define.expression import parse
    >>> scope = {"a": Slot("number", 0), "b": Slot("number", 1)}
    >>> program = compile_program([(parse("a / b"), 2), (parse("a > b"), 3)], scope, hash_text=len)
    >>> X = np.array([[6.0, 1.0], [2.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    >>> program.run(X)
    >>> X[2:].tolist()
    [[3.0, nan], [1.0, 1.0]]
    """
    lists = lists or {}
    kinds: dict[str, ListType] = {name: list_type(values) for name, values in lists.items()}
    types = {name: slot.type for name, slot in scope.items()}
    lowering = _Lowering(scope, hash_text, lists, ends)
    written: set[int] = set()
    for expression, row in outputs:
        found = check(expression, types, kinds)
        if found not in _FILES:
            message = f"{str(expression)!r} gives a {found}; a feature or rule is a number, truth value or text"
            raise DefinitionError(message)
        if row in written:
            message = f"two expressions are written to row {row}"
            raise DefinitionError(message)
        written.add(row)
        lowering.output(expression.root, row)
    return lowering.assemble()


def list_type(values: Collection[str | float]) -> ListType:
    """Return what a list holds.

    Parameters
    ----------
    values
        Its elements, all texts or all numbers.

    Examples
    --------
    >>> list_type(["DE", "FR"]), list_type([1.0]), list_type([])
    ('text', 'number', 'empty')
    """
    for value in values:
        return "text" if isinstance(value, str) else "number"
    return "empty"


@dataclass(frozen=True, slots=True)
class _Value:
    """One computed column: its file and its number among all values."""

    file: File
    id: int


@dataclass(slots=True)
class _Step:
    """One instruction over values; `extra` are plain numbers such as a row or a table."""

    op: int
    result: _Value
    operands: tuple[_Value, ...]
    extra: tuple[int, ...] = ()


@dataclass(slots=True)
class _Lowering:
    """Turns nodes into steps over values, and steps into words."""

    scope: Mapping[str, Slot]
    hash_text: Callable[[str], int]
    lists: Mapping[str, Collection[str | float]]
    ends: Ends
    steps: list[_Step] = field(default_factory=list)
    known: dict[tuple[object, ...], _Value] = field(default_factory=dict)
    constants: dict[_Value, int] = field(default_factory=dict)
    rows: dict[tuple[File, int], _Value] = field(default_factory=dict)
    reads: list[int] = field(default_factory=list)
    writes: list[int] = field(default_factory=list)
    tables: list[IntArray] = field(default_factory=list)
    table_at: dict[tuple[object, ...], tuple[int, int]] = field(default_factory=dict)
    count: int = 0

    def output(self, node: Node, row: int) -> None:
        value = self.lower(node)
        if row in self.ends.rows:
            value = self.emit(vm.AND, "K", value, self.before(self.ends.rows[row]))
        self.steps.append(_Step(_STORE[value.file], value, (value,), (row,)))
        self.writes.append(row)
        for file in ("F", "T", "K"):
            self.rows.pop((file, row), None)
        self.rows[value.file, row] = value

    def before(self, moment: int) -> _Value:
        """Return whether the event is from before a time."""
        return self.emit(vm.LT_C, "K", self.load("F", self.ends.clock), extra=(_bits(moment),))

    def new(self, file: File) -> _Value:
        self.count += 1
        return _Value(file, self.count)

    def emit(self, op: int, file: File, *operands: _Value, extra: tuple[int, ...] = ()) -> _Value:
        """Return the value of an instruction, which is computed only the first time it is asked for."""
        if op in _COMMUTES:
            operands = tuple(sorted(operands, key=lambda value: value.id))
        key = (op, extra, operands)
        if key not in self.known:
            self.known[key] = self.new(file)
            self.steps.append(_Step(op, self.known[key], operands, extra))
        return self.known[key]

    def constant(self, file: File, bits: int) -> _Value:
        key = ("constant", file, bits)
        if key not in self.known:
            self.known[key] = self.new(file)
            self.constants[self.known[key]] = bits
        return self.known[key]

    def number(self, value: float) -> _Value:
        return self.constant("F", int(np.float64(value).view(np.int64)))

    def load(self, file: File, row: int) -> _Value:
        if (file, row) not in self.rows:
            if row in self.writes:
                message = f"row {row} is read as another type than it is written"
                raise DefinitionError(message)
            value = self.rows[file, row] = self.new(file)
            self.steps.append(_Step(_LOAD[file], value, (), (row,)))
            self.reads.append(row)
        return self.rows[file, row]

    def lower(self, node: Node) -> _Value:
        match node:
            case nodes.Number():
                return self.number(node.value)
            case nodes.Text():
                return self.constant("T", self.text(node.value))
            case nodes.Boolean():
                # A truth value that is always the same: a number compared with itself.
                zero = self.number(0.0)
                return self.emit(vm.EQ if node.value else vm.NE, "K", zero, zero)
            case nodes.Name():
                slot = self.scope[node.name]
                return self.load(_FILES.get(slot.type, "F"), slot.row)
            case nodes.Unary(operator="-", operand=nodes.Number(value=value)):
                return self.number(-value)
            case nodes.Unary(operator="-"):
                return self.emit(vm.NEG, "F", self.lower(node.operand))
            case nodes.Unary():
                return self.emit(vm.NOT, "K", self.lower(node.operand))
            case nodes.Binary():
                return self.binary(node)
            case nodes.Logic():
                return self.fold(vm.AND if node.operator == "and" else vm.OR, node.operands)
            case nodes.Compare():
                return self.compare(node)
            case nodes.Member():
                return self.member(node.operand, node.values, node.negated)
            case nodes.Listed():
                until = self.ends.lists.get(node.name, {})
                return self.member(node.operand, self.lists[node.name], node.negated, until)
            case nodes.Missing():
                return self.missing(node)
            case nodes.Call():
                return self.call(node)

    def text(self, value: str) -> int:
        return int(np.uint64(self.hash_text(value)).view(np.int64))

    def fold(self, op: int, operands: Sequence[Node]) -> _Value:
        result = self.lower(operands[0])
        for each in operands[1:]:
            result = self.emit(op, result.file, result, self.lower(each))
        return result

    def binary(self, node: nodes.Binary) -> _Value:
        left, right = self.lower(node.left), self.lower(node.right)
        if self.is_time(node.left):
            return self.emit(vm.SECONDS, "F", left, right)
        return self.emit(_BINARY[node.operator], "F", left, right)

    def is_time(self, node: Node) -> bool:
        return isinstance(node, nodes.Name) and self.scope[node.name].type == "time"

    def compare(self, node: nodes.Compare) -> _Value:
        values = [self.lower(each) for each in node.operands]
        result: _Value | None = None
        for operator, left, right in zip(node.operators, values, values[1:], strict=False):
            part = self.compare_two(operator, left, right)
            result = part if result is None else self.emit(vm.AND, "K", result, part)
        if result is None:
            message = "a comparison without operators"
            raise DefinitionError(message)
        return result

    def compare_two(self, operator: str, left: _Value, right: _Value) -> _Value:
        if operator in ("==", "!="):
            op = _EQUAL[left.file][operator == "!="]
            if left in self.constants:
                left, right = right, left
        else:
            if operator in (">", ">="):
                left, right = right, left
            op = vm.LT if operator in ("<", ">") else vm.LE
        if right in self.constants:
            return self.emit(_CONSTANT[op, False], "K", left, extra=(self.constants[right],))
        if left in self.constants:
            return self.emit(_CONSTANT[op, True], "K", right, extra=(self.constants[left],))
        return self.emit(op, "K", left, right)

    def member(
        self,
        operand: Node,
        values: Collection[str | float],
        negated: bool,
        until: Mapping[str | float, int] | None = None,
    ) -> _Value:
        value = self.lower(operand)
        texts = value.file == "T"
        until = {each: until[each] for each in values if each in until} if until else {}
        if until:
            op, clock = (vm.UNTIL_T if texts else vm.UNTIL_F), [self.load("F", self.ends.clock)]
        else:
            op, clock = (vm.IN_T if texts else vm.IN_F), []
        key = (op, *sorted(values, key=repr), *sorted(until.items(), key=repr))
        if key not in self.table_at:
            ends = {self.key(each): until.get(each, _NEVER) for each in values}
            table = _table(list(ends), texts=texts)
            self.table_at[key] = sum(map(len, self.tables)), len(table) - 1
            self.tables.append(_with_ends(table, ends) if until else table)
        found = self.emit(op, "K", value, *clock, extra=self.table_at[key])
        return self.emit(vm.NOT, "K", found) if negated else found

    def key(self, element: str | float) -> int:
        """Return what stands in a table for an element of a list."""
        return self.text(element) if isinstance(element, str) else _bits(element)

    def missing(self, node: nodes.Missing) -> _Value:
        value = self.lower(node.operand)
        found = self.emit(_MISSING[value.file], "K", value)
        return self.emit(vm.NOT, "K", found) if node.negated else found

    def call(self, node: nodes.Call) -> _Value:
        function = node.function
        if function in ("min", "max"):
            return self.fold(_FUNCTION[function], node.arguments)
        if function in _CALENDAR:
            return self.emit(_CALENDAR[function], "F", *self.pair(node.arguments[0]))
        if function == "distance":
            return self.emit(vm.DISTANCE, "F", *self.pair(node.arguments[0]), *self.pair(node.arguments[1]))
        values = [self.lower(each) for each in node.arguments]
        if function == "clip":
            above = self.emit(vm.MAX, "F", values[0], values[1])
            return self.emit(vm.MIN, "F", above, values[2])
        if function == "where":
            return self.emit(_WHERE[values[1].file], values[1].file, *values)
        if function == "coalesce":
            result = values[0]
            for each in values[1:]:
                result = self.emit(_COALESCE[result.file], result.file, result, each)
            return result
        return self.emit(_FUNCTION[function], "F", *values)

    def pair(self, node: Node) -> tuple[_Value, _Value]:
        """Return both columns of a time or a place, which can only be a name."""
        if not isinstance(node, nodes.Name):
            message = f"{nodes.show(node)!r} is not a name of a time or a place"
            raise DefinitionError(message)
        row = self.scope[node.name].row
        return self.load("F", row), self.load("F", row + 1)

    def assemble(self) -> Program:
        asked = {each for step in self.steps for each in step.operands}
        constants = {value: bits for value, bits in self.constants.items() if value in asked}
        registers, floats, truths = self.allocate(constants)
        tables_at = vm.HEADER + len(constants) + len(self.steps) * vm.WORDS
        rows = max([*self.reads, *self.writes], default=-1) + 1
        words = [
            floats,
            truths,
            len(constants),
            len(self.steps),
            rows,
            0,
            0,
            0,
            *constants.values(),
        ]
        for step in self.steps:
            operands = [registers[each] for each in step.operands]
            if step.op in (vm.IN_F, vm.IN_T, vm.UNTIL_F, vm.UNTIL_T):
                operands[1:1] = [step.extra[0] + tables_at, step.extra[1]]
            elif step.op >= vm.LT_C:
                operands += step.extra
            elif step.extra:
                operands = list(step.extra)
            words += [step.op, registers[step.result], *operands, *[0] * (4 - len(operands))]
        parts = [np.array(words, np.int64), *self.tables]
        reads, writes = tuple(dict.fromkeys(self.reads)), tuple(self.writes)
        return Program(np.concatenate(parts), floats, truths, reads, writes)

    def allocate(self, constants: Mapping[_Value, int]) -> tuple[dict[_Value, int], int, int]:
        """Return the register of each value and how many of both files are needed.

        A result never takes the register of its own operand: a loop that reads and writes one column
        cannot be vectorised.
        """
        last = {each: at for at, step in enumerate(self.steps) for each in (step.result, *step.operands)}
        registers = {value: i for i, value in enumerate(constants)}
        used = {"F": len(registers), "K": 0}
        free: dict[str, list[int]] = {"F": [], "K": []}
        for at, step in enumerate(self.steps):
            value = step.result
            if value not in registers:
                file = "K" if value.file == "K" else "F"
                if not free[file]:
                    free[file].append(used[file])
                    used[file] += 1
                registers[value] = free[file].pop()
            for each in {value, *step.operands}:
                if last[each] == at and each not in constants:
                    free["K" if each.file == "K" else "F"].append(registers[each])
        return registers, used["F"], used["K"]


def _bits(value: float) -> int:
    return int(np.float64(value + 0.0).view(np.int64))


_NEVER = math.inf
"""When an element ends that does not."""


def _with_ends(table: IntArray, ends: Mapping[int, float]) -> IntArray:
    """Return a table with the time from which on each of its keys is none behind it."""
    return np.concatenate([table, np.array([_bits(ends.get(key, _NEVER)) for key in table.tolist()], np.int64)])


def _table(keys: Sequence[int], *, texts: bool) -> IntArray:
    """Return an open-addressed table of at most half its places filled."""
    size = 2
    while size < 2 * len(keys):
        size *= 2
    empty = 0 if texts else vm.EMPTY_NUMBER
    table = [empty] * size
    for key in dict.fromkeys(keys):
        at = (key if texts else int(vm.spread(np.int64(key)))) & (size - 1)
        while table[at] != empty:
            at = (at + 1) & (size - 1)
        table[at] = key
    return np.array(table, np.int64)
