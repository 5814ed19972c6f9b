"""One expression for one event; and the reference page covers the whole language."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from adjudge.define.functions import FUNCTIONS
from adjudge.engine.evaluate import evaluate
from adjudge.errors import DefinitionError

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"


def test_every_type_of_value() -> None:
    event: dict[str, Any] = {"flag": True, "count": 2, "country": "DE", "place": (1.0, 2.0), "nothing": None}
    assert evaluate("flag and count == 2 and country == 'DE' and distance(place, place) == 0", event) is True
    assert evaluate("where(flag, country, 'x')", event) == "DE"
    assert evaluate("coalesce(home, 'none')", {"home": None}, types={"home": "text"}) == "none"
    assert evaluate("home", {"home": None}, types={"home": "text"}) is None
    assert evaluate("at is missing", {"at": None}, types={"at": "time"}) is True
    assert evaluate("here is missing", {"here": None}, types={"here": "place"}) is True


def test_values_of_no_type() -> None:
    with pytest.raises(DefinitionError, match="'a' is a list, which is no type of the language"):
        evaluate("a", {"a": [1]})  # type: ignore[dict-item]
    with pytest.raises(DefinitionError, match="has no time zone"):
        evaluate("hour(at)", {"at": datetime(2026, 1, 1)})  # noqa: DTZ001


def test_the_page_names_every_function_and_shows_it_at_work() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in FUNCTIONS:
        assert f"| `{name}(" in text, f"{name} is not in the table"
        shown = f'"{name}"' if name in ("hour", "weekday", "date", "monthday") else f'evaluate("{name}('
        assert shown in text, f"{name} has no example"
