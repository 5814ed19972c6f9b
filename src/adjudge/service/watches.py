"""Watches: one for each system, with the clock that the engine has not, and with a line in the log for what fails."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from adjudge.engine.layers import Guard
from adjudge.engine.watch import UNBOUNDED, Breaker, Budget, Watch

logger = logging.getLogger(__name__)


class Watches:
    """What watches over the layers of a workspace's systems.

    Parameters
    ----------
    budget
        How long a decision and each of its layers may take.
    timer
        Returns seconds that never run backwards; arrivals are told in the same.
    """

    def __init__(self, budget: Budget = UNBOUNDED, *, timer: Callable[[], float] = time.perf_counter) -> None:
        self.timer = timer
        self._budget = budget
        self._watches: dict[str, Watch] = {}

    def over(self, systems: Iterable[str], arrived: Sequence[float]) -> Mapping[str, Guard]:
        """Return a guard for each system that decides the same events.

        Parameters
        ----------
        systems
            Their names.
        arrived
            When the request of each event arrived.
        """
        return {name: self._watch(name).over(arrived) for name in systems}

    def well(self, system: str) -> bool:
        """Return whether no breaker of a system is open or on trial."""
        return all(breaker.state == "closed" for breaker in self._watch(system).breakers.values())

    def breakers(self) -> Iterator[tuple[str, str, Breaker]]:
        """Yield system, layer and breaker of every layer that has run."""
        for system, watch in list(self._watches.items()):  # shadows may add one meanwhile
            for layer, breaker in list(watch.breakers.items()):
                yield system, layer, breaker

    def _watch(self, system: str) -> Watch:
        found = self._watches.get(system)
        if found is None:
            told = functools.partial(failed, system)
            found = self._watches[system] = Watch(self.timer, self._budget, on_failure=told)
        return found


def failed(system: str, layer: str, error: Exception) -> None:
    """Log that a layer failed."""
    facts = {"system": system, "layer": layer}
    logger.error(
        "system %s decides without its %s",
        system,
        layer,
        exc_info=error,
        extra={"event": "layer_failed", "facts": facts},
    )
