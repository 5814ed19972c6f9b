"""Whose change it is: the world's or the pipeline's, with the evidence in words.

People and markets change by degrees, and what belongs together changes together. Pipelines break by the rule of some
program: a field is gone, a value has another name, a number is a hundred times as large, an event comes twice, a value
is in a field that what goes with it contradicts. Each such mark is looked for; where none is found, it was the world.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec
import numpy as np

from adjudge.monitor.days import Days
from adjudge.monitor.drift import Drift
from adjudge.monitor.fields import Kind
from adjudge.monitor.questions import HOURS
from adjudge.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

Cause = Literal["world", "pipeline"]

ROWS = 20_000
"""Rows of the reference, and of the day, that evidence is taken from, or up to twice as many."""

GONE = 0.1
"""A value that is rarer than this share of what is usual is gone."""

COMMON = 0.01
"""Usual share of a value whose going is worth noting."""

ALIKE = 0.35
"""How far new values may be in number from those that are gone, as a part of these, to be the same ones renamed."""

EXPLAINED = 0.6
"""Share of a change that another field's mix has to explain."""

TIED = 0.5
"""Share of a field's uncertainty that another one takes away for the two to belong together."""

CONTRADICTED = 0.2
"""Share of the rows that has to change against what belongs together for it to be a mark."""

POWER = 0.12
"""Distance of a ratio's logarithm to base ten from a whole number for it to be a unit."""

SEGMENT = 100
"""Rows of the day that a segment's median needs."""

FROZEN = 0.03
"""Share of a number's rows that have to have one value more than usual for it to be a default."""

SHIFTED = 0.6
"""A shift of the clock has to leave less than this part of the difference."""


class Evidence(msgspec.Struct, frozen=True):
    """One thing that speaks for a cause.

    Parameters
    ----------
    cause
        Which.
    mark
        Kind of evidence: ``missing``, ``renamed``, ``stopped``, ``unit``, ``default``, ``twice``, ``clock``,
        ``contradiction``, ``exchanged``; ``moved``, ``appeared``, ``scaled``, ``mixed``, ``shared``, ``hours``.
    field
        Where it was seen.
    words
        One sentence.
    """

    cause: Cause
    mark: str
    field: str
    words: str


class Verdict(msgspec.Struct, frozen=True):
    """Whose change it was.

    Parameters
    ----------
    cause
        The pipeline's if anything speaks for that, else the world's.
    evidence
        What was found, marks of the pipeline first.
    """

    cause: Cause
    evidence: tuple[Evidence, ...]


def verdict(frame: pl.DataFrame, days: Days, kinds: Mapping[str, Kind], found: Sequence[Drift]) -> Verdict:
    """Return whose change it is that was seen on one day.

    Parameters
    ----------
    frame, days
        Rows of the reference and of that day, and their days.
    kinds
        Kind of each field.
    found
        What has drifted on that day, at least one thing.
    """
    usual, seen = _some(frame, days.day < days.watched), _some(frame, days.day == found[0].day)
    told = [*_of_fields(usual, seen, kinds, found)]
    if any(drift.field == HOURS for drift in found):
        told.append(_clock(days, found[0].day))
    if not told:
        told = [Evidence("world", "moved", drift.field, _moved(drift)) for drift in found[:3]]
    ordered = sorted(dict.fromkeys(told), key=lambda one: one.cause != "pipeline")
    cause: Cause = "pipeline" if ordered[0].cause == "pipeline" else "world"
    return Verdict(cause, tuple(ordered))


def _some(frame: pl.DataFrame, mask: BoolArray) -> pl.DataFrame:
    """Return the rows of a mask, evenly thinned to as many as words need."""
    rows = np.flatnonzero(mask)
    return frame[rows[:: max(1, len(rows) // ROWS)]]


def _of_fields(
    usual: pl.DataFrame, seen: pl.DataFrame, kinds: Mapping[str, Kind], found: Sequence[Drift]
) -> Iterator[Evidence]:
    fields = dict.fromkeys(drift.field for drift in found if drift.field in kinds)
    categories = [name for name, kind in kinds.items() if kind == "category"]
    for drift in found:
        if drift.kind == "twice" and drift.seen > drift.usual:
            words = (
                f"{drift.seen:.1%} of the events are another's content again within minutes, usually {drift.usual:.1%}"
            )
            yield Evidence("pipeline", "twice", drift.field, words)
        elif drift.kind in ("burst", "shared", "above") and drift.seen > drift.usual:
            yield Evidence("world", "shared", drift.field, _moved(drift))
    for field in fields:
        yield from _missing(field, usual, seen, categories)
        if kinds[field] == "number":
            own = [drift for drift in found if drift.field == field]
            yield from _number(own, usual, seen, categories)
        elif kinds[field] == "category":
            yield from _category(field, usual, seen, categories)


def _missing(field: str, usual: pl.DataFrame, seen: pl.DataFrame, categories: Sequence[str]) -> Iterator[Evidence]:
    """Yield that a field is missing more often than the mix of rows explains."""
    import polars as pl

    gone, before = _gone(seen[field]), _gone(usual[field])
    if gone - before < COMMON:
        return
    best, where = 0.0, ""
    for other in categories:
        if other == field:
            continue
        shares = usual.group_by(other).agg(pl.col(field).is_null().mean().alias("known"))
        joined = seen.select(other).join(shares, on=other, how="left", nulls_equal=True)["known"].fill_null(before)
        explained = (float(joined.to_numpy().mean()) - before) / (gone - before)
        if explained > best:
            best, where = explained, other
    if best >= EXPLAINED:
        words = f"{field} is missing in {gone:.1%} instead of {before:.1%}, as the mix of {where} would have it"
        yield Evidence("world", "mixed", field, words)
        return
    only = _only_where(field, usual, seen, categories)
    words = (
        f"{field} is missing in {gone:.1%} of the events instead of {before:.1%}{only}, and no other field explains it"
    )
    yield Evidence("pipeline", "missing", field, words)


def _gone(column: pl.Series) -> float:
    """Return the share of rows that are missing."""
    return column.null_count() / max(len(column), 1)


def _only_where(field: str, usual: pl.DataFrame, seen: pl.DataFrame, categories: Sequence[str]) -> str:
    """Return the one value within which a field is missing, in words; empty where there is none."""
    import polars as pl

    best, words = 0.5, ""
    total = (_gone(seen[field]) - _gone(usual[field])) * len(seen)
    for other in categories:
        if other == field:
            continue
        known = usual.group_by(other).agg(pl.col(field).is_null().mean().alias("known"), pl.len().alias("of"))
        now = seen.group_by(other).agg(pl.col(field).is_null().mean().alias("now"), pl.len().alias("rows"))
        rows = now.join(known, on=other, nulls_equal=True).filter(pl.col("now") > 0.98, pl.col("known") < 0.9)
        rows = rows.with_columns(more=(pl.col("now") - pl.col("known")) * pl.col("rows")).sort("more", descending=True)
        if len(rows) and float(rows["more"][0]) > best * total:
            best, words = float(rows["more"][0]) / total, f", all of them where {other} is {rows[other][0]}"
    return words


def _number(
    own: Sequence[Drift], usual: pl.DataFrame, seen: pl.DataFrame, categories: Sequence[str]
) -> Iterator[Evidence]:
    """Yield what has happened to a number that has drifted, in all events or within segments."""
    field = own[0].field
    within = list(dict.fromkeys(drift.within for drift in own if drift.within)) or categories
    ratio = _ratio(usual[field], seen[field])
    value, share, before = _mode(usual[field], seen[field])
    if share - before > FROZEN:
        words = f"{field} is exactly {value:g} in {share:.1%} of its rows, usually in {before:.1%}"
        yield Evidence("pipeline", "default", field, words)
    if _is_power(ratio):
        yield Evidence("pipeline", "unit", field, f"the median of {field} is {ratio:.4g} times the usual one")
        return
    parts = [one for other in within for one in _ratios(field, other, usual, seen)]
    for name, one in parts:
        if _is_power(one):
            words = f"the median of {field} is {one:.4g} times the usual one where {name}"
            yield Evidence("pipeline", "unit", field, words)
            return
    named = {f"{drift.within} is {drift.segment}" for drift in own if drift.within}
    only = [(name, one) for name, one in parts if name in named and all(drift.within for drift in own)]
    if only or abs(np.log(ratio)) > 0.04:
        yield Evidence("world", "scaled", field, _scaled(field, ratio, parts, only))


def _scaled(field: str, ratio: float, parts: Sequence[tuple[str, float]], only: Sequence[tuple[str, float]]) -> str:
    """Return by how much a number has moved, and where: in some segments alone, or in most of them alike."""
    if only:
        where = ", ".join(f"{_by(one)} where {name}" for name, one in only[:3])
        return f"the median of {field} is {where}, and {_by(ratio)} over all events"
    same = sum(abs(np.log(one / ratio)) < abs(np.log(ratio)) / 2 for _, one in parts)
    words = f"the median of {field} is {_by(ratio)}"
    return f"{words}, about the same in {same} of {len(parts)} segments" if 2 * same >= len(parts) > 0 else words


def _by(ratio: float) -> str:
    """Return a change in words.

    Examples
    --------
    >>> _by(1.18), _by(0.85)
    ('up 18%', 'down 15%')
    """
    return f"{'up' if ratio >= 1 else 'down'} {abs(ratio - 1):.0%}"


def _ratios(field: str, other: str, usual: pl.DataFrame, seen: pl.DataFrame) -> list[tuple[str, float]]:
    """Return the ratio of medians within each value of another field that has enough rows."""
    import polars as pl

    median = pl.col(field).median()
    before = usual.group_by(other).agg(median.alias("before"))
    now = seen.group_by(other).agg(median.alias("now"), pl.col(field).count().alias("rows"))
    rows = now.join(before, on=other).drop_nulls().filter(pl.col("rows") >= SEGMENT).sort("rows", descending=True)
    pairs = [(f"{other} is {name}", was, now_) for name, now_, _, was in rows.iter_rows() if was * now_ > 0]
    return [(words, now_ / was) for words, was, now_ in pairs]


def _ratio(usual: pl.Series, seen: pl.Series) -> float:
    """Return the ratio of medians, 1 where there is none."""
    one, other = (column.cast(float).drop_nulls().median() for column in (usual, seen))
    if not isinstance(one, float) or not isinstance(other, float) or one * other <= 0:
        return 1.0
    return other / one


def _is_power(ratio: float) -> bool:
    power = float(np.log10(ratio))
    return abs(round(power)) >= 2 and abs(power - round(power)) < POWER


def _mode(usual: pl.Series, seen: pl.Series) -> tuple[float, float, float]:
    """Return the most common value, and its share now and before."""
    present = seen.drop_nulls()
    if not len(present):
        return 0.0, 0.0, 0.0
    counted = present.value_counts(sort=True)
    value = counted[present.name][0]
    before = float((usual.drop_nulls() == value).to_numpy().mean()) if usual.count() else 0.0
    return float(value), counted["count"][0] / len(present), before


def _category(field: str, usual: pl.DataFrame, seen: pl.DataFrame, categories: Sequence[str]) -> Iterator[Evidence]:
    before, now = _shares(usual[field]), _shares(seen[field])
    new = {value: share for value, share in now.items() if value not in before and share >= COMMON / 2}
    gone = {value: share for value, share in before.items() if share >= COMMON and now.get(value, 0.0) < GONE * share}
    if new and gone and abs(sum(new.values()) - sum(gone.values())) <= ALIKE * sum(gone.values()):
        words = f"{field}: {_list(new)} came in place of {_list(gone)}, {sum(new.values()):.1%} of the events"
        yield Evidence("pipeline", "renamed", field, words)
        return
    if gone and not new and max(gone.values()) >= 2 * COMMON:
        value = max(gone, key=lambda one: gone[one])
        words = f"nothing comes any more where {field} is {value}, usually {gone[value]:.1%} of the events"
        yield Evidence("pipeline", "stopped", field, words)
        return
    if exchanged := _exchanged(before, now):
        one, other = exchanged
        words = f"{one} and {other} have exchanged their shares of {field}: {now.get(one, 0.0):.1%} and "
        words += f"{now.get(other, 0.0):.1%} instead of {before[one]:.1%} and {before[other]:.1%}"
        yield Evidence("pipeline", "exchanged", field, words)
    tied = _contradiction(field, usual, seen, categories, before, now)
    if tied is not None:
        yield tied
        return
    for value, share in new.items():
        yield Evidence("world", "appeared", field, f"{field} {value} is new, {share:.1%} of the events")
    moved = sorted(before, key=lambda value: -abs(now.get(value, 0.0) - before[value]))[:2]
    for value in moved if not new else ():
        if abs(now.get(value, 0.0) - before[value]) >= COMMON / 2:
            words = f"{field} {value} makes up {now.get(value, 0.0):.1%} instead of {before[value]:.1%}"
            yield Evidence("world", "moved", field, words)


def _exchanged(before: Mapping[str, float], now: Mapping[str, float]) -> tuple[str, str] | None:
    """Return two values that have exchanged their shares."""
    names = [value for value in before if before[value] >= COMMON][:8]
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            far = abs(before[one] - before[other])
            swapped = abs(now.get(one, 0.0) - before[other]) + abs(now.get(other, 0.0) - before[one])
            if far > CONTRADICTED and swapped < 0.3 * far:
                return one, other
    return None


def _contradiction(
    field: str,
    usual: pl.DataFrame,
    seen: pl.DataFrame,
    categories: Sequence[str],
    before: Mapping[str, float],
    now: Mapping[str, float],
) -> Evidence | None:
    """Return that a field has moved and what it belongs to has not."""
    off = _distance(before, now)
    if off < CONTRADICTED:
        return None
    known = usual.drop_nulls(field)
    if known.is_empty():  # a field that nobody has sent before belongs to nothing
        return None
    best, where = 0.0, ""
    for other in categories:
        if other != field and (tie := _tie(known[field], known[other])) > best:
            best, where = tie, other
    if best < TIED:
        return None
    shares = {name: _shares(part[field]) for (name,), part in usual.group_by(where)}
    expected: dict[str, float] = {}
    for name, weight in _shares(seen[where], missing=True).items():
        for value, share in shares.get(None if name == "missing" else name, before).items():
            expected[value] = expected.get(value, 0.0) + weight * share
    if 1 - _distance(expected, now) / off > 1 - EXPLAINED:
        return None
    words = f"{field} has changed in {off:.0%} of the events, and {where}, which goes with it, has not"
    return Evidence("pipeline", "contradiction", field, words)


def _tie(one: pl.Series, other: pl.Series) -> float:
    """Return the share of the uncertainty of one column that another takes away (Theil's U).

    Examples
    --------
    >>> import polars as pl
    >>> a, same, flat = pl.Series(["a", "b", "a", "b"]), pl.Series([1, 2, 1, 2]), pl.Series([1, 1, 1, 1])
    >>> _tie(a, same), _tie(a, flat)
    (1.0, 0.0)
    """
    left, right = (column.rank("dense").fill_null(0).to_numpy().astype(np.int64) for column in (one, other))
    joint = np.zeros((left.max() + 1, right.max() + 1))
    np.add.at(joint, (left, right), 1.0)
    own = _entropy(joint.sum(axis=1))
    return float((own + _entropy(joint.sum(axis=0)) - _entropy(joint.ravel())) / own) if own > 0 else 0.0


def _entropy(counts: FloatArray) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _shares(column: pl.Series, *, missing: bool = False) -> dict[str, float]:
    import polars as pl

    texts = column.cast(pl.String)
    texts = texts.fill_null("missing") if missing else texts.drop_nulls()
    counted = texts.value_counts(sort=True)
    total = max(len(texts), 1)
    return {value: count / total for value, count in counted.sort("count", texts.name, descending=[True, False]).rows()}


def _distance(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Return the share of rows by which two mixes differ."""
    return sum(abs(one.get(value, 0.0) - other.get(value, 0.0)) for value in {*one, *other}) / 2


def _clock(days: Days, day: int) -> Evidence:
    """Return whether a day looks like a usual one with its clock ahead or behind."""
    profile = np.zeros((days.count, 24))
    np.add.at(profile, (days.day, days.hour), 1.0)
    kind = np.maximum((days.first + np.arange(days.count) + 3) % 7 - 4, 0)
    shapes = [profile[days.reference & (kind == k)].sum(axis=0) for k in range(3)]
    usual = np.stack([shape / shape.sum() for shape in shapes if shape.sum() > 0])
    seen = profile[day] / profile[day].sum()
    far = {shift: float(abs(np.roll(usual, shift, axis=1) - seen).sum(axis=1).min() / 2) for shift in range(-11, 13)}
    best = min(far, key=lambda shift: far[shift])
    if best and far[best] < SHIFTED * far[0]:
        words = f"the day runs as usual, {abs(best)} hours {'late' if best > 0 else 'early'}"
        return Evidence("pipeline", "clock", HOURS, words)
    return Evidence("world", "hours", HOURS, f"{far[0]:.0%} of the events come at other hours than usual")


def _list(shares: Mapping[str, float]) -> str:
    names = sorted(shares, key=lambda value: -shares[value])
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _moved(drift: Drift) -> str:
    """Return a drift in words."""
    return f"{drift.name}: {question_words(drift)} in {drift.seen:.1%} instead of {drift.usual:.1%}"


def question_words(drift: Drift) -> str:
    """Return what a drift's question asks, in words."""
    said = {
        "missing": "missing",
        "new": "a value never seen before",
        "other": "one of the rare values",
        "rank": "mean rank among usual values",
        "mode": f"exactly {drift.value}",
        "burst": "again within the hour",
        "shared": f"with another {drift.value} than the time before",
        "twice": "the same content again",
        "below": f"at most {drift.value}",
        "hour": f"between {drift.value} o'clock",
        "above": f"rarer as a whole than {drift.value} of the usual events",
        "rather": f"{drift.value} rather than {drift.segment}",
    }
    return said.get(drift.kind, drift.value)
