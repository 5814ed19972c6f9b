"""The finished world: tables with names in place of numbers, written to and read from a folder."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from adjudge.errors import InputError

FRAMES = ("payments", "accounts", "labels", "outcomes", "inquiries", "truth")
"""Names of the tables, and of their files."""


@dataclass(frozen=True)
class World:
    """What a simulation delivers; the columns are described in `adjudge.systems.payments.simulate`.

    Parameters
    ----------
    payments
        Payments in order of time.
    accounts
        Profile rows of customers in order of time.
    labels
        Reports of fraud and withdrawals, in the order in which they became known.
    outcomes
        The issuer's answer to each payment, in order of time.
    inquiries
        What step-ups, verifications, reviews and disputes came to, in the order in which it became known.
    truth
        What really happened, in the order of `payments`; for judging only, never for deciding.
    lists
        Named lists for rules, as known before the first payment.
    approvals
        Of a world in which we declined some payments, for each whether it was let through and its chance of that; see
        `holdout.declining`.
    """

    payments: pl.DataFrame
    accounts: pl.DataFrame
    labels: pl.DataFrame
    outcomes: pl.DataFrame
    inquiries: pl.DataFrame
    truth: pl.DataFrame
    lists: dict[str, Any]
    approvals: pl.DataFrame | None = None

    def write(self, folder: str | Path) -> None:
        """Write the tables as Parquet files and the lists as JSON.

        Parameters
        ----------
        folder
            Where to; made when it does not exist.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        for name in FRAMES:
            getattr(self, name).write_parquet(folder / f"{name}.parquet")
        if self.approvals is not None:
            self.approvals.write_parquet(folder / "approvals.parquet")
        (folder / "lists.json").write_text(json.dumps(self.lists, indent=1) + "\n", encoding="utf-8")


def read(folder: str | Path) -> World:
    """Return a world that was written to a folder.

    Parameters
    ----------
    folder
        Where `World.write` put it.

    Raises
    ------
    InputError
        If a file is missing.
    """
    folder = Path(folder)
    missing = [
        name for name in (*(f"{frame}.parquet" for frame in FRAMES), "lists.json") if not (folder / name).is_file()
    ]
    if missing:
        message = f"{folder} holds no simulated world: {', '.join(missing)} missing; write one with World.write"
        raise InputError(message, code="missing_file")
    frames = {name: pl.read_parquet(folder / f"{name}.parquet") for name in FRAMES}
    lists = json.loads((folder / "lists.json").read_text(encoding="utf-8"))
    approvals = folder / "approvals.parquet"
    return World(**frames, lists=lists, approvals=pl.read_parquet(approvals) if approvals.is_file() else None)
