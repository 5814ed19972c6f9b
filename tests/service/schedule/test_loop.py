"""The learning loop as a schedule: verbs that exist, a file that is its owner's from then on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import ConflictError, InputError
from adjudge.service.schedule.jobs import FILE, read_schedule
from adjudge.service.schedule.loop import HERE, JOBS, begin
from tests.test_deploy import check_command

URL = "http://127.0.0.1:8000"


@pytest.mark.parametrize("url", ["", URL])
def test_every_job_of_the_loop_is_a_command_line(tmp_path: Path, url: str) -> None:
    schedule = begin(tmp_path, "Europe/Berlin", url)
    assert [job.id for job in schedule.jobs] == [id_ for id_, *_ in JOBS]
    for job in schedule.jobs:
        words = job.run.split()
        check_command(words)
        assert ("--url" in words) == (bool(url) and job.id not in HERE)


def test_a_schedule_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("jobs: []\n")
    with pytest.raises(ConflictError, match="is there already"):
        begin(tmp_path, "UTC", "")
    assert (tmp_path / FILE).read_text() == "jobs: []\n"


def test_a_time_zone_that_is_none_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no time zone"):
        begin(tmp_path / "new", "Europe/Berlni", "")
    assert not (tmp_path / "new").exists()


def test_whatever_stands_in_an_address_stays_one_word(tmp_path: Path) -> None:
    begin(tmp_path, "UTC", "http://127.0.0.1:8000/a'b\"c d")
    assert read_schedule(tmp_path).jobs[0].run.count("--url") == 1


def test_the_command_line_writes_and_lists_it(tmp_path: Path) -> None:
    words = ["schedule", "init", "--workspace", str(tmp_path), "--url", URL, "--json"]
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0
    rows = json.loads(done.stdout)
    assert {row["id"]: row["run"] for row in rows}["learn"] == f"retrain --if-due --shadow --url {URL}"
    assert all(row["next"] for row in rows)
