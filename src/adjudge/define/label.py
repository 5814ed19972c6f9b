"""Labels and outcomes: what is learned about an event after it happened.

A label is the truth that a model learns. An outcome is anything else that comes to be known about an event (declined,
step-up passed). Both name an event, carry a time of their own, and from then on are part of that event's row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Label:
    """The truth about an event, known later.

    Parameters
    ----------
    name
        Stable name such as ``fraud``.
    delay
        How long after an event its label may be trusted to be known; training and rates leave out what is younger.
    meaning
        One sentence for the catalogue.

    Examples
    --------
    >>> Label("fraud").delay.days
    7
    """

    name: str
    delay: timedelta = timedelta(days=7)
    meaning: str = ""


@dataclass(frozen=True)
class Outcome:
    """Something else that becomes known about an event, and that later features may count.

    Parameters
    ----------
    name
        Stable name such as ``declined``.
    decided
        Actions of the system itself that set the outcome at once, besides entries from outside.
    meaning
        One sentence for the catalogue.
    """

    name: str
    decided: tuple[str, ...] = ()
    meaning: str = ""
