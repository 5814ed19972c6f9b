"""Expectations: learned, kept as a file that people edit, refused with a hint; and what a day does not meet."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from adjudge.errors import InputError
from adjudge.monitor import expectations, watch
from adjudge.monitor.expectations import Expectations
from adjudge.monitor.quality import Breach, worst
from adjudge.monitor.watch import learned
from tests.monitor.made import CHANGE_US, END_US, WATCH_US, events, since


@pytest.fixture(scope="module")
def learnt() -> Expectations:
    return learned(events(days=28), ignore=("id",))


def wrong(frame: pl.DataFrame, expected: Expectations) -> list[set[tuple[str, str]]]:
    found = watch(frame, WATCH_US, until_us=END_US, expected=expected)
    return [{(one.field, one.check) for one in day.breaches} for day in found.days]


def test_what_is_learned_is_met_by_the_days_after(learnt: Expectations) -> None:
    assert wrong(events(), learnt) == [set()] * 7
    assert learnt.fields["method"].values == ["card", "transfer", "wallet"]
    assert 0.5 < learnt.fields["session_s"].missing < 0.75
    assert learnt.volume[0] < 480 < 800 < learnt.volume[1]


def test_a_file_of_expectations_says_what_it_said(learnt: Expectations, tmp_path: Path) -> None:
    path = tmp_path / "expectations.yaml"
    expectations.write(learnt, path)
    assert expectations.read(path) == learnt
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# What the data of a day should look like")
    assert max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("silence_minutes:", "silence_minuts:", "did you mean 'silence_minutes'"),
        ("missing:", "mising:", "did you mean 'missing'"),
        ("volume: [", "volume: [[", "is no YAML"),
        ("kind: key", "kind: kee", "Invalid enum value 'kee'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(learnt: Expectations, old: str, new: str, said: str) -> None:
    text = expectations.dumps(learnt)
    assert old in text
    with pytest.raises(InputError, match=said):
        expectations.loads(text.replace(old, new, 1))


def test_a_field_that_is_not_there_is_refused(learnt: Expectations) -> None:
    with pytest.raises(InputError, match="no field 'amount'; did you mean 'amounts'"):
        watch(events().rename({"amount": "amounts"}), WATCH_US, until_us=END_US, expected=learnt)
    with pytest.raises(InputError, match="holds no settings"):
        expectations.loads("just words")


@pytest.mark.parametrize(
    ("change", "breach"),
    [
        ({"session_s": pl.lit(None)}, ("session_s", "missing")),
        ({"amount": pl.col("amount") * 1000}, ("amount", "range")),
        ({"method": pl.lit("crypto")}, ("method", "new")),
    ],
)
def test_a_field_that_is_not_as_expected(
    learnt: Expectations, change: dict[str, pl.Expr], breach: tuple[str, str]
) -> None:
    found = wrong(since(change), learnt)
    assert found[:2] == [set(), set()]
    assert all(breach in day for day in found[2:])


def test_volume_silence_and_duplicates(learnt: Expectations) -> None:
    frame = events()
    at = pl.col("at").dt.epoch("us")
    few = frame.filter((at < CHANGE_US) | (at % 5 == 0))
    assert ("events", "volume") in wrong(few, learnt)[2]
    noon = frame.filter((at < CHANGE_US) | ((at // 3_600_000_000) % 24 < 12))
    assert ("events", "silence") in wrong(noon, learnt)[2]
    again = frame.filter(at >= CHANGE_US).with_columns(pl.col("id") + "r", pl.col("at") + pl.duration(seconds=1))
    assert ("events", "duplicates") in wrong(pl.concat([frame, again.head(300)]), learnt)[2]


def test_the_worst_is_what_is_furthest_beyond_its_bound() -> None:
    one, other = (Breach(0, name, "missing", seen, 0.1, "") for name, seen in (("a", 0.2), ("b", 0.9)))
    assert worst([one, other]) is other
    assert worst([]) is None
