"""The report: one self-contained page, every text escaped, the same bytes for the same figures."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec

from adjudge.learn.report import Latency, Parity, Report, headline, render, write
from tests.learn.test_evaluate import judged

HOSTILE = "<script>alert('&\"')</script>"
LOAD = Latency(
    rate_per_s=1000.0,
    seconds=30.0,
    sent=30_000,
    failed=2,
    p50_ms=1.2,
    p99_ms=4.4,
    p999_ms=61.0,
    edges_ms=(0.5, 1.0, 10.0, 100.0),
    counts=(20_000, 9_000, 0),
)
SAME = Parity(
    entry_points=("backfill", "http"),
    events=1000,
    features_compared=50_000,
    features_differing=0,
    scores_compared=1000,
    scores_differing=0,
    control_failed=True,
)


def report(text: str = "payments") -> Report:
    """Return a report with everything in it, and one text wherever a text can stand."""
    return Report(
        title=text,
        subtitle=text,
        evaluation=judged(rounds=10),
        importance=((text, 0.6), ("amount", 0.4)),
        latency=LOAD,
        parity=SAME,
        facts={text: text},
        versions={text: text},
        notes=(text,),
    )


class Tags(HTMLParser):
    """Check that what is opened is closed, in order, and gathers ids and outside addresses."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.names: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.open.append(tag)
        if tag == "meta":
            self.open.pop()
        for name, value in attrs:
            if name == "id":
                self.ids.append(str(value))
            if name in ("src", "href", "xlink:href") and not str(value).startswith("#"):
                self.addresses.append(str(value))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag != "meta":
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_needs_nothing_from_outside() -> None:
    tags = Tags()
    page = render(report())
    tags.feed(page)
    assert tags.open == []
    assert len(tags.ids) == len(set(tags.ids))
    assert tags.addresses == []
    assert not tags.names & {"script", "link", "iframe", "img"}
    assert "url(http" not in page
    assert page.count("<svg") == 7


def test_every_text_is_escaped() -> None:
    page = render(report(HOSTILE))
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(&#x27;&amp;&quot;&#x27;)&lt;/script&gt;") >= 8


def test_colours_and_fonts_come_from_the_page() -> None:
    picture = render(report())
    drawings = "".join(re.findall(r"<svg.*?</svg>", picture, flags=re.DOTALL))
    assert "var(--blue)" in drawings
    assert not re.findall(r"(?:fill|stroke): #(?!ffffff)[0-9a-f]{6}", drawings)
    assert "DejaVu" not in drawings


def test_same_figures_same_bytes() -> None:
    assert render(report()) == render(report())


def test_the_headline_in_words() -> None:
    rows = {row.label: row for row in headline(report())}
    loss = rows["Fraud loss"]
    assert (loss.rules, loss.model, loss.compared, loss.target) == (
        "25 a day",
        "5 a day",
        "-80.0 %",
        "≤ -40.0 %",
    )
    assert loss.met is True
    assert rows["Review queue"].met is False
    assert rows["Recall at the queue"].target == ""
    assert rows["Time to answer, p99"].model == "4.4 ms"
    assert rows["Time to answer, p99"].met is True


def test_what_was_not_measured_is_not_shown() -> None:
    bare = Report(title="bare", evaluation=judged())
    page = render(bare)
    assert "HTTP" not in page
    assert "bit for bit" not in page
    assert [row.label for row in headline(bare)][-1] == "Value caught at the queue"


def test_a_latency_without_histogram_is_a_table() -> None:
    page = render(Report(title="t", evaluation=judged(), latency=msgspec.structs.replace(LOAD, edges_ms=(), counts=())))
    assert "61.00 ms" in page
    assert "latency-" not in page


def test_a_control_that_was_not_caught_is_said_loudly() -> None:
    page = render(Report(title="t", evaluation=judged(), parity=msgspec.structs.replace(SAME, control_failed=False)))
    assert "was NOT caught" in page


def test_writing_replaces_the_old_file_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")
    assert write(report(), path) == path
    assert path.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_goes_to_json_and_back() -> None:
    assert msgspec.json.decode(msgspec.json.encode(report()), type=Report) == report()


def test_dates_are_utc() -> None:
    assert "1970-01-01 00:00 UTC" in render(report())
