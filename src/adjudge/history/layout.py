"""What a history keeps and what is asked of it, compiled once into the tables that the kernels read.

A layout is a function of the measures and aggregations alone: it says which columns a row has, which times a scan must
find, and which loops fill which outputs. Whatever can be decided before the first event is decided here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from adjudge.errors import DefinitionError, did_you_mean
from adjudge.history import codes

DAY_US = 86_400_000_000
"""Microseconds in a day."""

KINDS: dict[str, int] = {
    "number": codes.NUMBER,
    "hash": codes.HASH,
    "place": codes.PLACE,
    "label": codes.LABELS,
}
"""The kinds of measure: how many columns one has and what missing looks like in them."""

NEEDS: dict[str, tuple[str, ...]] = {
    "count": ("", "number", "hash", "place", "label"),
    "sum": ("number", "label"),
    "mean": ("number",),
    "std": ("number",),
    "min": ("number",),
    "max": ("number",),
    "first": ("number", "hash"),
    "last": ("number", "hash"),
    "distinct": ("hash",),
    "is_new": ("", "hash"),
    "since_last": ("", "number", "hash", "place"),
    "since_first": ("", "number", "hash", "place"),
    "rate": ("label",),
    "trend": ("number",),
    "correlation": ("number",),
    "decayed_sum": ("number",),
    "decayed_count": ("", "number", "hash", "place"),
    "speed": ("place",),
    "distance": ("place",),
    "distance_typical": ("place",),
    "last_n": ("number", "hash"),
    "since_last_n": ("", "number", "hash", "place"),
    "linked_count": ("hash",),
    "linked_known": ("hash",),
    "linked_events": ("hash",),
}
"""Which kinds of measure each aggregation takes; an empty name stands for no measure, that is all rows."""

LINKED = frozenset({"linked_count", "linked_known", "linked_events"})
"""Aggregations of the neighbours that a row's hash names: keys of the same histories."""

RELATIVE = LINKED | {"is_new", "since_last", "since_last_n", "since_first", "speed", "distance", "distance_typical"}
"""Aggregations that compare the event with its past, so that including the event itself would say nothing."""

SEVERAL = frozenset({"last_n", "since_last_n"})
"""Aggregations that give as many results as their parameter says."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One number, hash, place or label that every row of a history carries.

    Parameters
    ----------
    name
        What it is called in messages.
    kind
        ``number`` (one column), ``hash`` (one column of 64 bits, 0 missing), ``place`` (latitude and longitude in
        degrees) or ``label`` (1 positive, 0 not, missing while unknown).
    scale
        Results that are linear in the measure are divided by it: 100 for money in cents, whose sums stay whole.

    Examples
    --------
    >>> Measure("amount", scale=100.0)
    Measure(name='amount', kind='number', scale=100.0)
    """

    name: str
    kind: str = "number"
    scale: float = 1.0


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One question asked of a history: an operation over the rows of a window.

    Parameters
    ----------
    op
        Name of the operation, such as ``count`` or ``std``.
    measure
        Position of the measure; None means all rows.
    other
        Position of a second measure: the other side of a correlation, what a rate is a share of, or the label of
        neighbours.
    window_us
        Length of the window in microseconds; None means the memory of the layout.
    delay_us
        How far the end of the window lies before the event.
    parameter
        Half-life in microseconds of the decayed operations; number of rows of ``last_n`` and ``since_last_n``; how many
        neighbours the linked operations look at.
    including
        Whether the event itself counts as its own newest row.

    Examples
    --------
    >>> Aggregation("sum", 0, window_us=DAY_US).width
    1
    >>> Aggregation("last_n", 0, parameter=5).width
    5
    """

    op: str
    measure: int | None = None
    other: int | None = None
    window_us: int | None = None
    delay_us: int = 0
    parameter: float = 0.0
    including: bool = False

    @property
    def width(self) -> int:
        """How many outputs it fills."""
        return int(self.parameter) if self.op in SEVERAL else 1


@dataclass(frozen=True, slots=True)
class Layout:
    """The measures of a row and the aggregations over them.

    Parameters
    ----------
    measures
        What each row carries, in the order of the columns of input.
    aggregations
        What is asked, in the order of the columns of output.
    capacity
        Rows inside the longest window up to which a key is exact.
    eps
        Widest merged row as a share of its age, beyond that capacity.
    memory_us
        How far operations without a window look back.
    lateness_us
        How late an event may be; rows are kept that much longer than any window.

    Raises
    ------
    DefinitionError
        If an aggregation does not exist, does not fit its measure, or a number is out of range.

    Examples
    --------
    >>> layout = Layout([Measure("amount")], [Aggregation("count", window_us=DAY_US), Aggregation("std", 0)])
    >>> layout.width, layout.columns
    (2, 1)
    """

    measures: Sequence[Measure]
    aggregations: Sequence[Aggregation]
    capacity: int = 512
    eps: float = 0.02
    memory_us: int = 400 * DAY_US
    lateness_us: int = 7 * DAY_US

    def __post_init__(self) -> None:
        object.__setattr__(self, "measures", tuple(self.measures))
        object.__setattr__(self, "aggregations", tuple(self.aggregations))
        _check_range("capacity", self.capacity, 2, 1 << 20)
        _check_range("memory_us", self.memory_us, 1, 1 << 56)
        _check_range("lateness_us", self.lateness_us, 0, 1 << 56)
        if not 0.0 <= self.eps <= 1.0:
            msg = f"eps must lie between 0 and 1, not {self.eps}"
            raise DefinitionError(msg)
        for measure in self.measures:
            _check_measure(measure)
        for position, aggregation in enumerate(self.aggregations):
            _check_aggregation(aggregation, position, self.measures)

    @property
    def width(self) -> int:
        """Number of output rows."""
        return sum(aggregation.width for aggregation in self.aggregations)

    @property
    def columns(self) -> int:
        """Number of input rows: two for a place, one for anything else."""
        return sum(2 if measure.kind == "place" else 1 for measure in self.measures)

    @property
    def digest(self) -> str:
        """Hash of everything that can change a value, hexadecimal."""
        text = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def span_us(self, aggregation: Aggregation) -> int:
        """Return how far back from an event an aggregation can see."""
        window = self.memory_us if aggregation.window_us is None else aggregation.window_us
        return window + aggregation.delay_us

    @property
    def horizon_us(self) -> int:
        """Rows this much older than the newest of their key are invisible, and may be dropped."""
        return max((self.span_us(a) for a in self.aggregations), default=self.memory_us) + self.lateness_us

    @property
    def shortest_us(self) -> int:
        """The finest distinction in time that any aggregation makes: a window or a half-life."""
        spans = [a.window_us for a in self.aggregations if a.window_us is not None]
        spans += [int(a.parameter) for a in self.aggregations if a.op.startswith("decayed")]
        return min(spans, default=self.memory_us)


def _check_range(name: str, value: int, low: int, high: int) -> None:
    if not low <= value <= high:
        msg = f"{name} must lie between {low} and {high}, not {value}"
        raise DefinitionError(msg)


def _check_measure(measure: Measure) -> None:
    if measure.kind not in KINDS:
        msg = f"measure {measure.name!r} has no kind {measure.kind!r}{did_you_mean(measure.kind, KINDS)}"
        raise DefinitionError(msg)
    if not measure.scale > 0.0:
        msg = f"measure {measure.name!r} needs a scale above 0, not {measure.scale}"
        raise DefinitionError(msg)


def _check_aggregation(aggregation: Aggregation, position: int, measures: Sequence[Measure]) -> None:
    where = f"aggregation {position} ({aggregation.op})"
    if aggregation.op not in NEEDS:
        msg = f"{where}: no such operation{did_you_mean(aggregation.op, NEEDS)}"
        raise DefinitionError(msg)
    for reference in (aggregation.measure, aggregation.other):
        if reference is not None and not 0 <= reference < len(measures):
            msg = f"{where}: there is no measure {reference}, only {len(measures)}"
            raise DefinitionError(msg)
    kind = "" if aggregation.measure is None else measures[aggregation.measure].kind
    if kind not in NEEDS[aggregation.op]:
        allowed = ", ".join(k or "no measure" for k in NEEDS[aggregation.op])
        msg = f"{where}: takes {allowed}, not {kind or 'no measure'}"
        raise DefinitionError(msg)
    if aggregation.op == "correlation" and (aggregation.other is None or measures[aggregation.other].kind != "number"):
        msg = f"{where}: needs a second number"
        raise DefinitionError(msg)
    if aggregation.window_us is not None:
        _check_range(f"{where}: window_us", aggregation.window_us, 1, 1 << 56)
    _check_range(f"{where}: delay_us", aggregation.delay_us, 0, 1 << 56)
    if aggregation.including and (aggregation.op in RELATIVE or aggregation.delay_us):
        msg = f"{where}: cannot include the event itself"
        raise DefinitionError(msg)
    if aggregation.op.startswith("decayed") and not aggregation.parameter >= 1.0:
        msg = f"{where}: needs a half-life of at least a microsecond as its parameter"
        raise DefinitionError(msg)
    if aggregation.op in LINKED:
        _check_linked(aggregation, where, measures)
    if aggregation.op in SEVERAL:
        _check_range(f"{where}: parameter", int(aggregation.parameter), 1, 1 << 16)


def _check_linked(aggregation: Aggregation, where: str, measures: Sequence[Measure]) -> None:
    _check_range(f"{where}: parameter", int(aggregation.parameter), 1, 1 << 16)
    kind = None if aggregation.other is None else measures[aggregation.other].kind
    asked = {"linked_count": (None,), "linked_known": ("label",), "linked_events": (None, "label")}[aggregation.op]
    if kind not in asked:
        msg = f"{where}: takes {' or '.join(k or 'nothing' for k in asked)} of its neighbours, not {kind or 'nothing'}"
        raise DefinitionError(msg)
