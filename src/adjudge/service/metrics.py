"""Counting: the hot path adds up in plain Python; Prometheus text is only made when somebody asks for it.

`CATALOGUE` says what there is; the reference is written from it, and a test holds what is served to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from adjudge.engine.watch import STATES
from adjudge.service.stages import Histogram

if TYPE_CHECKING:
    from adjudge.service.batching import Batcher
    from adjudge.service.gauges import Gauges

BOUNDS_S = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
"""Upper bounds of the latency histogram, in seconds."""

SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Upper bounds of the batch size histogram."""

Kind = Literal["counter", "gauge", "histogram"]

Labels = TypeVar("Labels", bound=tuple[str, ...])


@dataclass(frozen=True)
class Family:
    """One metric.

    Parameters
    ----------
    name
        Its name; that of a counter gets ``_total`` after it. A unit is the last word.
    kind
        Counter, gauge or histogram.
    meaning
        What it says; Prometheus shows it as help.
    labels
        What it is told apart by.
    """

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """The name that queries use."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


CATALOGUE = (
    Family("adjudge_up", "gauge", "1 while deciding works, 0 while it does not"),
    Family("adjudge_requests", "counter", "Requests served", ("path", "status")),
    Family("adjudge_request_seconds", "histogram", "From the arrival of a request to its answer", ("path",)),
    Family("adjudge_refused", "counter", "Refused events and bodies, by error code", ("code",)),
    Family("adjudge_stage_seconds", "histogram", "Time of a request or its batch in each stage", ("stage",)),
    Family("adjudge_batch_size", "histogram", "Events that were decided in one step"),
    Family("adjudge_waiting", "gauge", "Events waiting to be decided"),
    Family("adjudge_waiting_changes", "gauge", "Labels, outcomes and retractions that wait for events not seen"),
    Family("adjudge_decisions", "counter", "Decisions made, by action", ("system", "decision")),
    Family("adjudge_decided_by", "counter", "Decisions made, by what made them", ("system", "method")),
    Family(
        "adjudge_degraded", "counter", "Decisions made without a layer, by how that came", ("system", "layer", "how")
    ),
    Family("adjudge_breaker", "gauge", "A layer's breaker: 0 closed, 1 half open, 2 open", ("system", "layer")),
    Family("adjudge_decided_again", "counter", "Second decisions, made once what had failed worked again", ("system",)),
    Family("adjudge_owed_again", "gauge", "Decisions that lacked a part of the system and wait for it", ("system",)),
    Family("adjudge_repeated", "counter", "Events that came again and got their first decision"),
    Family(
        "adjudge_failed_batches", "counter", "Batches that could not be decided together, for a reason nobody expected"
    ),
    Family("adjudge_known_ids", "gauge", "Ids of events that are known, by stream", ("stream",)),
    Family("adjudge_log_entries", "gauge", "Next position of the log"),
    Family("adjudge_log_bytes", "gauge", "What the log takes up where it is stored"),
    Family("adjudge_log_failures", "counter", "Appends to the log that failed"),
    Family("adjudge_log_lease", "gauge", "1 with the holder of the right to append", ("holder",)),
    Family("adjudge_snapshot_behind_entries", "gauge", "Entries of the log after the newest snapshot"),
    Family("adjudge_histories_keys", "gauge", "Keys that were ever seen", ("system", "history")),
    Family("adjudge_histories_rows", "gauge", "Rows that an event can still see", ("system", "history")),
    Family("adjudge_histories_bytes", "gauge", "Memory of the histories", ("system", "history")),
    Family(
        "adjudge_histories_merged_keys",
        "gauge",
        "Keys with merged rows, exact to within the bound",
        ("system", "history"),
    ),
    Family(
        "adjudge_histories_flagged_keys",
        "gauge",
        "Merged keys corrected, or with late events, since",
        ("system", "history"),
    ),
    Family("adjudge_challenger_decisions", "counter", "Events that challengers decided", ("system", "challenger")),
    Family("adjudge_shadow_decisions", "counter", "Events decided in the shadow", ("system", "challenger")),
    Family("adjudge_shadow_missed", "counter", "Events that shadows did not keep up with", ("system", "challenger")),
    Family("adjudge_shadow_seconds", "histogram", "Time of one event in the shadow", ("system", "challenger")),
    Family("adjudge_outbox_behind_entries", "gauge", "Entries of the log not looked at for an endpoint", ("endpoint",)),
    Family("adjudge_outbox_owed", "gauge", "Decisions that an endpoint has not confirmed", ("endpoint",)),
    Family("adjudge_outbox_dead", "gauge", "Decisions that were given up and wait for a retry", ("endpoint",)),
)
"""Every metric of a service that decides."""

STANDBY = (
    Family("adjudge_up", "gauge", "1 while deciding works, 0 while it does not"),
    Family("adjudge_log_entries", "gauge", "Next position of the log"),
    Family("adjudge_standby_behind_entries", "gauge", "Entries of the log that a standby has not folded yet"),
)
"""Every metric of a service that starts or stands by."""

_NAMED = {family.name: family for family in (*STANDBY, *CATALOGUE)}


class Meter:
    """Adds up requests by path and status, their time, and why events were refused."""

    def __init__(self) -> None:
        self.requests: Counter[tuple[str, int]] = Counter()
        self.refusals: Counter[str] = Counter()
        self.seconds: dict[str, Histogram] = {}

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
        if path not in self.seconds:
            self.seconds[path] = Histogram(BOUNDS_S)
        self.seconds[path].add(seconds)

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
    gauges
        What was measured beside.
    """

    def __init__(self, batcher: Batcher, meter: Meter, gauges: Gauges) -> None:
        self._batcher = batcher
        self._meter = meter
        self._gauges = gauges
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def text(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        yield from self._served()
        yield from self._decided()
        yield from self._challengers()
        yield from self._logged()
        yield from self._histories()
        yield from self._outbox()

    def _served(self) -> Iterator[Metric]:
        meter = self._meter
        yield _numbers("adjudge_requests", {(path, str(status)): n for (path, status), n in meter.requests.items()})
        yield _histograms("adjudge_request_seconds", {(path,): seen for path, seen in meter.seconds.items()})
        yield _numbers("adjudge_refused", {(code,): n for code, n in meter.refusals.items()})

    def _decided(self) -> Iterator[Metric]:
        batcher, decider = self._batcher, self._batcher.decider
        sizes = Histogram(SIZES)
        for size, count in batcher.sizes.items():
            sizes.add(size, count)
        yield _numbers("adjudge_up", {(): 0 if decider.failed else 1})
        yield _histograms("adjudge_stage_seconds", {(stage,): seen for stage, seen in decider.stages.seconds.items()})
        yield _histograms("adjudge_batch_size", {(): sizes})
        yield _numbers("adjudge_waiting", {(): batcher.waiting})
        yield _numbers("adjudge_waiting_changes", {(): decider.workspace.waiting})
        yield _numbers("adjudge_decisions", decider.made)
        yield _numbers("adjudge_decided_by", decider.methods)
        yield _numbers("adjudge_degraded", decider.degraded)
        breakers = {(system, layer): STATES.index(b.state) for system, layer, b in decider.watches.breakers()}
        yield _numbers("adjudge_breaker", breakers)
        yield _numbers("adjudge_decided_again", {(name,): n for name, n in decider.again.items()})
        owed = {(name,): s.degraded.pending for name, s in decider.workspace.systems.items()}
        yield _numbers("adjudge_owed_again", owed)
        yield _numbers("adjudge_repeated", {(): decider.repeated})
        yield _numbers("adjudge_failed_batches", {(): decider.failures})
        yield _numbers("adjudge_known_ids", {(stream,): len(ids) for stream, ids in decider.workspace.ids.items()})

    def _challengers(self) -> Iterator[Metric]:
        decider = self._batcher.decider
        shadows = decider.shadows
        yield _numbers("adjudge_challenger_decisions", decider.challenged)
        yield _numbers("adjudge_shadow_decisions", {} if shadows is None else shadows.made)
        yield _numbers("adjudge_shadow_missed", {} if shadows is None else shadows.missed)
        yield _histograms("adjudge_shadow_seconds", {} if shadows is None else shadows.took)

    def _logged(self) -> Iterator[Metric]:
        writer, gauges = self._batcher.decider.writer, self._gauges
        position, size, newest = writer.position, gauges.log_bytes, gauges.snapshot_position
        yield _numbers("adjudge_log_entries", {(): position})
        yield _numbers("adjudge_log_bytes", {} if size is None else {(): size})
        yield _numbers("adjudge_log_failures", {(): writer.failures})
        yield _numbers("adjudge_log_lease", {(gauges.holder,): 1} if gauges.holder else {})
        behind: dict[tuple[str, ...], int] = {} if gauges.snapshots is None else {(): position - (newest or 0)}
        yield _numbers("adjudge_snapshot_behind_entries", behind)

    def _histories(self) -> Iterator[Metric]:
        counts = self._gauges.histories
        for what in ("keys", "rows", "bytes", "merged_keys", "flagged_keys"):
            values = {key[:2]: n for key, n in counts.items() if key[2] == what}
            yield _numbers(f"adjudge_histories_{what}", values)

    def _outbox(self) -> Iterator[Metric]:
        outbox, end = self._gauges.outbox, self._batcher.decider.writer.position
        yield _numbers("adjudge_outbox_behind_entries", {(id_,): end - at for id_, (at, _, _) in outbox.items()})
        yield _numbers("adjudge_outbox_owed", {(id_,): owed for id_, (_, owed, _) in outbox.items()})
        yield _numbers("adjudge_outbox_dead", {(id_,): dead for id_, (_, _, dead) in outbox.items()})


class Standing:
    """What there is to know about a service that does not decide yet.

    Parameters
    ----------
    position
        How far it has folded the log.
    entries
        Where the log ends.
    """

    def __init__(self, position: int, entries: int) -> None:
        self._position = position
        self._entries = entries

    def text(self) -> bytes:
        """Return the metrics as Prometheus reads them."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return generate_latest(registry)

    def collect(self) -> Iterator[Metric]:
        """Yield every metric as it stands."""
        yield _numbers("adjudge_up", {(): 0})
        yield _numbers("adjudge_log_entries", {(): self._entries})
        yield _numbers("adjudge_standby_behind_entries", {(): self._entries - self._position})


def _numbers(name: str, values: Mapping[Labels, float]) -> Metric:
    family = _NAMED[name]
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = kind(family.name, family.meaning, labels=family.labels)
    for labels, value in list(values.items()):
        made.add_metric(labels, value)
    return made


def _histograms(name: str, values: Mapping[tuple[str, ...], Histogram]) -> Metric:
    family = _NAMED[name]
    made = HistogramMetricFamily(family.name, family.meaning, labels=family.labels)
    for labels, seen in list(values.items()):
        made.add_metric(labels, _buckets(seen), sum_value=seen.sum)
    return made


def _buckets(seen: Histogram) -> Sequence[tuple[str, float]]:
    return [(bound, float(count)) for bound, count in seen.cumulative()]
