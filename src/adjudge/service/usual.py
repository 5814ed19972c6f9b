"""What is usual for whom a decision was about, beside what the event has: read from the features that were recorded."""

from __future__ import annotations

import msgspec

from adjudge.engine.words import normal_of
from adjudge.service.verdict import Stored


class Usual(msgspec.Struct, frozen=True):
    """One number of an event beside what is usual.

    Parameters
    ----------
    field, value
        Which, and what the event has.
    mean, deviation
        What is usual; None where nothing was known yet, or no deviation is kept.
    feature
        The feature that says so, which names whom it is usual for and over how long.
    """

    field: str
    value: float
    mean: float | None
    deviation: float | None
    feature: str

    @property
    def away(self) -> float | None:
        """How many deviations the event is above the mean; None where that cannot be told.

        Examples
        --------
        >>> Usual("amount", 84.0, 40.0, 22.0, "user_amount_mean_30d").away
        2.0
        """
        if self.mean is None or not self.deviation:
            return None
        return (self.value - self.mean) / self.deviation


def usual(stored: Stored) -> list[Usual]:
    """Return what is usual for every number of a stored decision's event of which the features say it."""
    found = []
    for field, value in stored.event.items():
        number = _number(value)
        normal = normal_of(field, stored.features)
        if number is not None and normal is not None:
            mean, deviation = normal
            spread = stored.features.get(deviation) if deviation else None
            found.append(Usual(field, number, stored.features.get(mean), spread, mean))
    return found


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        return float(value)
    except ValueError:
        return None
