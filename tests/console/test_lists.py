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


def test_a_page_beyond_the_end_leads_nowhere_and_says_how_many_there_are() -> None:
    held = HeldList("shop", "stolen", [Entry("one", None, "")])
    assert "1 element" in _held(held, 0)
    assert "Further" not in _held(held, 10**9)
