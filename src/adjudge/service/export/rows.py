"""From blocks of the log to rows of tables: every entry becomes one row, every field a column of its own type.

pyarrow is imported where rows are made: a service that never exports does not need it for that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec
import numpy as np

from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.codec import Again, Block, Changes, Events, Note, Table, change_content
from adjudge.service import table
from adjudge.service.activation import Activation, FieldLayout
from adjudge.service.card import Card
from adjudge.service.export.withheld import Told, Withheld
from adjudge.service.personal.seal import SEALED, Vault
from adjudge.service.record import Recorded
from adjudge.typing import AnyArray, IntArray

if TYPE_CHECKING:
    import pyarrow as pa

DAY_US = 86_400_000_000

RESERVED = frozenset({"seq", "ts", "received_at", "day", "stream", "system", "sealed"})
"""Columns that every table of events has; a field of such a name gets an underscore behind it."""

Personal = Literal["hidden", "sealed", "readable"]
"""What becomes of personal fields: null; null, and what is sealed beside them; or readable, null where erased."""

DIGITS = (20, 4)
"""Of amounts: all of them, and those behind the point; no currency has more."""


class Rows(NamedTuple):
    """Some rows of one table.

    Parameters
    ----------
    dataset
        The table: ``events``, ``decisions``, ``second_decisions``, ``features``, ``labels`` or ``notes``.
    part
        What it is partitioned by besides the day, such as ``stream=payment``; empty for nothing.
    days
        Day of each row, counted from 1970.
    arrow
        The rows.
    """

    dataset: str
    part: str
    days: IntArray
    arrow: pa.Table


class Known(msgspec.Struct):
    """What must be known to read entries, and stands in earlier ones.

    Parameters
    ----------
    cards
        How to read decisions, by digest.
    layouts
        How to read the fields of events, by digest.
    streams
        Which of these each stream has now.
    erased
        Ids of the keys that erasures have destroyed, in hexadecimal: of these stand in later entries too.
    """

    cards: dict[str, Card] = {}
    layouts: dict[str, FieldLayout] = {}
    streams: dict[str, str] = {}
    erased: list[str] = []


class Found(NamedTuple):
    """A block, the position of its first entry, and when it was admitted."""

    first: int
    block: Block
    received_at: int


class Gathered:
    """Gathers blocks, and makes rows of those that are alike in one go: one by one it is slow where commits are small.

    Parameters
    ----------
    known
        How to read them; what they say of reading others is added to it.
    withheld
        Which decisions are left out.
    personal
        What becomes of personal fields.
    vault
        Opens what is sealed, where that is wanted.
    """

    def __init__(
        self, known: Known, withheld: Withheld, personal: Personal = "hidden", vault: Vault | None = None
    ) -> None:
        self._known = known
        self._withheld = withheld
        self._personal: Personal = personal
        self._vault = vault
        self._alike: dict[Any, list[Found]] = {}
        self._tables: list[Rows] = []

    def add(self, found: Found) -> None:
        """Take a block in."""
        block = found.block
        match block:
            case Events():
                cards = tuple(made.card for made in block.made)
                self._alike.setdefault((block.stream, block.schema, cards), []).append(found)
            case Changes():
                self._alike.setdefault((Changes, block.stream), []).append(found)
            case Again():
                told = self._withheld.again(block)
                self._tables.append(_only(_again(found, block, self._known), told))
            case Note():
                self._alike.setdefault(Note, []).append(found)
                if block.kind == Kind.ACTIVATION:
                    _learn(self._known, Activation.read(block))
            case Table():
                self._tables.append(_table(found, block, self._known))

    def rows(self) -> list[Rows]:
        """Return the rows of what was gathered.

        Raises
        ------
        InputError
            If the entry that says how to read something is not known: it was archived.
        """
        rows = list(self._tables)
        for alike in self._alike.values():
            match alike[0].block:
                case Events():
                    events, *decided = _events(alike, self._known, self._bodies(alike), self._personal)
                    rows += [events, *(_only(one, self._told(alike)) for one in decided)]
                case Changes():
                    rows.append(_changes(alike))
                case Note():
                    rows.append(_notes(alike))
        return rows

    def _told(self, alike: Sequence[Found]) -> Told:
        blocks = [found.block for found in alike if isinstance(found.block, Events)]
        return np.concatenate([self._withheld.events(block) for block in blocks])

    def _bodies(self, alike: Sequence[Found]) -> list[dict[str, Any]]:
        """Return the members of events; of what is sealed those that can be opened, where that is wanted."""
        blocks = [found.block for found in alike if isinstance(found.block, Events)]
        texts = [body for block in blocks for body in block.bodies.all()]
        if self._vault is not None:
            ids = [id_ for block in blocks for id_ in block.ids.texts()]
            texts = [self._vault.read(blocks[0].stream, id_, t).body for id_, t in zip(ids, texts, strict=True)]
        return _decoded(texts)


def _only(rows: Rows, told: Told) -> Rows:
    """Return the rows that may be told."""
    import pyarrow as pa

    return rows if told.all() else rows._replace(days=rows.days[told], arrow=rows.arrow.filter(pa.array(told)))


def _learn(known: Known, activation: Activation) -> None:
    """Note how to read what follows."""
    known.cards.update(activation.cards)
    known.layouts.update({layout.digest: layout for layout in activation.streams.values()})
    known.streams.update({stream: layout.digest for stream, layout in activation.streams.items()})


def _events(
    alike: Sequence[Found], known: Known, bodies: Sequence[Mapping[str, Any]], personal: Personal
) -> list[Rows]:
    """Return the rows of events of one stream and schema, then those of what the same systems decided about them."""
    import pyarrow as pa

    blocks = [found.block for found in alike if isinstance(found.block, Events)]
    stream, schema = blocks[0].stream, blocks[0].schema
    layout = _needed(known.layouts, schema, f"the fields of stream {stream}", alike[0].first)
    ts = np.concatenate([block.matrix()[_time_row(layout)] for block in blocks]).astype(np.int64)
    head = {"seq": _positions(alike), "ts": _moments(ts), "received_at": _received(alike)}
    columns = {name: _column(role, [body.get(field) for body in bodies]) for field, name, role in _columns(layout)}
    if personal == "sealed" and any(SEALED in body for body in bodies):
        columns["sealed"] = pa.array([body.get(SEALED) for body in bodies], pa.string())
    days = ts // DAY_US
    rows = [Rows("events", f"stream={stream}", days, pa.table({**head, **columns}))]
    for m, made in enumerate(blocks[0].made):
        card = _needed(known.cards, made.card, "decisions", alike[0].first)
        recorded = Recorded.join(
            [
                Recorded.read(card, [id_.decode() for id_ in block.ids.all()], found.first, block.made[m])
                for found, block in zip(alike, blocks, strict=True)
            ]
        )
        part = f"system={card.system}"
        head["id"] = pa.array(recorded.ids, pa.string())
        rows.append(Rows("decisions", part, days, pa.table({**head, **_decisions(recorded)})))
        rows.append(Rows("features", part, days, pa.table({**head, **_features(recorded)})))
    return rows


def _again(found: Found, block: Again, known: Known) -> Rows:
    """Return second decisions, on the day on which they were made."""
    import pyarrow as pa

    card = _needed(known.cards, block.made.card, "decisions", found.first)
    recorded = Recorded.read_again(card, block)
    received = _received([found])
    columns = {
        "seq": _positions([found]),
        "event_seq": pa.array(recorded.positions, pa.int64()),
        "received_at": received,
        "id": pa.array(recorded.ids, pa.string()),
        **_decisions(recorded),
    }
    days = np.full(len(block), found.received_at // DAY_US)
    return Rows("second_decisions", f"system={card.system}", days, pa.table(columns))


def _decisions(recorded: Recorded) -> dict[str, Any]:
    """Return the columns of some decisions: what their clients were told."""
    import pyarrow as pa

    answers = _decoded(recorded.answers)
    reason = pa.struct(
        [("code", pa.string()), ("kind", pa.string()), ("weight", pa.float64()), ("value", pa.float64())]
    )
    types = {
        "decision": pa.string(),
        "score": pa.int64(),
        "probability": pa.float64(),
        "reason": pa.string(),
        "reasons": pa.list_(reason),
        "rules": pa.list_(pa.string()),
        "method": pa.string(),
        "degraded": pa.bool_(),
        "families": pa.map_(pa.string(), pa.float64()),
        "versions": pa.map_(pa.string(), pa.string()),
        "latency_ms": pa.float64(),
    }
    for answer in answers:  # Arrow takes a map as its pairs
        answer["families"], answer["versions"] = list(answer["families"].items()), list(answer["versions"].items())
    return {name: pa.array([answer[name] for answer in answers], type_) for name, type_ in types.items()}


def _features(recorded: Recorded) -> dict[str, Any]:
    """Return the features of some decisions, by name; missing is null, and what is text inside is left out."""
    import pyarrow as pa

    card = recorded.card
    shown = [(name, row) for name, row in zip(card.names, recorded.features, strict=True) if name not in card.hidden]
    return {f"{name}_" if name in (*RESERVED, "id") else name: pa.array(row, from_pandas=True) for name, row in shown}


def _table(found: Found, block: Table, known: Known) -> Rows:
    """Return imported events: columns as they were given, in the types of the stream's fields."""
    import polars as pl
    import pyarrow as pa

    digest = _needed(known.streams, block.stream, f"the fields of stream {block.stream}", found.first)
    layout = known.layouts[digest]
    frame = table.decode(block.parquet)
    at = layout.fields[_time_field(layout)][0]
    ts = frame[at].cast(pl.Datetime("us", "UTC")).to_physical().to_numpy()
    head = {"seq": _positions([found]), "ts": _moments(ts), "received_at": _received([found])}
    columns = {name: _imported(frame, field, role) for field, name, role in _columns(layout)}
    return Rows("events", f"stream={block.stream}", ts // DAY_US, pa.table({**head, **columns}))


def _imported(frame: Any, name: str, role: str) -> Any:
    import polars as pl
    import pyarrow as pa

    if role == "place":
        lat, lon = (f"{name}_lat", f"{name}_lon")
        if lat not in frame.columns or lon not in frame.columns:
            return pa.nulls(frame.height, _type(role))
        given = frame.select(pl.col(lat).cast(float).alias("lat"), pl.col(lon).cast(float).alias("lon"))
        there = given["lat"].is_not_null() & given["lon"].is_not_null()
        rows = [row if good else None for row, good in zip(given.to_dicts(), there, strict=True)]
        return pa.array(rows, _type(role))
    if name not in frame.columns:
        return pa.nulls(frame.height, _type(role))
    column = frame[name]
    if role == "money":
        column = column.cast(float).round(DIGITS[1]).cast(pl.Decimal(*DIGITS))
    return column.to_arrow().cast(_type(role))


def _changes(alike: Sequence[Found]) -> Rows:
    """Return labels, outcomes and retractions of events of one stream."""
    import pyarrow as pa

    blocks = [found.block for found in alike if isinstance(found.block, Changes)]
    said = [change_content(block, i) for block in blocks for i in range(len(block))]
    columns = {
        "seq": _positions(alike),
        "received_at": _received(alike),
        "id": pa.array([id_.decode() for block in blocks for id_ in block.ids.all()], pa.string()),
        "kind": pa.array([Kind(block.kind).name.lower() for block in blocks for _ in block.ids.all()], pa.string()),
        "name": pa.array([one.get("name") for one in said], pa.string()),
        "value": pa.array([one.get("value") if not _is_text(one) else None for one in said], pa.bool_()),
        "text": pa.array([one.get("value") if _is_text(one) else None for one in said], pa.string()),
        "who": pa.array([block.by or None for block in blocks for _ in block.ids.all()], pa.string()),
    }
    return Rows("labels", f"stream={blocks[0].stream}", _days(alike), pa.table(columns))


def _is_text(said: Mapping[str, Any]) -> bool:
    """Whether an outcome has one of its values, rather than being so or not."""
    return isinstance(said.get("value"), str)


def _notes(alike: Sequence[Found]) -> Rows:
    import pyarrow as pa

    blocks = [found.block for found in alike if isinstance(found.block, Note)]
    columns = {
        "seq": _positions(alike),
        "received_at": _received(alike),
        "kind": pa.array([Kind(block.kind).name.lower() for block in blocks], pa.string()),
        "who": pa.array([block.who or None for block in blocks], pa.string()),
        "why": pa.array([block.why or None for block in blocks], pa.string()),
        "content": pa.array([block.content.decode() for block in blocks], pa.string()),
    }
    return Rows("notes", "", _days(alike), pa.table(columns))


def _columns(layout: FieldLayout) -> list[tuple[str, str, str]]:
    """Return name, column and role of each field; the event time is `ts` already."""
    time = _time_field(layout)
    return [
        (name, f"{name}_" if name in RESERVED else name, role)
        for i, (name, role, _) in enumerate(layout.fields)
        if (i, name) != (time, "ts")
    ]


def _positions(alike: Sequence[Found]) -> IntArray:
    return np.concatenate([np.arange(found.first, found.first + len(found.block)) for found in alike])


def _admitted(alike: Sequence[Found]) -> IntArray:
    return np.repeat([found.received_at for found in alike], [len(found.block) for found in alike])


def _received(alike: Sequence[Found]) -> Any:
    return _moments(_admitted(alike))


def _days(alike: Sequence[Found]) -> IntArray:
    return _admitted(alike) // DAY_US


def _needed(known: Mapping[str, Any], key: str, what: str, position: int) -> Any:
    if key not in known:
        message = f"the entry that says how {what} are read stands before the log's begin; position {position} needs it"
        raise InputError(message)
    return known[key]


def _time_field(layout: FieldLayout) -> int:
    """Return which field is the event time: the first of its role."""
    return next(i for i, (_, role, _) in enumerate(layout.fields) if role == "time")


def _time_row(layout: FieldLayout) -> int:
    return sum(slots for _, _, slots in layout.fields[: _time_field(layout)])


def _decoded(texts: Sequence[bytes]) -> list[dict[str, Any]]:
    """Return the objects that some JSON texts hold."""
    return msgspec.json.decode(b"[%b]" % b",".join(texts), type=list[dict[str, Any]])


def _moments(micros: AnyArray) -> Any:
    import pyarrow as pa

    return pa.array(micros.astype("datetime64[us]")).cast(pa.timestamp("us", "UTC"))


def _column(role: str, values: Sequence[Any]) -> Any:
    """Return the column of a field, from its values as they stand in JSON."""
    import pyarrow as pa

    match role:
        case "money":
            values = [None if v is None else Decimal(str(v)) for v in values]
        case "time":
            values = [None if v is None else datetime.fromisoformat(v) for v in values]
    return pa.array(values, _type(role))


def _type(role: str) -> Any:
    """Return the type of the column of a field."""
    import pyarrow as pa

    match role:
        case "money":
            return pa.decimal128(*DIGITS)
        case "time":
            return pa.timestamp("us", "UTC")
        case "place":
            return pa.struct([("lat", pa.float64()), ("lon", pa.float64())])
        case "number":
            return pa.float64()
        case "boolean":
            return pa.bool_()
        case _:
            return pa.string()
