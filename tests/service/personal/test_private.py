"""What must not be told: no refusal, no metric and no line of the service's own log repeats a personal value."""

from __future__ import annotations

import logging
from typing import Any, cast

import pytest

from adjudge.log import MemoryLog
from adjudge.service.logs import JsonFormatter, TextFormatter
from tests.service.personal.bank import Bank, bank, payment
from tests.service.test_http import Client

SECRET = "zanzibar"
"""Stands in every personal value."""


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the bank once."""
    return bank()


def personal(number: int | str, **changes: Any) -> dict[str, Any]:
    """Return a payment whose personal values can be recognised."""
    return payment(number, f"user {SECRET}") | changes


BAD: list[Any] = [
    personal(1, amount="-1"),
    personal(1, amount=f"{SECRET} euros"),
    personal(1, user=[f"{SECRET}"]),
    personal(1, user={"name": SECRET}),
    personal(1, card=f"{SECRET}" * 100),
    personal(1, remark=f"{SECRET}\ud800"),
    personal(1, at=f"the day of {SECRET}"),
    personal(1, at="2031-01-01T00:00:00Z"),
    personal(1, at="1999-01-01T00:00:00Z"),
    personal(1, merchant=None),
    personal("known", remark=f"another {SECRET}"),
    f"only {SECRET}",
]


def test_refusals_logs_and_metrics_repeat_no_personal_value(
    plan: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is wrong with an event, or goes wrong with it inside."""
    caplog.set_level(logging.DEBUG)
    desk = Bank(plan, MemoryLog())
    client = Client(cast(Any, desk))
    assert client("POST", "/v1/decide", personal("known")).status_code == 200
    told = [client("POST", "/v1/decide", bad) for bad in BAD]
    told += [client("POST", "/v1/decide/many", bad) for bad in (BAD, f'["{SECRET}", {{'.encode(), BAD[0])]
    told += [client("POST", "/v1/events/login", {"login_id": "l1", "at": SECRET, "user": SECRET})]
    told += [client("GET", f"/v1/features/user?user={SECRET}&as_of={SECRET}")]
    told += [client("POST", "/v1/decide", f'{{"user": "{SECRET}'.encode())]
    monkeypatch.setattr(desk.decider.workspace, "decide", fails)
    told += [client("POST", "/v1/decide", personal(2))]
    monkeypatch.setattr(desk.decider.workspace, "prepare", fails)
    told += [client("POST", "/v1/decide", personal(3))]
    for answer in told:
        assert answer.status_code >= 400 or answer.status_code == 207, answer.text
        assert SECRET not in answer.text
    assert SECRET not in client("GET", "/metrics").text
    own = [record for record in caplog.records if record.name.startswith("adjudge")]
    for formatter in (TextFormatter(), JsonFormatter()):
        lines = "".join(map(formatter.format, own))
        assert "ValueError" in lines
        assert SECRET not in lines


def fails(*given: Any) -> Any:
    """Fail with a message that repeats what was given, as a careless extension might."""
    message = f"cannot work with user {SECRET}"
    raise ValueError(message)
