"""Payments as numbers: the columns that every part of the simulator works on, before names are given."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

METHODS = ("card", "wallet", "transfer", "direct_debit", "invoice")
"""Payment methods."""

CARD, WALLET, TRANSFER, DIRECT_DEBIT, INVOICE = range(5)

CHANNELS = ("web", "app", "pos", "phone")
"""Where the payment is made."""

WEB, APP, POS, PHONE = range(4)

DECLINES = ("insufficient_funds", "wrong_code", "issuer")
"""Reasons for which an issuer declines, from 1; 0 is accepted."""

ACCEPTED, NO_FUNDS, WRONG_CODE, ISSUER = range(4)


@dataclass
class Batch:
    """Some payments, one array entry each; -1, 0 (address of the network) and NaN mean missing.

    Parameters
    ----------
    at
        Microseconds UTC.
    who
        Customer whose account it is.
    place
        City in which the payer is believed to be.
    card
        Card slot within the customer, -1 without a card.
    device
        Number of the fingerprint, -1 without a device.
    address, area
        Number of the delivery address (-1 on pos) and postal area.
    merchant
        Merchant number.
    minor, currency
        Amount in minor units of the currency, and its index.
    method, channel
        Indices into `METHODS` and `CHANNELS`.
    lat, lon
        Place, degrees.
    ip, ip_country
        Network address as a number, 0 without; its country, -1 without.
    card_country, address_country
        Countries, -1 without.
    typing, session
        Characters per second, seconds.
    decline
        Outcome: 0 accepted, otherwise index into `DECLINES` plus one.
    pattern, case
        Fraud pattern and case, -1 for honest payments.
    """

    at: IntArray
    who: IntArray
    place: IntArray
    card: IntArray
    device: IntArray
    address: IntArray
    area: IntArray
    merchant: IntArray
    minor: IntArray
    currency: IntArray
    method: IntArray
    channel: IntArray
    lat: FloatArray
    lon: FloatArray
    ip: IntArray
    ip_country: IntArray
    card_country: IntArray
    address_country: IntArray
    typing: FloatArray
    session: FloatArray
    decline: IntArray
    pattern: IntArray
    case: IntArray

    def __len__(self) -> int:
        """Return the number of payments."""
        return len(self.at)

    def take(self, rows: IntArray | BoolArray) -> Batch:
        """Return the payments at some positions.

        Parameters
        ----------
        rows
            Positions, or a mask.
        """
        return Batch(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})

    def put(self, rows: BoolArray, **values: AnyArray | float) -> None:
        """Overwrite some columns where the mask is true; the values are as long as the batch.

        Parameters
        ----------
        rows
            Mask.
        values
            Column by column.
        """
        for name, value in values.items():
            column = getattr(self, name)
            column[rows] = np.broadcast_to(value, column.shape)[rows]

    @staticmethod
    def join(batches: list[Batch]) -> Batch:
        """Return all payments of several batches.

        Parameters
        ----------
        batches
            At least one.
        """
        return Batch(
            **{field.name: np.concatenate([getattr(b, field.name) for b in batches]) for field in fields(Batch)}
        )
