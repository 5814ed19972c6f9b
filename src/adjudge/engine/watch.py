"""Watching layers while they decide: how long each may take, and which has failed so often that it is left alone.

The engine has no clock: whoever makes a `Watch` brings one, and what it led to is kept with each decision.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from adjudge.engine.layers import RAN, SKIPPED_LATE, SKIPPED_OPEN, Guarded, Layer, OnFailure
from adjudge.typing import IntArray

FAILURES = 5
"""Runs in a row that fail or are late before a layer is left alone."""

PAUSE_S = 5.0
"""Seconds for which it is left alone."""

STATES = ("closed", "half_open", "open")
"""What a breaker may be, from well to ill."""


@dataclass(frozen=True)
class Budget:
    """How long a decision may take; 0 sets no bound.

    Parameters
    ----------
    whole_s
        Seconds from the arrival of the request.
    layers_s
        Seconds that each layer may run, by name. A layer is not begun where less is left of the whole, and a longer run
        counts as a failure of the layer, though its result is used.
    """

    whole_s: float = 0.0
    layers_s: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))


UNBOUNDED = Budget()
"""All the time in the world."""


class Breaker:
    """Leaves a layer alone that keeps failing, and tries it again after a pause.

    Closed, it lets every run begin, until so many in a row have failed. Open, it lets none begin, until the pause is
    over. Half open, it has let one begin: if that succeeds it closes, else it is open again.

    Parameters
    ----------
    failures
        How many in a row open it.
    pause_s
        How long it stays open.

    Examples
    --------
    >>> breaker = Breaker(failures=2, pause_s=5.0)
    >>> breaker.failed(0.0), breaker.state
    (None, 'closed')
    >>> breaker.failed(1.0), breaker.state, breaker.allows(5.9)
    (None, 'open', False)
    >>> breaker.allows(6.0), breaker.state
    (True, 'half_open')
    >>> breaker.succeeded(), breaker.state
    (None, 'closed')
    """

    def __init__(self, *, failures: int = FAILURES, pause_s: float = PAUSE_S) -> None:
        self.state: Literal["closed", "open", "half_open"] = "closed"
        self._most = failures
        self._pause_s = pause_s
        self._failures = 0
        self._until = 0.0

    def allows(self, now: float) -> bool:
        """Return whether a run may begin; the first one after the pause is the trial."""
        if self.state == "open":
            if now < self._until:
                return False
            self.state = "half_open"
        return True

    def succeeded(self) -> None:
        """Learn that a run went well."""
        self._failures = 0
        self.state = "closed"

    def failed(self, now: float) -> None:
        """Learn that a run failed or was late."""
        self._failures += 1
        if self.state == "half_open" or self._failures >= self._most:
            self.state = "open"
            self._until = now + self._pause_s


class Watch:
    """Watches the layers of one system from decision to decision.

    Parameters
    ----------
    timer
        Returns seconds that never run backwards; the same that arrivals are told in.
    budget
        How long a decision may take.
    on_failure
        Is told of everything that a layer raised.
    failures, pause_s
        See `Breaker`; every layer has one.

    Attributes
    ----------
    breakers
        By layer.
    """

    def __init__(
        self,
        timer: Callable[[], float],
        budget: Budget = UNBOUNDED,
        *,
        on_failure: OnFailure,
        failures: int = FAILURES,
        pause_s: float = PAUSE_S,
    ) -> None:
        self.timer = timer
        self.budget = budget
        self.on_failure = on_failure
        self.breakers: dict[str, Breaker] = {}
        self._limits = failures, pause_s

    def breaker(self, layer: str) -> Breaker:
        """Return the breaker of a layer."""
        found = self.breakers.get(layer)
        if found is None:
            failures, pause_s = self._limits
            found = self.breakers[layer] = Breaker(failures=failures, pause_s=pause_s)
        return found

    def over(self, arrived: Sequence[float]) -> Watched:
        """Return the guard of one step.

        Parameters
        ----------
        arrived
            When the request of each of its events arrived, in the timer's seconds.
        """
        return Watched(self, arrived)


class Watched(Guarded):
    """The guard of one step: what is late is skipped, what keeps failing is left alone.

    Events that are decided together share the deadline of the one that has waited longest.

    Parameters
    ----------
    watch
        What remembers from step to step.
    arrived
        See `Watch.over`.
    """

    def __init__(self, watch: Watch, arrived: Sequence[float]) -> None:
        super().__init__(watch.on_failure)
        self._watch = watch
        self._arrived = arrived
        self._began = 0.0

    def part(self, first: int, last: int) -> Watched:
        """Return the guard of some of the step's events."""
        return Watched(self._watch, self._arrived[first:last])

    def some(self, places: IntArray) -> Watched:
        """Return the guard of some of the step's events, by their places."""
        return Watched(self._watch, [self._arrived[i] for i in places.tolist()])

    def begin(self, layer: Layer) -> int:
        """Return `RAN` if there is time left and the breaker is not open."""
        watch = self._watch
        now = self._began = watch.timer()
        budget = watch.budget
        if budget.whole_s:
            left = min(self._arrived) + budget.whole_s - now
            if left <= 0 or left < budget.layers_s.get(layer.name, 0.0):
                return SKIPPED_LATE
        return RAN if watch.breaker(layer.name).allows(now) else SKIPPED_OPEN

    def ended(self, layer: Layer, *, sound: bool) -> None:
        """Tell the breaker how it went."""
        watch = self._watch
        limit = watch.budget.layers_s.get(layer.name, 0.0)
        breaker = watch.breaker(layer.name)
        if sound and not (limit and watch.timer() - self._began > limit):
            breaker.succeeded()
        else:
            breaker.failed(watch.timer())
