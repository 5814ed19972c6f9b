"""Charts draw what they are given, say it in words, and never let a text become markup."""

from __future__ import annotations

import math
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.console.parts.chart import Axis, Bars, Line, Point, bars, histogram, lines

SHARE = Axis("share of events", percent=True, low=0.0)


class Drawn(HTMLParser):
    """What a browser would draw."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, class_: str) -> list[dict[str, Any]]:
        return [attrs for _, attrs in self.elements if class_ in (attrs.get("class") or "").split()]


def test_a_bar_is_as_high_as_its_value_beside_the_one_before_it() -> None:
    series = [Bars("before", [0.5, 0.5]), Bars("after", [1.0, 0.0])]
    drawn = Drawn(bars("Method", ["card", "cash"], series, x=Axis("method"), y=SHARE))
    before, after = drawn.of("hollow")[2:], drawn.of("filled")[2:]  # the first two of each are in the legend
    assert float(after[0]["height"]) == pytest.approx(2 * float(before[0]["height"]), abs=0.3)
    assert float(after[1]["height"]) == 0
    assert float(before[0]["x"]) < float(after[0]["x"]) < float(before[1]["x"])
    assert "card, after: 100 %" in drawn.texts


def test_a_gap_splits_a_line_and_is_said_as_nothing() -> None:
    seen = Line.of("seen", [0.1, 0.2, None, 0.3, 0.4])
    drawn = Drawn(lines("Recall", [seen], x=Axis("day, UTC"), y=SHARE, names=list("abcde")))
    assert len([1 for attrs in drawn.of("line") if attrs.get("d")]) == 2
    assert len([1 for name, _ in drawn.elements if name == "circle"]) == 4
    assert "-" in drawn.texts


def test_a_range_is_a_band_of_a_line_and_a_whisker_of_a_mark() -> None:
    points = [Point(0, 0.5, 0.4, 0.6), Point(1, 0.6, 0.5, 0.7)]
    both = lines(
        "Recall", [Line("now", points), Line("truth", points, "marks")], x=Axis("day"), y=SHARE, names=["a", "b"]
    )
    drawn = Drawn(both)
    assert len(drawn.of("band")) == 1
    whiskers = [attrs for attrs in drawn.of("line") if "y1" in attrs and attrs["x1"] == attrs["x2"]]
    assert len(whiskers) == 2
    assert "a, truth: 50 % (40 % to 60 %)" in drawn.texts


def test_bins_may_be_open_at_both_ends() -> None:
    x, counts = Axis("amount, EUR"), Bars("before", [1, 2, 3])
    drawn = Drawn(histogram("Amount", [-math.inf, 10, 20, math.inf], [counts], x=x, y=Axis("events")))
    assert {"below 10 EUR, before: 1", "10 to 20 EUR, before: 2", "from 20 EUR, before: 3"} <= set(drawn.texts)


def test_nothing_to_draw_is_said() -> None:
    empty = lines("Recall", [Line.of("seen", [None, math.nan])], x=Axis("day"), y=SHARE, names=["a", "b"])
    assert "There is nothing to draw yet." in empty
    assert "There is nothing to draw yet." in bars("x", [], [Bars("a", [])], x=Axis("x"), y=SHARE)


@given(st.text(max_size=40), st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=5))
def test_whatever_is_drawn_stays_text_inside_the_drawing(text: str, values: list[float]) -> None:
    known = {"figure", "figcaption", "ul", "li", "svg", "g", "line", "text", "path", "circle", "rect", "title", "p"}
    known |= {"details", "summary", "div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    drawn = Drawn(lines(text, [Line.of(text, values)], x=Axis(text), y=Axis(text), names=[text] * len(values)))
    assert {name for name, _ in drawn.elements} <= known
    for _, attrs in drawn.elements:
        for name in ("x", "y", "cx", "cy", "x1", "y1"):
            if name in attrs:
                assert -10 <= float(attrs[name] or "nan") <= 610


@pytest.mark.parametrize("days", [7, 31, 90])
def test_days_stand_whole_below_a_chart_however_many_there_are(days: int) -> None:
    names = [f"{1 + i // 28:02d}-{1 + i % 28:02d}" for i in range(days)]
    line = Line.of("decisions", [float(i) for i in range(days)])
    drawn = Drawn(lines("Decided", [line], x=Axis("month-day"), y=Axis("decisions"), names=names))
    below = [text for text in drawn.texts if "…" in text or text in names]
    assert len(below) > 5
    assert not any("…" in text for text in below)
