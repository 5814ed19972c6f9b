"""Specs: a system as plain JSON values compiles to the same plan, wherever its code is, and stays readable for good."""

from __future__ import annotations

import dataclasses
import importlib
import json
import runpy
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from adjudge.define import (
    Capacity,
    Costs,
    DerivedFeature,
    Entity,
    Fallback,
    Field,
    Label,
    Listing,
    Outcome,
    Policy,
    ProfileFeature,
    Rule,
    Rules,
    Schema,
    System,
    Term,
    WindowFeature,
    flatten,
)
from adjudge.define.expression import Expression
from adjudge.define.rule import elements
from adjudge.define.spec import FORMAT, from_spec, to_spec
from adjudge.engine import compile
from adjudge.systems.payments.definition import payments
from tests.define.everything import BY_BANDS, SYSTEMS
from tests.define.systems import systems
from tests.engine.alike import assert_alike
from tests.engine.machines import MACHINES
from tests.engine.test_step import SALES
from tests.service.shop import shop

ROOT = Path(__file__).parents[2]
GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.json"))
SECRET = b"0123456789abcdef"


def example(path: Path) -> System:
    """Return the system of an example."""
    made = runpy.run_path(str(path))["SYSTEM"]
    assert isinstance(made, System)
    return made


def benchmark(module: str, name: str) -> System:
    """Return a system that a benchmark builds."""
    made = getattr(importlib.import_module(f"benchmarks.{module}"), name)()
    assert isinstance(made, System)
    return made


KNOWN: dict[str, Callable[[], System]] = {
    "payments": payments,
    "shop": lambda: shop(model=False).system,
    "machines": lambda: MACHINES,
    "sales": lambda: SALES,
    "handbook": lambda: benchmark("_handbook", "cards"),
    "orders of benchmarks": lambda: benchmark("_orders", "system"),
    "payments of benchmarks": lambda: benchmark("_http.workload", "system"),
    **{system.name: lambda system=system: system for system in SYSTEMS},  # type: ignore[misc]
    **{path.stem: lambda path=path: example(path) for path in (ROOT / "examples").glob("*.py")},  # type: ignore[misc]
}
"""Every system of the repository."""


def through_json(system: System) -> System:
    """Return a system that was written as JSON, by software that orders keys as it likes, and read again."""
    return from_spec(json.loads(json.dumps(to_spec(system), sort_keys=True)))


@pytest.mark.parametrize("name", KNOWN)
def test_a_system_through_json_is_the_same_plan(name: str) -> None:
    system = KNOWN[name]()
    assert_alike(compile(system, secret=SECRET), compile(through_json(system), secret=SECRET))


@settings(max_examples=25)
@given(systems())
def test_any_system_through_json_is_the_same_plan(system: System) -> None:
    assert_alike(compile(system, secret=SECRET), compile(through_json(system), secret=SECRET), events=40)


@pytest.mark.parametrize("system", [*SYSTEMS, payments()], ids=lambda system: system.name)
def test_everything_that_can_be_said_is_written_and_read(system: System) -> None:
    assert plain(through_json(system)) == plain(system)


def test_the_same_system_gives_the_same_bytes() -> None:
    assert json.dumps(to_spec(payments())) == json.dumps(to_spec(payments()))
    assert json.dumps(to_spec(through_json(BY_BANDS))) == json.dumps(to_spec(BY_BANDS))


DECLARED: tuple[type[Any], ...] = (
    *(System, Schema, Field, Entity, WindowFeature, ProfileFeature, DerivedFeature),
    *(Rules, Rule, Policy, Fallback, Costs, Capacity, Label, Listing, Outcome, Term),
)
"""Every class of the definitions whose attributes a spec writes."""


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.__name__)
def test_the_systems_with_everything_use_every_attribute(declared: type[Any]) -> None:
    """What a class can say and these systems do not would be lost without a test that notices."""
    found = [each for system in SYSTEMS for each in instances(system) if isinstance(each, declared)]
    for attribute in dataclasses.fields(declared):
        if (declared, attribute.name) == (System, "model"):
            continue
        usual = attribute.default
        if attribute.default_factory is not dataclasses.MISSING:
            usual = attribute.default_factory()
        values = [getattr(each, attribute.name) for each in found]
        assert any(value != usual for value in values), attribute.name


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_specs_of_every_format_compile_to_what_they_did_then(path: Path) -> None:
    """If this fails, decisions that were logged before can no longer be replayed: see the rules in `define.spec`."""
    for entry in json.loads(path.read_text(encoding="utf-8")):
        versions = entry.pop("versions")
        system = from_spec(entry)
        assert compile(system).versions == versions
        if entry["format"] == FORMAT:
            assert to_spec(system) == entry


def test_the_present_format_has_its_golden_file() -> None:
    assert f"format-{FORMAT}" in [path.stem for path in GOLDEN]


def instances(value: Any) -> Iterator[Any]:
    """Yield every declared object in a system, streams as their schemas."""
    if isinstance(value, type):
        yield from instances(value.schema())  # type: ignore[attr-defined]
    elif dataclasses.is_dataclass(value) and not isinstance(value, Expression):
        yield value
        for attribute in dataclasses.fields(value):
            yield from instances(getattr(value, attribute.name))
    elif isinstance(value, Mapping):
        yield from (found for each in value.values() for found in instances(each))
    elif isinstance(value, Sequence | Set) and not isinstance(value, str):
        yield from (found for each in value for found in instances(each))


def plain(value: Any) -> Any:
    """Return what a system says, whatever classes and sequences it says it with."""
    if isinstance(value, System):
        said = {a.name: getattr(value, a.name) for a in dataclasses.fields(value) if a.name != "model"}
        lists = {name: elements(name, values) for name, values in sorted(value.lists.items())}
        return plain(said | {"features": flatten(value.features), "lists": lists})
    if isinstance(value, type):
        return plain(value.schema())  # type: ignore[attr-defined]
    if isinstance(value, Expression):
        return (value, value.text)
    if dataclasses.is_dataclass(value):
        return {a.name: plain(getattr(value, a.name)) for a in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return [(name, plain(each)) for name, each in value.items()]
    if isinstance(value, Set):
        return sorted(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value
