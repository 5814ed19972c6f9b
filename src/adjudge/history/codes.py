"""The numbers that stand for things inside the kernels: kinds of entry, measure and operation, and where facts lie."""

from __future__ import annotations

SCAN = 0
"""Kind of an entry that asks for features and leaves no row."""

ADVANCE = 1
"""Kind of an entry that asks for features and then becomes a row."""

INSERT = 2
"""Kind of an entry that becomes a row and asks nothing."""

LABEL = 3
"""Kind of an entry that sets a label of an earlier event."""

RETRACT = 4
"""Kind of an entry that takes an earlier event back."""

# Kinds of measure; ALL stands for no measure, that is every row.
ALL, NUMBER, HASH, PLACE, LABELS = 0, 1, 2, 3, 4

# Families of operations that share one loop over rows.
ROWS, COUNTS, MOMENTS, EXTREMES, SHARES, EDGES, LATEST, DISTINCTS = 0, 1, 2, 3, 4, 5, 6, 7
TREND, CORRELATION, DECAY, MOVES, TYPICAL, LINKED = 8, 9, 10, 11, 12, 13

# Operations.
OP_COUNT, OP_SUM, OP_MEAN, OP_STD, OP_MIN, OP_MAX, OP_FIRST, OP_LAST = 0, 1, 2, 3, 4, 5, 6, 7
OP_DISTINCT, OP_IS_NEW, OP_SINCE_LAST, OP_SINCE_FIRST, OP_RATE, OP_TREND, OP_CORRELATION = (
    8,
    9,
    10,
    11,
    12,
    13,
    14,
)
OP_DECAYED_SUM, OP_DECAYED_COUNT, OP_SPEED, OP_DISTANCE, OP_TYPICAL, OP_LAST_N, OP_SINCE_LAST_N = (
    15,
    16,
    17,
    18,
    19,
    20,
    21,
)
OP_LINKED_COUNT, OP_LINKED_KNOWN, OP_LINKED_EVENTS = 22, 23, 24

# Columns of Plan.measures.
MEASURE_KIND, MEASURE_INPUT, MEASURE_COLUMN, MEASURE_WIDE, MEASURE_SKETCH = 0, 1, 2, 3, 4

# Columns of Plan.pairs: two number measures, and the first wide column of what their merged rows know of both.
PAIR_X, PAIR_Y, PAIR_WIDE = 0, 1, 2

# Columns of Plan.groups.
GROUP_FAMILY, GROUP_MEASURE, GROUP_OTHER, GROUP_PAIR, GROUP_END, GROUP_FIRST, GROUP_LAST = 0, 1, 2, 3, 4, 5, 6
GROUP_INCLUDING = 7

# Columns of Plan.tasks; the age is that of the far edge of the window.
TASK_OP, TASK_AGE, TASK_OUTPUT = 0, 1, 2

# Columns of Plan.numbers.
NUMBER_SCALE, NUMBER_PARAMETER = 0, 1

# Plan.limits.
LIMIT_CAPACITY, LIMIT_HORIZON, LIMIT_SHORTEST, LIMIT_PLAIN, LIMIT_WIDE, LIMIT_FIRST_WIDE = 0, 1, 2, 3, 4, 5

# Columns of every block: time and position, then the measures; in wide blocks then how many events and the oldest time.
COLUMN_TS, COLUMN_SEQ, COLUMN_MEASURES = 0, 1, 2
WIDE_ROWS, WIDE_OLDEST, WIDE_MEASURES = 0, 1, 2

# Wide columns of a number, relative to its first; of a hash; of a label or a place (only how many).
KNOWN, TOTAL, MEAN, M2, LEAST, MOST, EARLIEST = 0, 1, 2, 3, 4, 5, 6
HASH_EARLIEST = 1
SKETCH_WORDS = 8

# Wide columns of a pair, relative to its first.
PAIR_KNOWN, PAIR_MEAN_X, PAIR_MEAN_Y, PAIR_M2_X, PAIR_M2_Y, PAIR_C = 0, 1, 2, 3, 4, 5

# Fields of an entry of the table: key, offset of its block, packed facts, newest time ever inserted.
ENTRY_KEY, ENTRY_OFFSET, ENTRY_FACTS, ENTRY_NEWEST = 0, 1, 2, 3

# Flags of a key: it has merged rows; its merged rows no longer know min, max, distinct or last exactly.
MERGED, FLAGGED = 1, 2

# State of one Histories: how many keys, the end of the used arena, what the kernel waits for, the epoch of the scratch
# set, the used words of the journal (-1 while nothing is noted), then the free list of every size class.
STATE_KEYS, STATE_TOP, STATE_NEED, STATE_EPOCH, STATE_JOURNAL, STATE_FREE = 0, 1, 2, 3, 4, 8

# What a kernel that stopped early waits for; above NEED_WORDS: that many words more in the arena.
NEED_TABLE, NEED_SCRATCH, NEED_VALUES, NEED_JOURNAL, NEED_WORDS = 1, 2, 3, 4, 8
