"""A plan is a system compiled for execution: which row of the feature matrix holds what, and who fills it.

The feature matrix X has one row per slot and one column per event. For the decided stream its rows are, from the top:
the fields, the conditions and measures that histories keep, the results of the histories, the derived features, and
one row per rule. Everything that depends on definitions alone is settled here; `adjudge.engine.step` is a straight
line.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjudge.define import Entity, Feature, Policy, Rule, Schema, System
from adjudge.define.label import Truth
from adjudge.engine.batch import Batch, Marks, State
from adjudge.engine.decision import Decisions
from adjudge.engine.encode import Encoder
from adjudge.engine.fold import conditions_of, erase, fold_marks, insert_batch, retract
from adjudge.engine.hashing import hash_entities
from adjudge.engine.layers import UNGUARDED, Guard, Layer, layered, layers_of
from adjudge.engine.measure import Gather
from adjudge.engine.policy import Combine
from adjudge.engine.read import read_entity
from adjudge.engine.scorer import Layered, Scorer
from adjudge.engine.step import refold, step
from adjudge.engine.vm import Program, Slot
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.history import Histories, Layout, Profiles
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray


@dataclass(frozen=True)
class HistoryPlan:
    """The histories of one entity over one stream.

    Parameters
    ----------
    entity
        Whose histories they are.
    stream
        The stream whose events are their rows.
    layout
        What a row carries and what is asked of it.
    key
        Row of the entity in the keys of every stream that touches it, by stream.
    values
        Rows of the stream's matrix that hold the measures: first and one past the last.
    outputs
        Rows of the feature matrix that the results go to: first and one past the last.
    labels
        For each mark the measures it sets: position and condition row, -1 for none.
    linked
        Row in the keys of what is linked, by stream; empty where nothing is.
    """

    entity: Entity
    stream: str
    layout: Layout
    key: Mapping[str, int]
    values: tuple[int, int]
    outputs: tuple[int, int]
    labels: Mapping[str, tuple[tuple[int, int], ...]]
    linked: Mapping[str, int] = field(default_factory=dict)

    @property
    def labelled(self) -> Mapping[str, int]:
        """Row in the keys of what labels are set on, by stream."""
        return self.linked or self.key

    @property
    def name(self) -> str:
        """What it is called: its entity and its stream, with what is linked where something is."""
        return f"{'~'.join((self.entity.name, *self.entity.link))}@{self.stream}"


@dataclass(frozen=True)
class ProfilePlan:
    """The latest rows of one profile stream.

    Parameters
    ----------
    entity
        Whose profiles they are.
    stream
        The profile stream.
    key
        As in `HistoryPlan`.
    fields
        Rows of the stream's matrix that are kept.
    hashed
        Positions in `fields` of texts, whose missing value is the hash 0.
    outputs
        Rows of the feature matrix that they go to.
    """

    entity: Entity
    stream: str
    key: Mapping[str, int]
    fields: IntArray
    hashed: tuple[int, ...]
    outputs: tuple[int, int]


@dataclass(frozen=True)
class StreamPlan:
    """How the events of one stream become a matrix with keys.

    Parameters
    ----------
    schema
        The stream.
    encoder
        Writes the field rows.
    conditions
        Writes the condition rows; None without conditions.
    gather
        Writes the measure rows from fields and conditions.
    height
        Rows of the matrix.
    entity_names, entity_fields
        Hash of each entity's name and the rows of its fields, as `hash_entities` takes them.
    """

    schema: Schema
    encoder: Encoder
    conditions: Program | None
    gather: Gather
    height: int
    entity_names: HashArray
    entity_fields: IntArray

    def keys(self, matrix: FloatArray) -> HashArray:
        """Return the key of every entity for every event, shape (entities, n); 0 where a part is missing."""
        if not len(self.entity_names):
            return np.empty((0, matrix.shape[1]), np.uint64)
        return hash_entities(self.encoder.secret, self.entity_names, self.entity_fields, matrix.view(np.uint64))


@dataclass(frozen=True)
class Plan:
    """A compiled system.

    Parameters
    ----------
    system
        The definitions.
    streams
        How each stream is encoded; the decided one has the whole feature matrix.
    histories, profiles
        What is kept.
    slots
        Where each field and feature stands in the feature matrix.
    features
        Every feature by its final name, in order.
    program
        Derived features and rules, in one.
    rules
        The rules in the order of their rows, which begin at `rules_at`.
    names, rows
        What a model may read, and the rows it stands in.
    categorical
        Those of `names` that are text.
    asked
        Fields that the system's model reads as they are, keys and times, beside what every model may read.
    versions
        Short hashes of system, layout, rules, policy, contents of lists, and model where there is one.
    scorer, scorer_rows
        The served model and the rows of its names; None decides by rules alone.
    thresholds
        Value strictly above which each action is taken, as it was given to `compile`.
    bundle
        Id of the bundle that scorer and thresholds come from; empty where they come from none.
    pool
        Threads that histories are folded on; None folds on the caller's.
    """

    system: System
    streams: Mapping[str, StreamPlan]
    histories: tuple[HistoryPlan, ...]
    profiles: tuple[ProfilePlan, ...]
    slots: Mapping[str, Slot]
    features: Mapping[str, Feature]
    program: Program
    rules: tuple[Rule, ...]
    rules_at: int
    names: tuple[str, ...]
    rows: IntArray
    categorical: frozenset[str]
    versions: Mapping[str, str]
    lateness_us: int
    policy: Policy
    combine: Combine
    scorer: Scorer | None = None
    scorer_rows: IntArray = field(default_factory=lambda: np.empty(0, np.int64))
    thresholds: Mapping[str, float] = field(default_factory=dict)
    bundle: str = ""
    pool: ThreadPoolExecutor | None = None
    asked: tuple[str, ...] = ()

    @functools.cached_property
    def layered(self) -> Layered | None:
        """The scorer in layers, one at least; None decides by rules alone."""
        return None if self.scorer is None else layered(self.scorer)

    @functools.cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The parts that a decision can be made without, in the order of their codes."""
        return () if self.layered is None else layers_of(self.layered, self.scorer_rows)

    @functools.cached_property
    def answered(self) -> tuple[tuple[int, int], ...]:
        """Rows of the feature matrix that histories and profiles answer with: firsts, and ones past the lasts."""
        return (*(h.outputs for h in self.histories), *(p.outputs for p in self.profiles))

    @functools.cached_property
    def kept(self) -> Mapping[str, int]:
        """What histories and profiles answer and the rest of a decision reads, by name, and its row.

        Beside the event's fields it is all that has to be kept to decide the event again. The second row of a time or a
        place has the name of the first with ``.2`` after it.
        """
        read = {*self.program.reads, *self.scorer_rows.tolist(), *self.combine.reads}
        named = {slot.row: name for name, slot in self.slots.items()}
        named |= {s.row + 1: f"{name}.2" for name, s in self.slots.items() if s.type in ("time", "place")}
        answered = {row for first, last in self.answered for row in range(first, last)}
        return {named[row]: row for row in sorted(read & answered)}

    def row(self, name: str) -> int | None:
        """Return the row of a field, a feature or a name in `kept`; None if there is none."""
        return self.slots[name].row if name in self.slots else self.kept.get(name)

    @functools.cached_property
    def hidden(self) -> frozenset[str]:
        """Names among those that are told of a decision whose slots hold no number: texts, keys, times and places."""
        read = () if self.scorer is None else self.scorer.names
        plain = ("text", "time", "place")
        return self.categorical | {name for name in read if name in self.slots and self.slots[name].type in plain}

    @property
    def decides(self) -> str:
        """Name of the decided stream."""
        return self.system.decides.schema().name

    def schema(self, stream: str) -> Schema:
        """Return the schema of a stream; an unknown one raises `DefinitionError`."""
        return self.stream(stream).schema

    def stream(self, name: str) -> StreamPlan:
        """Return how a stream is encoded; an unknown one raises `DefinitionError`."""
        if name not in self.streams:
            msg = f"system {self.system.name!r} has no stream {name!r}{did_you_mean(name, self.streams)}"
            raise DefinitionError(msg)
        return self.streams[name]

    def start(self) -> State:
        """Return the state before the first entry of the log."""
        histories = [Histories(h.layout) for h in self.histories]
        return State(histories, [Profiles(len(p.fields), hashed=p.hashed) for p in self.profiles])

    def encode(self, stream: str, events: Sequence[Any], seqs: IntArray) -> Batch:
        """Turn checked events of one stream, in log order, into a batch.

        Parameters
        ----------
        stream
            Its name.
        events
            Objects with one attribute per field.
        seqs
            Position in the log of each.
        """
        plan = self.stream(stream)
        matrix = np.empty((plan.height, len(events)))
        ts = plan.encoder.events(events, matrix)
        id_field = plan.schema.id_field
        return self._prepare(plan, [getattr(e, id_field) for e in events], ts, seqs, matrix)

    def encode_frame(self, stream: str, frame: Any, seqs: IntArray) -> Batch:
        """Turn rows of a Polars table, in log order, into a batch; see `Encoder.frame` for its columns."""
        plan = self.stream(stream)
        matrix = np.empty((plan.height, frame.height))
        ts = plan.encoder.frame(frame, matrix)
        return self._prepare(plan, (), ts, seqs, matrix)

    def encode_fields(self, stream: str, fields: FloatArray, seqs: IntArray, ids: Sequence[str] = ()) -> Batch:
        """Turn events that were encoded before into a batch again, from their fields alone.

        Parameters
        ----------
        stream
            Its name.
        fields
            The first rows of the matrix that `encode` made, as many as the stream's encoder writes.
        seqs
            Position in the log of each.
        ids
            The events' ids, where they are needed.
        """
        plan = self.stream(stream)
        matrix = np.empty((plan.height, fields.shape[1]))
        matrix[: plan.encoder.width] = fields
        return self._prepare(plan, ids, plan.encoder.times(matrix), seqs, matrix)

    def step(self, state: State, batch: Batch, *, append: bool = True, guard: Guard = UNGUARDED) -> Decisions | None:
        """Fold a batch and decide it; see `adjudge.engine.step.step`."""
        return step(self, state, batch, append=append, guard=guard)

    def insert(self, state: State, batch: Batch) -> None:
        """Fold events that are part of the past but were never decided here; see `step` for those that are."""
        if batch.stream == self.decides:
            insert_batch(self, state, batch)
        else:
            step(self, state, batch)

    def refold(self, state: State, batch: Batch, acted: Mapping[str, BoolArray]) -> None:
        """Fold events that were decided before, with what their decisions set; see `adjudge.engine.step.refold`."""
        refold(self, state, batch, acted)

    def label(self, state: State, batch: Batch, name: str, old: FloatArray, new: FloatArray) -> None:
        """Set a label or an outcome on events of the past.

        Parameters
        ----------
        state
            Changed in place.
        batch
            The events as they were first encoded, with their first positions in the log.
        name
            The mark that it sets: the label's or the outcome's name, with one of its values where it has some.
        old, new
            Value before (NaN where there was none) and value set (NaN to take it back), shape (n,), 0 or 1.
        """
        if name not in self.system.marks:
            msg = f"system {self.system.name!r} has no label or outcome {name!r}{did_you_mean(name, self.system.marks)}"
            raise DefinitionError(msg)
        conditions = {row: batch.matrix[row] for row in conditions_of(self, name)}
        fold_marks(self, state, Marks(name, batch.keys, batch.ts, batch.seq, old, new, conditions))

    def retract(self, state: State, batch: Batch) -> None:
        """Take events of the past out of every history; `batch` is as in `label`.

        Labels and outcomes that were set on them must be taken back with `label` first: encoding an event
        again does not say what was set on it, and a merged row would go on counting it.
        """
        retract(self, state, batch)

    def erase(self, state: State, stream: str, field: str, hashes: Mapping[str, HashArray]) -> None:
        """Take every key out of the histories and profiles of a stream that a field's value is part of.

        Parameters
        ----------
        state
            Changed in place; it must not be held.
        stream
            Whose entities are meant.
        field
            Name of the field.
        hashes
            Encoded values of it and of the fields that stood beside it, one of each combination.
        """
        erase(self, state, stream, field, hashes)

    def truth(self, name: str) -> Truth:
        """Return a label or outcome by name; an unknown one raises `DefinitionError`."""
        known = self.system.truths
        if name not in known:
            msg = f"system {self.system.name!r} has no label or outcome {name!r}{did_you_mean(name, known)}"
            raise DefinitionError(msg)
        return known[name]

    def read(self, state: State, entity: str, key: Mapping[str, str], as_of: int) -> dict[str, float | None]:
        """Return the features of one entity as of a time, without deciding anything.

        Parameters
        ----------
        state
            Only read.
        entity
            Its name, such as ``user`` or ``user_device``.
        key
            The value of each of its fields.
        as_of
            Time in microseconds UTC.

        Raises
        ------
        DefinitionError
            If there is no such entity or a field of its key is missing.
        """
        return read_entity(self, state, entity, key, as_of)

    def _prepare(self, plan: StreamPlan, ids: Sequence[str], ts: IntArray, seqs: IntArray, matrix: FloatArray) -> Batch:
        if plan.conditions is not None:
            plan.conditions.run(matrix)
        plan.gather.run(matrix)
        return Batch(plan.schema.name, ids, ts, np.ascontiguousarray(seqs, np.int64), matrix, plan.keys(matrix))
