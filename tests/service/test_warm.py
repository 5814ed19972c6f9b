"""Warming up compiles on made-up events and leaves nothing behind."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from adjudge.define import Field, Schema
from adjudge.engine.plan import Plan
from adjudge.service import warm as module
from adjudge.service.warm import made_up, warm
from tests.service.shop import shop


def test_a_long_compilation_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, with what it does; a short one is not worth a word."""
    said: list[str] = []
    warm([shop()], said.append)
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)

    def exercise(plan: Plan) -> Iterator[None]:
        time.sleep(0.2)
        yield

    monkeypatch.setattr(module, "_exercise", exercise)
    said.clear()
    assert warm([shop()], said.append) >= 0.2
    assert len(said) == 1
    assert "Compiling kernels, once" in said[0]


def test_it_ends_when_it_is_told_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """After what is being compiled, not after all of it: nobody waits a minute for a process that is to end."""
    stop, compiled = threading.Event(), list[str]()

    def exercise(plan: Plan) -> Iterator[None]:
        for part in ("one", "two", "three"):
            compiled.append(part)
            if part == "two":
                stop.set()
            yield

    monkeypatch.setattr(module, "_exercise", exercise)
    warm([shop(), shop()], pytest.fail, stop)
    assert compiled == ["one", "two"]


AFTERWARDS = """
import sys
from adjudge.log import Kind
from adjudge.service.decider import Decider
from adjudge.service.warm import made_up, warm
from adjudge.service.workspace import Change
from tests.service.shop import shop

def compiled():
    found = set()
    for name, module in list(sys.modules.items()):
        if name.startswith("adjudge."):
            for member in vars(module).values():
                if hasattr(member, "py_func"):
                    found |= {(name, member.py_func.__name__, str(s)) for s in member.signatures}
    return found

plan = shop()
warm([plan], print)
before = compiled()
decider, events = Decider([plan]), made_up(plan.schema(plan.decides), 3)
for some in (events[:1], events[:1], events):
    decider.decide(plan.decides, some)
decider.score(events[:1], plan.system.name)
decider.change([Change(Kind.LABEL, plan.decides, "made-up-0", "fraud", 1.0)])
decider.change([Change(Kind.RETRACTION, plan.decides, "made-up-1")])
assert before
print(*sorted(compiled() - before), sep="\\n", end="")
"""


@pytest.mark.slow
def test_nothing_is_left_to_compile_for_the_first_requests() -> None:
    """In a process of its own, because other tests have compiled whatever they needed."""
    done = subprocess.run([sys.executable, "-c", AFTERWARDS], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_made_up_events_keep_to_every_bound() -> None:
    """Whatever a definition demands of its fields."""
    fields = (
        Field("id", "id", max_length=12),
        Field("at", "time"),
        Field("low", "number", minimum=5),
        Field("high", "number", maximum=-5),
        Field("amount", "money", minimum=10),
        Field("yen", "money", currency="JPY"),
        Field("place", "place"),
        Field("flag", "boolean"),
        Field("short", "category", max_length=1),
        Field("maybe", "text", optional=True),
    )
    assert len(made_up(Schema("anything", fields, "id", "at"), 3)) == 3
