"""Proof on the user's own data that every way into the system computes the same thing, bit for bit.

The events are decided one at a time, and that is the reference. Then they go in again in batches, on threads, as a
table, through a log with restarts between them, over HTTP in file order, and over HTTP from many connections at once,
whose own log is replayed. Last come kernels that are broken on purpose, that of windows and that of linked entities: a
proof that cannot fail proves nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from adjudge.define import System
from adjudge.discover import Found
from adjudge.engine import Decisions, Plan, State, compile
from adjudge.engine.batch import Marks
from adjudge.engine.fold import conditions_of, fold_marks
from adjudge.engine.truth import marked
from adjudge.errors import DefinitionError, InputError, ParityError, ShapeError
from adjudge.history import ADVANCE, SCAN, Histories
from adjudge.learn.pipeline import with_bundle
from adjudge.learn.source import Source
from adjudge.learn.timeline import timeline
from adjudge.models.scorers import Served
from adjudge.service import table
from adjudge.service.decode import BadBody, EventDecoder, EventStruct
from adjudge.service.run import secret
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    import polars as pl

BATCHES = (1, 7, 1000)
"""Batch sizes that are compared."""

THREADS = (1, 2)
"""Numbers of threads that are compared."""

RESTARTS = 12
"""How often a service is ended and started again, unless told otherwise."""

CONTROL_EVENTS = 5_000
"""How many events the broken kernel gets."""

Progress = Callable[[str, int, int], None]
"""Called with the entry point, the events done and the events in all."""


class EntryPoint(msgspec.Struct, frozen=True):
    """What one way in came to.

    Parameters
    ----------
    name
        Such as ``python, batches of 7, 2 threads``.
    events
        How many events it decided.
    features_compared, features_differing
        Feature values, compared as 64 bits.
    scores_compared, scores_differing
        Decisions, compared by probability (as 64 bits) and action.
    seconds
        How long it took.
    """

    name: str
    events: int
    features_compared: int
    features_differing: int
    scores_compared: int
    scores_differing: int
    seconds: float


class Verification(msgspec.Struct, frozen=True):
    """The result of `verify`.

    Parameters
    ----------
    events
        Events of the decided stream.
    features_compared, features_differing, scores_compared, scores_differing
        Over all entry points.
    entry_points
        Each with its own counts.
    negative_control_failed
        Whether every kernel that was broken on purpose was caught.
    """

    events: int
    features_compared: int
    features_differing: int
    scores_compared: int
    scores_differing: int
    entry_points: tuple[EntryPoint, ...]
    negative_control_failed: bool

    @property
    def passed(self) -> bool:
        """Whether nothing differs and the broken kernel was caught."""
        return not self.features_differing and not self.scores_differing and self.negative_control_failed


@dataclass(frozen=True)
class Events:
    """A stretch of events of one stream between two labels."""

    stream: str
    events: list[EventStruct]


@dataclass(frozen=True)
class Known:
    """Something that became known about earlier events of the decided stream; values by their code."""

    name: str
    rows: list[int]
    old: list[float]
    new: list[float]

    def told(self, plan: Plan, ids: Sequence[str]) -> list[tuple[str, bool | str]]:
        """Return which events it names, of those that are there, and what it says of each."""
        values: Sequence[bool | str] = plan.truth(self.name).values or (False, True)
        known = zip(self.rows, self.new, strict=True)
        return [(ids[row], values[int(code)]) for row, code in known if row < len(ids)]


Script = list[Events | Known]
"""What happened, in the order in which it became known."""


@dataclass
class Outcome:
    """Everything that one way of deciding the script came to.

    Parameters
    ----------
    features
        Bits of every feature of every event, shape (n, F).
    probability
        Bits of every probability, shape (n,).
    action
        Position of every action, shape (n,).
    """

    features: HashArray
    probability: HashArray
    action: AnyArray
    done: int = 0

    @classmethod
    def empty(cls, plan: Plan, events: int) -> Outcome:
        """Return room for so many events."""
        return cls(
            np.zeros((events, len(plan.names)), np.uint64),
            np.zeros(events, np.uint64),
            np.zeros(events, np.int64),
        )

    def add(self, decisions: Decisions) -> None:
        """Keep what a batch came to."""
        part = slice(self.done, self.done + len(decisions))
        self.features[part] = decisions.X[decisions.rows].T.view(np.uint64)
        self.probability[part] = decisions.probability.view(np.uint64)
        self.action[part] = decisions.combined.action
        self.done += len(decisions)


def script_of(plan: Plan, source: Source) -> Script:
    """Return the events and labels of a source in the order in which they became known.

    Parameters
    ----------
    plan
        The compiled system.
    source
        Its data.

    Raises
    ------
    BadBody
        If an event would be refused at the door, naming field and row.
    """
    line = timeline(plan, source.frames, source.labels)
    events = {s: _decoded(EventDecoder(plan.schema(s)), frame) for s, frame in line.frames.items()}
    names = [*line.labels, *line.frames]
    seqs = [*line.label_seq.values(), *line.event_seq.values()]
    order = np.argsort(np.concatenate(seqs))
    origin = np.repeat(np.arange(len(names)), [len(s) for s in seqs])[order]
    place = np.concatenate([np.arange(len(s)) for s in seqs])[order]
    steps: Script = []
    for run in np.split(np.arange(len(order)), np.flatnonzero(np.diff(origin)) + 1):
        name, rows = names[int(origin[run[0]])], place[run]
        if origin[run[0]] < len(line.labels):
            entry = line.labels[name]
            for piece in _unrepeated(entry.row[rows], rows):
                steps.append(
                    Known(name, entry.row[piece].tolist(), entry.old[piece].tolist(), entry.new[piece].tolist())
                )
        else:
            steps.append(Events(name, [events[name][i] for i in rows.tolist()]))
    return steps


def _unrepeated(rows: AnyArray, places: AnyArray) -> Iterator[AnyArray]:
    """Cut a run of labels where an event would be named twice, so that each sees the one before."""
    seen: set[int] = set()
    start = 0
    for i, row in enumerate(rows.tolist()):
        if row in seen:
            yield places[start:i]
            start, seen = i, set()
        seen.add(row)
    yield places[start:]


def _decoded(door: EventDecoder, frame: Any) -> list[EventStruct]:
    rows = ({f.name: table.value(f, row) for f in door.schema} for row in frame.iter_rows(named=True))
    decoded = door.rows(rows)
    if decoded.errors:
        raise BadBody(decoded.errors)
    return list(decoded.events)


class Player:
    """Plays a script through a plan, so many events at a time.

    Parameters
    ----------
    plan
        The compiled system.
    script
        What happened.
    size
        Most events of one batch.
    """

    def __init__(self, plan: Plan, script: Script, size: int) -> None:
        self.plan = plan
        self.script = script
        self.size = size
        n = self.total = decided_events(plan, script)
        self._seq = 0
        self._keys: HashArray = np.zeros((len(plan.stream(plan.decides).entity_names), n), np.uint64)
        self._ts = np.zeros(n, np.int64)
        self._seqs = np.zeros(n, np.int64)
        self._conditions = {row: np.zeros(n) for mark in plan.system.marks for row in conditions_of(plan, mark)}
        self._acted = {o.name: np.full(n, np.nan) for o in plan.system.outcomes if o.decided}

    def play(self, state: State, limit: int | None = None, told: Callable[[int], None] | None = None) -> Outcome:
        """Return what the events of the decided stream come to, in order; at most `limit` of them."""
        outcome = Outcome.empty(self.plan, min(self.total, limit or self.total))
        for step in self.script:
            if isinstance(step, Known):
                self._mark(state, step, outcome.done)
                continue
            for start in range(0, len(step.events), self.size):
                events = step.events[start : start + self.size]
                if step.stream == self.plan.decides:
                    events = events[: len(outcome.action) - outcome.done]
                if not events:
                    return outcome
                self._step(state, step.stream, events, outcome)
                if told is not None:
                    told(outcome.done)
        return outcome

    def _step(self, state: State, stream: str, events: list[EventStruct], outcome: Outcome) -> None:
        batch = self.plan.encode(stream, events, np.arange(self._seq, self._seq + len(events)))
        self._seq += len(events)
        decisions = self.plan.step(state, batch)
        if decisions is None:
            return
        part = slice(outcome.done, outcome.done + len(batch))
        self._keys[:, part], self._ts[part], self._seqs[part] = batch.keys, batch.ts, batch.seq
        for row, kept in self._conditions.items():
            kept[part] = batch.matrix[row]
        for decided in self.plan.system.outcomes:
            if decided.decided:
                hit = [1.0 if action in decided.decided else np.nan for action in decisions.action]
                self._acted[decided.name][part] = hit
        outcome.add(decisions)

    def _mark(self, state: State, known: Known, done: int) -> None:
        there = [i for i, row in enumerate(known.rows) if row < done]
        if not there:
            return
        rows = np.array([known.rows[i] for i in there])
        old, new = np.array(known.old)[there], np.array(known.new)[there]
        if known.name in self._acted:  # the system's own decision may have set it before
            old = np.where(np.isnan(old), self._acted[known.name][rows], old)
        keys, truth = np.ascontiguousarray(self._keys[:, rows]), self.plan.truth(known.name)
        for (mark, before), (_, after) in zip(marked(truth, old), marked(truth, new), strict=True):
            conditions = {c: self._conditions[c][rows] for c in conditions_of(self.plan, mark)}
            marks = Marks(mark, keys, self._ts[rows], self._seqs[rows], before, after, conditions)
            fold_marks(self.plan, state, marks)
        self._seq += len(rows)


def decided_events(plan: Plan, script: Script) -> int:
    """Return how many events of the decided stream a script holds."""
    return sum(len(s.events) for s in script if isinstance(s, Events) and s.stream == plan.decides)


def broken(plan: Plan) -> State:
    """Return a state whose windows wrongly count the event itself: the leak that parity is there to catch."""
    state = plan.start()
    for i, history in enumerate(plan.histories):
        layout = history.layout
        aggregations = [
            replace(a, including=True) if a.window_us is not None and not a.delay_us and a.op in _INCLUDABLE else a
            for a in layout.aggregations
        ]
        state.histories[i] = Histories(replace(layout, aggregations=aggregations))
    return state


_INCLUDABLE = ("count", "sum", "mean", "min", "max", "std")


def broken_links(plan: Plan) -> State:
    """Return a state whose linked entities wrongly count the event's own past among that of its neighbours."""
    state = plan.start()
    for i, history in enumerate(plan.histories):
        if history.linked:
            state.histories[i] = _SelfLinked(history.layout)
    return state


class _SelfLinked(Histories):
    """Linked histories that do not know who asks, and so leave nobody out."""

    def fold(
        self,
        kind: AnyArray,
        keys: HashArray,
        ts: IntArray,
        seq: IntArray,
        values: FloatArray,
        out: FloatArray,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Ask without the event's own hash, then fold as it should be."""
        asks = np.flatnonzero(kind == ADVANCE)
        found = np.empty((len(out), len(asks)))
        nobody = np.full((len(values), len(asks)), np.nan)
        super().fold(np.full(len(asks), SCAN, np.int8), keys[asks], ts[asks], seq[asks], nobody, found)
        super().fold(kind, keys, ts, seq, values, out, start=start, stop=stop)
        out[:, asks] = found


def threaded(plan: Plan, threads: int) -> Plan:
    """Return the same plan folding its histories on so many threads."""
    return replace(plan, pool=ThreadPoolExecutor(threads, "histories") if threads > 1 else None)


def compared(name: str, reference: Outcome, found: Outcome, began: float, *, limit: int | None = None) -> EntryPoint:
    """Return how many bits of an outcome differ from the reference.

    Parameters
    ----------
    name
        Of the entry point.
    reference, found
        Outcomes of the same events.
    began
        `time.perf_counter()` at the start of the run.
    limit
        How many events were played at most, the oldest first; None for all.

    Raises
    ------
    ParityError
        If one has fewer events than the other: what is lost cannot agree.
    """
    n = len(found.action)
    expected = min(len(reference.action), limit or len(reference.action))
    if n != expected or found.done != n:
        msg = f"{name}: {min(n, found.done):,} events were decided, not {expected:,}"
        raise ParityError(msg)
    differing = int(np.count_nonzero(reference.features[:n] != found.features[:n]))
    scores = (reference.probability[:n] != found.probability[:n]) | (reference.action[:n] != found.action[:n])
    return EntryPoint(
        name,
        n,
        reference.features[:n].size,
        differing,
        n,
        int(np.count_nonzero(scores)),
        time.perf_counter() - began,
    )


def verify_python(
    plan: Plan,
    script: Script,
    *,
    batches: Sequence[int] = BATCHES,
    threads: Sequence[int] = THREADS,
    told: Progress,
) -> tuple[Outcome, list[EntryPoint], bool]:
    """Return the reference, what every Python entry point came to, and whether every broken kernel was caught.

    Parameters
    ----------
    plan
        The compiled system.
    script
        What happened.
    batches, threads
        Every size with every number of threads is played; the reference is one event at a time on one thread.
    told
        Told of progress.
    """
    total = decided_events(plan, script)

    def run(name: str, plan_: Plan, size: int) -> Outcome:
        return Player(plan_, script, size).play(plan_.start(), told=lambda done: told(name, done, total))

    reference = run("python, one by one", threaded(plan, 1), 1)
    points = []
    for count in threads:
        for size in batches:
            if (count, size) == (1, 1):
                continue
            name = f"python, batches of {size}, {count} thread{'s' if count > 1 else ''}"
            began = time.perf_counter()
            points.append(compared(name, reference, run(name, threaded(plan, count), size), began))
    return reference, points, all(_caught(plan, script, reference, state) for state in controls(plan))


def controls(plan: Plan) -> list[State]:
    """Return a state for each kernel that is broken on purpose: of windows, and of links where there are any."""
    return [broken(plan), *([broken_links(plan)] if any(h.linked for h in plan.histories) else [])]


def _caught(plan: Plan, script: Script, reference: Outcome, state: State) -> bool:
    """Return whether a broken kernel's features differ from the reference."""
    found = Player(plan, script, 100).play(state, limit=CONTROL_EVENTS)
    point = compared("broken", reference, found, time.perf_counter(), limit=CONTROL_EVENTS)
    return point.features_differing > 0


def verify(
    found: Found,
    source: Source,
    *,
    events: int,
    bundle: Path | None = None,
    restarts: int = RESTARTS,
    http: bool = True,
    told: Progress,
) -> Verification:
    """Prove that every way into a system gives the same bits on given data.

    Parameters
    ----------
    found
        The system.
    source
        Its data.
    events
        At most so many decided events, the oldest first.
    bundle
        The model to decide with; None trains a small one on the same data, where it has labels enough.
    restarts
        How often the way through a log in a file is interrupted.
    http
        Whether to go through HTTP as well.
    told
        Told of progress.

    Raises
    ------
    ParityError
        If the service loses or refuses an event.
    """
    from adjudge.service.verify_http import over_http
    from adjudge.service.verify_log import with_restarts

    system = found.build(source.lists)
    part = source.head(system, events)
    with tempfile.TemporaryDirectory() as folder:
        path = bundle or _trained(system, part, Path(folder) / "bundle", told)
        # without a bundle there is nowhere for a service to read lists from, so all ways in go without
        plan = compile(found.build({}), secret=secret()) if path is None else with_bundle(found.build, path, secret())
        script = script_of(plan, part)
        reference, points, caught = verify_python(plan, script, told=told)
        points.append(_as_table(plan, part, reference, told))
        total = len(reference.action)
        points.append(
            with_restarts(plan, script, reference, restarts=restarts, told=lambda n: told("with restarts", n, total))
        )
        if http:
            points += over_http(plan, found.name, path, script, reference, told)
    return Verification(
        events=len(reference.action),
        features_compared=sum(p.features_compared for p in points),
        features_differing=sum(p.features_differing for p in points),
        scores_compared=sum(p.scores_compared for p in points),
        scores_differing=sum(p.scores_differing for p in points),
        entry_points=tuple(points),
        negative_control_failed=caught,
    )


SMALL_MODEL_ROWS = 20_000
"""Rows that the small model of `verify` is fitted on."""


def _trained(system: System, source: Source, path: Path, told: Progress) -> Path | None:
    """Return the bundle of a model trained on the spot, None where the data has no labels for one."""
    from adjudge.learn.pipeline import run

    try:
        made = run(system, source, secret=secret(), rows=SMALL_MODEL_ROWS, progress=told)
    except (InputError, DefinitionError, ShapeError):
        return None  # no labels, or too few of them: rules alone are compared
    made.write(path, datetime.now(UTC))
    return path


def _as_table(plan: Plan, source: Source, reference: Outcome, told: Progress) -> EntryPoint:
    """Compare the table that training sees; actions are those of the reference, a table decides nothing."""
    from adjudge.learn.backfill import backfill
    from adjudge.learn.train import probabilities

    began = time.perf_counter()
    labels = _with_own_outcomes(plan, source, reference)
    table = backfill(plan, source.frames, labels, progress=lambda done, of: told("as a table", done, of)).table
    features = table.features(plan.names).X.T.copy().view(np.uint64)
    found = Outcome(features, reference.probability, reference.action, len(table))
    if plan.scorer is not None:
        found.probability = probabilities(cast(Served, plan.scorer), table).view(np.uint64)
    return compared("as a table, for training", reference, found, began)


def _with_own_outcomes(plan: Plan, source: Source, reference: Outcome) -> dict[str, pl.DataFrame]:
    """Return the labels with the outcomes that the system's own decisions set, which a table knows nothing of."""
    import polars as pl

    schema = plan.schema(plan.decides)
    events = source.frames[plan.decides].sort(schema.time_field, maintain_order=True)
    labels = dict(source.labels)
    for outcome in (o for o in plan.system.outcomes if o.decided):
        actions = [plan.policy.actions.index(a) for a in outcome.decided if a in plan.policy.actions]
        acted = events.filter(pl.Series(np.isin(reference.action, actions))).select(
            schema.id_field,
            value=pl.lit(1.0),
            known_at=pl.col(schema.time_field) + timedelta(microseconds=1),  # at once, but after the event itself
        )
        known = (
            [labels[outcome.name].select(acted.columns).cast({"value": pl.Float64})] if outcome.name in labels else []
        )
        labels[outcome.name] = pl.concat([acted, *known])
    return labels
