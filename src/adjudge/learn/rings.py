"""Rings: users who are tied together by the devices, cards and addresses they share, as of a moment.

A tie is a pair of a user and something shared, seen in one event or many. Users who can be reached from each other over
ties make a ring. What very many users share, a merchant, a company's network, ties nobody together: above a degree it
is a hub and is left out. Everything is as of a moment: ties of events before it, labels known by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.errors import InputError, ShapeError, did_you_mean
from adjudge.history.layout import DAY_US
from adjudge.learn.table import NEVER
from adjudge.typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

HUB = 50
"""How many users something may be shared by before it is taken for a hub, unless told otherwise."""

WINDOW_US = 90 * DAY_US
"""How long a tie lasts after its last event, unless told otherwise."""

FEATURES = ("ring_users", "ring_shared", "ring_edges", "ring_density", "ring_events", "ring_frauds")
"""Names of what `ring_features` tells of each event."""


@dataclass(frozen=True, eq=False)
class Ties:
    """Events and what they tie together.

    Parameters
    ----------
    kinds
        Names of the fields; the first is who, the others are what is shared.
    nodes
        Number of the value of each field in each event, -1 where it has none, shape (kinds, n); fields share no number.
    ts
        Event times in microseconds, shape (n,), in any order.
    label, known_at
        1 for fraud, 0 or NaN for anything else, and the time from which that is known.
    """

    kinds: tuple[str, ...]
    nodes: IntArray
    ts: IntArray
    label: FloatArray
    known_at: IntArray

    def __post_init__(self) -> None:
        n = len(self.ts)
        fits = self.nodes.shape == (len(self.kinds), n) and self.label.shape == self.known_at.shape == (n,)
        if not fits or len(self.kinds) < 2:
            msg = f"{n} events, fields {self.nodes.shape} and {len(self.label)} labels tie nobody together"
            raise ShapeError(msg)

    @classmethod
    def of(
        cls, kinds: Sequence[str], keys: AnyArray, ts: IntArray, labels: tuple[FloatArray, IntArray] | None = None
    ) -> Ties:
        """Return the ties of events, given a number for each value of some fields.

        Parameters
        ----------
        kinds
            Names of the fields, who comes first.
        keys
            A number for each value, 0 where there is none, shape (kinds, n): a plan's keys, say.
        ts
            Event times in microseconds.
        labels
            Labels and the times from which they are known; nothing is known when None.
        """
        nodes = np.empty(keys.shape, np.int64)
        start = 0
        for k, column in enumerate(keys):
            unique, place = np.unique(column, return_inverse=True)
            nodes[k] = np.where(column != 0, place + start, -1)
            start += len(unique)
        label, known_at = labels if labels is not None else (np.full(len(ts), np.nan), np.full(len(ts), NEVER))
        return cls(tuple(kinds), nodes, np.asarray(ts, np.int64), label, known_at)

    @classmethod
    def of_frame(cls, frame: pl.DataFrame, kinds: Sequence[str], *, at: str = "at") -> Ties:
        """Return the ties of a table of events over some of its columns.

        Parameters
        ----------
        frame
            The events. Columns ``label`` and ``known_at``, where there are any, say what became known and when.
        kinds
            Names of the columns, who comes first.
        at
            Name of the column of event times.

        Raises
        ------
        InputError
            If a column is not there.
        """
        import polars as pl

        for name in (*kinds, at):
            if name not in frame.columns:
                msg = f"the table has no column {name!r}{did_you_mean(name, frame.columns)}"
                raise InputError(msg, field=name, code="missing_field")

        def micros(name: str) -> Any:
            return frame[name].cast(pl.Datetime("us", "UTC")).to_physical().fill_null(NEVER).to_numpy()

        codes = [frame[k].cast(pl.String).cast(pl.Categorical).to_physical().cast(pl.Int64) + 1 for k in kinds]
        keys = np.stack([c.fill_null(0).to_numpy() for c in codes])
        labels = None
        if {"label", "known_at"} <= set(frame.columns):
            labels = (frame["label"].cast(pl.Float64).fill_null(np.nan).to_numpy(), micros("known_at"))
        return cls.of(kinds, keys, micros(at), labels)


@dataclass(frozen=True, eq=False)
class Rings:
    """The rings as of a moment, each of two users or more.

    Parameters
    ----------
    as_of
        The moment, in microseconds.
    of_node
        The ring of each node, -1 where it is in none; one more at the end, -1, for events that have no node.
    users, shared, edges
        Of each ring: users, what they share, and ties between the two.
    events, frauds
        Events of its users, and those of them that were known to be fraud.
    hubs
        How much was left out because more users share it than the bound.
    """

    as_of: int
    of_node: IntArray
    users: IntArray
    shared: IntArray
    edges: IntArray
    events: IntArray
    frauds: IntArray
    hubs: int

    def __len__(self) -> int:
        return len(self.users)

    @property
    def density(self) -> FloatArray:
        """Ties of each ring as a share of those there could be between its users and what they share."""
        shares: FloatArray = self.edges / (self.users * self.shared)
        return shares

    def rows(self) -> list[Mapping[str, float]]:
        """Return what is told of each ring, the most frauds first, then the most users."""
        order = np.lexsort((np.arange(len(self)), -self.users, -self.frauds))
        columns = {name.removeprefix("ring_"): self.column(name) for name in FEATURES}
        return [{name: float(column[i]) for name, column in columns.items()} for i in order]

    def column(self, name: str) -> FloatArray:
        """Return one of `FEATURES` of each ring."""
        return np.asarray(getattr(self, name.removeprefix("ring_")), np.float64)


def find_rings(ties: Ties, as_of: int, *, window_us: int = WINDOW_US, hub: int = HUB) -> Rings:
    """Return the rings as of a moment.

    Parameters
    ----------
    ties
        The events.
    as_of
        The moment in microseconds: events before it tie, and labels that are known by then count.
    window_us
        How long before it.
    hub
        What more users than that share in the window is left out.

    Examples
    --------
    Users 1 and 2 share a device; 3 has one alone. The fraud of 2 is known at 30:

    >>> keys = np.array([[1, 2, 3], [8, 8, 9]])
    >>> ties = Ties.of(("user", "device"), keys, np.array([10, 20, 25]), (np.array([0.0, 1, 0]), np.full(3, 30)))
    >>> find_rings(ties, 30).rows()
    [{'users': 2.0, 'shared': 1.0, 'edges': 2.0, 'density': 1.0, 'events': 2.0, 'frauds': 1.0}]
    >>> find_rings(ties, 29).frauds.tolist(), len(find_rings(ties, 20))
    ([0], 0)
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    inside = (ties.ts < as_of) & (ties.ts > as_of - window_us)
    total = int(ties.nodes.max(initial=-1)) + 1
    who, what, hubs = _pairs(ties.nodes[:, inside], total, hub)
    graph = coo_array((np.ones(len(who), np.int8), (who, what)), shape=(total, total))
    _, component = connected_components(graph, directed=False)
    users = np.bincount(component[np.unique(who)], minlength=total)
    found = np.flatnonzero(users >= 2)
    ring = np.full(total, -1, np.int64)
    ring[found] = np.arange(len(found))
    of_node = np.append(ring[component], -1)
    shared = np.bincount(component[np.unique(what)], minlength=total)
    edges = np.bincount(component[who], minlength=total)
    theirs = np.where(inside, of_node[ties.nodes[0]], -1)
    known = (ties.label == 1.0) & (ties.known_at <= as_of)
    return Rings(
        as_of,
        of_node,
        users[found],
        shared[found],
        edges[found],
        np.bincount(theirs[theirs >= 0], minlength=len(found)),
        np.bincount(theirs[(theirs >= 0) & known], minlength=len(found)),
        hubs,
    )


def _pairs(nodes: IntArray, total: int, hub: int) -> tuple[IntArray, IntArray, int]:
    """Return each user and each thing it shares, once, without hubs, and how many hubs there were."""
    pairs = [nodes[0] * total + other for other in nodes[1:]]
    there = [(nodes[0] >= 0) & (other >= 0) for other in nodes[1:]]
    unique = np.unique(np.concatenate([pair[known] for pair, known in zip(pairs, there, strict=True)]))
    who, what = np.divmod(unique, max(total, 1))
    degree = np.bincount(what, minlength=total)
    kept = degree[what] <= hub
    return who[kept], what[kept], int((degree > hub).sum())


def ring_features(
    ties: Ties, *, every_us: int = DAY_US, window_us: int = WINDOW_US, hub: int = HUB
) -> tuple[tuple[str, ...], FloatArray]:
    """Return of each event the ring that its user was in at the end of the day before, as features for a model.

    Where the user was in none, it is the ring of the first of the other fields, in their order, that was in one: a new
    user on a known device. Neither the event itself nor anything of its day is in it: all that is told was known
    before.

    Parameters
    ----------
    ties
        The events.
    every_us
        How often rings are found: a day unless set, which begins at midnight UTC.
    window_us, hub
        As for `find_rings`.

    Returns
    -------
    tuple
        `FEATURES`, and their values, shape (features, n): 0 where there is no ring, and missing for its density.
    """
    X = np.zeros((len(FEATURES), len(ties.ts)))
    X[FEATURES.index("ring_density")] = np.nan
    day = ties.ts // every_us
    order = np.argsort(day, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(day[order])) + 1) if len(order) else ():
        rings = find_rings(ties, int(day[rows[0]]) * every_us, window_us=window_us, hub=hub)
        ring = np.full(len(rows), -1, np.int64)
        for nodes in ties.nodes[:, rows]:
            ring = np.where(ring < 0, rings.of_node[nodes], ring)
        for k, name in enumerate(FEATURES):
            X[k, rows[ring >= 0]] = rings.column(name)[ring[ring >= 0]]
    return FEATURES, X
