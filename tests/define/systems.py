"""Random systems that compile: streams, features, rules and a policy drawn over the scope of `strategies`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from adjudge.define import (
    Boolean,
    Capacity,
    Category,
    Costs,
    Entity,
    Event,
    Fallback,
    Features,
    Id,
    Key,
    Label,
    Money,
    Number,
    Outcome,
    Place,
    Policy,
    Profile,
    Rule,
    Rules,
    System,
    Text,
    Time,
    days,
    feature,
    field,
    minutes,
)
from adjudge.define.nodes import show
from tests.define.strategies import LISTS, TYPES, booleans, expressions

ROLES: dict[str, list[Any]] = {
    "number": [Number],
    "money": [Money],
    "boolean": [Boolean],
    "text": [Category, Key, Text],
    "place": [Place],
}
"""Field types for each type of the scope; a time is declared by hand."""

Ask = Callable[[Entity, timedelta], Features]

WHOLE: tuple[Ask, ...] = (
    lambda e, w: e.count(w),
    lambda e, w: e.count(w, of="country"),
    lambda e, w: e.count(w, of="declined"),
    lambda e, w: e.sum("amount", w),
    lambda e, w: e.mean("a", w),
    lambda e, w: e.std("amount", w),
    lambda e, w: e.max("b", w),
    lambda e, w: e.first("flag", w),
    lambda e, w: e.last("country"),
    lambda e, w: e.distinct("home", w),
    lambda e, w: e.correlation("a", "b", w),
    lambda e, w: e.trend("c", w),
    lambda e, w: e.decayed_sum("a", w),
    lambda e, w: e.last_n("amount", 2),
)
"""What may be asked with and without the event itself."""

PAST: tuple[Ask, ...] = (
    lambda e, w: e.rate("bad", w),
    lambda e, w: e.rate("bad", w, delay=timedelta(hours=3)),
    lambda e, w: e.delayed_count(timedelta(hours=2), w),
    lambda e, w: e.is_new(),
    lambda e, w: e.since_last(),
    lambda e, w: e.since_last_n(3),
    lambda e, w: e.since_last_n(2, of="country"),
    lambda e, w: e.speed("there"),
    lambda e, w: e.distance_typical("here", w),
)
"""What is asked of the past alone."""

TRUTH, RULE, MADE = booleans(1), booleans(2), expressions(2)  # made once: making one takes longer than drawing from it
WINDOWS = st.sampled_from([minutes(30), days(1), days(30), timedelta(microseconds=1_234_567_891)])
NAMES = st.sampled_from(["", "one", "It's «said»"])


@st.composite
def systems(draw: st.DrawFn) -> System:
    """Draw a system over three streams, of which the first is decided."""
    decided, other, profile = draw(streams())
    entities = [draw(entities_of(decided, by)) for by in (("user",), ("device",), ("user", "country"))]
    features: list[Features] = [draw(asked(draw(st.sampled_from(entities)))) for _ in range(draw(st.integers(0, 5)))]
    features += [other.by("user").sum("a", draw(WINDOWS))] * draw(st.integers(0, 2))
    features += [profile.by("user").latest("level", "since")] * draw(st.integers(0, 1))
    features += [feature(f"made_{i}", show(draw(MADE)), unit=draw(NAMES)) for i in range(2)]
    split = draw(st.sets(st.sampled_from(sorted(LISTS))))
    return System(
        name="drawn",
        decides=decided,
        label=Label("bad", delay=draw(WINDOWS), meaning=draw(NAMES)),
        features=_once(features),
        rules=Rules(tuple(draw(rules())), {name: values for name, values in LISTS.items() if name in split}),
        policy=draw(policies()),
        lists={name: set(values) for name, values in LISTS.items() if name not in split},
        outcomes=[
            Outcome("declined", decided=draw(st.sampled_from([(), ("block",)]))),
            Outcome("checked", values=draw(st.sampled_from([(), ("well", "badly"), ("a", "b", "c")]))),
        ],
        amount="amount",
        card=draw(st.sampled_from([None, "user"])),
        inputs=draw(st.sampled_from([None, ["amount", "made_0"]])),
        leave_out=draw(st.sampled_from([(), ["made_1"]])),
        streams=draw(st.sampled_from([(), [other, profile]])),
        meaning=draw(NAMES),
    )


@st.composite
def streams(draw: st.DrawFn) -> tuple[type[Event], type[Event], type[Profile]]:
    """Draw the decided stream with the fields of the scope, another one, and a profile."""
    hints: dict[str, Any] = {"drawn_id": Id, "at": Time, "user": Key, "device": Key | None, "currency": Category | None}
    hints |= {"rate": Number | None, "before": Time | None}
    options: dict[str, Any] = {"rate": field(minimum=0.5, maximum=2)}
    for name, type_ in TYPES.items():
        if type_ != "time":
            role = draw(st.sampled_from(ROLES[type_]))
            hints[name] = role | None if draw(st.booleans()) else role
    if draw(st.booleans()):
        options["amount"] = field(minimum=draw(st.sampled_from([0, 0.5])), currency_from="currency", rate_from="rate")
    if draw(st.booleans()):
        options["at"] = field(zone=draw(st.sampled_from(["Asia/Tokyo", "America/New_York"])), meaning=draw(NAMES))
    decided = type("DrawnEvent", (Event,), {"__annotations__": hints, "__doc__": draw(NAMES), **options})
    other = type("Other", (Event,), {"__annotations__": {"other_id": Id, "at": Time, "user": Key, "a": Number | None}})
    fields = {"change_id": Id, "at": Time, "user": Key, "level": Category, "since": Time | None}
    return decided, other, type("Known", (Profile,), {"__annotations__": fields})


@st.composite
def entities_of(draw: st.DrawFn, stream: type[Event], by: tuple[str, ...]) -> Entity:
    """Draw the bounds of an entity."""
    capacity, eps = draw(st.sampled_from([(512, 0.02), (8, 0.5), (64, 0.1)]))
    return stream.by(*by, capacity=capacity, eps=eps, memory=draw(st.sampled_from([days(400), days(40)])))


@st.composite
def asked(draw: st.DrawFn, entity: Entity) -> Features:
    """Draw one aggregation, perhaps through a condition or including the event."""
    if draw(st.booleans()):
        entity = entity.where(show(draw(TRUTH)), called=draw(st.sampled_from(["some", "few"])))
    if draw(st.booleans()):
        return draw(st.sampled_from(PAST))(entity, draw(WINDOWS))
    seen = entity.including() if draw(st.booleans()) else entity
    return draw(st.sampled_from(WHOLE))(seen, draw(WINDOWS))


@st.composite
def rules(draw: st.DrawFn) -> list[Rule]:
    """Draw up to three rules that say everything that a rule can."""
    return [
        Rule(
            f"rule_{i}",
            show(draw(RULE)),
            draw(st.sampled_from(["review", "block", "flag"])),
            reason=draw(st.sampled_from(["", "{amount:.2f} by {user}", "ü"])),
            code=draw(st.sampled_from(["", "R1"])),
            confidence=draw(st.sampled_from([1.0, 0.1])),
            priority=draw(st.integers(-5, 5)),
            final=draw(st.booleans()),
            description=draw(NAMES),
        )
        for i in range(draw(st.integers(0, 3)))
    ]


def policies() -> st.SearchStrategy[Policy]:
    """Policies of every kind."""
    costs = st.builds(Costs, review=st.sampled_from([4.0, 2.5, 3]), insult_share=st.sampled_from([0.05, 0.0]))
    capacity = st.one_of(st.none(), st.builds(Capacity, st.sampled_from([1, 0.5])))
    said = st.sampled_from(
        [
            {},
            {"by_cost": True},
            {"fallback": Fallback(above={"review": 50, "block": 500.5})},
            {"bands": {"approve": 40, "review": 70, "block": 100}},
            {"thresholds": {"review": 0.25, "block": 1}, "soft_rules": "advise"},
            {"thresholds": {"step_up": 30.5}, "compare": "loss", "review": ("step_up",)},
        ]
    )
    return st.builds(
        lambda costs, capacity, said: Policy(costs=costs, capacity=capacity, **said), costs, capacity, said
    )


def _once(features: list[Features]) -> list[Features]:
    """Leave out what has the name of something else: two conditions may share a short name."""
    kept: dict[str, Features] = {}
    for each in features:
        for f in each if isinstance(each, tuple) else (each,):
            kept.setdefault(f.name, (f,))
    return list(kept.values())
