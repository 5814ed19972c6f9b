"""Deciding a file: one answer a line, in order; a bad line is told of and stops nothing."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from adjudge.service.file import Done, decide_lines
from tests.service.shop import Shop, as_json, many_purchases, purchase, shop

START = datetime(2024, 3, 1, 12, tzinfo=UTC)


def decided(lines: list[bytes]) -> tuple[Done, list[dict[str, Any]], list[str]]:
    """Return how it went, the answers without their latency, and what was told."""
    sink, told = io.BytesIO(), list[str]()
    done = decide_lines(shop(), lines, sink, told.append)
    answers = [json.loads(line) for line in sink.getvalue().splitlines()]
    return done, [{k: v for k, v in a.items() if k != "latency_ms"} for a in answers], told


def test_a_file_is_decided_as_requests_are() -> None:
    rows = many_purchases(40, at=START)
    done, answers, told = decided([as_json(row) + b"\n" for row in rows])
    desk = Shop(at=datetime(2024, 4, 1, tzinfo=UTC))
    live = [{k: v for k, v in a.items() if k != "latency_ms"} for row in rows for a in desk.decide(row)]
    assert answers == live
    assert (done, told) == (Done(decided=40), [])


def test_a_bad_line_is_told_of_by_its_number() -> None:
    """Lines are counted from 1, empty ones too; what is refused leaves no trace in what follows."""
    first, second = purchase(1, START), purchase(2, START)
    lines = [
        as_json(first),
        b"",
        b"{not json",
        as_json(purchase(3, START, amount="-1.00")),
        as_json(first | {"amount": "11.00"}),
        as_json(first),
        b"  \n",
        as_json(second),
    ]
    done, answers, told = decided(lines)
    assert [a["id"] for a in answers] == ["p1", "p1", "p2"]
    assert answers[0] == answers[1]
    assert done == Done(decided=3, refused=3)
    assert [line.split(":")[0] for line in told] == ["line 3", "line 4", "line 5"]
    assert "amount" in told[1]


@pytest.mark.parametrize("piece", [1, 7])
def test_how_many_lines_are_decided_at_a_time_changes_no_decision(piece: int, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [as_json(row) for row in many_purchases(50, at=START)]
    lines[10:10] = [b"", b"[]"]
    whole = decided(lines)
    monkeypatch.setattr("adjudge.service.file.LINES", piece)
    assert decided(lines) == whole
