"""The training table: one row of numbers per feature, beside it what was true and when that was learnt.

A label has a value and a time of its own: it is part of what is known from `known_at` on and not a moment
earlier.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from adjudge.errors import ShapeError, did_you_mean
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

NEVER = np.iinfo(np.int64).max
"""The `known_at` of a label that never arrives."""


@dataclass(frozen=True)
class Table:
    """Features, labels and times of the same n events, in event order.

    Parameters
    ----------
    names
        Names of the features, one per row of `X`.
    X
        Feature values, shape (F, n); NaN is missing. Need not be contiguous.
    ts
        Event times, microseconds UTC, shape (n,), never falling.
    label
        1.0 positive, 0.0 negative, NaN when nobody ever finds out.
    known_at
        Microseconds UTC from which the label is known; `NEVER` where it stays unknown.
    amount
        What the event is worth in the currency of the costs; ones when events are equally important.
    entity
        Key by which events belong together (card, customer, machine), 64-bit.
    ids
        Event ids, any type; empty when nobody needs them.
    extra
        Further columns of length n to carry along, such as ``pattern`` or ``rules``.
    stopped
        Which events never took place, so that nobody's silence says anything of them; empty when none was stopped.

    Raises
    ------
    ShapeError
        If a column has another length than `ts`, `names` do not match the rows of `X`, or times fall.

    Examples
    --------
    >>> table = Table(
    ...     names=("amount",), X=np.array([[5.0, 7.0]]), ts=np.array([10, 20]),
    ...     label=np.array([1.0, 0.0]), known_at=np.array([15, NEVER]),
    ...     amount=np.array([5.0, 7.0]), entity=np.array([1, 2]),
    ... )
    >>> len(table), table.column("amount").tolist()
    (2, [5.0, 7.0])
    """

    names: tuple[str, ...]
    X: FloatArray
    ts: IntArray
    label: FloatArray
    known_at: IntArray
    amount: FloatArray
    entity: AnyArray
    ids: AnyArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    extra: Mapping[str, AnyArray] = field(default_factory=dict)
    stopped: BoolArray = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))

    def __post_init__(self) -> None:
        rows = self.ts.shape[0]
        columns: dict[str, AnyArray] = {"label": self.label, "known_at": self.known_at}
        columns |= {"amount": self.amount, "entity": self.entity, **self.extra}
        if self.ids.shape[0]:
            columns["ids"] = self.ids
        if self.stopped.shape[0]:
            columns["stopped"] = self.stopped
        for name, column in columns.items():
            if column.shape != (rows,):
                message = f"table: {name} has shape {column.shape}, ts has {rows} rows"
                raise ShapeError(message)
        if self.X.shape != (len(self.names), rows):
            message = f"table: X has shape {self.X.shape}, expected {(len(self.names), rows)}"
            raise ShapeError(message)

        if (np.diff(self.ts) < 0).any():
            message = "table: events must be in order of time"
            raise ShapeError(message)

    def __len__(self) -> int:
        return int(self.ts.shape[0])

    def column(self, name: str) -> FloatArray:
        """Return one feature's values.

        Parameters
        ----------
        name
            Name of the feature.

        Raises
        ------
        KeyError
            If there is no such feature; names the nearest one.
        """
        try:
            row = self.names.index(name)
        except ValueError:
            message = f"no feature {name!r}{did_you_mean(name, self.names)}"
            raise KeyError(message) from None
        values: FloatArray = self.X[row]
        return values

    def select(self, rows: AnyArray | slice) -> Table:
        """Return the events that a mask, a list of positions or a slice names; a slice copies nothing.

        Parameters
        ----------
        rows
            Booleans of shape (n,), positions, or a slice of them.

        Examples
        --------
        >>> table = Table(("a",), np.array([[1.0, 2.0]]), np.array([1, 2]), np.zeros(2), np.full(2, NEVER),
        ...               np.ones(2), np.zeros(2, dtype=np.int64))
        >>> table.select(np.array([False, True])).X.tolist()
        [[2.0]]
        """
        return replace(
            self,
            X=self.X[:, rows],
            ts=self.ts[rows],
            label=self.label[rows],
            known_at=self.known_at[rows],
            amount=self.amount[rows],
            entity=self.entity[rows],
            ids=self.ids[rows] if self.ids.shape[0] else self.ids,
            extra={name: column[rows] for name, column in self.extra.items()},
            stopped=self.stopped[rows] if self.stopped.shape[0] else self.stopped,
        )

    def between(self, start: int, end: int) -> Table:
        """Return the events with ``start <= ts < end``, both in microseconds UTC, without copying them."""
        return self.select(slice(*np.searchsorted(self.ts, (start, end)).tolist()))

    def features(self, names: tuple[str, ...]) -> Table:
        """Return the same events with only these features, in this order."""
        if names == self.names:
            return self
        rows = [self.names.index(name) if name in self.names else -1 for name in names]
        if -1 in rows:
            self.column(names[rows.index(-1)])
        return replace(self, names=names, X=self.X[rows])

    def known(self, as_of: int, *, matures_us: int | None = None) -> FloatArray:
        """Return the labels as they were known at a time.

        A positive becomes known when somebody reports it. A negative is mostly never reported: it is what
        is left when the usual delay has passed without a complaint.

        Parameters
        ----------
        as_of
            The moment of looking, microseconds UTC; a label with ``known_at <= as_of`` counts.
        matures_us
            An event at least this old without a known label counts as negative, unless it was stopped: nobody had
            anything to complain about. None: it stays unknown.

        Returns
        -------
        FloatArray
            1.0, 0.0 or NaN (not known yet), shape (n,).

        Examples
        --------
        A fraud of time 0 reported at 50, one of time 0 reported at 150, and a fresh event of time 90, seen
        at 100 when labels are considered complete after 60:

        >>> table = Table(("a",), np.zeros((1, 3)), np.array([0, 0, 90]), np.array([1.0, 1.0, 0.0]),
        ...               np.array([50, 150, NEVER]), np.ones(3), np.zeros(3, dtype=np.int64))
        >>> table.known(100, matures_us=60).tolist()
        [1.0, 0.0, nan]
        """
        known: FloatArray = np.where(self.known_at <= as_of, self.label, np.nan)
        if matures_us is not None:
            silent: BoolArray = np.isnan(known) & (self.ts <= as_of - matures_us)
            known[silent & ~self.stopped if self.stopped.shape[0] else silent] = 0.0
        return known

    def as_of(self, moment: int, *, matures_us: int | None = None) -> Table:
        """Return the table as somebody would have drawn it up at a time: later labels unknown.

        Parameters
        ----------
        moment
            Microseconds UTC.
        matures_us
            See `known`.
        """
        return replace(self, label=self.known(moment, matures_us=matures_us))

    def labelled(self) -> Table:
        """Return the events whose label is known."""
        known = ~np.isnan(self.label)
        return self if known.all() else self.select(known)

    def write(self, path: Path) -> None:
        """Write the table as parquet: features, then what is not a feature, with an underscore before its name.

        Parameters
        ----------
        path
            The file; written whole or not at all.
        """
        import polars as pl

        columns: dict[str, AnyArray] = {name: self.X[row] for row, name in enumerate(self.names)}
        columns |= {"_ts": self.ts, "_label": self.label, "_known_at": self.known_at, "_amount": self.amount}
        columns |= {"_entity": self.entity, **{f"_{name}": column for name, column in self.extra.items()}}
        if len(self.ids):
            columns["_id"] = self.ids
        draft = path.with_name(path.name + ".part")
        pl.DataFrame(columns, nan_to_null=True).write_parquet(draft)
        draft.replace(path)

    def matrix(self) -> FloatArray:
        """Return the features as (n, F), the orientation that training libraries want."""
        return np.ascontiguousarray(self.X.T)
