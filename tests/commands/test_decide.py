"""Deciding a file, in this process and by a service of its own."""

from __future__ import annotations

import asyncio
import csv
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from adjudge.cli import app
from adjudge.client import AsyncClient, Options
from adjudge.client.address import Address
from adjudge.commands import bulk
from adjudge.commands.decide import inside, named
from adjudge.commands.job import Job, Rows, roles_of
from adjudge.engine.plan import Plan
from adjudge.errors import InputError, UnavailableError
from adjudge.service.server import free_port
from tests.service.shop import Shop, as_json, many_purchases, purchase, shop

NOW = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=2)
PAST = datetime(2024, 3, 1, 12, tzinfo=UTC)

Rowed = Mapping[str, Any]


@pytest.fixture(scope="module")
def plan() -> Plan:
    """Compile the shop once."""
    return shop()


def run(*arguments: str, text: bytes = b"") -> Result:
    """Run the verb; what is wrong with the input is raised."""
    return CliRunner().invoke(app, ["decide", *arguments], input=text, catch_exceptions=False)


def jsonl(path: Path, rows: Sequence[Any]) -> str:
    path.write_bytes(b"".join((row if isinstance(row, bytes) else as_json(row)) + b"\n" for row in rows))
    return str(path)


def decided_inside(plan: Plan, path: Path, folder: Path) -> tuple[bulk.Summary, list[dict[str, Any]]]:
    """Decide a file in this process; return how it went and the answers without what time it took."""

    async def decide() -> bulk.Summary:
        async with inside(plan) as client:
            with Rows(path).open({}) as lines:
                job = Job("decide", folder / "out.jsonl", folder / "refused.jsonl")
                return await job.run(lines, None, client.decide_many)

    summary = asyncio.run(decide())
    return summary, [timeless(json.loads(line)) for line in (folder / "out.jsonl").read_text().splitlines()]


def timeless(answer: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in answer.items() if k not in ("latency_ms", "seq")}


def test_a_file_is_decided_as_requests_are(plan: Plan, tmp_path: Path) -> None:
    rows = many_purchases(40, at=PAST)
    jsonl(tmp_path / "in.jsonl", rows)
    summary, answers = decided_inside(plan, tmp_path / "in.jsonl", tmp_path)
    desk = Shop(plan, at=datetime(2024, 4, 1, tzinfo=UTC))
    assert answers == [timeless(answer) for row in rows for answer in desk.decide(row)]
    assert (summary.rows, summary.refused, sum(summary.answers.values())) == (40, 0, 40)


def test_bad_lines_are_refused_and_leave_no_trace(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are named by their line, written down with reasons, and can be mended and sent again."""
    first = purchase(1, PAST)
    rows = [
        first,
        b"",
        b"{not json",
        purchase(3, PAST, amount="-1.00") | {"colour": "red"},
        first | {"amount": "11.00"},
        first,
        purchase(2, PAST),
    ]
    jsonl(tmp_path / "in.jsonl", rows)
    summary, answers = decided_inside(plan, tmp_path / "in.jsonl", tmp_path)
    assert [(a["id"], a.get("repeated", False)) for a in answers] == [("p1", False), ("p1", True), ("p2", False)]
    assert (summary.rows, summary.repeated, summary.refused) == (6, 1, 3)
    told = " ".join(capsys.readouterr().err.split())
    for words in ("line 3: the line is not JSON", "line 4: amount must be at least 0", "line 5:"):
        assert words in told
    refused = [json.loads(line) for line in (tmp_path / "refused.jsonl").read_text().splitlines()]
    assert [(r["line"], [(e["field"], e["code"]) for e in r["errors"]]) for r in refused] == [
        (3, [("", "malformed")]),
        (4, [("amount", "out_of_range"), ("colour", "unknown_field")]),
        (5, [("purchase_id", "conflict")]),
    ]
    assert [r["row"] for r in refused] == ["{not json", rows[3], rows[4]]


@pytest.mark.parametrize("size", [1, 7])
def test_how_many_rows_go_together_changes_no_decision(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    rows: list[Any] = many_purchases(50, at=PAST)
    rows[10:10] = [b"", b"[]"]
    jsonl(tmp_path / "in.jsonl", rows)
    _, whole = decided_inside(plan, tmp_path / "in.jsonl", tmp_path)
    monkeypatch.setattr(bulk, "OPTIONS", Options(max_rows=size))
    summary, answers = decided_inside(plan, tmp_path / "in.jsonl", tmp_path)
    assert answers == whole
    assert (summary.rows, summary.refused) == (51, 1)


def test_a_service_decides_every_format_alike(shop_url: str, tmp_path: Path) -> None:
    """Sent again in another format, every row is the same event: it is answered as it was decided before."""
    rows = many_purchases(30, seed=41, at=NOW)
    source = jsonl(tmp_path / "in.jsonl", rows)
    done = run(source, "--url", shop_url, "--to", str(tmp_path / "a.jsonl"), "--json")
    assert done.exit_code == 0, done.output
    summary = json.loads(done.stdout)
    assert (summary["rows"], summary["repeated"], summary["refused"]) == (30, 0, 0)

    flat = [{k: v for k, v in row.items() if k != "place"} | flattened(row.get("place")) for row in rows]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, sorted({name for row in flat for name in row}))
        writer.writeheader()
        writer.writerows(flat)
    frame = pl.DataFrame(rows).with_columns(pl.col("at").str.to_datetime(time_zone="UTC"))
    frame.write_parquet(tmp_path / "in.parquet")
    for name in ("in.csv", "in.parquet"):
        again = run(
            str(tmp_path / name), "--url", shop_url, "--system", "shop", "--to", str(tmp_path / "b.jsonl"), "--json"
        )
        assert json.loads(again.stdout)["repeated"] == 30, again.output
        first, second = ([json.loads(x) for x in (tmp_path / f"{n}.jsonl").read_text().splitlines()] for n in "ab")
        assert second == [answer | {"repeated": True} for answer in first]


def flattened(place: Mapping[str, float] | None) -> dict[str, float]:
    return {} if place is None else {f"place.{part}": value for part, value in place.items()}


def test_standard_input_to_standard_output(shop_url: str) -> None:
    text = as_json(purchase("stdin", NOW)) + b"\nnothing\n"
    done = run("-", "--url", shop_url, text=text)
    assert done.exit_code == 1
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ["pstdin"]
    assert "line 2: the line is not JSON" in done.stderr
    assert "2 rows in" in done.stderr
    table = b"purchase_id,at,user,amount,method\npcsv," + NOW.isoformat().encode() + b",u1,10.00,card\n"
    again = run("-", "--format", "csv", "--url", shop_url, "--json", text=table)
    assert json.loads(again.stdout)["answers"] == {"approve": 1}


def test_a_run_that_was_interrupted_is_started_again(
    shop_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says how far it came, and the second run decides the rest."""
    monkeypatch.setattr(bulk, "OPTIONS", Options(max_rows=10))
    source = jsonl(tmp_path / "in.jsonl", many_purchases(25, seed=42, at=NOW))
    sent = 0
    decide_many = AsyncClient.decide_many

    async def once(self: AsyncClient, events: Any, **more: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == 2:
            message = "decide_many: no connection to the service"
            raise UnavailableError(message)
        return await decide_many(self, events, **more)

    monkeypatch.setattr(AsyncClient, "decide_many", once)
    with pytest.raises(UnavailableError, match="no connection to the service; 10 rows are answered: start again"):
        run(source, "--url", shop_url)
    summary = json.loads(run(source, "--url", shop_url, "--json").stdout)
    assert (summary["rows"], summary["repeated"]) == (25, 10)


def test_only_the_first_refused_rows_are_named(shop_url: str, tmp_path: Path) -> None:
    """The file has them all."""
    source = jsonl(tmp_path / "in.jsonl", [{}] * 50)
    done = run(source, "--url", shop_url, "--refused", str(tmp_path / "bad.jsonl"))
    assert done.exit_code == 1
    assert "line 20: amount is required" in done.stderr
    assert "line 21" not in done.stderr
    assert len((tmp_path / "bad.jsonl").read_text().splitlines()) == 50


def test_what_makes_no_sense_is_refused(tmp_path: Path, shop_url: str) -> None:
    source = jsonl(tmp_path / "in.jsonl", [purchase(1, NOW)])
    with pytest.raises(InputError, match="give --url or --bundle"):
        run(source, "--url", shop_url, "--bundle", "b")
    with pytest.raises(InputError, match="there is no system 'shp'"):
        run(source, "--url", shop_url, "--system", "shp")
    with pytest.raises(InputError, match="must look like"):
        run(source, "--url", "localhost:8000")


def test_a_service_is_told_the_name_of_a_system_that_is_given_by_its_folder(shop_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "anything"
    folder.mkdir()
    (folder / "definition.py").write_text("from tests.service.shop import shop_system\n\nsystem = shop_system()\n")
    assert (named(str(folder)), named("shop"), named(None)) == ("shop", "shop", None)
    done = run("-", "--url", shop_url, "--system", str(folder), text=as_json(purchase("folder", NOW)))
    assert (done.exit_code, json.loads(done.stdout)["id"]) == (0, "pfolder")


def test_a_service_that_is_not_there_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "OPTIONS", Options(attempts=1))
    source = jsonl(tmp_path / "in.csv", [b"purchase_id", b"p1"])
    with pytest.raises(UnavailableError, match="catalogue: no connection to the service"):
        run(source, "--url", f"http://127.0.0.1:{free_port()}")


def test_the_key_is_sent_and_never_shown(
    shop_url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sent: list[dict[str, str]] = []
    headers = Address.headers

    def noted(self: Address) -> dict[str, str]:
        sent.append(headers(self))
        return headers(self)

    monkeypatch.setattr(Address, "headers", noted)
    monkeypatch.setenv("ADJUDGE_KEY", "very-secret")
    done = run("-", "--url", shop_url, text=as_json(purchase("key", NOW)))
    assert {"authorization": "Bearer very-secret"} in sent
    shown = done.output + caplog.text + run("--help").output
    assert "very-secret" not in shown


def test_fields_are_those_of_the_stream_that_is_decided(plan: Plan) -> None:
    async def catalogue() -> Any:
        async with inside(plan) as client:
            return await client.catalogue()

    rows = asyncio.run(catalogue())
    roles = {"purchase_id": "id", "at": "time", "user": "key", "card": "key", "amount": "money"}
    assert roles_of(rows, None) == roles_of(rows, "shop") == roles | {"method": "category", "place": "place"}
    assert roles_of(rows, "another") == {}
    other = [*rows, rows[0].__class__("claim_id", "id", "", "", "", "claim")]
    with pytest.raises(InputError, match="decides claim, purchase; name its --system"):
        roles_of(other, None)
