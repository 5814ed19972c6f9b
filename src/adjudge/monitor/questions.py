"""Yes-or-no questions about fields, counted by day: is it missing, is it this value, is it at most this number.

A *family* is all that is asked of one field, or of one field within the values of another. Families are the unit of
what is tested, because questions about one field say nearly the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from adjudge.monitor.days import CELLS, DAY_US, HOUR_US, Days
from adjudge.monitor.fields import Kind
from adjudge.monitor.shares import Shares, Surprise, against, surprise
from adjudge.typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

QUANTILES = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999)
"""Where numbers are cut, by the reference."""

VALUES = 40
"""Values of a category that are asked about one by one; others together."""

RANK_SCALE = 0.57
"""Standard deviation of a rank over that of a share near one half, about root of a third."""

SEGMENT_ROWS = 40
"""Rows a day that a segment needs for its numbers to be watched."""

SEGMENTS = 30
"""Values of a category by which numbers are cut up, at most."""

WHOLE = 0.9
"""A segment with more than this share of the rows is no segment."""

CONTRASTS = 4
"""The most common values of a category that are held against each other, two by two."""

BURST_US = HOUR_US
"""A key that comes again within this time is a burst."""

RARE = 0.1
"""Sharing that is more common than this is how keys are used, and is not asked about."""

TWICE_US = 300_000_000
"""Equal content within this time is a duplicate."""

RARE_ROWS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995)
"""Shares of the reference's rows that are less rare than those that are counted."""

NEVER = 1e-4
"""Share that a value is taken to have at least when its rarity is told."""

RARITY = "rarity"
"""Name of the family about whole rows."""

HOURS = "hour"
"""Name of the family about the time of day."""


class Question(NamedTuple):
    """One question.

    Parameters
    ----------
    kind
        ``missing``, ``value``, ``other``, ``new``, ``below``, ``rank``, ``mode``, ``burst``, ``twice`` or ``hour``.
    value
        The value or number that it is about.
    segment
        The value of the other field within which it is asked; empty for all rows.
    """

    kind: str
    value: str = ""
    segment: str = ""


@dataclass(frozen=True)
class Family:
    """What is asked of one field, and what came of it.

    Parameters
    ----------
    field
        Which one.
    within
        The field whose values cut it up; empty for none.
    questions
        The questions.
    found
        How unusual each share of each day is.
    """

    field: str
    within: str
    questions: tuple[Question, ...]
    found: Surprise

    @property
    def name(self) -> str:
        """The field, and by what it is cut up."""
        return f"{self.field} by {self.within}" if self.within else self.field


@dataclass(frozen=True)
class Coded:
    """A column as small whole numbers.

    Parameters
    ----------
    code
        Of each row, shape (n,); the last one is missing.
    names
        Of codes: values, or upper ends of ranges.
    """

    code: IntArray
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many codes there are."""
        return len(self.names)


def code_number(column: pl.Series, reference: pl.Series) -> Coded:
    """Return a number as ranges between quantiles of the reference, the last code for what is missing.

    Examples
    --------
    >>> import polars as pl
    >>> coded = code_number(pl.Series([1.0, None, 99.0]), pl.Series([1.0, 2.0, 3.0]))
    >>> coded.names, coded.code.tolist()
    (('1', '2', '3', 'inf', 'missing'), [0, 4, 3])
    """
    import polars as pl

    known = reference.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    edges = np.unique(np.quantile(known, QUANTILES, method="inverted_cdf")) if len(known) else np.zeros(1)
    values = column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    code = np.searchsorted(edges, values)
    code[np.isnan(values)] = len(edges) + 1
    return Coded(code.astype(np.int64), (*(f"{edge:.6g}" for edge in edges), "inf", "missing"))


def code_category(column: pl.Series, reference: pl.Series) -> Coded:
    """Return a category as its most common values in the reference, other ones, new ones, and missing.

    Examples
    --------
    >>> import polars as pl
    >>> coded = code_category(pl.Series(["a", None, "c"]), pl.Series(["a", "b", "a"]))
    >>> coded.names, coded.code.tolist()
    (('a', 'b', 'other', 'new', 'missing'), [0, 4, 3])
    """
    import polars as pl

    texts = pl.String()
    counts = reference.cast(texts).drop_nulls().value_counts(sort=True)
    values = counts.sort(["count", counts.columns[0]], descending=[True, False])[:, 0].to_list()
    kept = values[:VALUES]
    place = dict(zip(values, [*range(len(kept)), *[len(kept)] * (len(values) - len(kept))], strict=True))
    code = column.cast(texts).replace_strict(place, default=len(kept) + 1, return_dtype=pl.Int64)
    code = pl.select(pl.when(column.is_null()).then(len(kept) + 2).otherwise(code)).to_series()
    return Coded(code.to_numpy().astype(np.int64), (*kept, "other", "new", "missing"))


def counts(days: Days, code: IntArray, size: int, *, cells: bool = True) -> FloatArray:
    """Return how many rows have each code, shape (codes, days, cells)."""
    width = CELLS if cells else 1
    place = days.day * width + days.cell if cells else days.day
    found = np.bincount(place * size + code, minlength=days.count * width * size)
    return np.moveaxis(found.reshape(days.count, width, size).astype(np.float64), 2, 0)


def families(frame: pl.DataFrame, days: Days, kinds: Mapping[str, Kind]) -> Iterator[Family]:
    """Yield what is asked of every field, of numbers within segments, of bursts, duplicates and the time of day.

    Parameters
    ----------
    frame
        Rows of reference and watched days.
    days
        Their days.
    kinds
        Kind of each column that is watched.
    """
    known = frame.filter(_before(days))
    coded: dict[str, Coded] = {}
    for name, kind in kinds.items():
        if kind == "number":
            coded[name] = code_number(frame[name], known[name])
            yield _number(name, coded[name], frame[name], days)
        elif kind == "category":
            coded[name] = code_category(frame[name], known[name])
            yield _category(name, coded[name], days)
        elif kind == "level":
            yield _missing(name, frame[name], days)
    numbers = [name for name in coded if kinds[name] == "number"]
    segments = [name for name in coded if kinds[name] == "category" and coded[name].size <= SEGMENTS + 3]
    for name in numbers:
        for within in segments:
            family = _within(name, coded[name], within, coded[within], days)
            if family is not None:
                yield family
    meetings: list[IntArray] = []
    yield from _keys(frame, kinds, days, meetings)
    yield _rarity([*(one.code for one in coded.values()), *meetings], days)
    yield _twice(frame, kinds, days)
    yield hours(days)


def _before(days: Days) -> AnyArray:
    return days.day < days.watched


def _number(name: str, coded: Coded, column: pl.Series, days: Days) -> Family:
    by_code = counts(days, coded.code, coded.size)
    every, present = by_code.sum(axis=0), by_code[:-1].sum(axis=0)
    below = np.cumsum(by_code[:-2], axis=0)
    rank = np.tensordot(_ranks(by_code, days), by_code[:-1], axes=1)
    questions = [Question("missing"), *(Question("below", edge) for edge in coded.names[:-2]), Question("rank")]
    hits = np.concatenate([by_code[-1:], below, rank[None]])
    totals = np.stack([every, *[present] * (len(questions) - 1)])
    least = np.array([*[1.0] * (len(questions) - 1), RANK_SCALE])
    found = surprise(Shares(hits, totals), days.reference, least_scale=least)
    mode, shares = _modes(column, days)
    return Family(name, "", (*questions, mode), _joined(found, surprise(shares, days.reference)))


def _ranks(by_code: FloatArray, days: Days) -> FloatArray:
    """Return the mean rank of each range in the reference, from 0 to 1."""
    known = by_code[:-1, : days.watched].sum(axis=(1, 2)) + 1e-9
    share = known / known.sum()
    ranks: FloatArray = np.cumsum(share) - share / 2
    return ranks


def _modes(column: pl.Series, days: Days) -> tuple[Question, Shares]:
    """Return the share of each day's most common value, and which one it is on the last day."""
    import polars as pl

    every = pl.DataFrame({"day": days.day, "value": column}).drop_nulls().group_by("day", "value").len()
    best = every.sort("len", "value", descending=[True, False]).group_by("day", maintain_order=True).first().sort("day")
    hits, totals = np.zeros(days.count), np.zeros(days.count)
    hits[best["day"].to_numpy()] = best["len"].to_numpy()
    whole = every.group_by("day").agg(pl.col("len").sum())
    totals[whole["day"].to_numpy()] = whole["len"].to_numpy()
    value = f"{best['value'][-1]:g}" if len(best) else ""
    return Question("mode", value), Shares(hits[None, :, None], totals[None, :, None])


def _category(name: str, coded: Coded, days: Days) -> Family:
    by_code = counts(days, coded.code, coded.size)
    kept = coded.names[:-3]
    questions = [
        *(Question("value", value) for value in kept),
        *(Question(kind) for kind in ("other", "new", "missing")),
    ]
    totals = [np.broadcast_to(by_code.sum(axis=0), by_code.shape)]
    hits = [by_code]
    for i, j in combinations(range(min(len(kept), CONTRASTS)), 2):
        questions.append(Question("rather", kept[i], kept[j]))
        hits.append(by_code[i : i + 1])
        totals.append(by_code[i : i + 1] + by_code[j : j + 1])
    found = surprise(Shares(np.concatenate(hits), np.concatenate(totals)), days.reference)
    return Family(name, "", tuple(questions), found)


def _missing(name: str, column: pl.Series, days: Days) -> Family:
    by_code = counts(days, column.is_null().to_numpy().astype(np.int64), 2)
    found = surprise(Shares(by_code[1:], by_code.sum(axis=0, keepdims=True)), days.reference)
    return Family(name, "", (Question("missing"),), found)


def _within(name: str, number: Coded, within: str, segment: Coded, days: Days) -> Family | None:
    """Return the mean rank of a number within each segment that has enough rows."""
    size = number.size
    joint = counts(days, segment.code * size + number.code, size * segment.size, cells=False)
    joint = joint.reshape(segment.size, size, days.count)[:-2, :-1]
    totals = joint.sum(axis=1)
    kept = np.flatnonzero(totals[:, : days.watched].mean(axis=1) >= SEGMENT_ROWS)
    kept = kept[totals[kept, : days.watched].sum(axis=1) <= WHOLE * totals[:, : days.watched].sum()]
    if not len(kept):
        return None
    known = joint[:, :, : days.watched].sum(axis=2) + 1e-9
    share = known / known.sum(axis=1, keepdims=True)
    rank = np.cumsum(share, axis=1) - share / 2
    hits = np.einsum("sc,scd->sd", rank, joint)
    questions = tuple(Question("rank", segment=segment.names[i]) for i in kept)
    shares = Shares(hits[kept, :, None], totals[kept, :, None])
    return Family(name, within, questions, surprise(shares, days.reference, least_scale=RANK_SCALE))


def _keys(frame: pl.DataFrame, kinds: Mapping[str, Kind], days: Days, meetings: list[IntArray]) -> Iterator[Family]:
    """Yield for every key the share of rows without it, of those that come in a burst, and of those it shares.

    Sharing is told by key: the row before of the same key, within a day, had another value of the other key. Which rows
    come in a burst or share is put into `meetings`.
    """
    hashes = {name: frame[name].hash().to_numpy() for name, kind in kinds.items() if kind == "key"}
    present = {name: frame[name].is_not_null().to_numpy() for name in hashes}
    for name, content in hashes.items():
        order = np.lexsort((days.at, content))
        here, before = order[1:], order[:-1]
        gap = days.at[here] - days.at[before]
        follows = (content[here] == content[before]) & present[name][here]
        recent = follows & (gap <= DAY_US)
        there = counts(days, present[name].astype(np.int64), 2)
        burst = here[follows & (gap <= BURST_US)]
        meetings.append(_marked(burst, len(content)))
        questions, hits = [Question("missing"), Question("burst")], [there[0], _hits(days, burst)]
        for other, values in hashes.items():
            if other != name:
                both = present[other][here] & present[other][before]
                rows = here[recent & both & (values[here] != values[before])]
                shared = _hits(days, rows)
                if shared[: days.watched].sum() <= RARE * there[1, : days.watched].sum():
                    questions.append(Question("shared", other))
                    hits.append(shared)
                    meetings.append(_marked(rows, len(content)))
        totals = np.stack([there.sum(axis=0), *[there[1]] * (len(hits) - 1)])
        found = surprise(Shares(np.stack(hits), totals), days.reference)
        yield Family(name, "", tuple(questions), _by_volume(found, days))


def _hits(days: Days, rows: IntArray) -> FloatArray:
    """Return how many of some rows are of each day and cell."""
    found = np.bincount(days.day[rows] * CELLS + days.cell[rows], minlength=days.count * CELLS)
    return found.reshape(days.count, CELLS).astype(np.float64)


def _marked(rows: IntArray, length: int) -> IntArray:
    code = np.zeros(length, np.int64)
    code[rows] = 1
    return code


def _rarity(codes: Sequence[IntArray], days: Days) -> Family:
    """Return the share of rows that are rare as a whole: few fields are unusual, but many of them a little.

    A row's rarity is the sum over its fields of the logarithm of how rare its value is in the reference.
    """
    known = days.day < days.watched
    rarity = np.zeros(len(days.at))
    for code in codes:
        share = np.bincount(code[known], minlength=int(code.max()) + 1) / known.sum()
        rarity -= np.log(np.maximum(share, NEVER))[code]
    edges = np.quantile(rarity[known], RARE_ROWS)
    by_code = counts(days, np.searchsorted(edges, rarity), len(edges) + 1)
    above = np.cumsum(by_code[::-1], axis=0)[::-1][1:]
    found = surprise(Shares(above, by_code.sum(axis=0, keepdims=True)), days.reference)
    return Family(RARITY, "", tuple(Question("above", f"{quantile:.1%}") for quantile in RARE_ROWS), found)


def _by_volume(found: Surprise, days: Days) -> Surprise:
    """Return how unusual shares are that rise with the number of rows, as meetings do, judged at the day's volume."""
    rows, reference = np.maximum(found.rows, 1.0), days.reference
    more = np.log(rows) - np.log(rows[:, reference]).mean(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.nan_to_num(np.log((found.seen * rows + 0.5) / (found.usual * rows + 0.5)))
    spread = (more[:, reference] ** 2).sum(axis=1) + 1e-3
    slope = ((more * off)[:, reference].sum(axis=1) / spread).clip(0.0, 1.5)
    usual = (found.usual * np.exp(slope[:, None] * more)).clip(1e-9, 1 - 1e-9)
    return against(found.seen, usual, found.rows, reference)


def _again(content: AnyArray, at: IntArray, within_us: int) -> AnyArray:
    """Return which rows have the content of one shortly before."""
    order = np.lexsort((at, content))
    same = (content[order][1:] == content[order][:-1]) & (np.diff(at[order]) <= within_us)
    again = np.zeros(len(at), np.bool_)
    again[order[1:][same]] = True
    return again


def _twice(frame: pl.DataFrame, kinds: Mapping[str, Kind], days: Days) -> Family:
    """Return the share of rows whose whole content came a moment before."""
    content = frame.select(name for name, kind in kinds.items() if kind not in ("id", "unread")).hash_rows().to_numpy()
    again = counts(days, _again(content, days.at, TWICE_US).astype(np.int64), 2, cells=False)
    found = surprise(Shares(again[1:], again.sum(axis=0, keepdims=True)), days.reference)
    return Family("events", "", (Question("twice"),), found)


def hours(days: Days) -> Family:
    """Return the share of rows in each two hours of the local day.

    A day is held against the mixture of the reference's working days, Saturdays and Sundays that is nearest to it:
    holidays are rest days that no calendar told of.
    """
    from scipy.optimize import nnls

    block = counts(days, days.hour // 2, 12, cells=False)[:, :, 0]
    rows = block.sum(axis=0)
    usual = np.full(block.shape, np.nan)
    with np.errstate(invalid="ignore"):
        seen = block / rows
    kind = np.maximum((days.first + np.arange(days.count) + 3) % 7 - 4, 0)
    for day in np.flatnonzero(rows > 0):
        others = days.reference & (np.arange(days.count) != day)
        profiles = [block[:, others & (kind == k)].sum(axis=1) for k in range(3) if (others & (kind == k)).any()]
        shapes = np.stack([profile / max(profile.sum(), 1.0) for profile in profiles], axis=1)
        weight = nnls(shapes, seen[:, day])[0]
        usual[:, day] = (shapes @ weight / max(weight.sum(), 1e-9)).clip(1e-6, 1 - 1e-6)
    found = against(seen, usual, np.broadcast_to(rows, seen.shape), days.reference)
    return Family(HOURS, "", tuple(Question("hour", f"{2 * i:02d}-{2 * i + 2:02d}") for i in range(12)), found)


def _joined(*found: Surprise) -> Surprise:
    return Surprise(
        *(np.concatenate([getattr(one, name) for one in found]) for name in ("seen", "usual", "rows", "z", "p"))
    )


def complete(days: Days) -> Sequence[bool]:
    """Return which days are over, as far as rows tell."""
    last = int(days.at.max()) // DAY_US - days.first
    return [day < last for day in range(days.count)]
