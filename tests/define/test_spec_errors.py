"""What cannot be written as a spec, and what is none, is refused with its place; no damage does anything else."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define import DerivedFeature, Event, Field, Id, Policy, Rule, Rules, Schema, System, Time
from adjudge.define.spec import from_spec, to_spec
from adjudge.errors import DefinitionError
from tests.define.everything import BY_BANDS


class Thing(Event):
    thing_id: Id
    at: Time


def same_name() -> type[Event]:
    class Thing(Event):
        thing_id: Id
        at: Time

    return Thing


UNWRITABLE: dict[str, tuple[Callable[[], System], str]] = {
    "threshold": (
        lambda: System("s", Thing, policy=Policy(compare="loss", thresholds={"block": float("inf")})),
        "system 's': policy: thresholds: block must be a finite number, not inf",
    ),
    "expression": (
        lambda: System("s", Thing, features=[DerivedFeature("x", 3)]),  # type: ignore[arg-type]
        "system 's': features: 'x': expression must be a text, not 3",
    ),
    "feature": (
        lambda: System("s", Thing, features=[type("Own", (DerivedFeature,), {})("x", "1")]),
        "features: .* is no feature that can be written down",
    ),
    "list": (
        lambda: System("s", Thing, lists={"mixed": [1, "a"]}),
        "list 'mixed': its elements must be all texts",
    ),
    "text of a list": (
        lambda: System("s", Thing, lists={"broken": ["\ud800"]}),
        "system 's': lists must be valid Unicode",
    ),
    "reason of a rule": (
        lambda: System("s", Thing, rules=Rules((Rule("r", "1 > 0", "block", reason="\ud800"),))),
        "system 's': rules must be valid Unicode",
    ),
    "two streams": (
        lambda: System("s", Thing, streams=[same_name()]),
        "system 's': two streams are called 'thing'",
    ),
    "bound": (
        lambda: System("s", type("T", (Event,), {"schema": classmethod(lambda cls: odd_schema())})),
        "system 's': stream 'thing': fields: maximum must be a finite number, not nan",
    ),
    "inputs": (
        lambda: System("s", Thing, inputs=[7]),  # type: ignore[list-item]
        "system 's': inputs must be a text, not 7",
    ),
}


def odd_schema() -> Schema:
    fields = (*Thing.schema().fields, Field("x", "number", maximum=float("nan")))
    return Schema("thing", fields, "thing_id", "at")


@pytest.mark.parametrize("what", UNWRITABLE)
def test_what_cannot_be_written_is_named(what: str) -> None:
    build, message = UNWRITABLE[what]
    with pytest.raises(DefinitionError, match=message):
        to_spec(build())


SPEC = json.dumps(to_spec(BY_BANDS))


def changed(path: Sequence[str | int], value: Any) -> Any:
    """Return the spec of the bands with another value somewhere; `...` takes the key away."""
    spec = json.loads(SPEC)
    at = spec
    for step in path[:-1]:
        at = at[step]
    if value is ...:
        del at[path[-1]]
    else:
        at[path[-1]] = value
    return spec


UNREADABLE: dict[str, tuple[list[str | int], Any, str]] = {
    "later format": (["format"], 2, "the spec has format 2, this version reads 1"),
    "no format": (["format"], ..., "the spec has format None"),
    "unknown key": (["leave_oot"], [], "system 'orders': unknown key 'leave_oot'; did you mean 'leave_out'"),
    "missing key": (["policy", "actions"], ..., "policy: 'actions' is missing"),
    "unknown role": (["schemas", 0, "fields", 3, "role"], "kee", "fields: role must be one of id, time"),
    "unknown stream": (["decides"], "ordre", "decides: there is no stream 'ordre'; did you mean 'order'"),
    "unknown kind": (["features", 0, "kind"], "windows", "kind is one of window, profile, derived, not 'windows'"),
    "no duration": (["features", 0, "window_us"], 1.5, "'buyer_count_1h': window_us must be a whole number"),
    "too large": (["features", 0, "window_us"], 1 << 63, "window_us must be a whole number of 64 bits"),
    "number": (["policy", "costs", "review"], "3", "costs: review must be a finite number, not '3'"),
    "truth": (["features", 28, "entity", "includes"], 1, "includes must be true or false, not 1"),
    "pairs": (["policy", "bands"], {"send": 30}, "bands must be a list, not {'send': 30}"),
    "triples": (["policy", "bands"], [["send", 30, 1]], "bands must be a list of pairs"),
    "mapping": (["lists"], [], r"lists must be a mapping, not \[\]"),
    "rule": (["rules", "rules", 0, "when"], "a >", "rules: rule 'full':"),
    "no id": (["schemas", 0, "id_field"], "buyer", "stream 'order' must have exactly one Id field"),
    "no time": (["schemas", 0, "time_field"], "paid_at", "'paid_at' must be a required Time field"),
    "odd stream": (["schemas", 0, "name"], "an order", "stream 'an order' needs a plain name"),
    "twice": (["schemas", 1, "name"], "order", "two streams are called 'order'"),
}


@pytest.mark.parametrize("what", UNREADABLE)
def test_what_is_no_spec_is_refused_with_its_place(what: str) -> None:
    path, value, message = UNREADABLE[what]
    with pytest.raises(DefinitionError, match=message):
        from_spec(changed(path, value))


def paths(value: Any, above: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield the place of everything in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, below in inside:
        yield (*above, step)
        yield from paths(below, (*above, step))


PLACES = list(paths(json.loads(SPEC)))

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=5), below, max_size=3),
    max_leaves=5,
)


@settings(max_examples=200)
@given(st.data())
def test_any_damage_is_a_definition_error_or_a_system(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(PLACES))
    damaged = changed(path, data.draw(JSON | st.just(...)))
    with contextlib.suppress(DefinitionError):
        assert isinstance(from_spec(damaged), System)
