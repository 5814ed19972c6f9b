"""A list is shown a page at a time, whatever it holds."""

from __future__ import annotations

import pytest

from adjudge.console.pages.lists import ROWS, _held
from adjudge.service.versions.desk import HeldList
from adjudge.service.versions.revision import Entry


@pytest.mark.parametrize(
    ("start", "said", "shown", "more"),
    [(0, "120 elements, 1 to 50", 50, True), (100, "120 elements, 101 to 120", 20, False)],
)
def test_every_element_of_a_long_list_is_on_one_page(start: int, said: str, shown: int, more: bool) -> None:
    held = HeldList("shop", "stolen", [Entry(f"card {i}", None, "") for i in range(120)])
    found = _held(held, start)
    assert said in found
    assert found.count("never") == shown
    assert (f"start={start + ROWS}" in found) is more


@pytest.mark.parametrize("many", [1, 50, 51, 120])
def test_a_page_beyond_the_end_is_the_last_one(many: int) -> None:
    held = HeldList("shop", "stolen", [Entry(f"card {i}", None, "") for i in range(many)])
    last = _held(held, 10**9)
    assert f"card {many - 1}<" in last
    assert "Further" not in last
