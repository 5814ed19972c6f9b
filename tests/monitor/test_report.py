"""The page and the document: every text escaped, both causes told by more than colour, the same for the same data."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
import pytest

from adjudge.define import Costs
from adjudge.monitor import watch
from adjudge.monitor.alerts import Silence
from adjudge.monitor.business import business
from adjudge.monitor.levels import Objective, levels
from adjudge.monitor.overview import Decisions, Overview, overview
from adjudge.monitor.performance import Decided, performance
from adjudge.monitor.report import encode, render, write
from tests.learn.test_report import Tags
from tests.monitor.made import CHANGE_US, END_US, WATCH_US, events, since

HOSTILE = "<script>alert('&\"')</script>"


def decisions(frame: pl.DataFrame) -> Decisions:
    ts = frame["at"].dt.epoch("us").to_numpy()
    rng = np.random.default_rng(0)
    p = rng.beta(0.3, 12.0, len(ts))
    label = np.where(ts < CHANGE_US, (rng.random(len(ts)) < p).astype(np.float64), np.nan)
    decided = Decided(ts, p, p > 0.1, label, frame["amount"].to_numpy(), p > 0.3)
    return Decisions(
        performance=performance(decided, rounds=5),
        business=business(decided, Costs()),
        levels=levels(ts, rng.lognormal(1, 1, len(ts)), np.ones(len(ts), np.bool_), Objective()),
        objective=Objective(),
    )


def seen(change: dict[str, pl.Expr]) -> Overview:
    frame = since(change)
    late = frame.filter(pl.col("at").dt.epoch("us") >= WATCH_US)
    return overview(HOSTILE, watch(frame, WATCH_US, until_us=END_US), frame, decisions=decisions(late))


@pytest.fixture(scope="module")
def world() -> Overview:
    return seen({"amount": (pl.col("amount") * 1.35).round(2)})


@pytest.fixture(scope="module")
def pipeline() -> Overview:
    switched = pl.col("currency").replace({"EUR": HOSTILE, "GBP": "EUR"})
    return seen({"currency": switched})


def test_a_page_is_whole_and_escaped(world: Overview, pipeline: Overview) -> None:
    for found in (world, pipeline):
        page = render(found)
        tags = Tags()
        tags.feed(page)
        assert tags.open == []
        assert tags.addresses == []
        assert len(tags.ids) == len(set(tags.ids))
        assert "<script>" not in page
        assert "nan" not in page.replace("finance", "")


def test_the_two_causes_look_different(world: Overview, pipeline: Overview) -> None:
    one, other = render(world), render(pipeline)
    assert "class='episode world'" in one
    assert "class='episode pipeline'" not in one
    assert "class='episode pipeline'" in other
    assert ("● world" in one, "▲ pipeline" in one) == (True, False)
    assert "mend the source first" in other
    assert "about the same in" in one
    assert "goes with it, has not" in other


def test_a_document_can_be_read_again(world: Overview, tmp_path: Path) -> None:
    assert msgspec.json.decode(encode(world), type=Overview) == world
    path = write(world, tmp_path / "monitor.html")
    assert path.read_text(encoding="utf-8") == render(world)
    assert [one.name for one in tmp_path.iterdir()] == ["monitor.html"]


def test_quiet_days_say_so() -> None:
    frame = events()
    found = overview("quiet", watch(frame, WATCH_US, until_us=END_US), frame)
    assert "Nothing is the matter" in render(found)
    assert (found.episodes, found.incidents, found.notices) == ((), (), ())


def test_what_is_the_matter_is_told_once_and_may_be_silenced() -> None:
    frame = since({"amount": (pl.col("amount") * 1.35).round(2)})
    came = watch(frame, WATCH_US, until_us=END_US)
    found = overview("amounts", came, frame)
    assert found.notices[0].kind == "opened"
    assert any(one.key == "world:amount" for notice in found.notices for one in notice.incidents)
    assert sum(one.key == "world:amount" for notice in found.notices for one in notice.incidents) == 1
    silence = Silence("world:*", END_US * 2, "ada", "a price rise that we know of")
    assert overview("amounts", came, frame, silences=[silence]).notices == ()
    assert found.episodes[0].apart is not None
    assert found.episodes[0].apart.fields[0][0] == "amount"
