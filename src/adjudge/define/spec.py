"""Specs: a system as plain JSON values, from which it can be compiled again when its code is long gone.

A spec is a system without its code. What compiles from it has the same versions, the same layout and decides the same,
so a decision can be replayed with what was active when it was made. The estimator is not part of it: a trained model is
a bundle, named by the hash of its content.

Specs outlive the code that wrote them. So these rules hold for every change of this module and of the classes behind
it:

1. A new attribute may be added with a usual value that means exactly what a spec without it meant. At its usual value
   it is left out, of specs and of every hash: specs and versions of systems that do not use it stay as they were.
2. Nothing is renamed or taken away, and a usual value never changes. A class may get another default; the value
   written here stays, and the spec then says it.
3. What cannot be added that way gets a new `FORMAT`, and the earlier ones stay readable.
4. A reader refuses what it does not know, a key or a format: leaving it out would decide otherwise. So an older version
   of the software never misreads a newer spec.

`tests/define/golden` holds specs of every format with the versions that they compile to.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from reprlib import repr as shown
from typing import get_args

from adjudge.define.entity import Entity
from adjudge.define.event import Event, Field, RoleName, Schema, stream_of
from adjudge.define.feature import (
    AggregationName,
    DerivedFeature,
    Feature,
    ProfileFeature,
    WindowFeature,
    flatten,
)
from adjudge.define.label import Label, Outcome
from adjudge.define.policy import Capacity, Costs, Fallback, Policy
from adjudge.define.rule import Rules, elements
from adjudge.define.shape import (
    DURATION,
    NUMBER,
    TEXT,
    TRUTH,
    WHOLE,
    Attribute,
    Json,
    Kind,
    Shape,
    choice,
    encodable,
    listed,
    mapping,
    optional,
    ordered,
    refuse,
    several,
)
from adjudge.define.system import System
from adjudge.define.term import Term, Terms, read_terms, write_terms
from adjudge.errors import did_you_mean

FORMAT = 1
"""Version of what `to_spec` writes; see the rules above."""

WORDS = ("unit", "meaning", "owner")
"""What is for people only, and part of no hash."""

SAID = Attribute(TEXT, "")
"""Words for people, mostly absent."""

FIELD = Shape(
    Field,
    name=TEXT,
    role=choice(*get_args(RoleName)),
    optional=Attribute(TRUTH, False),
    minimum=Attribute(optional(NUMBER), None),
    maximum=Attribute(optional(NUMBER), None),
    max_length=Attribute(WHOLE, 200),
    currency=Attribute(TEXT, "EUR"),
    currency_from=Attribute(optional(TEXT), None),
    rate_from=Attribute(optional(TEXT), None),
    zone=Attribute(optional(TEXT), None),
    meaning=SAID,
    personal=Attribute(TRUTH, False),
    person=Attribute(TRUTH, False),
)
SCHEMA = Shape(
    Schema,
    name=TEXT,
    fields=several(FIELD.kind),
    id_field=TEXT,
    time_field=TEXT,
    profile=Attribute(TRUTH, False),
    meaning=SAID,
)
LABEL = Shape(Label, name=TEXT, delay=DURATION, meaning=SAID)
OUTCOME = Shape(
    Outcome,
    name=TEXT,
    decided=Attribute(several(TEXT), ()),
    meaning=SAID,
    values=Attribute(several(TEXT), ()),
)
COSTS = Shape(
    Costs,
    fraud_share=Attribute(NUMBER, 1.0),
    review=Attribute(NUMBER, 4.0),
    insult=Attribute(NUMBER, 5.0),
    insult_share=Attribute(NUMBER, 0.05),
    review_catches=Attribute(NUMBER, 0.9),
)
POLICY = Shape(
    Policy,
    actions=several(TEXT),
    bands=Attribute(ordered(NUMBER), {}),
    thresholds=Attribute(ordered(NUMBER), {}),
    compare=Attribute(TEXT, "probability"),
    by_cost=Attribute(TRUTH, False),
    costs=COSTS.kind,
    capacity=Attribute(optional(Shape(Capacity, alerts_per_day=NUMBER).kind), None),
    review=several(TEXT),
    soft_rules=Attribute(TEXT, "act"),
    fallback=Attribute(Shape(Fallback, action=SAID, above=Attribute(ordered(NUMBER), {})).kind, Fallback()),
    false_positives=Attribute(optional(NUMBER), None),
)


def _feature(stream: Kind) -> Kind:
    """Return how one feature is written; the stream of its entity as `stream` says."""
    entity = Shape(
        Entity,
        stream=stream,
        fields=several(TEXT),
        capacity=Attribute(WHOLE, 512),
        eps=Attribute(NUMBER, 0.02),
        memory=Attribute(DURATION, timedelta(days=400)),
        condition=SAID,
        called=SAID,
        includes=Attribute(TRUTH, False),
        link=Attribute(several(TEXT), ()),
        fan_out=Attribute(WHOLE, 64),
    ).kind
    words = dict.fromkeys(WORDS, SAID)
    window = Shape(
        WindowFeature,
        name=TEXT,
        entity=entity,
        aggregation=choice(*get_args(AggregationName)),
        of=Attribute(optional(TEXT), None),
        other=Attribute(optional(TEXT), None),
        window=Attribute(optional(DURATION), None),
        delay=Attribute(optional(DURATION), timedelta(0)),
        parameter=Attribute(NUMBER, 0.0),
        **words,
    )
    profile = Shape(ProfileFeature, name=TEXT, entity=entity, of=TEXT, **words)
    derived = Shape(DerivedFeature, name=TEXT, expression=TEXT, **words)
    shapes = {"window": window, "profile": profile, "derived": derived}
    names = {shape.make: kind for kind, shape in shapes.items()}

    def write(feature: Feature, where: str) -> dict[str, Json]:
        kind = names.get(type(feature)) or refuse(f"{where}: {feature!r} is no feature that can be written down")
        return {"kind": kind, **shapes[kind].write(feature, f"{where}: {feature.name!r}")}

    def read(content: Json, where: str) -> Feature:
        given = dict(mapping(content, where))
        kind = given.pop("kind", None)
        if kind not in names.values():
            refuse(f"{where}: a feature's kind is one of {', '.join(shapes)}, not {shown(kind)}")
        made: Feature = shapes[kind].read(given, f"{where}: {shown(given.get('name'))}")
        return made

    return Kind(write, read)


def _system(stream: Kind) -> Shape:
    """Return how a system is written; its streams as `stream` says."""
    features = several(_feature(stream))
    return Shape(
        System,
        name=TEXT,
        decides=stream,
        label=Attribute(optional(LABEL.kind), None),
        features=Kind(lambda given, where: features.write(flatten(given), where), features.read),
        rules=Kind(lambda rules, where: encodable(rules.document(), where), Rules.from_document),
        policy=POLICY.kind,
        lists=Kind(_write_lists, _read_lists),
        outcomes=several(OUTCOME.kind),
        amount=Attribute(optional(TEXT), None),
        card=Attribute(optional(TEXT), None),
        inputs=Attribute(optional(several(TEXT)), None),
        leave_out=several(TEXT),
        streams=several(stream),
        meaning=SAID,
        terms=Attribute(Kind(_write_terms, _read_terms), {}),
    )


def _write_terms(terms: Terms, where: str) -> dict[str, Json]:
    written: dict[str, Json] = encodable(write_terms(terms), where)
    return written


def _read_terms(content: Json, where: str) -> dict[str, dict[str | float, Term]]:
    entries = {name: listed(each, f"{where}: {name}") for name, each in mapping(content, where).items()}
    return read_terms(entries, where)


def _write_stream(stream: type[Event], where: str) -> str:
    return stream.schema().name


def _write_lists(lists: Mapping[str, Collection[str | float]], where: str) -> dict[str, Json]:
    written: dict[str, Json] = encodable({name: list(elements(name, lists[name])) for name in sorted(lists)}, where)
    return written


def _read_lists(content: Json, where: str) -> dict[str, tuple[str | float, ...]]:
    return {name: elements(name, values) for name, values in mapping(content, where).items()}


_STREAM = Kind(_write_stream, _write_stream)  # read by `from_spec` alone, which knows the streams
_SYSTEM, _FEATURE = _system(_STREAM), _feature(_STREAM)


def to_spec(system: System) -> dict[str, Json]:
    """Return a system as plain JSON values, in a fixed order.

    Features are written one by one, each with the owner that its group gave it. The estimator is left out.

    Parameters
    ----------
    system
        The definitions.

    Raises
    ------
    DefinitionError
        If a part of it cannot be written down; names it.

    Examples
    --------
    >>> from adjudge.define import Id, Key, Time, hours
    >>> class Login(Event):
    ...     login_id: Id
    ...     at: Time
    ...     user: Key
    >>> spec = to_spec(System("logins", Login, features=[Login.by("user").count(hours(1))]))
    >>> spec["features"]  # doctest: +NORMALIZE_WHITESPACE
    [{'kind': 'window', 'name': 'user_count_1h', 'entity': {'stream': 'login', 'fields': ['user']},
      'aggregation': 'count', 'window_us': 3600000000}]
    >>> to_spec(from_spec(spec)) == spec
    True
    """
    where = f"system {system.name!r}"
    return {
        "format": FORMAT,
        "schemas": [SCHEMA.write(schema, f"{where}: stream {schema.name!r}") for schema in _schemas(system, where)],
        **_SYSTEM.write(system, where),
    }


def from_spec(spec: Mapping[str, Json]) -> System:
    """Return the system that a spec describes, with streams made from their schemas and no estimator.

    Parameters
    ----------
    spec
        What `to_spec` returned, in this version of the software or an earlier one.

    Raises
    ------
    DefinitionError
        If it was written by a later version, or is no spec; names the place.
    """
    given = dict(mapping(spec, "the spec"))
    if given.pop("format", None) != FORMAT:
        refuse(f"the spec has format {shown(spec.get('format'))}, this version reads {FORMAT}")
    where = f"system {shown(given.get('name'))}"
    streams: dict[str, type[Event]] = {}
    for schema in several(SCHEMA.kind).read(given.pop("schemas", None), f"{where}: schemas"):
        if schema.name in streams:
            refuse(f"{where}: two streams are called {schema.name!r}")
        streams[schema.name] = stream_of(schema)

    def stream(name: Json, where: str) -> type[Event]:
        if TEXT.read(name, where) not in streams:
            refuse(f"{where}: there is no stream {name!r}{did_you_mean(name, streams)}")
        return streams[name]

    made: System = _system(Kind(_write_stream, stream)).read(given, where)
    return made


def meaning_of(feature: Feature) -> dict[str, Json]:
    """Return what a feature computes, as in a spec but without the words for people.

    Parameters
    ----------
    feature
        Any feature.

    Examples
    --------
    >>> from adjudge.define import feature
    >>> meaning_of(feature("in_cents", "amount * 100", unit="ct")[0])
    {'kind': 'derived', 'name': 'in_cents', 'expression': 'amount * 100'}
    """
    written = _FEATURE.write(feature, "feature")
    return {key: value for key, value in written.items() if key not in WORDS}


def _schemas(system: System, where: str) -> list[Schema]:
    """Return the schema of every stream; two classes of one name could not be told apart in a spec."""
    entities = [f.entity.stream for f in system.flat_features if not isinstance(f, DerivedFeature)]
    streams: dict[str, type[Event]] = {}
    for stream in (system.decides, *entities, *system.streams):
        name = stream.schema().name
        if streams.setdefault(name, stream) is not stream:
            refuse(f"{where}: two streams are called {name!r}")
    return [stream.schema() for stream in streams.values()]
