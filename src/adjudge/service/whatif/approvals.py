"""What really took place: decided events beside a table of which were let through by chance, and with what odds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.typing import AnyArray, BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

COLUMNS = ("approved", "propensity")
"""What a table says of an event, beside its id."""


def approvals_of(ids: AnyArray, frame: pl.DataFrame | None, stopped: BoolArray) -> tuple[BoolArray, FloatArray]:
    """Return which events took place, and the chance that each had of it.

    Parameters
    ----------
    ids
        The events, shape (n,).
    frame
        A table whose first column besides ``approved`` and ``propensity`` holds ids; None says nothing of any event.
    stopped
        What was stopped, shape (n,): of what the table does not name it took no place, and had no chance of it.

    Raises
    ------
    InputError
        If the table lacks a column, names an event twice, or a chance is not above 0 and at most 1.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.DataFrame({"id": ["b"], "approved": [True], "propensity": [0.1]})
    >>> seen, chance = approvals_of(np.array(["a", "b", "c"], object), frame, np.array([False, True, True]))
    >>> seen.tolist(), chance.tolist()
    ([True, True, False], [1.0, 0.1, 0.0])
    """
    import polars as pl

    seen, chance = ~stopped, (~stopped).astype(np.float64)
    if frame is None:
        return seen, chance
    key = _checked(frame)
    table = frame.select(pl.col(key).cast(pl.String).alias("id"), *COLUMNS)
    if table["id"].is_duplicated().any():
        message = f"the table of approvals names {table['id'].filter(table['id'].is_duplicated())[0]!r} twice"
        raise InputError(message, field=key, code="conflict")
    of = pl.DataFrame({"id": pl.Series(ids.tolist(), dtype=pl.String)})
    found = of.join(table, on="id", how="left", maintain_order="left")
    there = found["approved"].is_not_null().to_numpy() & found["propensity"].is_not_null().to_numpy()
    seen = np.where(there, found["approved"].fill_null(False).to_numpy(), seen)
    chance = np.where(there, found["propensity"].cast(pl.Float64).fill_null(0.0).to_numpy(), chance)
    return seen.astype(np.bool_), chance


def _checked(frame: pl.DataFrame) -> str:
    """Return the column that holds ids, after checking the others."""
    import polars as pl

    for name in COLUMNS:
        if name not in frame.columns:
            message = f"the table of approvals has no column {name!r}{did_you_mean(name, frame.columns)}"
            raise InputError(message, field=name, code="missing_field")
    others = [name for name in frame.columns if name not in COLUMNS]
    if not others:
        message = "the table of approvals has no column with the events' ids"
        raise InputError(message, field="id", code="missing_field")
    try:
        frame["approved"].cast(pl.Boolean)
        odds = frame["propensity"].cast(pl.Float64).drop_nulls()
    except pl.exceptions.PolarsError:
        message = "the table of approvals must hold true or false in approved, and numbers in propensity"
        raise InputError(message, field="approved", code="wrong_type") from None
    if not ((odds > 0) & (odds <= 1)).all():
        message = "propensity is the chance of having been let through, above 0 and at most 1"
        raise InputError(message, field="propensity", code="out_of_bounds")
    return others[0]
