"""Reads what is around a decision: the columns of the finder say which events, the log says what they were."""

from __future__ import annotations

import math
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.define.event import Schema
from adjudge.errors import InputError, did_you_mean
from adjudge.log.codec import Events
from adjudge.service.around.linked import MOST_NODES, READ, Linked, linked
from adjudge.service.around.normal import normal
from adjudge.service.around.travel import travelled
from adjudge.service.around.view import Around, Nearby, Spot
from adjudge.service.card import StoredAnswer
from adjudge.service.find import Finder
from adjudge.service.logged import fields_of
from adjudge.service.lookup import Lookup
from adjudge.service.told import Saying, known
from adjudge.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from adjudge.service.cases.desk import CaseDesk
    from adjudge.service.decider import Decider

NEAR = 16
"""Entities of a drawing beside a decision; each is read from an event of the log."""

EARLIER, LATER = 100, 10
"""Events that are returned before and after the one in hand, unless somebody asks for more."""

MOST = 500
"""Most of either."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AroundDesk:
    """What is around the decisions of a running service; safe to call from any thread.

    Parameters
    ----------
    decider
        Of the workspace; it goes on meanwhile.
    cases
        Its cases.
    """

    def __init__(self, decider: Decider, cases: CaseDesk) -> None:
        self._decider, self._cases = decider, cases
        self._finders: dict[str, Finder] = {}
        self._lookup = Lookup(decider.log)
        self._turn = threading.Lock()

    def finder(self, system: str | None = None) -> Finder:
        """Return what finds the decisions of a system; `InputError` if there is none of that name."""
        name = self._decider.workspace.system(system).name
        return self._finders.setdefault(name, Finder(self._decider, name))

    def around(
        self, id_: str, system: str | None = None, *, by: str = "", earlier: int = EARLIER, later: int = LATER
    ) -> Around:
        """Return what is around a decision.

        Parameters
        ----------
        id_
            The event.
        system
            Who decided; None for the only one.
        by
            The key field whose value the events share; empty for the first that the event has.
        earlier, later
            How many events before it, the newest of them, and how many after it, the oldest of them.

        Raises
        ------
        InputError
            If there is no such key field.
        NotFoundError
            If there is no decision for that id.
        ErasedError
            If the person whom it is about was erased.
        """
        finder = self.finder(system)
        stored = self._decider.decision(id_, finder.system)
        seq = msgspec.json.decode(stored.record, type=StoredAnswer).seq
        field, value = _whose(finder, stored.event, by)
        rows = finder.about(field, value) if field else finder.at(seq)
        before, after = rows[rows["seq"] < seq], rows[rows["seq"] > seq]
        chosen = np.concatenate(
            [
                before[len(before) - min(max(earlier, 0), MOST, len(before)) :],
                rows[rows["seq"] == seq],
                after[: min(max(later, 0), MOST)],
            ]
        )
        events, gone = self._read(finder, chosen, seq, field)
        events = travelled(sorted(events, key=lambda one: (one.at, one.seq)))
        this = next((one for one in events if one.when == "this"), None)
        usual = [one for one in events if one.when == "earlier" and one.seq not in gone]
        return Around(
            id=id_,
            seq=seq,
            system=finder.system,
            field=field,
            value=value,
            currency=finder.currency,
            earlier=len(before),
            later=len(after),
            events=events,
            normal=normal(usual, this),
        )

    def linked(self, field: str, value: str, system: str | None = None, *, most: int = MOST_NODES) -> Linked:
        """Return the entities around one, with what is known of them now; see `adjudge.service.around.linked`."""
        finder = self.finder(system)
        with self._cases.book(finder.system) as book:
            waiting = Counter(link for case in book.waiting.values() for link in case.keys.items())
        with self._turn:
            return linked(self._decider.workspace, finder, waiting, self._lookup, field, value, most)

    def linked_of(self, around: Around) -> Linked | None:
        """Return the few entities nearest to the one whose events are around a decision; None where it names nobody."""
        return self.linked(around.field, around.value, around.system, most=NEAR) if around.field else None

    def _read(self, finder: Finder, rows: AnyArray, seq: int, field: str) -> tuple[list[Nearby], set[int]]:
        """Return events, and the positions of those that had been taken back before the one in hand."""
        workspace = self._decider.workspace
        schema, encoder = workspace.doors[finder.stream].schema, workspace.encoder(finder.stream)
        positions: list[int] = rows["seq"].tolist()
        texts: list[tuple[str, dict[str, Any]]] = [("", {})] * len(rows)
        fields = np.empty((encoder.width, len(rows)))
        with self._turn:
            for (first, block), places in self._lookup.grouped(positions, READ):
                assert isinstance(block, Events)  # only these are decided
                at = [positions[i] - first for i in places]
                fields[:, places] = fields_of(workspace, first, block)[:, at]
                for i, k in zip(places, at, strict=True):
                    id_ = block.ids[k].decode()
                    read = workspace.vault.read(finder.stream, id_, block.bodies[k])
                    texts[i] = id_, {} if read.erased else msgspec.json.decode(read.body)
        said = finder.told_of([id_ for id_, _ in texts])
        local = _hours(fields, schema, encoder.row)
        spots = _places(fields, schema, encoder.row)
        gone = {seq_ for seq_, one in zip(positions, said, strict=True) if known(one, seq)[1]}
        made = [
            _nearby(finder, row, seq, text, one, hour, spot, field, schema)
            for row, text, one, hour, spot in zip(rows, texts, said, local, spots, strict=True)
        ]
        return made, gone


def _whose(finder: Finder, event: dict[str, Any], by: str) -> tuple[str, str]:
    """Return the key field that events are to share, and its value."""
    if by and by not in finder.keys:
        message = f"there is no key field {by[:40]!r}{did_you_mean(by[:40], finder.keys)}"
        raise InputError(message, field="by", code="unknown_field")
    name = next((name for name in ([by] if by else finder.keys) if event.get(name)), "")
    return name, str(event[name]) if name else ""


def _nearby(
    finder: Finder,
    row: Any,
    seq: int,
    text: tuple[str, dict[str, Any]],
    said: list[Saying],
    hour: int,
    spot: Spot | None,
    field: str,
    schema: Schema,
) -> Nearby:
    id_, event = text
    own, amount = int(row["seq"]), float(row["amount"])
    truth, retracted = known(said)
    names = [f.name for f in schema if f.role in ("key", "category") and f.name != field]
    return Nearby(
        id=id_,
        seq=own,
        at=EPOCH + timedelta(microseconds=int(row["ts"])),
        when="this" if own == seq else "earlier" if own < seq else "later",
        action=finder.action(int(row["action"])),
        score=int(row["score"]),
        amount=None if math.isnan(amount) else amount,
        truth_then=known(said, seq)[0],
        truth=truth,
        retracted=retracted,
        hour=hour,
        values={name: str(event[name]) for name in names if event.get(name)},
        place=spot,
    )


def _hours(fields: FloatArray, schema: Schema, row: dict[str, int]) -> list[int]:
    """Return the hour of the day of each event, by the clocks where it happened."""
    at = row[schema.time_field]
    local = fields[at] / 1e6 + np.nan_to_num(fields[at + 1])
    return [int(hour) for hour in (local // 3600) % 24]


def _places(fields: FloatArray, schema: Schema, row: dict[str, int]) -> Sequence[Spot | None]:
    """Return where each event was, by its first field that is a place."""
    name = next((f.name for f in schema if f.role == "place"), None)
    if name is None:
        return [None] * fields.shape[1]
    pairs = zip(fields[row[name]].tolist(), fields[row[name] + 1].tolist(), strict=True)
    return [None if math.isnan(lat) else Spot(lat, lon) for lat, lon in pairs]
