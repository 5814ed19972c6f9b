"""Logs of operation: stable ids, one line each, and nothing in them of what people sent."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from adjudge.errors import InputError
from adjudge.service.decider import Decider
from adjudge.service.logs import INSTANCE, configure, say
from adjudge.service.settings import Settings
from tests.service.shop import Shop, purchase, shop
from tests.service.test_decider import Moody
from tests.service.test_http import Client


@pytest.fixture(scope="module")
def plan() -> Any:
    return shop()


@pytest.fixture
def unconfigured() -> Iterator[None]:
    """Put the logger back as it was."""
    logger = logging.getLogger("adjudge")
    before = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.level, logger.propagate = before


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


@pytest.mark.usefixtures("unconfigured")
def test_a_lost_log_is_told_once_and_its_return_as_well(plan: Any, capsys: pytest.CaptureFixture[str]) -> None:
    log, desk = Moody(), Shop(plan)
    desk.decider = Decider([plan], log, clock=desk.clock)
    configure("json", "info")
    for log.full in (True, True, False):
        desk.decider.writer.renew()
    assert [(line["event"], line["level"]) for line in lines(capsys)] == [
        ("append_failed", "error"),
        ("append_recovered", "info"),
    ]


@pytest.mark.usefixtures("unconfigured")
@pytest.mark.parametrize("broken", ["decide", "decision"])
def test_a_failure_has_the_same_id_in_log_and_answer_and_quotes_nothing(
    broken: str, plan: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = Client(Shop(plan))
    configure("json", "info")

    def fail(*args: Any, **kwargs: Any) -> Any:
        message = "ada lovelace, 4111 1111"
        raise RuntimeError(message)

    monkeypatch.setattr(client.desk.decider, broken, fail)
    answer = client.post("/v1/decide", purchase(1)) if broken == "decide" else client.get("/v1/decisions/p1")
    assert answer.status_code >= 500
    (line,) = lines(capsys)
    assert answer.json()["instance"] == INSTANCE + line["incident"]
    assert line["failure"] == "RuntimeError"
    assert any("test_logs.py" in frame for frame in line["trace"])
    assert "lovelace" not in json.dumps(line) + answer.text


@pytest.mark.usefixtures("unconfigured")
def test_text_says_the_same_to_people(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text", "info")
    say("recovered 5 entries", "recovered", entries=5)
    logging.getLogger("adjudge.service.keeper").debug("not asked for")
    said = capsys.readouterr().err
    assert said.endswith("info recovered: recovered 5 entries\n")
    assert said.count("\n") == 1


@pytest.mark.usefixtures("unconfigured")
def test_facts_stand_beside_the_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json", "info")
    say("recovered 5 entries", "recovered", entries=5)
    (line,) = lines(capsys)
    assert (line["event"], line["entries"], line["message"]) == ("recovered", 5, "recovered 5 entries")


@pytest.mark.parametrize(("name", "value"), [("log_format", "jsn"), ("log_level", "loud")])
def test_what_cannot_be_meant_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]
