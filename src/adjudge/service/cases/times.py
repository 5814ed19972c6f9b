"""How long cases take, by their kind, from how long such cases have taken."""

from __future__ import annotations

from collections import defaultdict

FIRST_MINUTES = 5.0
"""What a case is taken to last while nobody has decided any; the order does not depend on it."""

MOST_MINUTES = 240.0
"""What took longer was left lying, and says nothing."""

PRIOR = 5
"""Cases of all kinds that a kind's own are mixed with: a kind seen once does not jump the queue for one quick case."""


class Times:
    """Handling times of cases.

    Examples
    --------
    Five at the general mean of 8 beside two of its own, which took 2 and 4 minutes:

    >>> times = Times()
    >>> for kind, minutes in (("score", 2.0), ("score", 4.0), ("ring", 18.0)):
    ...     times.add(kind, minutes)
    >>> round(times.minutes("score"), 3), times.minutes("other")
    (6.571, 8.0)
    """

    def __init__(self) -> None:
        self._sums: defaultdict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._n, self._sum = 0, 0.0

    def add(self, kind: str, minutes: float | None) -> None:
        """Note how long a case has taken; what is unknown or cannot be is left out."""
        if minutes is None or not 0 < minutes <= MOST_MINUTES:
            return
        n, total = self._sums[kind]
        self._sums[kind] = (n + 1, total + minutes)
        self._n, self._sum = self._n + 1, self._sum + minutes

    @property
    def mean(self) -> float:
        """Mean of all kinds, in minutes."""
        return self._sum / self._n if self._n else FIRST_MINUTES

    def minutes(self, kind: str) -> float:
        """Return how long a case of a kind is likely to take."""
        n, total = self._sums.get(kind, (0, 0.0))
        return (total + PRIOR * self.mean) / (n + PRIOR)
