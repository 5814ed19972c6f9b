"""Two worlds: the same events as they were decided and as something else decides them, and where those differ."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define import Policy
from adjudge.errors import ShapeError
from adjudge.learn.backtest import moment_of
from adjudge.learn.caught import treatment
from adjudge.learn.past import FRAUD, HONEST, UNLABELLED, YOUNG, YOUNG_FRAUD, Past, words
from adjudge.learn.threshold import Treatment, cost_of
from adjudge.learn.tradeoff import BLOCK, PASS, REVIEW
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    import polars as pl

KNOWN = {HONEST: "honest", FRAUD: "fraud", UNLABELLED: "unlabelled", YOUNG: "young", YOUNG_FRAUD: "young fraud"}
"""What is known of an event, in words."""


TREATED: dict[int, Treatment] = {PASS: "pass", REVIEW: "review", BLOCK: "block"}
"""How an action is reckoned, in words."""


@dataclass(frozen=True)
class World:
    """What was done, or would have been, about the events of a past.

    Parameters
    ----------
    policy
        Whose actions they are.
    action
        Position in the policy's actions, shape (n,).
    p
        Probability that the model gave; NaN where none did, shape (n,).
    rules, fired
        Ids of rules, and where each fired, as `Past` holds it.
    """

    policy: Policy
    action: IntArray
    p: FloatArray
    rules: tuple[str, ...]
    fired: HashArray

    @classmethod
    def of(cls, past: Past) -> World:
        """Return the world as it was."""
        return cls(past.system.policy, past.action, past.p, past.rules, past.fired)

    @property
    def treated(self) -> IntArray:
        """How each event is treated: `PASS`, `REVIEW` or `BLOCK`."""
        return treatment(self.policy, self.action)

    def names(self) -> AnyArray:
        """Return the action of each event by its name."""
        named: AnyArray = np.array(self.policy.actions, object)[self.action]
        return named

    def reasons(self, row: int) -> list[str]:
        """Return the ids of the rules that fired for one event."""
        return [rule for r, rule in enumerate(self.rules) if int(self.fired[r // 64, row]) >> (r % 64) & 1]


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """One event that is decided otherwise.

    Parameters
    ----------
    id, seq, ts
        The event, its position in the log, and its time.
    amount
        What it is worth; None where it has no amount.
    actual, other
        The two actions.
    actual_p, other_p
        The two probabilities; None where no model gave one.
    actual_rules, other_rules
        Ids of the rules that fired.
    known
        ``fraud``, ``honest``, ``unlabelled``, ``young``, or ``young fraud`` where that is said already.
    saved
        Money that the change saves, by the costs of the errors; None where there is no label.
    """

    id: str
    seq: int
    ts: str
    amount: float | None
    actual: str
    other: str
    actual_p: float | None
    other_p: float | None
    actual_rules: list[str]
    other_rules: list[str]
    known: str
    saved: float | None


@dataclass(frozen=True)
class Worlds:
    """The same events in two worlds.

    Parameters
    ----------
    past
        The events, what was done about them in fact, and what is known of them.
    seq
        Position of each in the log, shape (n,).
    other
        What the other world does.
    versions
        What decides in fact, and in the other world, by part.
    parts
        What is different.
    degraded
        How many events were decided without a layer then.
    seen, chance
        Which events took place, and the chance of each, where some that would be stopped were let through by chance.

    Raises
    ------
    ShapeError
        If the worlds are not of the same events.
    """

    past: Past
    seq: IntArray
    other: World
    versions: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {})
    parts: tuple[str, ...] = ()
    degraded: int = 0
    seen: BoolArray | None = None
    chance: FloatArray | None = None

    def __post_init__(self) -> None:
        n = len(self.past)
        lengths = {len(self.seq), len(self.other.action), len(self.other.p), self.other.fired.shape[1]}
        if lengths != {n} or len(self.other.fired) != words(len(self.other.rules)):
            message = f"what if: the past has {n} events, the other world columns of {sorted(lengths)}"
            raise ShapeError(message)

    @property
    def actual(self) -> World:
        """The world as it was."""
        return World.of(self.past)

    @property
    def differing(self) -> IntArray:
        """Events about which another action is taken, shape (m,)."""
        return np.flatnonzero(self.actual.names() != self.other.names())

    def value(self, world: World) -> FloatArray:
        """Return the money that a world saves on each event against letting it pass; NaN without a label, shape (n,).

        Parameters
        ----------
        world
            One of the two.
        """
        past, costs = self.past, self.past.system.policy.costs
        y = (past.known == FRAUD).astype(np.float64)
        each = [cost_of(y, past.worth, costs, how) for how in TREATED.values()]
        labelled = (past.known == FRAUD) | (past.known == HONEST)
        known: FloatArray = np.where(labelled, each[PASS] - np.choose(world.treated, each), np.nan)
        return known

    def saved(self) -> FloatArray:
        """Return the money that the other world saves on each event; NaN where there is no label, shape (n,)."""
        return self.value(self.other) - self.value(self.actual)


def changed(worlds: Worlds, most: int | None = None) -> list[Changed]:
    """Return the events that are decided otherwise.

    Parameters
    ----------
    worlds
        The same events in both.
    most
        So many at most, those first that matter most in money; None for all, in the order of their time.
    """
    past, rows, saved = worlds.past, worlds.differing, worlds.saved()
    if most is not None:
        weight = np.nan_to_num(np.abs(saved[rows]), nan=-1.0)
        rows = rows[np.lexsort((-past.worth[rows], -weight))[:most]]
    actual, other = worlds.actual, worlds.other
    names = actual.names()[rows].tolist(), other.names()[rows].tolist()
    return [
        Changed(
            id=str(past.ids[row]),
            seq=int(worlds.seq[row]),
            ts=moment_of(int(past.ts[row])),
            amount=_plain(past.amount[row]),
            actual=before,
            other=after,
            actual_p=_plain(actual.p[row]),
            other_p=_plain(other.p[row]),
            actual_rules=actual.reasons(row),
            other_rules=other.reasons(row),
            known=KNOWN[int(past.known[row])],
            saved=_plain(saved[row]),
        )
        for row, before, after in zip(rows.tolist(), *names, strict=True)
    ]


def changed_frame(worlds: Worlds) -> pl.DataFrame:
    """Return every event that is decided otherwise as a table, in the order of time; columns as in `Changed`."""
    import polars as pl

    schema: dict[str, pl.DataType] = {
        "id": pl.String(),
        "seq": pl.Int64(),
        "ts": pl.String(),
        "amount": pl.Float64(),
        "actual": pl.String(),
        "other": pl.String(),
        "actual_p": pl.Float64(),
        "other_p": pl.Float64(),
        "actual_rules": pl.List(pl.String()),
        "other_rules": pl.List(pl.String()),
        "known": pl.String(),
        "saved": pl.Float64(),
    }
    frame = pl.DataFrame([msgspec.structs.asdict(one) for one in changed(worlds)], schema=schema, orient="row")
    return frame.with_columns(pl.col("ts").str.to_datetime(time_unit="us", time_zone="UTC"))


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
