"""Where payments come from: the simulator's tables, files of the same columns, and the handbook's simulated cards."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.learn.datasets import handbook
from adjudge.learn.source import Source, read_streams
from adjudge.systems.payments.definition import payments

if TYPE_CHECKING:
    from adjudge.systems.payments.simulate import World


def fingerprint(browser: str, system: str, screen: str, timezone: str) -> str:
    """Return the device key of a payment: the SHA-256 of what the browser says about itself.

    Examples
    --------
    >>> fingerprint("firefox 128", "linux", "1920x1080", "Europe/Vienna")[:8]
    '21f08ff1'
    """
    return hashlib.sha256("\n".join((browser, system, screen, timezone)).encode()).hexdigest()


def of_world(world: World) -> Source:
    """Return a simulated world as history, its columns named like the fields of the streams."""
    import polars as pl

    from adjudge.systems.payments.simulate.oracle import chances

    payments = world.payments.rename({"lat": "place_lat", "lon": "place_lon", "utc_offset_min": "at_offset_minutes"})
    accounts = world.accounts.with_row_index("change_id").with_columns(
        pl.format("a{}", pl.col("change_id")).alias("change_id"), pl.col("verification").cast(pl.Float64)
    )
    labels = {
        "fraud": world.labels.rename({"fraud": "value"}).select("payment_id", "value", "known_at"),
        "declined": world.outcomes.rename({"declined": "value", "at": "known_at"}).select(
            "payment_id", "value", "known_at"
        ),
    }
    labels["declined"] = labels["declined"].filter(pl.col("value"))
    for outcome in ("verification", "step_up", "review", "dispute"):
        labels[outcome] = world.inquiries.filter(outcome=outcome).drop("outcome")
    lists = {name: world.lists[name] for name in ("proxy_ips", "holidays", "blocked_cards", "risky_merchants")}
    truth = world.truth.with_columns(pl.Series("chance", chances(world)))
    return Source({"payment": payments, "account": accounts}, labels, lists, truth, world.approvals)


def read(path: Path) -> Source:
    """Return the payments of a folder that `adjudge simulate` wrote, or of a parquet or CSV file.

    Parameters
    ----------
    path
        The folder or file. A file has the columns of the payment stream, or is the handbook's ``transactions.parquet``.

    Raises
    ------
    InputError
        If it cannot be read or has other columns.
    """
    if path.is_dir():
        return read_streams(payments(), path)
    if handbook.DATASET.fits(path):
        return of_handbook(handbook.read(path, strict=False))
    return read_streams(payments(), path)


def simulate(events: int, *, seed: int = 7, holdout: float | None = None) -> Source:
    """Return a simulated world of so many payments; see `adjudge.systems.payments.simulate.simulate`.

    Parameters
    ----------
    events
        How many payments.
    seed
        Same seed, same world.
    holdout
        Decline what an old rule finds suspicious, but let this share of it through; None declines nothing.
    """
    from adjudge.systems.payments.simulate import declining
    from adjudge.systems.payments.simulate import simulate as simulate_world

    world = simulate_world(events=events, seed=seed)
    return of_world(world if holdout is None else declining(world, holdout, seed=seed))


def of_handbook(source: Source) -> Source:
    """Return the Fraud Detection Handbook's transactions as payments, with their labels.

    Customers are users with a card, terminals are merchants.

    Parameters
    ----------
    source
        What `adjudge.learn.datasets.handbook.read` returned.
    """
    import polars as pl

    payments = source.frames["transaction"].select(
        payment_id=pl.format("t{}", "transaction_id"),
        at="at",
        user=pl.format("c{}", "customer"),
        card=pl.format("c{}", "customer"),
        merchant=pl.format("m{}", "terminal"),
        amount="amount",
    )
    labels = {
        name: known.select("value", "known_at", payment_id=pl.format("t{}", "transaction_id"))
        for name, known in source.labels.items()
    }
    return Source({"payment": payments}, labels)
