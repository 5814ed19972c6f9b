"""Warming up compiles on made-up events and leaves nothing behind."""

from __future__ import annotations

import time

import pytest

from adjudge.define import Field, Schema
from adjudge.service import warm as module
from adjudge.service.warm import made_up, warm
from tests.service.shop import shop


def test_a_long_compilation_is_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, with what it does; a short one is not worth a word."""
    said: list[str] = []
    warm([shop()], said.append)
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    monkeypatch.setattr(module, "_exercise", lambda plan: time.sleep(0.2))
    said.clear()
    assert warm([shop()], said.append) >= 0.2
    assert len(said) == 1
    assert "Compiling kernels, once" in said[0]


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
