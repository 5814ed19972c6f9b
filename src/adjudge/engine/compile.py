"""Compiling: definitions become a plan; every mistake in them is found here, with its place and the nearest name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from adjudge.define import (
    DerivedFeature,
    Entity,
    Feature,
    Field,
    Label,
    Listing,
    ProfileFeature,
    Schema,
    System,
    WindowFeature,
    days,
    micros,
)
from adjudge.define.check import check
from adjudge.define.expression import Expression, parse
from adjudge.define.functions import Type
from adjudge.define.label import Truth
from adjudge.define.moment import moment_us
from adjudge.define.rule import elements, placeholders
from adjudge.engine.encode import Encoder
from adjudge.engine.hashing import TEXT_TAG, entity_name, hash_text
from adjudge.engine.measure import COPY, HASH, LABEL, ONE, SCALE, Gather, Source
from adjudge.engine.plan import HistoryPlan, Plan, ProfilePlan, StreamPlan
from adjudge.engine.policy import Combine
from adjudge.engine.scorer import Scorer
from adjudge.engine.versions import versions_of
from adjudge.engine.vm import Ends, Slot, compile_program, list_type
from adjudge.errors import BundleError, DefinitionError, did_you_mean
from adjudge.history import Aggregation, Layout, Measure
from adjudge.history.layout import SEVERAL

LATENESS = days(7)
"""How far behind the newest accepted time an event may be."""

SECRET = bytes(range(16))
"""Key of every hash where no workspace gives one of its own: data that nobody else sends."""

_TEXT_RESULTS = ("first", "last", "last_n")
_KEEPS_TYPE = ("sum", "mean", "std", "min", "max", "first", "last", "last_n")
_MODEL_TYPES = ("number", "boolean", "money")


def compile(
    system: System,
    *,
    secret: bytes = SECRET,
    scorer: Scorer | None = None,
    thresholds: Mapping[str, float] | None = None,
    threads: int = 1,
    lateness: timedelta = LATENESS,
) -> Plan:
    """Return the plan of a system.

    Parameters
    ----------
    system
        The definitions.
    secret
        The workspace's 16 secret bytes.
    scorer
        The served model; None decides by rules alone.
    thresholds
        Value strictly above which each action is taken, as training found them; used where the policy leaves
        them to training.
    threads
        How many threads histories are folded on, at least 1; never changes a result.
    lateness
        How late an event may arrive.

    Raises
    ------
    DefinitionError
        If anything in the definitions is wrong; the message names the place.
    BundleError
        If the model reads a feature that the system does not have.

    Examples
    --------
    >>> from adjudge.define import Event, Id, Key, Time, hours
    >>> class Login(Event):
    ...     login_id: Id
    ...     at: Time
    ...     user: Key
    >>> plan = compile(System("logins", Login, features=[Login.by("user").count(hours(1))]))
    >>> plan.names
    ('user_count_1h',)
    """
    if len(secret) != 16:
        msg = f"the workspace's secret must have 16 bytes, not {len(secret)}"
        raise DefinitionError(msg)
    return _Compiler(system, secret, lateness).plan(scorer, thresholds or {}, threads)


@dataclass
class _Stream:
    """A stream while it is being laid out."""

    schema: Schema
    encoder: Encoder
    scope: dict[str, Slot]
    height: int
    conditions: dict[str, int] = field(default_factory=dict)
    programs: list[tuple[Expression, int]] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    entities: dict[tuple[str, ...], int] = field(default_factory=dict)
    at: int = 0


@dataclass
class _History:
    """Histories while they are being laid out: measures by (field, condition, kind)."""

    entity: Entity
    measures: dict[tuple[str, str, str], int] = field(default_factory=dict)
    made: list[Measure] = field(default_factory=list)
    sources: list[Source] = field(default_factory=list)
    aggregations: list[tuple[WindowFeature, Aggregation]] = field(default_factory=list)
    labels: dict[str, list[tuple[int, int]]] = field(default_factory=dict)


_Histories = dict[tuple[str, tuple[str, ...], tuple[str, ...]], _History]
"""Histories by stream, fields, and the fields of what is linked."""


class _Compiler:
    def __init__(self, system: System, secret: bytes, lateness: timedelta) -> None:
        self.system = system
        self.secret = secret
        self.lateness = lateness
        self.place = f"system {system.name!r}"
        if not system.name.isidentifier():
            msg = f"{self.place}: the name must be an identifier"
            raise DefinitionError(msg)
        self.decided = system.decides.schema()
        if self.decided.profile:
            msg = f"{self.place}: {self.decided.name!r} holds profiles; `decides` must be a stream of events"
            raise DefinitionError(msg)
        self.streams = {name: self._stream(schema) for name, schema in system.schemas.items()}
        self.delays = self._delays()
        self.features = self._named(system.flat_features)
        self.lists = lists_of(system)
        self.list_types = {name: list_type(values) for name, values in self.lists.items()}

    def plan(self, scorer: Scorer | None, thresholds: Mapping[str, float], threads: int) -> Plan:
        """Lay everything out from the top row of the matrix to the bottom and return the plan."""
        system, decided = self.system, self.streams[self.decided.name]
        histories = self._histories()
        for stream in self.streams.values():
            self._place_measures(stream, histories)
        height = decided.height
        history_plans = []
        for history in histories.values():
            plan, height = self._history_plan(history, decided, height)
            history_plans.append(plan)
        profile_plans = []
        for entity, fields in self._profiles().items():
            profile, height = self._profile_plan(entity, fields, decided, height)
            profile_plans.append(profile)
        outputs, height = self._derived(decided, height)
        rules_at = height
        outputs += self._rules(decided, height)
        height += len(system.rules.rules)
        program = compile_program(
            outputs,
            decided.scope,
            hash_text=self._hash,
            lists=self.lists,
            ends=ends_of(system, decided.scope, rules_at),
        )
        names = self._inputs(decided.scope)
        scorer_rows = self._bind(scorer, decided.scope)
        layouts, schemas = [h.layout for h in history_plans], [s.schema for s in self.streams.values()]
        versions = versions_of(system, self.features.values(), layouts, schemas, self.lists, thresholds)
        return Plan(
            system=system,
            streams={n: self._stream_plan(s, height if s is decided else s.height) for n, s in self.streams.items()},
            histories=tuple(history_plans),
            profiles=tuple(profile_plans),
            slots=decided.scope,
            features=self.features,
            program=program,
            rules=tuple(system.rules.rules),
            rules_at=rules_at,
            names=names,
            rows=np.array([decided.scope[n].row for n in names], np.int64),
            categorical=frozenset(n for n in names if decided.scope[n].type == "text"),
            versions=versions | ({"model": scorer.version} if scorer is not None else {}),
            lateness_us=micros(self.lateness),
            policy=system.policy,
            combine=Combine(system, decided.scope, rules_at).with_thresholds(system, thresholds),
            scorer=scorer,
            scorer_rows=scorer_rows,
            thresholds={action: float(value) for action, value in thresholds.items()},
            pool=ThreadPoolExecutor(threads, "histories") if threads > 1 else None,
            asked=self._asked(names, scorer),
        )

    # streams and names

    def _stream(self, schema: Schema) -> _Stream:
        encoder = Encoder(schema, self.secret)
        scope = {f.name: Slot(_type(f), encoder.row[f.name]) for f in schema}
        return _Stream(schema, encoder, scope, encoder.width)

    def _named(self, features: Sequence[Feature]) -> dict[str, Feature]:
        """Return features by final name: those of another stream than the decided one carry its name."""
        named: dict[str, Feature] = {}
        taken = set(self.decided.names)
        for f in features:
            if isinstance(f, WindowFeature) and f.entity.stream is not self.system.decides:
                prefix = f.entity.name
                f = replace(f, name=f"{prefix}_{f.entity.schema.name}{f.name[len(prefix) :]}")
            if f.name in named and named[f.name] == f:
                continue  # groups may share a feature
            if f.name in named or f.name in taken:
                msg = f"{self.place}: two features or fields are called {f.name!r}"
                raise DefinitionError(msg)
            named[f.name] = f
        return named

    def _hash(self, text: str) -> int:
        return hash_text(self.secret, TEXT_TAG, text)

    def _delays(self) -> dict[str, timedelta]:
        """Return after how long each mark of the decided stream may be trusted to be known."""
        system = self.system
        known: list[Truth] = [*([system.label] if system.label is not None else []), *system.outcomes]
        delays: dict[str, timedelta] = {}
        for truth in known:
            for mark in truth.marks:
                if mark in delays:
                    msg = f"{self.place}: {mark!r} is set by two labels or outcomes"
                    raise DefinitionError(msg)
                delays[mark] = truth.delay if isinstance(truth, Label) else timedelta(0)
        return delays

    def _near(self, name: str, options: Collection[str]) -> str:
        """Return what was probably meant by something that cannot be aggregated."""
        truth = self.system.truths.get(name)
        if truth is not None and truth.values:
            return f"; outcome {name!r} has values: ask for one of {', '.join(truth.marks)}"
        return did_you_mean(name, options)

    # histories

    def _histories(self) -> _Histories:
        """Group the window features by stream and entity, and lay out what each history keeps."""
        histories: _Histories = {}
        for f in self.features.values():
            if isinstance(f, WindowFeature):
                entity = f.entity.history
                history = histories.setdefault((entity.schema.name, entity.fields, entity.link), _History(entity))
                if history.entity != entity:
                    named = "capacity, eps, memory or fan-out" if entity.link else "capacity, eps or memory"
                    msg = f"{self.place}: entity {entity.name!r} is declared with different {named}"
                    raise DefinitionError(msg)
                self._check_entity(entity)
                aggregation = self._linked(f, history) if entity.link else self._aggregation(f, history)
                history.aggregations.append((f, aggregation))
        return histories

    def _check_entity(self, entity: Entity) -> None:
        for schema in (entity.schema, self.decided):
            where = f"{self.place}: entity {entity.name!r} by stream {schema.name!r}"
            for name in (*entity.fields, *entity.link):
                if name not in schema.names:
                    msg = f"{where} has no field {name!r}{did_you_mean(name, schema.names)}"
                    raise DefinitionError(msg)
                if not schema[name].is_text:
                    msg = f"{where}: field {name!r} is a {schema[name].role}; keys are made of key or category fields"
                    raise DefinitionError(msg)

    def _aggregation(self, f: WindowFeature, history: _History) -> Aggregation:
        where = f"{self.place}: feature {f.name!r}"
        if f.aggregation in ("speed", "distance", "distance_typical") and f.entity.stream is not self.system.decides:
            msg = f"{where} compares a place with the decided event's own and needs its stream"
            raise DefinitionError(msg)
        delay = f.delay if f.delay is not None else self._delay(where, f.of)
        measure = self._measure(where, f, f.of, history)
        other = None if f.other is None else self._measure(where, f, f.other, history)
        if f.aggregation == "rate" and f.entity.condition:
            other = self._measure(where, f, None, history)
        op = "sum" if f.aggregation == "count" and f.of in self.delays else f.aggregation
        half_life = f.aggregation in ("decayed_sum", "decayed_count")
        return Aggregation(
            op,
            measure,
            other,
            window_us=None if f.window is None else micros(f.window),
            delay_us=micros(delay),
            parameter=f.parameter * 1e6 if half_life else f.parameter,
            including=f.entity.includes,
        )

    def _linked(self, f: WindowFeature, history: _History) -> Aggregation:
        """Lay out a question about neighbours: rows hold their keys, which folding takes from the batch, and labels."""
        where = f"{self.place}: feature {f.name!r}"
        link = f.entity.link
        if not f.aggregation.startswith("linked_"):
            msg = f"{where}: {f.aggregation} cannot be asked of what is linked"
            raise DefinitionError(msg)
        if not history.made:
            history.made.append(Measure("_".join(link), "hash"))
        label = None
        if f.of is not None:
            self._delay(where, f.of)
            if f.entity.schema is not self.decided:
                msg = f"{where}: {f.of!r} is set on events of {self.decided.name!r} only"
                raise DefinitionError(msg)
            measure = (f.of, "", "label")
            if measure not in history.measures:
                history.measures[measure] = len(history.made)
                history.made.append(Measure(f.of, "label"))
                history.labels[f.of] = [(history.measures[measure], -1)]
            label = history.measures[measure]
        window = None if f.window is None else micros(f.window)
        return Aggregation(f.aggregation, 0, label, window_us=window, parameter=float(f.entity.fan_out))

    def _delay(self, where: str, label: str | None) -> timedelta:
        if label not in self.delays:
            msg = f"{where}: {label!r} is no label or outcome{self._near(str(label), self.delays)}"
            raise DefinitionError(msg)
        return self.delays[label]

    def _measure(self, where: str, f: WindowFeature, of: str | None, history: _History) -> int | None:
        """Return the position of a measure in its history, adding it if it is new; None means all rows."""
        condition = f.entity.condition
        if of is None and not condition:
            return None
        schema = f.entity.schema
        is_label = of in self.delays and schema is self.decided
        kind = "label" if is_label else self._kind(where, f, of, schema)
        key = (of or "", condition, kind)
        if key not in history.measures:
            history.measures[key] = len(history.made)
            row = self._condition(where, schema, condition) if condition else -1
            source, scale = self._source(schema, of, kind, row)
            history.made.append(Measure(of or "rows", kind, scale))
            history.sources += source
            if is_label and of is not None:
                history.labels.setdefault(of, []).append((history.measures[key], row))
        return history.measures[key]

    def _kind(self, where: str, f: WindowFeature, of: str | None, schema: Schema) -> str:
        if of is None:
            return "hash"
        if of not in schema.names:
            options = [*schema.names, *(self.delays if schema is self.decided else ())]
            msg = f"{where}: stream {schema.name!r} has no field {of!r}{self._near(of, options)}"
            raise DefinitionError(msg)
        role = schema[of].role
        places = ("speed", "distance", "distance_typical", "count")
        if role == "time" or (role == "place") != (f.aggregation in places and role == "place"):
            msg = f"{where}: {f.aggregation} of {of!r} makes no sense, it is a {role}"
            raise DefinitionError(msg)
        if role == "place":
            return "place"
        if schema[of].is_text and f.aggregation not in ("count", "distinct", "since_last_n", *_TEXT_RESULTS):
            msg = f"{where}: {f.aggregation} of {of!r} makes no sense, it is a {role}"
            raise DefinitionError(msg)
        if f.aggregation in ("speed", "distance", "distance_typical", "rate"):
            needed = "a label or an outcome" if f.aggregation == "rate" else "a place"
            msg = f"{where}: {f.aggregation} needs {needed}, {of!r} is a {role}"
            raise DefinitionError(msg)
        return "hash" if schema[of].is_text or f.aggregation == "distinct" else "number"

    def _source(self, schema: Schema, of: str | None, kind: str, condition: int) -> tuple[list[Source], float]:
        if kind == "label":
            return [Source(LABEL, -1, condition)], 1.0
        if of is None:
            return [Source(ONE, -1, condition, text=True)], 1.0
        f, row = schema[of], self.streams[schema.name].encoder.row[of]
        if kind == "place":
            return [Source(COPY, row + step, condition) for step in (0, 1)], 1.0
        if f.is_text:
            return [Source(COPY, row, condition, text=True)], 1.0
        if kind == "hash":
            return [Source(HASH, row, condition, text=True)], 1.0
        if f.role == "money":
            return [Source(SCALE, row, condition, f.scale)], f.scale
        return [Source(COPY, row, condition)], 1.0

    def _condition(self, where: str, schema: Schema, text: str) -> int:
        """Return the row of a condition in its stream's matrix, adding it if it is new."""
        stream = self.streams[schema.name]
        if text not in stream.conditions:
            expression = self._truth(f"{where}: condition", text, _types(stream.scope))
            stream.conditions[text] = stream.height
            stream.programs.append((expression, stream.height))
            stream.height += 1
        return stream.conditions[text]

    def _place_measures(self, stream: _Stream, histories: _Histories) -> None:
        stream.at = stream.height
        for (name, *_), history in histories.items():
            if name == stream.schema.name:
                stream.sources += history.sources
        stream.height += len(stream.sources)

    def _history_plan(self, history: _History, decided: _Stream, height: int) -> tuple[HistoryPlan, int]:
        entity = history.entity
        stream = self.streams[entity.schema.name]
        layout = Layout(
            history.made,
            [a for _, a in history.aggregations],
            capacity=entity.capacity,
            eps=entity.eps,
            memory_us=micros(entity.memory),
            lateness_us=micros(self.lateness),
        )
        end = height + layout.width
        at = height
        for f, aggregation in history.aggregations:
            for step in range(aggregation.width):
                name = f"{f.name}_{step + 1}" if aggregation.op in SEVERAL else f.name
                decided.scope[name] = Slot(self._result(f), at + step)
            at += aggregation.width
        plan = HistoryPlan(
            entity,
            stream.schema.name,
            layout,
            {s.schema.name: _entity_row(s, entity.fields) for s in (stream, decided)},
            (stream.at, stream.at + len(history.sources)),
            (height, end),
            {name: tuple(measures) for name, measures in history.labels.items()},
            {s.schema.name: _entity_row(s, entity.link) for s in (stream, decided) if entity.link},
        )
        stream.at += len(history.sources)
        return plan, end

    def _result(self, f: WindowFeature) -> Type:
        if f.of is None or f.of in self.delays or f.aggregation not in _KEEPS_TYPE:
            return "number"
        role = f.entity.schema[f.of].role
        if f.entity.schema[f.of].is_text:
            return "text"
        return (
            "money"
            if role == "money"
            else "boolean"
            if role == "boolean" and f.aggregation in _TEXT_RESULTS
            else "number"
        )

    # profiles

    def _profiles(self) -> dict[Entity, list[ProfileFeature]]:
        profiles: dict[Entity, list[ProfileFeature]] = {}
        for f in self.features.values():
            if isinstance(f, ProfileFeature):
                self._check_entity(f.entity)
                if f.of not in f.entity.schema.names:
                    hint = did_you_mean(f.of, f.entity.schema.names)
                    msg = f"{self.place}: profile {f.entity.schema.name!r} has no field {f.of!r}{hint}"
                    raise DefinitionError(msg)
                profiles.setdefault(f.entity, []).append(f)
        return profiles

    def _profile_plan(
        self, entity: Entity, features: list[ProfileFeature], decided: _Stream, height: int
    ) -> tuple[ProfilePlan, int]:
        stream = self.streams[entity.schema.name]
        rows: list[int] = []
        hashed: list[int] = []
        for f in features:
            source = entity.schema[f.of]
            hashed += [len(rows)] if source.is_text else []
            decided.scope[f.name] = Slot(_type(source), height + len(rows))
            start = stream.encoder.row[f.of]
            rows += range(start, start + source.slots)
        key = {s.schema.name: _entity_row(s, entity.fields) for s in (stream, decided)}
        end = height + len(rows)
        plan = ProfilePlan(entity, stream.schema.name, key, np.array(rows, np.int64), tuple(hashed), (height, end))
        return plan, end

    # expressions

    def _parsed(self, where: str, text: str | Expression, types: Mapping[str, Type]) -> tuple[Expression, Type]:
        """Return an expression and what it gives; says where it is wrong."""
        try:
            expression = text if isinstance(text, Expression) else parse(text)
            return expression, check(expression, types, self.list_types)
        except DefinitionError as error:
            msg = f"{where}: {error}"
            raise DefinitionError(msg) from error

    def _truth(self, where: str, text: str | Expression, types: Mapping[str, Type]) -> Expression:
        expression, found = self._parsed(where, text, types)
        if found != "boolean":
            msg = f"{where} must be a boolean, {str(text)!r} is a {found}"
            raise DefinitionError(msg)
        return expression

    def _derived(self, decided: _Stream, height: int) -> tuple[list[tuple[Expression, int]], int]:
        outputs, types = [], _types(decided.scope)
        for f in self.features.values():
            if isinstance(f, DerivedFeature):
                where = f"{self.place}: feature {f.name!r}"
                expression, found = self._parsed(where, f.expression, types)
                if found in ("time", "place"):
                    msg = f"{where} gives a {found}; a feature is a number, a boolean or a text"
                    raise DefinitionError(msg)
                decided.scope[f.name], types[f.name] = Slot(found, height), found
                outputs.append((expression, height))
                height += 1
        return outputs, height

    def _rules(self, decided: _Stream, height: int) -> list[tuple[Expression, int]]:
        outputs, types = [], _types(decided.scope)
        for row, rule in enumerate(self.system.rules.rules, start=height):
            where = f"{self.place}: rule {rule.id!r}"
            if rule.action != "flag":
                self.system.policy.severity(rule.action, place=where)
            for name in placeholders(rule.reason):
                if name not in decided.scope:
                    msg = f"{where}: its reason names {name!r}, which is no feature{did_you_mean(name, decided.scope)}"
                    raise DefinitionError(msg)
            if rule.on_fraud is not None:
                self._check_listing(where, rule.on_fraud)
            outputs.append((self._truth(where, rule.when, types), row))
        return outputs

    def _check_listing(self, where: str, listing: Listing) -> None:
        """Refuse what could not be put on a list when the time comes."""
        if listing.list not in self.lists:
            msg = f"{where}: on_fraud: there is no list {listing.list!r}{did_you_mean(listing.list, self.lists)}"
            raise DefinitionError(msg)
        names = [f.name for f in self.decided if f.is_text]
        if listing.add not in names:
            hint = did_you_mean(listing.add, names)
            msg = f"{where}: on_fraud: {listing.add!r} is no field of texts of {self.decided.name!r}{hint}"
            raise DefinitionError(msg)
        if self.list_types[listing.list] == "number":
            msg = f"{where}: on_fraud: the list {listing.list!r} holds numbers, {listing.add!r} is a text"
            raise DefinitionError(msg)
        for f in self.features.values():
            counted = isinstance(f, WindowFeature) and f.entity.condition
            if counted and listing.list in parse(counted).lists:
                msg = f"{where}: on_fraud: the histories behind {f.name!r} count by the list {listing.list!r}, "
                msg += "which must not change by itself"
                raise DefinitionError(msg)

    # the rest

    def _stream_plan(self, stream: _Stream, height: int) -> StreamPlan:
        conditions = None
        if stream.programs:
            ends = Ends(stream.scope[stream.schema.time_field].row, lists=list_ends(self.system))
            conditions = compile_program(
                stream.programs, stream.scope, hash_text=self._hash, lists=self.lists, ends=ends
            )
        widest = max((len(e) for e in stream.entities), default=0)
        fields = np.full((len(stream.entities), widest), -1, np.int64)
        for entity, row in stream.entities.items():
            fields[row, : len(entity)] = [stream.encoder.row[name] for name in entity]
        names = [entity_name(self.secret, "_".join(e)) for e in stream.entities]
        at = stream.at - len(stream.sources)
        return StreamPlan(
            stream.schema,
            stream.encoder,
            conditions,
            Gather(stream.sources, at),
            height,
            np.array(names, np.uint64),
            fields,
        )

    def _inputs(self, scope: Mapping[str, Slot]) -> tuple[str, ...]:
        """Return the names a model may read: what the system says, or every number, truth value and category."""
        for listed in (self.system.inputs or (), self.system.leave_out):
            for name in listed:
                if name not in scope:
                    msg = f"{self.place}: there is no {name!r} for the model{did_you_mean(name, scope)}"
                    raise DefinitionError(msg)
        chosen: Collection[str] = (
            self.system.inputs
            if self.system.inputs is not None
            else _default_inputs(self.decided, self.features, scope)
        )
        return tuple(n for n in chosen if n not in set(self.system.leave_out))

    def _asked(self, names: tuple[str, ...], scorer: Scorer | None) -> tuple[str, ...]:
        """Return the fields that the system's model, or the one it decides with, reads as they are."""
        fields_of = getattr(self.system.model, "fields_of", None)
        try:
            fields = () if fields_of is None else tuple(fields_of(self.decided))
        except DefinitionError as error:
            msg = f"{self.place}, model: {error}"
            raise DefinitionError(msg) from None
        read = () if scorer is None else scorer.names
        return tuple(dict.fromkeys((*fields, *(name for name in read if name not in names))))

    def _bind(self, scorer: Scorer | None, scope: Mapping[str, Slot]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        if scorer is None:
            return np.empty(0, np.int64)
        unknown = [n for n in scorer.names if n not in scope]
        if unknown:
            msg = f"the model reads {unknown[0]!r}, which {self.place} does not have{did_you_mean(unknown[0], scope)}"
            raise BundleError(msg)
        return np.array([scope[n].row for n in scorer.names], np.int64)


def lists_of(system: System) -> dict[str, tuple[str | float, ...]]:
    """Return what the named lists of a system hold; where the rules have a list of the same name, theirs counts."""
    return {name: elements(name, values) for name, values in system.lists.items()} | dict(system.rules.lists)


def ends_of(system: System, scope: Mapping[str, Slot], rules_at: int) -> Ends:
    """Return what ends by itself in a system's program: rules, and elements of lists.

    Parameters
    ----------
    system
        The definitions.
    scope
        Where the fields of the decided stream stand.
    rules_at
        First row of the rules.
    """
    rows = {
        rules_at + i: moment_us(rule.expires) for i, rule in enumerate(system.rules.rules) if rule.expires is not None
    }
    return Ends(scope[system.decides.schema().time_field].row, rows, list_ends(system))


def list_ends(system: System) -> dict[str, dict[str | float, int]]:
    """Return when elements of named lists end that do, by list."""
    ends = {
        name: {value: moment_us(term.expires) for value, term in terms.items() if term.expires is not None}
        for name, terms in system.terms.items()
    }
    return {name: found for name, found in ends.items() if found}


def _types(scope: Mapping[str, Slot]) -> dict[str, Type]:
    return {name: slot.type for name, slot in scope.items()}


def _type(f: Field) -> Type:
    return "text" if f.is_text else f.role  # type: ignore[return-value]  # the other roles are types


def _entity_row(stream: _Stream, fields: tuple[str, ...]) -> int:
    """Return the row of an entity in the keys of a stream, adding it if it is new."""
    return stream.entities.setdefault(fields, len(stream.entities))


def _default_inputs(schema: Schema, features: Mapping[str, Feature], scope: Mapping[str, Slot]) -> list[str]:
    fields = [f.name for f in schema if f.role in ("number", "boolean", "money", "category")]
    made = []
    for name, slot in scope.items():
        if name in schema.names:
            continue
        f = features.get(name)
        category = isinstance(f, ProfileFeature) and f.entity.schema[f.of].role == "category"
        if slot.type in _MODEL_TYPES or category:
            made.append(name)
    return fields + made
