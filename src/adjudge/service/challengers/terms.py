"""Terms: how a challenger is held against the champion, settled before the first decision is looked at.

They stand in the log with the challenger's seat, so nobody can choose afterwards by what it is judged.
"""

from __future__ import annotations

import math
from typing import Literal

import msgspec

from adjudge.errors import InputError

DAYS = 14.0
"""Days in which a challenger must have run before it is promoted, unless said otherwise."""

LATENCY_RATIO = 2.0
"""How many times as long as the champion a challenger may take at the 99th percentile where no budget is set."""

Promotes = Literal["asked", "alone"]


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """How a challenger is held against the champion, and what follows.

    Parameters
    ----------
    cap
        Money of one entity beyond which more counts as no more; 0 where nothing was known to settle it by, and then no
        test is made. See `adjudge.learn.sequential.Terms`.
    scale
        Improvement in money a decision for which the test is tightest; 0 as for `cap`.
    margin
        Money a decision by which it has to be better.
    slices
        Fields, in no value of which it may be worse.
    latency_ms
        Milliseconds that deciding may take it at the 99th percentile; 0 for twice the champion's.
    days
        Days in which it must have run.
    promotes
        ``asked`` waits for somebody to promote it; ``alone`` promotes it as soon as the rule is met.
    failing
        Share of its decisions that may lack a part of it before it is taken back, in (0, 1].
    drift
        Change of the share of decisions that are stricter than the mildest, against the champion's, beyond which it is
        taken back, in (0, 1].
    """

    cap: float = 0.0
    scale: float = 0.0
    margin: float = 0.0
    slices: list[str] = []
    latency_ms: float = 0.0
    days: float = DAYS
    promotes: Promotes = "asked"
    failing: float = 0.05
    drift: float = 0.2

    def check(self) -> Terms:
        """Return the same if it can be.

        Raises
        ------
        InputError
            If a number is out of its range; names the field.

        Examples
        --------
        >>> Terms(days=7).check().days
        7
        """
        for name in ("cap", "scale", "margin", "latency_ms", "days"):
            if not 0 <= getattr(self, name) < math.inf:
                message = f"{name} must be a number, and not below 0"
                raise InputError(message, field=name, code="out_of_range")
        for name in ("failing", "drift"):
            if not 0 < getattr(self, name) <= 1:
                message = f"{name} is a share above 0 and up to 1"
                raise InputError(message, field=name, code="out_of_range")
        return self
