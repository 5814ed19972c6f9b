"""What the columns of a table are to whoever watches them: numbers, categories, keys, levels, ids; found by looking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["number", "category", "key", "level", "id", "unread"]
"""Of a column: a measurement; one of a few values; whom a row belongs to; a number that a whole day shares, such as an
exchange rate; what is different in every row; anything else."""

FEW, MANY = 12, 200
"""A number with at most so many values is a category; a text with more than so many is a key."""

UNIQUE = 0.95
"""Share of different values from which on a text is an id."""

LEVEL_ROWS = 50.0
"""Rows of a day for each of its values from which on a number is a level that all of them share."""


def kinds_of(frame: pl.DataFrame, days: pl.Series) -> dict[str, Kind]:
    """Return the kind of each column.

    Parameters
    ----------
    frame
        Rows of the reference.
    days
        Day of each row.

    Examples
    --------
    >>> import polars as pl
    >>> n = 600
    >>> frame = pl.DataFrame({
    ...     "id": [f"p{i}" for i in range(n)], "who": [f"u{i % 250}" for i in range(n)], "how": ["card", "wire"] * 300,
    ...     "amount": [float(i * 7 % 501) for i in range(n)], "rate": [0.8 + i // 100 / 40 for i in range(n)],
    ... })
    >>> kinds_of(frame, pl.Series([i // 100 for i in range(n)]))
    {'id': 'id', 'who': 'key', 'how': 'category', 'amount': 'number', 'rate': 'category'}
    """
    return {name: _kind(frame[name], days) for name in frame.columns}


def _kind(column: pl.Series, days: pl.Series) -> Kind:
    import polars as pl

    present = column.drop_nulls()
    if column.dtype == pl.Boolean:
        return "category"
    if column.dtype.is_numeric():
        values = present.n_unique()
        if values <= FEW:
            return "category"
        of_days = pl.DataFrame({"day": days, "value": column}).drop_nulls().n_unique()
        return "level" if len(present) / of_days > LEVEL_ROWS and of_days > values * 0.8 else "number"
    if column.dtype in (pl.String, pl.Categorical, pl.Enum):
        values = present.n_unique()
        if values <= MANY:
            return "category"
        return "id" if values > UNIQUE * len(present) else "key"
    return "unread"
