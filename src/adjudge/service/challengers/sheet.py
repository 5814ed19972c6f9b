"""A sheet: what each system decided about the events of one commit, and where the log has to be cut.

A block of the log has one card a system. So a commit is cut wherever another version decides than about the event
before; where nobody shares, as nearly everywhere, it is one run.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adjudge.service.record import Recorded
from adjudge.typing import IntArray

Run = tuple[int, int, Mapping[str, Recorded]]
"""First event of a commit and one past the last of a stretch that the same versions decided, and what each decided."""


class Sheet:
    """What was decided about the events of one commit."""

    def __init__(self) -> None:
        self._parts: dict[str, dict[str, list[tuple[IntArray, Recorded]]]] = {}

    def add(self, system: str, events: IntArray, recorded: Recorded) -> None:
        """Note what one version of a system decided about some events.

        Parameters
        ----------
        system
            Its name.
        events
            Their places in the commit, rising, and after those that the version has decided already.
        recorded
            What it decided.
        """
        self._parts.setdefault(system, {}).setdefault(recorded.card.digest, []).append((events, recorded))

    def by_version(self) -> list[Recorded]:
        """Return what each version of each system decided, all of it together."""
        return [_joined(parts)[1] for versions in self._parts.values() for parts in versions.values()]

    def runs(self, count: int) -> list[Run]:
        """Return a commit of so many events in runs, in order.

        Examples
        --------
        >>> Sheet().runs(3)
        [(0, 3, {})]
        """
        if all(len(versions) == 1 for versions in self._parts.values()):
            whole = {name: _joined(next(iter(versions.values())))[1] for name, versions in self._parts.items()}
            return [(0, count, whole)]
        cuts = np.zeros(count, np.bool_)
        cuts[0] = True
        placed: dict[str, tuple[IntArray, IntArray, list[Recorded]]] = {}
        for name, versions in self._parts.items():
            who, at = np.zeros(count, np.int64), np.zeros(count, np.int64)
            joined = [_joined(parts) for parts in versions.values()]
            for k, (events, _) in enumerate(joined):
                who[events], at[events] = k, np.arange(len(events))
            cuts[1:] |= who[1:] != who[:-1]
            placed[name] = who, at, [recorded for _, recorded in joined]
        starts = np.flatnonzero(cuts).tolist()
        return [
            (
                a,
                b,
                {
                    name: one[int(who[a])].part(int(at[a]), int(at[a]) + b - a)
                    for name, (who, at, one) in placed.items()
                },
            )
            for a, b in zip(starts, [*starts[1:], count], strict=True)
        ]


def _joined(parts: list[tuple[IntArray, Recorded]]) -> tuple[IntArray, Recorded]:
    if len(parts) == 1:
        return parts[0]
    return np.concatenate([events for events, _ in parts]), Recorded.join([recorded for _, recorded in parts])
