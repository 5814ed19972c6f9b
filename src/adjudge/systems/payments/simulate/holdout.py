"""A world in which we declined what looked suspicious, and so never learnt what it was.

`simulate` shows every payment's outcome, as if nobody had ever decided. A company that has been deciding knows less:
what it declined was not paid, so nobody reports it. Here an old rule declines, and a coin lets a small share of what it
would decline through all the same, which is how one finds out what the rule is worth.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl

from adjudge.errors import InputError
from adjudge.systems.payments.simulate.world import World
from adjudge.typing import BoolArray

ANSWER = pl.duration(milliseconds=200)
"""Time from a payment to our decline of it."""

REASON = "declined_by_us"
"""Reason of our declines among the outcomes."""


def suspicious(world: World) -> BoolArray:
    """Return which payments the old rule would decline: those by a proxy, and those whose countries do not agree.

    Parameters
    ----------
    world
        The payments.
    """
    card = pl.col("card_country")
    odd = pl.col("proxy") | (pl.col("ip_country") != card) | (pl.col("address_country") != card)
    found: BoolArray = world.payments.select(odd.fill_null(False)).to_series().to_numpy()
    return found


def declining(world: World, share: float, *, would: BoolArray | None = None, seed: int = 0) -> World:
    """Return the world as somebody knows it who declined some payments and let a share of those through by chance.

    Parameters
    ----------
    world
        As `simulate` returned it.
    share
        Chance, above 0 and at most 1, that what would be declined is let through.
    would
        What would be declined, payment by payment; what `suspicious` says where absent.
    seed
        Of the coin.

    Returns
    -------
    World
        With `World.approvals`. Payments are the same. Of those declined there is an outcome, and no label and no
        inquiry; the truth about them is as it was, though nothing was lost.

    Raises
    ------
    InputError
        If the share is out of bounds.

    Notes
    -----
    Thieves who are declined do not come back with another card, and cards tried in vain are not replaced sooner.

    Examples
    --------
    >>> from adjudge.systems.payments.simulate import simulate
    >>> world = declining(simulate(2000, days=14), 0.1)
    >>> world.approvals.columns
    ['payment_id', 'approved', 'propensity']
    """
    if not 0 < share <= 1:
        message = f"the share that is let through must be above 0 and at most 1, not {share}"
        raise InputError(message, field="holdout", code="out_of_bounds")
    refused = suspicious(world) if would is None else would
    approved = ~refused | (np.random.default_rng(seed).random(len(refused)) < share)
    ids = world.payments["payment_id"]
    declined = world.payments.filter(pl.Series(~approved)).select("payment_id", answered=pl.col("at") + ANSWER)
    gone = declined.select("payment_id")

    def left(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.join(gone, on="payment_id", how="anti", maintain_order="left")

    outcomes = world.outcomes.join(declined, on="payment_id", how="left", maintain_order="left").select(
        "payment_id",
        declined=pl.col("declined") | pl.col("answered").is_not_null(),
        reason=pl.when(pl.col("answered").is_not_null()).then(pl.lit(REASON)).otherwise(pl.col("reason")),
        at=pl.coalesce("answered", "at"),
    )
    truth = world.truth.join(declined, on="payment_id", how="left", maintain_order="left").with_columns(
        loss=pl.when(pl.col("answered").is_not_null()).then(0.0).otherwise(pl.col("loss"))
    )
    return replace(
        world,
        labels=left(world.labels),
        outcomes=outcomes.sort("at", maintain_order=True),
        inquiries=left(world.inquiries),
        truth=truth.drop("answered"),
        approvals=pl.DataFrame({"payment_id": ids, "approved": approved, "propensity": np.where(refused, share, 1.0)}),
    )
