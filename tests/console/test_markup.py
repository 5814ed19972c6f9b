"""Whatever text is put into markup stays text."""

from __future__ import annotations

import html
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.console.markup import join, tag


class Reader(HTMLParser):
    """Notes every element and text that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(st.text(), st.text())
def test_text_and_attributes_come_back_as_they_were(text: str, attribute: str) -> None:
    reader = Reader()
    reader.feed(tag("p", text, title=attribute))
    reader.close()
    assert [name for name, _ in reader.elements] == ["p"]
    assert [names for names, _ in reader.elements[0][1]] == ["title"]
    assert html.unescape(html.escape(attribute)) == attribute
    if "\r" not in text + attribute and "\0" not in text + attribute:
        assert "".join(reader.texts) == text


def test_an_address_of_elsewhere_is_not_written() -> None:
    for wrong in ("javascript:alert(1)", "//elsewhere", "/\\elsewhere", "https://elsewhere", " /console"):
        with pytest.raises(ValueError, match="outside"):
            tag("a", "x", href=wrong)


def test_nothing_that_runs_is_written() -> None:
    for name in ("onclick", "style", "srcdoc"):
        with pytest.raises(ValueError, match="run something"):
            tag("a", "x", **{name: "1"})


def test_children_nest() -> None:
    rows = [tag("li", n) for n in (1, "<2>", None)]
    assert join(rows) == "<li>1</li><li>&lt;2&gt;</li><li></li>"
    assert tag("ul", rows, None) == f"<ul>{join(rows)}</ul>"
