"""Finding decisions by whom they were about, how much, or what came of them: columns of numbers that follow the log.

They are built when somebody first searches, on the thread that asks, and grow by what the log has more each time.
Nothing waits for it: a decision is found by the first search after it was made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import InputError, did_you_mean
from adjudge.log.codec import Changes, Events
from adjudge.log.scan import scan
from adjudge.log.segment import Part
from adjudge.service.access.keys import DAY_US
from adjudge.service.keyindex import KeyIndex
from adjudge.service.logged import fields_of
from adjudge.service.lookup import Lookup
from adjudge.service.told import Saying, Told
from adjudge.typing import AnyArray, BoolArray, HashArray

if TYPE_CHECKING:
    from adjudge.service.decider import Decider
    from adjudge.service.workspace import Workspace

READ: frozenset[Part] = frozenset(("fields", "records"))
"""What is read of an event, beside its id."""

MOST = 200
"""Most decisions of one answer."""

CENT = 0.005
"""Amounts that differ by less are the same in words."""


class Wanted(msgspec.Struct, frozen=True):
    """What is looked for.

    Parameters
    ----------
    text
        The id of an event, the value of one of its key fields, an amount, or two amounts with ``..`` between; empty for
        everything.
    action
        What was decided; empty for whatever it was.
    limit
        Most decisions to return, up to `MOST`.
    before
        Only decisions before this position, for the next page; None for the newest.
    """

    text: str = ""
    action: str = ""
    limit: int = 50
    before: int | None = None


class Hit(msgspec.Struct, frozen=True):
    """One decision that was found.

    Parameters
    ----------
    seq, id
        Where it stands in the log, and its event.
    ts
        Time of the event, in microseconds since 1970 UTC.
    action, score
        What was decided.
    amount
        In the currency of the system; None where there is none.
    """

    seq: int
    id: str
    ts: int
    action: str
    score: int
    amount: float | None


class Hits(msgspec.Struct, frozen=True):
    """What was found, newest first.

    Parameters
    ----------
    hits
        The decisions.
    total
        How many there are with those that are not returned.
    by
        By what they were found: ``id``, the names of key fields, ``amount``; empty where nothing was asked.
    currency
        Of the amounts; empty where there are none.
    """

    hits: list[Hit]
    total: int
    by: list[str]
    currency: str = ""


def _layout(keys: int) -> np.dtype[np.void]:
    """Return what is remembered of each decision: 34 bytes, and 8 for each key field, whose index takes 16 more."""
    numbers = [("id", "u8"), ("seq", "i8"), ("ts", "i8"), ("amount", "f8"), ("action", "u1"), ("score", "u1")]
    return np.dtype([*numbers, ("keys", "u8", (keys,))])


class Daily(msgspec.Struct, frozen=True):
    """What was decided day by day.

    Parameters
    ----------
    days
        The UTC dates.
    counts
        Decisions of each day, by action.
    """

    days: list[str]
    counts: dict[str, list[int]]


class Finder:
    """Finds the decisions of one system.

    Parameters
    ----------
    decider
        Whose.
    system
        Its name; None for the only one.
    """

    def __init__(self, decider: Decider, system: str | None = None) -> None:
        self._decider = decider
        running = decider.workspace.system(system)
        self.system, self.stream = running.name, running.plan.decides
        self.keys = [f.name for f in decider.workspace.doors[self.stream].schema if f.role == "key"]
        self.amount = running.plan.system.amount
        self._rows: AnyArray = np.empty(1024, _layout(len(self.keys)))
        self._index = [KeyIndex() for _ in self.keys]
        self._count = 0
        self._position = 0
        self._actions: list[str] = []
        self._lookup = Lookup(decider.log)
        label = running.plan.system.label
        self._told = Told("" if label is None else label.name)
        self._turn = threading.Lock()

    @property
    def actions(self) -> list[str]:
        """What its decisions can be, mildest first."""
        return self._decider.workspace.systems[self.system].card.actions

    def find(self, wanted: Wanted) -> Hits:
        """Return decisions, the newest first.

        Raises
        ------
        InputError
            If there is no such action.
        """
        if wanted.action and wanted.action not in self.actions:
            message = f"there is no action {wanted.action[:40]!r}{did_you_mean(wanted.action[:40], self.actions)}"
            raise InputError(message, field="action", code="unknown_action")
        with self._turn:
            self._catch_up()
            rows = self._rows[: self._count]
            chosen, by = self._matching(rows, wanted.text.strip())
            if wanted.action:
                codes = [i for i, name in enumerate(self._actions) if name == wanted.action]
                chosen &= np.isin(rows["action"], codes)
            total = int(np.count_nonzero(chosen))
            if wanted.before is not None:
                chosen[np.searchsorted(rows["seq"], wanted.before) :] = False
            newest = np.flatnonzero(chosen)[::-1][: min(max(wanted.limit, 1), MOST)]
            return Hits(self._hits(rows[newest]), total, by, self.currency)

    def newest_us(self) -> int | None:
        """Return the time of the newest event that was decided; None where there is none."""
        with self._turn:
            self._catch_up()
            ts = self._rows["ts"][: self._count]
            return int(ts.max()) if len(ts) else None

    def daily(self, days: int) -> Daily:
        """Return what was decided on the last days that have events, by their own time.

        Parameters
        ----------
        days
            How many.
        """
        with self._turn:
            self._catch_up()
            rows = self._rows[: self._count]
            if not len(rows):
                return Daily([], {})
            day = rows["ts"] // DAY_US
            last = int(day.max())
            kept = day > last - days
            place, action = day[kept] - (last - days + 1), rows["action"][kept]
            counts = {
                name: np.bincount(place[action == code], minlength=days).tolist()
                for code, name in enumerate(self._actions)
            }
        dates = np.arange(last - days + 1, last + 1).astype("datetime64[D]").astype(str)
        return Daily(dates.tolist(), {name: counts[name] for name in self.actions if name in counts})

    def about(self, field: str, value: str) -> AnyArray:
        """Return what is remembered of every decision whose event has a value in a key field, oldest first."""
        with self._turn:
            self._catch_up()
            return self._naming(self.keys.index(field), int(self._hashes([value])[0]))

    def newest(self, field: str, value: str, before: int, limit: int) -> Hits:
        """Return the newest decisions before a position whose event has a value in a key field, newest first."""
        rows = self.about(field, value)
        rows = rows[: int(np.searchsorted(rows["seq"], before))]
        with self._turn:
            return Hits(self._hits(rows[::-1][:limit]), len(rows), [field], self.currency)

    def at(self, seq: int) -> AnyArray:
        """Return what is remembered of the decision at a position, one row; none where there is none."""
        with self._turn:
            self._catch_up()
            rows = self._rows[: self._count]
            place = int(np.searchsorted(rows["seq"], seq))
            found: AnyArray = rows[place : place + 1][rows["seq"][place : place + 1] == seq]
            return found

    def naming(self, column: int, token: int) -> AnyArray:
        """Return what `about` returns, by the place of the key field and the hash of the value, as far as was read."""
        with self._turn:
            return self._naming(column, token)

    def _naming(self, column: int, token: int) -> AnyArray:
        rows = self._rows[: self._count]
        found: AnyArray = rows[self._index[column].rows(rows["keys"][:, column], token)]
        return found

    def true_ids(self) -> HashArray:
        """Return the hashes of the ids of all events that are known to be true and were not taken back."""
        with self._turn:
            return self._told.true_ids()

    def told_of(self, ids: Sequence[str]) -> list[list[Saying]]:
        """Return the labels and retractions of some events, as far as the log was read."""
        with self._turn:
            return self._told.of(self._hashes(ids))

    def action(self, code: int) -> str:
        """Return the action that a row of `about` names by its code."""
        return self._actions[code]

    @property
    def currency(self) -> str:
        """Of its amounts; empty where it has none."""
        return self._decider.workspace.doors[self.stream].schema[self.amount].currency if self.amount else ""

    def _matching(self, rows: AnyArray, text: str) -> tuple[BoolArray, list[str]]:
        """Return which decisions a text means, and by what."""
        chosen = np.full(len(rows), not text)
        by: list[str] = []
        if not text:
            return chosen, by
        workspace = self._decider.workspace
        position = workspace.ids[self.stream].get(text)
        if position is not None:
            same = rows["seq"] == position
            chosen |= same
            by += ["id"] if same.any() else []
        token = self._hashes([text])[0]
        for name, column in zip(self.keys, rows["keys"].T, strict=True):
            same = column == token
            if same.any():
                chosen |= same
                by.append(name)
        bounds = amounts_in(text) if self.amount else None
        if bounds is not None:
            same = (rows["amount"] >= bounds[0] - CENT) & (rows["amount"] <= bounds[1] + CENT)
            chosen |= same
            by += ["amount"] if same.any() else []
        return chosen, by

    def _catch_up(self) -> None:
        for stretch in scan(self._decider.log, self._position, parts=READ):
            if isinstance(stretch.block, Events) and stretch.block.stream == self.stream:
                self._take(self._decider.workspace, stretch.first, stretch.block)
            elif isinstance(stretch.block, Changes) and stretch.block.stream == self.stream:
                tokens = self._hashes(stretch.block.ids.texts())
                self._told.take(stretch.first, stretch.received_at, stretch.block, tokens)
            self._position = stretch.first + len(stretch.block)

    def _take(self, workspace: Workspace, first: int, block: Events) -> None:
        """Remember what was decided about the events of a block."""
        made = next((m for m in block.made if workspace.cards[m.card].system == self.system), None)
        if made is None:
            return
        card, n = workspace.cards[made.card], len(block)
        records, fields = card.records(made.records), fields_of(workspace, first, block)
        encoder = workspace.encoder(self.stream)
        rows = np.empty(n, self._rows.dtype)
        rows["seq"] = np.arange(first, first + n)
        rows["ts"] = encoder.times(fields)
        id_row = encoder.row[workspace.doors[self.stream].schema.id_field]
        rows["id"] = np.ascontiguousarray(fields[id_row]).view(np.uint64)
        rows["amount"] = fields[encoder.row[self.amount]] if self.amount else np.nan
        rows["action"] = np.array([self._code(a) for a in card.actions], np.uint8)[records["action"]]
        rows["score"] = records["score"]
        hashes = np.ascontiguousarray(fields[[encoder.row[name] for name in self.keys]]).view(np.uint64)
        rows["keys"] = hashes.T
        while self._count + n > len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count : self._count + n] = rows
        self._count += n

    def _hashes(self, texts: Sequence[str]) -> HashArray:
        return hash_texts(self._decider.workspace.secret, TEXT_TAG, texts)

    def _code(self, action: str) -> int:
        if action not in self._actions:
            self._actions.append(action)
        return self._actions.index(action)

    def _hits(self, rows: AnyArray) -> list[Hit]:
        ids: dict[int, str] = {}
        for (first, block), places in self._lookup.grouped(rows["seq"].tolist(), READ):
            assert isinstance(block, Events)
            for i in places:
                ids[i] = block.ids[int(rows["seq"][i]) - first].decode()
        return [
            Hit(seq, ids[i], ts, self._actions[action], score, None if amount != amount else amount)
            for i, (seq, ts, amount, action, score, _) in enumerate(_plain(rows))
        ]


def _plain(rows: AnyArray) -> Iterable[tuple[int, int, float, int, int, Sequence[int]]]:
    return zip(*(rows[name].tolist() for name in ("seq", "ts", "amount", "action", "score", "keys")), strict=True)


def amounts_in(text: str) -> tuple[float, float] | None:
    """Return the least and the largest amount that a text means; None if it means none.

    Examples
    --------
    >>> amounts_in("250"), amounts_in("100..1,000.50"), amounts_in("u17")
    ((250.0, 250.0), (100.0, 1000.5), None)
    """
    low, dots, high = text.replace(",", "").partition("..")
    try:
        bounds = float(low or "-inf"), float(high or "inf") if dots else float(low)
    except ValueError:
        return None
    return bounds if bounds[0] <= bounds[1] else None
