"""What the modules of the sets have in common: a system for frauds, and how rows without ids or dates become events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from adjudge.define import Capacity, Costs, Event, Features, Label, Policy, System, days, feature

if TYPE_CHECKING:
    import polars as pl

FRAUD = "fraud"
"""Name of the label of every set."""

HOUR = feature("hour", "hour(at)", unit="h")
"""Hour of the day by the clock of the file."""


def fraud_system(
    name: str,
    decides: type[Event],
    features: Sequence[Features],
    *,
    meaning: str,
    card: str | None = None,
    alerts_per_day: int = 50,
    label: Label | None = None,
    leave_out: Sequence[str] = (),
) -> System:
    """Return definitions that find frauds: amounts at stake, default costs, so many alerts a day.

    Parameters
    ----------
    name, decides, features, meaning, card, leave_out
        See `adjudge.define.System`.
    alerts_per_day
        How many a desk can look at.
    label
        Instead of frauds that are known after a week.
    """
    return System(
        name=name,
        decides=decides,
        label=label or Label(FRAUD, delay=days(7)),
        features=list(features),
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=alerts_per_day)),
        amount="amount",
        card=card,
        leave_out=list(leave_out),
        meaning=meaning,
    )


def zscore(name: str, stem: str, window: str) -> Features:
    """Return the feature of how many deviations an amount is above the mean that a history has in a window.

    Examples
    --------
    >>> zscore("amount_zscore", "card_amount", "30d")[0].expression
    '(amount - card_amount_mean_30d) / card_amount_std_30d'
    """
    return feature(name, f"(amount - {stem}_mean_{window}) / {stem}_std_{window}")


def numbered() -> pl.Expr:
    """Return ids for rows that have none: t0, t1, ... in the order of the file."""
    import polars as pl

    return pl.format("t{}", pl.int_range(pl.len()))


def since(origin: datetime, steps: pl.Expr | str, step: timedelta) -> pl.Expr:
    """Return the times of whole numbers of steps since a moment."""
    import polars as pl

    count = (pl.col(steps) if isinstance(steps, str) else steps).cast(pl.Int64)
    return pl.lit(origin).dt.cast_time_unit("us") + count * pl.lit(step).dt.cast_time_unit("us")


def label_of(column: str) -> pl.Expr:
    """Return the label, from a column that is absent where there are no labels."""
    import polars as pl

    return pl.col(f"^{column}$").alias(FRAUD)
