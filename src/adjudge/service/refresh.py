"""Refreshing: the graphs that a model looks back on, brought up to where the log ends, in a bundle of their own.

A graph net answers from vectors of entities as of the last refresh. A refresh adds the events of the log to the graph
of the bundle that decides, cuts away what nothing can reach any more, and computes every vector anew. What comes of it
is a bundle like any other: it is activated by whoever asked for it, and a replay finds it by its hash.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import numpy as np

from adjudge.define import micros
from adjudge.errors import InputError, did_you_mean
from adjudge.learn import bundle
from adjudge.models.graph import EventGraph, SizeReport, Sizes
from adjudge.models.graph.refresh import MEMORY_US, graphs_of, merged, relabelled, trimmed, with_graphs
from adjudge.models.graph.table import Embeddings, embeddings
from adjudge.models.past import NEVER, settled
from adjudge.service.activation import fingerprint
from adjudge.service.follow import Last
from adjudge.service.home import bundles_of, open_log, snapshots_of
from adjudge.service.recent import Recent, read_recent
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
    from adjudge.typing import FloatArray

SAMPLE = 1000
"""Events on which the new model is held to give each row the same bits whatever its neighbours."""

COUNTED = 10_000
"""Events whose neighbourhoods are counted."""

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
        moved = moved_to(log, key)
        recent = read_recent(
            log,
            plan,
            keys,
            scorer.names,
            snapshots=snapshots_of(settings),
            moved=moved,
            told=lambda done, of: told("read", done, of),
        )
    told("vectors", 0, 1)
    work = _Work(plan, scorer, keys, recent, memory_us, moved)
    fresh = with_graphs(scorer, work.renewed)
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
    known = ", ".join(active) or "nothing has decided on this log yet"
    hint = f"there is no system {name!r}{did_you_mean(name, active)}" if name else f"say which system: {known}"
    raise InputError(hint, field="system", code="unknown_system")


@dataclass
class _Work:
    """Renews the models of one scorer from what a log tells, and counts.

    Parameters
    ----------
    plan, scorer
        What decides.
    keys
        Names of the keys in `recent`.
    recent
        What the log tells.
    memory_us
        See `refresh`.
    moved
        What a rekey has moved, if there was one.
    """

    plan: Plan
    scorer: Served
    keys: tuple[str, ...]
    recent: Recent
    memory_us: int
    moved: Moved | None
    as_of: int = 0
    events: int = 0
    kept: int = 0
    entities: int = 0
    sizes: Sizes = field(init=False)

    def __post_init__(self) -> None:
        graphs = graphs_of(self.scorer)
        newest = [int(self.recent.ts.max(initial=0)), *(int(m.graph.ts.max(initial=0)) for m in graphs)]
        self.as_of = max(newest) + 1
        self.sizes = Sizes(graphs[0].fanout)

    def renewed(self, model: SageModel) -> SageModel:
        """Return a model with the events of the log in its graph, and vectors as of now."""
        recent, delay = self.recent, self._delay_us
        whole = merged(self._before(model.graph), self._graph(model), recent.gone)
        at = np.minimum(recent.said_at, self.as_of)
        whole = relabelled(whole, recent.said, recent.said_value, at, delay)
        late, schedule = self.plan.lateness_us, model.refresh_us
        graph = trimmed(whole, self.as_of, late, schedule_us=schedule, memory_us=self.memory_us)
        vectors, _ = embeddings(model.layers, graph, model.fanout, self.as_of)
        self.events, self.kept, self.entities = len(whole.ts), len(graph.ts), len(vectors.hashes)
        self._count(replace(model, graph=graph, table=Embeddings.empty(model.layers), refresh_us=0))
        return replace(model, graph=graph, table=vectors)

    def sample(self, events: int = SAMPLE) -> FloatArray:
        """Return what some of the newest events were decided by, shape (names, n)."""
        rows = np.flatnonzero(self.recent.recorded)[-events:]
        return np.ascontiguousarray(self.recent.X[:, rows])

    def _count(self, model: SageModel) -> None:
        """Count the nodes around the newest decisions, as if no vector had been computed ahead."""
        place = {name: i for i, name in enumerate(self.scorer.names)}
        rows = np.array([place[name] for name in model.names])
        sizes = model.sizes(self.sample(COUNTED), rows)
        self.sizes.add(sizes[:, 0], sizes[:, 1])

    @property
    def _delay_us(self) -> int:
        label = self.plan.system.label
        return 0 if label is None else micros(label.delay)

    def _graph(self, model: SageModel) -> EventGraph:
        """Return the graph of the log's events alone; the numbers of those that were not decided are missing."""
        recent, names = self.recent, model.graph.names
        categories = getattr(self.scorer, "categories", None)
        place = {name: i for i, name in enumerate(self.scorer.names)}
        X = np.ascontiguousarray(recent.X[[place[name] for name in names]])
        if categories is not None:
            X = categories.encode(X, np.arange(len(names)), names)
        x = model.layers.scaled(X.T)
        x[~recent.recorded] = np.nan
        label, known_at = settled(
            recent.ts, np.full(len(recent.ts), np.nan), np.full(len(recent.ts), NEVER), self._delay_us
        )
        label[recent.stopped] = np.nan
        keys = np.ascontiguousarray(recent.keys[[self.keys.index(kind) for kind in model.graph.kinds]])
        return EventGraph.build(
            model.graph.kinds, keys, recent.ts, x=x, names=names, labels=(label, known_at), ids=recent.ids
        )

    def _before(self, graph: EventGraph) -> EventGraph:
        """Return what stays of the graph so far: nothing of a person who was erased, nor of before a rekey."""
        kept = np.ones(len(graph.ts), np.bool_)
        if self.moved is not None and np.isin(graph.hashes, self.moved.old).any():
            kept[:] = False  # the log has what was decided, by the hashes of now
        for name, token in self.recent.erased:
            if name in graph.kinds:
                kept &= graph.keys[graph.kinds.index(name)] != np.uint64(token)
        return graph if kept.all() else graph.take(kept)


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
