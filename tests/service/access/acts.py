"""What the tests of access share: a clock that stands still, and a ledger that feeds the projections of a workspace."""

from __future__ import annotations

from adjudge.service.access.keys import DAY_US, Grant
from adjudge.service.access.ledger import By, MemoryLedger
from adjudge.service.access.management import Management

START_US = 20_000 * DAY_US
"""When the tests begin."""

CHECKOUT = Grant("checkout", ["decide", "label"])
"""A key of a program."""


BY = By("ada", "because")
"""Somebody with a reason."""


class Desk:
    """Projections, the ledger that feeds them, and the time."""

    def __init__(self) -> None:
        self.now_us = START_US
        self.management = Management()
        self.ledger = MemoryLedger(lambda: self.now_us, self.management)

    def advance(self, us: int) -> None:
        """Let time pass."""
        self.now_us += us

    def folded(self) -> Management:
        """Return what the acts make when they are folded from the beginning."""
        again = Management()
        for act in self.ledger.acts:
            again.apply(act)
        return again
