"""Counting: the hot path adds up in plain Python; Prometheus text is only made when somebody asks for it."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

if TYPE_CHECKING:
    from adjudge.service.batching import Batcher

BOUNDS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the latency histogram, in seconds."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the batch size histogram."""


class Meter:
    """Adds up requests by path and status, their time, and why events were refused."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.refusals: Counter[str] = Counter()
        self.seconds: dict[str, float] = {}
        self.buckets: dict[str, list[int]] = {}

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one served request.

        Parameters
        ----------
        path
            The route, never the raw path, of which there are unboundedly many.
        status
            Of the answer.
        seconds
            From arrival to answer.
        """
        self.requests[path, status] += 1
        if path not in self.buckets:
            self.buckets[path] = [0] * (len(BOUNDS_S) + 1)
            self.seconds[path] = 0.0
        self.buckets[path][bisect_left(BOUNDS_S, seconds)] += 1
        self.seconds[path] += seconds

    def refused(self, codes: Iterable[str]) -> None:
        """Count refused events or bodies by error code."""
        self.refusals.update(codes)


class Metrics:
    """Everything there is to know about a running service, in Prometheus' text format.

    Parameters
    ----------
    batcher
        What decides.
    meter
        What was served.
    """

    def __init__(self, batcher: Batcher, meter: Meter) -> None:
        self._batcher = batcher
        self._meter = meter
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        yield from self._served()
        yield from self._decided()
        yield from self._state()

    def _served(self) -> Iterator[Metric]:
        requests = CounterMetricFamily("adjudge_requests", "Requests served", labels=("path", "status"))
        for (path, status), count in self._meter.requests.items():
            requests.add_metric((path, str(status)), count)
        yield requests
        times = HistogramMetricFamily("adjudge_request_seconds", "Arrival to answer", labels=("path",))
        for path, counts in self._meter.buckets.items():
            times.add_metric((path,), _cumulative(BOUNDS_S, counts), sum_value=self._meter.seconds[path])
        yield times
        refused = CounterMetricFamily("adjudge_refused", "Refused events and bodies", labels=("code",))
        for code, count in self._meter.refusals.items():
            refused.add_metric((code,), count)
        yield refused

    def _decided(self) -> Iterator[Metric]:
        decider = self._batcher.decider
        made = CounterMetricFamily("adjudge_decisions", "Decisions made", labels=("system", "decision"))
        for (system, action), count in decider.made.items():
            made.add_metric((system, action), count)
        yield made
        yield CounterMetricFamily("adjudge_repeated", "Events that came again", value=decider.repeated)
        sizes = self._batcher.sizes
        counts = [0] * (len(SIZES) + 1)
        for size, count in sizes.items():
            counts[bisect_left(SIZES, size)] += count
        histogram = HistogramMetricFamily("adjudge_batch_size", "Events per step")
        total = sum(size * count for size, count in sizes.items())
        histogram.add_metric((), _cumulative(SIZES, counts), sum_value=total)
        yield histogram
        yield GaugeMetricFamily("adjudge_waiting", "Events waiting to be decided", value=self._batcher.waiting)

    def _state(self) -> Iterator[Metric]:
        decider = self._batcher.decider
        workspace = decider.workspace
        yield GaugeMetricFamily("adjudge_log_entries", "Next position of the log", value=len(decider.log))
        yield GaugeMetricFamily(
            "adjudge_waiting_changes", "Labels and retractions of events not seen", value=workspace.waiting
        )
        yield GaugeMetricFamily("adjudge_up", "1 while deciding works", value=0 if decider.failed else 1)


def _cumulative(bounds: tuple[float, ...], counts: list[int]) -> list[tuple[str, float]]:
    total = 0
    result: list[tuple[str, float]] = []
    for bound, count in zip((*bounds, float("inf")), counts, strict=True):
        total += count
        result.append(("+Inf" if bound == float("inf") else f"{bound:g}", total))
    return result
