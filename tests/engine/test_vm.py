"""Compiled expressions against the slow reference, in bits; batches, blocks, sharing, lists, wrong shapes."""

from __future__ import annotations

import math
import threading
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define.expression import Expression, parse
from adjudge.define.nodes import Node
from adjudge.engine.interpreter import BLOCK
from adjudge.engine.vm import Program, Slot, compile_program
from adjudge.errors import DefinitionError, ShapeError
from adjudge.typing import AnyArray, FloatArray
from tests.define.strategies import LISTS, TEXTS, TYPES, booleans, expressions
from tests.engine.reference import Value, evaluate

HASHES = {text: (0x9E3779B97F4A7C15 * (i + 1)) % 2**64 for i, text in enumerate(TEXTS)}
"""Hashes with high bits set, so that some read as NaN when taken for a number."""
HASHES["ü\n"] = 0x7FF8000000000001
HASHES["\\"] = 0xFFF0000000000000
TEXT_OF = {hash: text for text, hash in HASHES.items()}

SCOPE: dict[str, Slot] = {}
_row = 0
for _name, _type in TYPES.items():
    SCOPE[_name] = Slot(_type, _row)
    _row += 2 if _type in ("time", "place") else 1
WIDTH = _row
OUT = WIDTH

_special = [0.0, -0.0, 1.0, -1.0, 2.5, -3.0, 1e308, -1e308, 5e-324, 1e-9, math.inf, -math.inf, 0.1, 800.0]
_number = st.one_of(st.none(), st.sampled_from(_special), st.floats(allow_nan=False))
_truth = st.sampled_from([None, True, False])
_text = st.one_of(st.none(), st.sampled_from(TEXTS))
_micros = st.one_of(st.integers(-6 * 10**15, 6 * 10**15), st.sampled_from([0, -1, 951782400000000, -3600000000]))
_time = st.one_of(st.none(), st.tuples(_micros.map(float), st.sampled_from([0.0, 3600.0, -34200.0, 19800.0, 50400.0])))
_degrees = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
_place = st.one_of(st.none(), _degrees, st.sampled_from([(0.0, 0.0), (90.0, 0.0), (0.0, 180.0), (0.0, -180.0)]))
_strategies = {
    "number": _number,
    "money": _number,
    "boolean": _truth,
    "text": _text,
    "time": _time,
    "place": _place,
}
events = st.lists(
    st.fixed_dictionaries({name: _strategies[type] for name, type in TYPES.items()}), min_size=1, max_size=8
)


def matrix(rows: list[dict[str, Value]], outputs: int) -> FloatArray:
    X = np.full((WIDTH + outputs, len(rows)), np.nan)
    bits = X.view(np.uint64)
    for j, event in enumerate(rows):
        for name, slot in SCOPE.items():
            value = event[name]
            if slot.type == "text":
                bits[slot.row, j] = HASHES[value] if isinstance(value, str) else 0
            elif isinstance(value, tuple):
                X[slot.row : slot.row + 2, j] = value
            elif isinstance(value, int | float):
                X[slot.row, j] = value
    return X


def build(outputs: list[tuple[Node, int]]) -> Program:
    return compile_program(
        [(Expression(root), row) for root, row in outputs], SCOPE, hash_text=HASHES.__getitem__, lists=LISTS
    )


def read(X: FloatArray, row: int, j: int, like: Value) -> Value:
    if isinstance(like, str) or (like is None and not math.isnan(X[row, j])):
        word = int(X.view(np.uint64)[row, j])
        return TEXT_OF[word] if word else None
    value = float(X[row, j])
    if math.isnan(value):
        assert X.view(np.uint64)[row, j] == 0x7FF8000000000000, "missing has one pattern of bits"
        return None
    return bool(value) if isinstance(like, bool) else value


def same(got: Value, want: Value) -> bool:
    if isinstance(want, float) and isinstance(got, float):
        return got == want and math.copysign(1, got) == math.copysign(1, want)
    return got == want


@settings(max_examples=600)
@given(st.lists(expressions(), min_size=1, max_size=4), events)
def test_equals_the_reference_in_bits(roots: list[Node], rows: list[dict[str, Value]]) -> None:
    program = build([(root, OUT + i) for i, root in enumerate(roots)])
    X = matrix(rows, len(roots))
    program.run(X)
    for i, root in enumerate(roots):
        for j, event in enumerate(rows):
            want = evaluate(root, event, LISTS)
            got = read(X, OUT + i, j, want)
            assert same(got, want), f"{Expression(root)} for {event}: {got!r}, not {want!r}"


@settings(max_examples=60)
@given(st.lists(expressions(), min_size=1, max_size=3), events, st.integers(0, 2**32))
def test_the_batch_changes_nothing(roots: list[Node], rows: list[dict[str, Value]], seed: int) -> None:
    program = build([(root, OUT + i) for i, root in enumerate(roots)])
    alone = matrix(rows, len(roots))
    for j in range(len(rows)):
        column = np.ascontiguousarray(alone[:, j : j + 1])
        program.run(column)
        alone[:, j] = column[:, 0]
    places = np.random.default_rng(seed).integers(0, len(rows), 2 * BLOCK + 77)
    batch = np.ascontiguousarray(matrix(rows, len(roots))[:, places])
    program.run(batch)
    assert batch.tobytes() == np.ascontiguousarray(alone[:, places]).tobytes()


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, BLOCK - 1, BLOCK, BLOCK + 1, 1000])
def test_every_length_of_batch(n: int) -> None:
    X = np.arange(3.0 * n).reshape(3, n).copy()
    program = compile_program(
        [(parse("a * 2 + b"), 2)], {"a": Slot("number", 0), "b": Slot("number", 1)}, hash_text=len
    )
    program.run(X)
    assert X[2].tolist() == (X[0] * 2 + X[1]).tolist()


def test_only_its_own_rows_are_written() -> None:
    X = matrix([dict.fromkeys(TYPES)], 2)
    X[OUT + 1] = 7.0
    before = X.copy()
    program = compile_program([(parse("a + 1"), OUT)], SCOPE, hash_text=len)
    program.run(X)
    assert program.reads == (SCOPE["a"].row,)
    assert program.writes == (OUT,)
    assert np.delete(X, OUT, 0).tobytes() == np.delete(before, OUT, 0).tobytes()


def test_a_later_expression_reads_an_earlier_one() -> None:
    scope = {"a": Slot("number", 0), "double": Slot("number", 1), "big": Slot("boolean", 2)}
    outputs = [(parse("a * 2"), 1), (parse("double > 5"), 2), (parse("where(big, double, -1)"), 3)]
    X = np.array([[1.0, 3.0, np.nan], [9.0, 9.0, 9.0], [9.0, 9.0, 9.0], [9.0, 9.0, 9.0]])
    compile_program(outputs, scope, hash_text=len).run(X)
    np.testing.assert_array_equal(X[1:], [[2.0, 6.0, np.nan], [0.0, 1.0, np.nan], [-1.0, 6.0, np.nan]])


def test_what_is_said_twice_is_computed_once() -> None:
    rules = ["a / b > 3 and flag", "flag and 3 < a / b", "not (flag and a / b > 3)", "b + a == a + b"]
    one = compile_program([(parse(rules[0]), OUT)], SCOPE, hash_text=len)
    three = compile_program([(parse(r), OUT + i) for i, r in enumerate(rules[:3])], SCOPE, hash_text=len)
    assert three.words[3] == one.words[3] + 3  # two more stores and one `not`
    last = compile_program([(parse(rules[3]), OUT)], SCOPE, hash_text=len)
    assert last.words[3] == 5  # two loads, one sum, one comparison, one store


def test_registers_are_used_again() -> None:
    text = " + ".join(f"log1p({i} + a)" for i in range(30))
    program = compile_program([(parse(text), OUT)], SCOPE, hash_text=len)
    assert program.words[0] <= 30 + 6  # the constants and a few more


def test_large_lists() -> None:
    texts = [f"card-{i}" for i in range(20_000)]
    hashes = {text: (i + 1) * 0x9E3779B97F4A7C15 % 2**64 for i, text in enumerate(texts)}
    scope = {"card": Slot("text", 0), "a": Slot("number", 1)}
    program = compile_program(
        [(parse("card in blocked"), 2), (parse("a in thousands"), 3)],
        scope,
        hash_text=hashes.__getitem__,
        lists={"blocked": texts[::2], "thousands": [1000.0 * i for i in range(5000)]},
    )
    X = np.zeros((4, len(texts)))
    X.view(np.uint64)[0] = [hashes[text] for text in texts]
    X[1] = np.arange(len(texts)) * 500.0
    program.run(X)
    assert X[2].tolist() == [1.0, 0.0] * 10_000
    assert X[3].tolist() == ([1.0, 0.0] * 5_000 + [0.0] * 10_000)


def test_too_few_rows_and_wrong_layouts_are_refused() -> None:
    program = compile_program([(parse("a > 1"), 20)], SCOPE, hash_text=len)
    with pytest.raises(ShapeError, match="needs 21 rows, the feature matrix has 20"):
        program.run(np.zeros((20, 3)))
    layouts: list[AnyArray] = [np.zeros((21, 3), np.float32), np.zeros((3, 21)).T, np.zeros(21)]
    for wrong in layouts:
        with pytest.raises(ShapeError, match="C-contiguous"):
            program.run(wrong)


def test_outputs_that_make_no_sense() -> None:
    with pytest.raises(DefinitionError, match="two expressions are written to row 30"):
        compile_program([(parse("a"), 30), (parse("b"), 30)], SCOPE, hash_text=len)
    with pytest.raises(DefinitionError, match="'at' gives a time"):
        compile_program([(parse("at"), 30)], SCOPE, hash_text=len)
    with pytest.raises(DefinitionError, match="unknown name 'amuont' at column 1; did you mean 'amount'"):
        compile_program([(parse("amuont"), 30)], SCOPE, hash_text=len)
    with pytest.raises(DefinitionError, match="unknown list 'blocked'"):
        compile_program([(parse("country in blocked"), 30)], SCOPE, hash_text=len)


def test_threads_share_a_program() -> None:
    program = build([(parse("log1p(abs(a)) * b + where(flag, a, b) ** 2").root, OUT)])
    matrices = [np.random.default_rng(i).random((OUT + 1, 5000)) for i in range(4)]
    want = [X.copy() for X in matrices]
    for X in want:
        program.run(X)
    threads = [threading.Thread(target=program.run, args=(X,)) for X in matrices]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(X.tobytes() == Y.tobytes() for X, Y in zip(matrices, want, strict=True))


@given(booleans(3), events)
def test_not_of_not_is_the_same(root: Node, rows: list[dict[str, Value]]) -> None:
    text = str(Expression(root))
    program = compile_program(
        [(parse(text), OUT), (parse(f"not (not ({text}))"), OUT + 1)],
        SCOPE,
        hash_text=HASHES.__getitem__,
        lists=LISTS,
    )
    X = matrix(rows, 2)
    program.run(X)
    assert X[OUT].tobytes() == X[OUT + 1].tobytes()


def test_every_day_of_four_centuries() -> None:
    days = np.arange(-100_000, 60_000)
    offsets = np.where(days % 2 == 0, 3600.0, -16_200.0)
    X = np.zeros((6, len(days)))
    X[0], X[1] = days * 86_400_000_000.0 + 86_399_999_999.0 * (days % 3 == 0), offsets
    scope = {"at": Slot("time", 0)}
    parts = ("hour", "weekday", "date", "monthday")
    compile_program([(parse(f"{part}(at)"), 2 + i) for i, part in enumerate(parts)], scope, hash_text=len).run(X)
    start = datetime(1970, 1, 1)  # noqa: DTZ001
    local = [start + timedelta(microseconds=us, seconds=offset) for us, offset in X[:2].T.tolist()]
    assert X[2].tolist() == [t.hour for t in local]
    assert X[3].tolist() == [t.weekday() for t in local]
    assert X[4].tolist() == [t.year * 10_000 + t.month * 100 + t.day for t in local]
    assert X[5].tolist() == [t.day for t in local]


def test_a_time_without_its_offset_or_out_of_range_has_no_parts() -> None:
    X = np.array([[0.0, np.nan, np.inf, 1e18, 0.0], [np.nan, 0.0, 0.0, 0.0, -np.inf], [7.0] * 5])
    compile_program([(parse("hour(at)"), 2)], {"at": Slot("time", 0)}, hash_text=len).run(X)
    assert np.isnan(X[2]).all()


def test_there_is_one_zero() -> None:
    X = np.array([[0.0, -0.0], [7.0, 7.0], [7.0, 7.0]])
    scope = {"a": Slot("number", 0)}
    compile_program([(parse("a in [0]"), 1), (parse("-a in [-0, 3]"), 2)], scope, hash_text=len).run(X)
    assert X[1:].tolist() == [[1.0, 1.0], [1.0, 1.0]]
