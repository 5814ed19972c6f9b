"""Everything that stays while payments are drawn, and the numbering of what people own."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from adjudge.systems.payments.simulate.customers import CARD_SLOTS, DEVICE_EPOCHS, DEVICE_SLOTS, Customers
from adjudge.systems.payments.simulate.draws import DAY_US
from adjudge.systems.payments.simulate.geography import Geography
from adjudge.systems.payments.simulate.merchants import Merchants
from adjudge.typing import IntArray

ADDRESSES_PER_CUSTOMER = 4
"""A home (shared in a household), an office, and two others."""


PUBLIC_DEVICES = 60
"""Computers in hotels and libraries, numbered after the customers' devices."""


@dataclass(frozen=True)
class Society:
    """Everything that stays while payments are drawn.

    Parameters
    ----------
    geography, merchants, customers
        The parts.
    start, days
        Span of the simulation.
    honest
        Number of customers who pay for themselves; those after them belong to device farms.
    """

    geography: Geography
    merchants: Merchants
    customers: Customers
    start: datetime
    days: int
    honest: int

    @property
    def start_us(self) -> int:
        """First moment, microseconds."""
        return self.geography.start_us

    @property
    def end_us(self) -> int:
        """Moment after the last, microseconds."""
        return self.geography.start_us + self.days * DAY_US


def fraud_devices(society: Society) -> int:
    """Return the first fingerprint number that nobody honest uses.

    Parameters
    ----------
    society
        The world.
    """
    return len(society.customers) * DEVICE_SLOTS * DEVICE_EPOCHS + PUBLIC_DEVICES


def foreign_addresses(society: Society) -> int:
    """Return the first address number that belongs to no customer.

    Parameters
    ----------
    society
        The world.
    """
    return len(society.customers) * ADDRESSES_PER_CUSTOMER


def card_number(who: IntArray, slot: IntArray) -> IntArray:
    """Return the number of a card slot among all.

    Parameters
    ----------
    who
        Owners.
    slot
        Card slots of the owners.
    """
    return who * CARD_SLOTS + slot
