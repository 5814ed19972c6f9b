"""Labels, outcomes and retractions on the command line, against a service of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner, Result

from adjudge.cli import app
from adjudge.client import Client
from adjudge.errors import InputError
from tests.service.shop import purchase

NOW = datetime.now(UTC) - timedelta(hours=2)


@pytest.fixture(scope="module")
def client(shop_url: str) -> Iterator[Client]:
    """Return a client of the service, which has decided a few purchases."""
    with Client(shop_url) as client:
        client.decide_many([purchase(f"tell-{i}", NOW) for i in range(9)]).all()
        yield client


def run(client: Client, *arguments: str, text: str = "") -> Result:
    """Run a verb; what is wrong with the input is raised."""
    url = client._address.url
    return CliRunner().invoke(app, [*arguments, "--url", url], input=text, catch_exceptions=False)


def stored(client: Client, number: int) -> Any:
    return client.decision(f"ptell-{number}")


def test_events_by_id(client: Client) -> None:
    done = run(client, "label", "ptell-0", "ptell-1")
    assert (done.exit_code, done.stdout) == (0, "")
    assert "2 rows in" in done.stderr
    assert "2 set, 0 refused" in done.stderr
    run(client, "label", "ptell-1", "--false", "--label", "fraud", "--stream", "purchase")
    assert [stored(client, i).labels for i in range(2)] == [{"fraud": True}, {"fraud": False}]
    run(client, "outcome", "ptell-0", "--outcome", "declined")
    assert stored(client, 0).labels == {"fraud": True, "declined": True}
    assert "1 set" in run(client, "retract", "ptell-2").stderr
    assert stored(client, 2).retracted


def test_events_of_a_file(client: Client, tmp_path: Path) -> None:
    """Options fill in what rows leave out, and never replace what they say."""
    table = tmp_path / "labels.csv"
    table.write_text("id,value,label\nptell-3,true,\nptell-4,,fraud\nptell-5,0,\nlater-1,true,\nptell-6,true,frod\n")
    bad = tmp_path / "bad.jsonl"
    done = run(client, "label", "--from", str(table), "--true", "--refused", str(bad), "--json")
    assert done.exit_code == 1
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["answers"], summary["refused"]) == (5, {"set": 3, "waiting": 1}, 1)
    assert [stored(client, i).labels["fraud"] for i in (3, 4, 5)] == [True, True, False]
    assert "line 6: stream 'purchase' has no label 'frod'; did you mean 'fraud'?" in " ".join(done.stderr.split())
    (refused,) = [json.loads(line) for line in bad.read_text().splitlines()]
    assert (refused["line"], refused["errors"][0]["code"]) == (6, "unknown_label")
    assert refused["row"] == {"id": "ptell-6", "value": True, "label": "frod"}
    again = json.loads(run(client, "label", "--from", str(table), "--true", "--json").stdout)
    assert again["answers"] == {"unchanged": 4}


def test_events_of_standard_input(client: Client) -> None:
    lines = '{"id":"ptell-7","value":true}\n[]\n{"id":"ptell-8","value":true}\n'
    done = run(client, "outcome", "--from", "-", text=lines)
    assert done.exit_code == 1
    assert "line 2:" in done.stderr
    assert stored(client, 8).labels == {"declined": True}
    done = run(client, "retract", "--from", "-", "--format", "csv", text="id\nptell-7\nptell-8\n")
    assert done.exit_code == 0
    assert stored(client, 7).retracted


def test_a_value_is_said_as_it_is_written(client: Client, tmp_path: Path) -> None:
    """By option or by column; the service says that this outcome has none."""
    table = tmp_path / "step-ups.csv"
    table.write_text("id,value\nptell-6,failed\n")
    for arguments in (["ptell-6", "--value", "failed"], ["--from", str(table)]):
        done = run(client, "outcome", *arguments)
        assert done.exit_code == 1
        assert "outcome 'declined' is true or false" in " ".join(done.stderr.split())
    with pytest.raises(InputError, match="say what it came to once"):
        run(client, "outcome", "ptell-6", "--true", "--value", "failed")


def test_what_makes_no_sense_is_refused(client: Client) -> None:
    for arguments in ([], ["p1", "--from", "labels.csv"]):
        with pytest.raises(InputError, match="say which events"):
            run(client, "label", *arguments)
    with pytest.raises(FileNotFoundError):
        run(client, "label", "--from", "nothing.csv")


@pytest.mark.parametrize("verb", ["decide", "label", "outcome", "retract"])
def test_help_fits_a_terminal_of_80_columns(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every example stands on one line, to be copied."""
    monkeypatch.setenv("COLUMNS", "80")
    shown = CliRunner().invoke(app, [verb, "--help"], terminal_width=80).output
    command: Any = get_command(app)
    meaning = command.commands[verb].help
    examples = [line.strip() for line in meaning.splitlines() if line.strip().startswith("Example:")]
    assert len(examples) >= 2
    lines = [line.strip() for line in shown.splitlines()]
    assert [line for line in lines if line.startswith("Example:")] == examples
    assert max(map(len, shown.splitlines())) <= 80
