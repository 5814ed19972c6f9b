"""Watching from the command line: tables and logs, in 80 columns and as JSON, with expectations from a file."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.codec import entries_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.export import frame as rows
from adjudge.service.home import LOG_FILE
from tests.monitor.made import events, since
from tests.service.shop import many_purchases, shop

SINCE = "2026-03-30"


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    quiet = events().with_columns(
        probability=0.02 + 0.1 * (pl.col("channel") == "web").cast(pl.Float64),
        decision=pl.when(pl.col("channel") == "web").then(pl.lit("review")).otherwise(pl.lit("approve")),
        fraud=pl.col("user").str.ends_with("77"),
    )
    quiet.write_parquet(folder / "quiet.parquet")
    since({"amount": pl.col("amount") * 100}).write_parquet(folder / "cents.parquet")
    return folder


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["monitor", *arguments], env={"COLUMNS": "80"})
    assert result.exit_code == code, result.output
    return result.stdout


def test_a_quiet_table_is_told_in_eighty_columns(tables: Path) -> None:
    text = run("watch", "--data", str(tables / "quiet.parquet"), "--since", SINCE)
    assert text.count("as usual") == 7
    assert "estimate from scores" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_change_of_the_pipeline_is_told_with_its_evidence(tables: Path, tmp_path: Path) -> None:
    page = tmp_path / "monitor.html"
    text = run("watch", "--data", str(tables / "cents.parquet"), "--since", SINCE, "--report", str(page), code=1)
    assert "▲ pipeline" in text
    assert "times the usual one" in text
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    found = json.loads(run("watch", "--data", str(tables / "cents.parquet"), "--since", SINCE, "--json", code=1))
    assert [day["verdict"] is not None for day in found["days"]] == [False] * 2 + [True] * 5
    assert found["episodes"][0]["cause"] == "pipeline"


def test_expectations_are_learned_edited_and_checked(tables: Path, tmp_path: Path) -> None:
    path, data = tmp_path / "expectations.yaml", str(tables / "quiet.parquet")
    assert "fields" in run("learn", str(path), "--data", data, "--until", SINCE)
    told = run("watch", "--data", data, "--since", SINCE, "--expectations", str(path), "--json")
    assert all(not day["breaches"] for day in json.loads(told)["days"])
    path.write_text(path.read_text(encoding="utf-8").replace("amount:", "amounts:"), encoding="utf-8")
    arguments = ["monitor", "watch", "--data", data, "--since", SINCE, "--expectations", str(path)]
    found = CliRunner().invoke(app, arguments).exception
    assert isinstance(found, InputError)
    assert "did you mean 'amount'" in str(found)


def test_the_decisions_of_a_log_are_read_with_fields_features_and_labels(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        decider = Decider([shop()], log)
        decider.decide("purchase", decider.workspace.door("purchase").rows(many_purchases(20)).events)
    found = CliRunner().invoke(app, ["monitor", "watch", "-w", str(tmp_path), "--since", "2030-01-01"]).exception
    assert isinstance(found, InputError)
    assert "has decided nothing" in str(found) or "nothing lies" in str(found)
    folder = tmp_path / "export"
    system = rows.systems(folder)[0]
    frame = rows.decided(folder, system, date(1970, 1, 1), date(9999, 12, 31))
    assert len(frame) == 20
    assert {"seq", "ts", "id", "decision", "probability", "amount"} <= set(frame.columns)
    assert any(name.startswith("feature.") for name in frame.columns)
    assert not any(kind.is_decimal() for kind in frame.dtypes)
    assert rows.known_labels(folder, "fraud").columns == ["id", "value", "known_at"]
    with pytest.raises(InputError, match="did you mean"):
        rows.decided(folder, system + "s", date(1970, 1, 1), date(9999, 12, 31))


def test_what_is_the_matter_on_the_last_day_is_logged_once_and_closes_again(tmp_path: Path) -> None:
    rows_ = many_purchases(30 * 48, step_s=1800.0)
    for row in rows_:
        row["amount"] = f"{float(row['amount']) * (100 if row['at'] >= '2026-03-30' else 1):.2f}"
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        decider = Decider([shop()], log)
        decider.decide("purchase", decider.workspace.door("purchase").rows(rows_).events)
    here = ["-w", str(tmp_path)]
    seen = ["watch", *here, "--since", "2026-03-29", "--until", "2026-03-31", "--reference-days", "28", "--alert"]
    run(*seen, code=1)
    listed = CliRunner().invoke(app, ["alerts", "list", *here, "--json"], catch_exceptions=False)
    found = {one["key"]: one["severity"] for one in json.loads(listed.stdout)["incidents"]}
    assert found["pipeline:amount"] == "critical"
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        notes = [entry for commit in log.read() for entry in entries_of(commit) if entry.kind is Kind.MANAGEMENT]
    assert [note.why for note in notes] == ["watched 2026-03-30"]
    found_ = CliRunner().invoke(app, ["monitor", "watch", "--data", "x.parquet", "--alert"]).exception
    assert isinstance(found_, InputError)


def test_where_from_and_until_when_have_to_make_sense(tables: Path) -> None:
    found = CliRunner().invoke(app, ["monitor", "watch", "--data", str(tables / "none.parquet")]).exception
    assert isinstance(found, InputError)
    late = ["monitor", "watch", "--data", str(tables / "quiet.parquet"), "--since", "2031-01-01"]
    found = CliRunner().invoke(app, late).exception
    assert isinstance(found, InputError)
