"""One simulated world for all tests of the simulator, drawn once."""

from __future__ import annotations

from functools import cache

import polars as pl

from adjudge.systems.payments.simulate import World, simulate

EVENTS, DAYS, FRAUD_SHARE = 150_000, 63, 0.01


@cache
def world() -> World:
    """Return nine weeks with more fraud than usual."""
    return simulate(EVENTS, days=DAYS, seed=11, fraud_share=FRAUD_SHARE)


@cache
def told() -> pl.DataFrame:
    """Return the payments with the truth, the outcome, local time and the amount in EUR beside them."""
    drawn = world()
    return (
        drawn.payments.with_columns(drawn.truth.select("fraud", "pattern", "case", "looks_legitimate", "loss"))
        .join(drawn.outcomes.select("payment_id", "declined", answered="at"), on="payment_id", how="left")
        .with_columns(
            local=pl.col("at").dt.replace_time_zone(None) + pl.duration(minutes="utc_offset_min"),
            eur=pl.col("amount") * pl.col("rate"),
        )
        .sort("at", maintain_order=True)
    )


@cache
def honest() -> pl.DataFrame:
    """Return the honest payments of `told`."""
    return told().filter(~pl.col("fraud"))


@cache
def fraud() -> pl.DataFrame:
    """Return the fraudulent payments of `told`."""
    return told().filter("fraud")
