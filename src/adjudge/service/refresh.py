"""Refreshing: the graphs that a model looks back on, brought up to where the log ends, in a bundle of their own.

A graph net answers from vectors of entities as of the last refresh. A refresh adds the events of the log to the graph
of the bundle that decides, cuts away what nothing can reach any more, and computes every vector anew. What comes of it
is a bundle like any other: it is activated by whoever asked for it, and a replay finds it by its hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from adjudge.define import micros
from adjudge.errors import InputError, did_you_mean
from adjudge.learn import bundle
from adjudge.models.graph import EventGraph, SizeReport, Sizes
from adjudge.models.graph.growing import Growing
from adjudge.models.graph.refresh import MEMORY_US, graphs_of, with_graphs
from adjudge.models.graph.table import Embeddings, embeddings
from adjudge.models.past import NEVER, settled
from adjudge.service.activation import fingerprint
from adjudge.service.follow import Last
from adjudge.service.home import bundles_of, open_log, snapshots_of
from adjudge.service.recent import NEWEST, PART, LogReader, Recent
from adjudge.service.rekey.moved import moved_to
from adjudge.service.resolver import Resolver

if TYPE_CHECKING:
    from adjudge.engine import Plan
    from adjudge.log import Log
    from adjudge.models.graph.served import SageModel
    from adjudge.models.scorers import Served
    from adjudge.service.activation import SystemActivation
    from adjudge.service.bundles import Bundles
    from adjudge.service.rekey.moved import Moved
    from adjudge.service.settings import Settings
    from adjudge.typing import BoolArray, FloatArray

SAMPLE = 1000
"""Events on which the new model is held to give each row the same bits whatever its neighbours."""

Told = Callable[[str, int, int], None]
"""Is told what is being done, how far it is, and how far it goes."""


class Refreshed(msgspec.Struct, frozen=True):
    """What a refresh has made.

    Parameters
    ----------
    system
        The system.
    bundle, before
        Id of the new bundle, and of the one that decided when it was made.
    as_of
        The moment of the vectors, ISO 8601: just after the newest event.
    events, kept, entities
        Events of old graph and log together, those of them that can still be reached, and entities with a vector.
    size_bytes
        Of all files of the bundle.
    neighbourhood
        How many nodes surround the newest decisions; its alert says when the bound is what many get.
    """

    system: str
    bundle: str
    before: str
    as_of: str
    events: int
    kept: int
    entities: int
    size_bytes: int
    neighbourhood: SizeReport


def refresh(
    settings: Settings,
    key: bytes,
    system: str | None = None,
    *,
    memory_us: int = MEMORY_US,
    told: Told = lambda what, done, of: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    rows: int = PART,
) -> Refreshed:
    """Make a bundle with graph and vectors as of where the log ends, and keep it; nothing is activated.

    Parameters
    ----------
    settings
        Where the workspace is; a service may go on in it.
    key
        The workspace's 16 bytes.
    system
        Name of the system, where there are several.
    memory_us
        Events older than that are forgotten, and entities that have no others.
    told
        Is told how far it is.
    now
        Returns when the bundle is made.
    rows
        So many events of the log, at least, are added to a graph at a time; more where the graph itself is larger, so
        that no more is held than grows with the graph. What comes of it is the same.

    Raises
    ------
    InputError
        If there is no such workspace or system, or its model looks back on no graph.
    """
    if settings.log == "memory":
        message = "a log in memory ends with its process, so there is nothing to refresh from"
        raise InputError(message, field="log")
    bundles = bundles_of(settings, key)
    with closing(open_log(settings)) as log:
        plan, scorer = _deciding(log, snapshots_of(settings), bundles, key, system)
        graphs = graphs_of(scorer)
        keys = tuple(dict.fromkeys(kind for model in graphs for kind in model.graph.kinds))
        names = tuple(dict.fromkeys(name for model in graphs for name in model.graph.names))
        moved = moved_to(log, key)
        reader = LogReader(log, plan, keys, names, scorer.names, snapshots=snapshots_of(settings), moved=moved)
        work = _Work(plan, scorer, reader, memory_us, moved)
        for part in reader.parts(lambda: max(rows, work.kept // 2), lambda done, of: told("read", done, of)):
            work.add(part)
    told("vectors", 0, 1)
    fresh = work.renewed()
    told("vectors", 1, 1)
    written = _kept(plan, fresh, bundles, work, now())
    return Refreshed(
        plan.system.name,
        written.id,
        plan.bundle,
        _moment(work.as_of),
        work.events,
        work.kept,
        work.entities,
        sum(entry.size for entry in written.manifest.files.values()),
        work.sizes.report(),
    )


def _deciding(log: Log, snapshots: Path | None, bundles: Bundles, key: bytes, name: str | None) -> tuple[Plan, Served]:
    """Return what decides at the end of a log, with a model that looks back on a graph."""
    last = Last.before(log, snapshots, len(log))
    active = _named(last.active, name)
    if last.secret != fingerprint(key):
        message = "the log was made with another secret than the one given (ADJUDGE_SECRET)"
        raise InputError(message, field="ADJUDGE_SECRET")
    plan = Resolver((), bundles).plan(active)
    scorer = cast("Served", plan.scorer)
    if not plan.bundle or not graphs_of(scorer):
        message = f"the model of system {plan.system.name!r} looks back on no graph: there is nothing to refresh"
        raise InputError(message, field="system", code="no_graph")
    return plan, scorer


def _named(active: dict[str, SystemActivation], name: str | None) -> SystemActivation:
    if name is None and len(active) == 1:
        return next(iter(active.values()))
    if name in active:
        return active[name]
    if not active:
        message = "nothing has decided on this log yet: serve it once, with a bundle whose model looks back on a graph"
        raise InputError(message, field="workspace", code="undecided")
    known = ", ".join(active)
    hint = f"there is no system {name!r}{did_you_mean(name, active)}" if name else f"say which system: {known}"
    raise InputError(hint, field="system", code="unknown_system")


class _Work:
    """Renews the models of one scorer from what a log tells, stretch by stretch, and counts.

    Parameters
    ----------
    plan, scorer
        What decides.
    reader
        Reads the log.
    memory_us
        See `refresh`.
    moved
        What a rekey has moved, if there was one.
    """

    def __init__(self, plan: Plan, scorer: Served, reader: LogReader, memory_us: int, moved: Moved | None) -> None:
        self.plan, self.scorer, self.reader, self.memory_us = plan, scorer, reader, memory_us
        delay_us = 0 if plan.system.label is None else micros(plan.system.label.delay)
        self.growing = [
            Growing(
                model.graph,
                self._stays(model.graph, moved),
                lateness_us=plan.lateness_us,
                schedule_us=model.refresh_us,
                memory_us=memory_us,
                delay_us=delay_us,
                of_log_alone=self._unnamed(model.graph),
            )
            for model in graphs_of(scorer)
        ]
        self.as_of = self.events = self.entities = 0
        self.sizes = Sizes(graphs_of(scorer)[0].fanout)

    @property
    def kept(self) -> int:
        """How many events the largest graph holds."""
        return max(len(one.graph.ts) for one in self.growing)

    def add(self, part: Recent) -> None:
        """Take in a stretch of the log."""
        for model, growing in zip(graphs_of(self.scorer), self.growing, strict=True):
            growing.add(self._graph(model, part), part.gone, (part.said, part.said_value, part.said_at))

    def renewed(self) -> Served:
        """Return the scorer with the events of the log in its graphs, and vectors as of now."""
        self.as_of = max(one.newest for one in self.growing) + 1
        grown = {id(model): one for model, one in zip(graphs_of(self.scorer), self.growing, strict=True)}
        return with_graphs(self.scorer, lambda model: self._renewed(model, grown[id(model)]))

    def sample(self, events: int = SAMPLE) -> FloatArray:
        """Return what some of the newest events were decided by, shape (names, n)."""
        return np.ascontiguousarray(self.reader.newest[:, -events:])

    def _renewed(self, model: SageModel, growing: Growing) -> SageModel:
        graph = growing.grown(self.as_of)
        vectors, _ = embeddings(model.layers, graph, model.fanout, self.as_of)
        self.events, self.entities = growing.events, len(vectors.hashes)
        self._count(replace(model, graph=graph, table=Embeddings.empty(model.layers), refresh_us=0))
        return replace(model, graph=graph, table=vectors)

    def _count(self, model: SageModel) -> None:
        """Count the nodes around the newest decisions, as if no vector had been computed ahead."""
        place = {name: i for i, name in enumerate(self.scorer.names)}
        rows = np.array([place[name] for name in model.names])
        sizes = model.sizes(self.sample(NEWEST), rows)
        self.sizes.add(sizes[:, 0], sizes[:, 1])

    def _graph(self, model: SageModel, part: Recent) -> EventGraph:
        """Return the graph of a stretch alone; the numbers of events that were not decided are missing."""
        names, columns = model.graph.names, self.reader.columns
        categories = getattr(self.scorer, "categories", None)
        X = np.ascontiguousarray(part.X[[columns.names.index(name) for name in names]])
        if categories is not None:
            X = categories.encode(X, np.arange(len(names)), names)
        x = model.layers.scaled(X.T)
        x[~part.recorded] = np.nan
        n, delay_us = len(part.ts), self.growing[0].delay_us
        known = settled(part.ts, np.full(n, np.nan), np.full(n, NEVER), delay_us, part.stopped)
        keys = np.ascontiguousarray(part.keys[[columns.keys.index(kind) for kind in model.graph.kinds]])
        return EventGraph.build(model.graph.kinds, keys, part.ts, x=x, names=names, labels=known, ids=part.ids)

    def _stays(self, graph: EventGraph, moved: Moved | None) -> BoolArray:
        """Return what stays of a graph so far: nothing taken back, of a person who was erased, or of before a rekey."""
        kept = ~np.isin(graph.ids, self.reader.before.gone)
        if moved is not None and np.isin(graph.hashes, moved.old).any():
            kept[:] = False  # the log has what was decided, by the hashes of now
        for name, token in self.reader.before.erased:
            if name in graph.kinds:
                kept &= graph.keys[graph.kinds.index(name)] != np.uint64(token)
        return kept

    def _unnamed(self, graph: EventGraph) -> bool:
        """Return whether somebody was erased whom a graph does not name: only the log tells which events those are."""
        person = self.plan.schema(self.plan.decides).person_field
        return person not in graph.kinds and any(name == person for name, _ in self.reader.before.erased)


def _kept(plan: Plan, scorer: Served, bundles: Bundles, work: _Work, now: datetime) -> bundle.Bundle:
    """Write a bundle and keep it in the workspace under its hash."""
    assert bundles.home is not None  # a log in memory is refused
    assert bundles.folder is not None
    before = bundle.read_manifest(bundles.folder / plan.bundle)
    facts = {**before.training, "Refreshed": f"as of {_moment(work.as_of)}, after bundle {plan.bundle[:12]}"}
    with tempfile.TemporaryDirectory(dir=bundles.home, prefix=".refresh-") as scratch:
        path = Path(scratch) / "bundle"
        bundle.write(
            path,
            plan=plan,
            scorer=scorer,
            sample=(work.sample(), np.arange(len(scorer.names))),
            created_at=now,
            thresholds=before.thresholds,
            metrics=before.metrics,
            training=facts,
        )
        return bundles.keep(path)


def _moment(as_of: int) -> str:
    return datetime.fromtimestamp(as_of / 1e6, UTC).isoformat()
