"""When jobs are due, what was missed, and what cannot be scheduled."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import InputError
from adjudge.service.schedule.jobs import (
    FILE,
    STATE,
    VERBS,
    Job,
    last_begun,
    missed,
    next_due,
    note_begun,
    read_schedule,
)

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def test_a_schedule_is_read_in_its_own_time_zone(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text(
        "timezone: Europe/Berlin\njobs:\n- {id: nightly, cron: '0 2 * * *', run: 'nightly in.csv --to nights/{date}'}\n"
    )
    schedule = read_schedule(tmp_path)
    due = next_due(schedule.jobs[0], schedule.zone, NOON)
    assert due == datetime(2026, 5, 2, 0, tzinfo=UTC)
    assert due is not None
    assert schedule.jobs[0].words(due)[-1] == "nights/2026-05-02"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jobs: [{id: a, cron: '0 2 * *', run: export}]", "is no time"),
        ("jobs: [{id: a, cron: '0 25 * * *', run: export}]", "is no time"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: exprt}]", "did you mean 'export'"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: serve}]", "'serve' cannot be scheduled"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: ''}]", "cannot be scheduled"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: 'monitor learn'}]", "only 'monitor watch' can be scheduled"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: 'hotspots block x=y'}]", "only 'hotspots find'"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: 'export -w other'}]", "leave out -w"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: 'export --workspace=other'}]", "leave out --workspace"),
        ("jobs: [{id: a, cron: '0 2 * * *', run: 'export \"'}]", "closing quotation"),
        ("jobs: [{id: '', cron: '0 2 * * *', run: export}]", "needs an id"),
        (
            "jobs: [{id: a, cron: '0 2 * * *', run: export}, {id: a, cron: '0 2 * * *', run: export}]",
            "two jobs have the same id",
        ),
        ("timezone: Europe/Brlin\njobs: [{id: a, cron: '0 2 * * *', run: export}]", "no time zone"),
        ("jobs: [{id: a, cron: '0 2 * * *', command: export}]", "command"),
        ("jobs: [", FILE),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / FILE).write_text(text)
    with pytest.raises(InputError, match=said):
        read_schedule(tmp_path)


def test_without_a_file_there_is_no_schedule(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=FILE):
        read_schedule(tmp_path)


def test_every_verb_that_can_be_scheduled_is_one() -> None:
    from typer.main import get_command

    from adjudge.cli import app

    command = get_command(app)
    for words in VERBS.values():
        found = command
        for word in words:
            found = found.commands[word]  # type: ignore[attr-defined]


def test_what_was_begun_is_remembered(tmp_path: Path) -> None:
    a, b = (Job(id_, "0 2 * * *", "export") for id_ in "ab")
    assert last_begun(tmp_path) == {}
    note_begun(tmp_path, a, NOON)
    note_begun(tmp_path, b, NOON + timedelta(hours=1))
    assert last_begun(tmp_path) == {"a": NOON, "b": NOON + timedelta(hours=1)}
    (tmp_path / STATE).write_text("{")
    with pytest.raises(InputError, match="cannot be read"):
        last_begun(tmp_path)


@given(st.integers(0, 2_000), st.integers(0, 2_000), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_a_job_was_missed_where_it_was_due_in_between(last: int, more: int, zone: str) -> None:
    """However long nobody was here, and by whatever clock, it is made up for once, and only if it was due."""
    job, place = Job("n", "0 2 * * *", "export"), ZoneInfo(zone)
    begun = NOON + timedelta(hours=last)
    now = begun + timedelta(hours=more)
    due = missed(job, place, begun, now)
    if due is None:
        assert more <= 25  # a day has up to 25 hours
    else:
        assert begun < due <= now
        assert due.astimezone(place).hour in (2, 3)  # two o'clock is left out once a year
    assert missed(job, place, None, now) is None
