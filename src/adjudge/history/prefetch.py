"""Asking for memory before it is needed: of many keys, the next one's rows are hardly ever in the cache.

A prefetch is a hint. It changes no value, faults on no address, and costs a few cycles.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from adjudge.history import memory
from adjudge.history.codes import COLUMN_SEQ, ENTRY_FACTS, ENTRY_OFFSET, LIMIT_FIRST_WIDE, LIMIT_PLAIN, LIMIT_WIDE
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.typing import HashArray, IntArray

TABLE_AHEAD = 24
"""How many entries ahead the place of a key in the table is asked for."""

ROWS_AHEAD = 12
"""How many entries ahead its newest rows are asked for; by then the table has answered."""

LINE = 8
"""Words in a line of the cache."""

LINES = 8
"""Lines of every column that are asked for, the newest ones; the processor follows the stream from there."""


def _touch(typing_context: Any, words: Any, position: Any) -> Any:
    """Hint that a word of an array of 64-bit words will be read soon."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        address = builder.bitcast(builder.gep(array.data, [arguments[1]]), cgutils.voidptr_t)
        whole = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, whole, whole, whole])
        declare: Any = cgutils.get_or_insert_function
        prefetch = declare(builder.module, kind, "llvm.prefetch.p0")
        # For reading, to be kept in every level of the cache, as data.
        builder.call(prefetch, [address, whole(0), whole(3), whole(1)])
        return context.get_dummy_value()

    return types.void(words, types.int64), generate


touch: Any = intrinsic(_touch)
"""The hint as kernels call it: ``touch(words, position)``."""


@inlined
def look_ahead(plan: Plan, table: IntArray, rows: IntArray, keys: HashArray, i: int, stop: int) -> None:
    """Ask for what the entries soon after `i` will need."""
    if i + TABLE_AHEAD < stop:
        home = memory.home(table, int(np.int64(keys[i + TABLE_AHEAD])))
        touch(table[home], 0)
    if i + ROWS_AHEAD < stop:
        place = memory.find(table, int(np.int64(keys[i + ROWS_AHEAD])))
        if place >= 0:
            facts, offset = table[place, ENTRY_FACTS], table[place, ENTRY_OFFSET]
            size_class, count = memory.class_of(facts), memory.count_of(facts)
            size = plan.sizes[size_class]
            wide = size_class >= plan.limits[LIMIT_FIRST_WIDE]
            for column in range(plan.limits[LIMIT_WIDE] if wide else plan.limits[LIMIT_PLAIN]):
                newest = offset + column * size + count
                # Positions in the log are written, never read.
                for line in range(1 if column == COLUMN_SEQ else LINES):
                    if count >= line * LINE:
                        touch(rows, newest - line * LINE)
