"""How far two people agree about the same cases, beyond what chance would have them agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec


class Agreement(msgspec.Struct, frozen=True):
    """Agreement of first and second opinions.

    Parameters
    ----------
    pairs
        Cases that two people have decided.
    share
        Share on which they agree; None without pairs.
    kappa, error
        Cohen's kappa and its standard error; None where it is not defined, as when everybody always says the same.
    """

    pairs: int
    share: float | None = None
    kappa: float | None = None
    error: float | None = None


def agreement(pairs: Sequence[tuple[bool, bool]]) -> Agreement:
    """Return how far pairs of opinions agree.

    References
    ----------
    Cohen (1960), A coefficient of agreement for nominal scales, eq. 1 and 7.

    Examples
    --------
    Three of four agree, where chance alone gives a half:

    >>> found = agreement([(True, True), (True, True), (False, False), (False, True)])
    >>> found.share, found.kappa
    (0.75, 0.5)
    """
    n = len(pairs)
    if not n:
        return Agreement(0)
    share = sum(a == b for a, b in pairs) / n
    first, second = sum(a for a, _ in pairs) / n, sum(b for _, b in pairs) / n
    chance = first * second + (1 - first) * (1 - second)
    if chance == 1:
        return Agreement(n, share)
    error = math.sqrt(share * (1 - share) / (n * (1 - chance) ** 2))
    return Agreement(n, share, (share - chance) / (1 - chance), error)
