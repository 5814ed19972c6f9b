"""The audit of dependencies never passes for one when it was none."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import httpx
import pytest

from tests.documents import ROOT
from tools import audit

UNKNOWN = {"name": "odd", "skip_reason": "Dependency not found on PyPI and could not be audited: odd (1.0)"}
GOOD: dict[str, Any] = {"name": "numpy", "version": "2.1.0", "vulns": []}
BAD = {"name": "jinja2", "version": "2.4.1", "vulns": [{"id": "CVE-2019-10906", "fix_versions": ["2.10.1"]}]}


@pytest.mark.parametrize(
    ("answer", "there"),
    [
        (httpx.Response(200, json={"vulns": [{}]}), True),
        (httpx.Response(200, json={"vulns": []}), False),
        (httpx.Response(200, json={}), False),
        (httpx.Response(200, json=[]), False),
        (httpx.Response(200, text="<html>"), False),
        (httpx.Response(404), False),
        (httpx.ConnectError("refused"), False),
    ],
)
def test_a_source_is_one_that_knows_an_old_weakness(answer: httpx.Response | Exception, there: bool) -> None:
    def handle(request: httpx.Request) -> httpx.Response:
        if isinstance(answer, Exception):
            raise answer
        return httpx.Response(answer.status_code, content=answer.content)

    assert audit.reachable(httpx.MockTransport(handle)) is there


@pytest.mark.parametrize(
    ("rows", "status", "said"),
    [
        ([GOOD], 0, "1 packages looked up, no weakness known"),
        ([GOOD, UNKNOWN], 0, "1 packages looked up, 1 unknown to the source: odd, no weakness known"),
        ([UNKNOWN], 1, "nothing was audited"),
        ([GOOD, BAD], 1, "jinja2 2.4.1: CVE-2019-10906, mended in 2.10.1"),
    ],
)
def test_what_was_not_looked_up_is_not_passed(rows: list[dict[str, Any]], status: int, said: str) -> None:
    found, words = audit.verdict({"dependencies": rows})
    assert found == status
    assert said in words


@pytest.mark.parametrize(("required", "status"), [("", 0), ("required", 1)])
def test_where_no_source_is_reached_that_is_said(
    required: str, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(audit, "reachable", lambda: False)
    monkeypatch.setenv(audit.VARIABLE, required)
    assert audit.main() == status
    assert "NOT DONE" in capsys.readouterr().out


def test_a_report_or_a_failure_is_told_apart(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With pip-audit itself replaced: it ends with 1 in both cases."""
    monkeypatch.setattr(audit, "reachable", lambda: True)
    done = subprocess.CompletedProcess([], 1, json.dumps({"dependencies": [BAD]}), "Found 1")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: done)
    assert audit.main() == 1
    assert "1 weaknesses known" in capsys.readouterr().out
    done.stdout = ""
    assert audit.main() == 1
    assert "pip-audit failed:\nFound 1" in capsys.readouterr().err


def test_every_run_of_continuous_integration_audits() -> None:
    assert "\nmake audit " in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
