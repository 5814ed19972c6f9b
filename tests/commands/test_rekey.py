"""Replacing the secret from the command line: what it leaves is served, replayed and explained with the new one."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adjudge.cli import app
from adjudge.engine import SECRET
from adjudge.errors import AdjudgeError, DefinitionError, InputError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.activation import fingerprint
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.home import LOG_FILE
from adjudge.service.run import plan_of

NEW = bytes([7]) * 16


def decided(folder: Path, *ids: str) -> list[bool]:
    """Decide payments in a workspace and return which of them it knew."""
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        plan = plan_of("payments")
        follower = Follower([plan], log, folder / "snapshots", say=lambda text: None)
        decider = Decider([plan], log, follower=follower)
        at = datetime(2026, 1, 2, 12, tzinfo=UTC).isoformat()
        rows = [{"payment_id": i, "at": at, "user": "ada", "merchant": "m1", "amount": "12.50"} for i in ids]
        return [v.repeated for v in decider.decide("payment", decider.workspace.door("payment").rows(rows).events)]


def run(*arguments: str, **environ: str) -> Result:
    """Run a verb; what is wrong is raised."""
    return CliRunner(env={"COLUMNS": "100", **environ}).invoke(app, arguments, catch_exceptions=False)


def rekey(folder: Path, *more: str, **environ: str) -> Result:
    """Replace the secret."""
    return run("rekey", "-w", str(folder), "--who", "officer", "--why", "yearly", *more, **environ)


def test_a_secret_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By one in a file; the log goes on with it, and replay of what was before needs the old one."""
    assert decided(tmp_path, "p1", "p2") == [False, False]
    (tmp_path / "secret").write_text(NEW.hex() + "\n")
    told = rekey(tmp_path, "--new-secret", str(tmp_path / "secret"))
    assert (
        f"fingerprint {fingerprint(SECRET)} was replaced by the one with fingerprint {fingerprint(NEW)}" in told.stdout
    )
    assert NEW.hex() not in told.output
    with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(NEW)}, not {fingerprint(SECRET)}"):
        decided(tmp_path, "p3")
    monkeypatch.setenv("ADJUDGE_SECRET", NEW.hex())
    assert decided(tmp_path, "p1", "p3") == [True, False]
    with pytest.raises(DefinitionError, match=f"fingerprint is {fingerprint(SECRET)}"):
        run("replay", "-w", str(tmp_path))
    whole = run("replay", "-w", str(tmp_path), "--json", ADJUDGE_EARLIER_SECRETS=f"{'05' * 16}, {SECRET.hex()}")
    assert (json.loads(whole.stdout)["events"], json.loads(whole.stdout)["equal"]) == (3, True)
    assert "nothing was computed again" in run("explain", "p1", "-w", str(tmp_path)).stdout
    known = run("explain", "p1", "-w", str(tmp_path), ADJUDGE_EARLIER_SECRETS=SECRET.hex())
    assert "every bit is the same" in known.stdout
    assert "every bit is the same" in run("explain", "p3", "-w", str(tmp_path)).stdout


def test_a_secret_in_the_environment_will_do(tmp_path: Path) -> None:
    """One in a file comes first."""
    decided(tmp_path, "p1")
    assert fingerprint(NEW) in rekey(tmp_path, ADJUDGE_NEW_SECRET=NEW.hex()).stdout


@pytest.mark.parametrize(
    ("environ", "error", "words"),
    [
        ({}, InputError, "give the new secret in a file"),
        ({"ADJUDGE_NEW_SECRET": "1234"}, InputError, "ADJUDGE_NEW_SECRET must be 32 hexadecimal digits"),
        ({"ADJUDGE_NEW_SECRET": SECRET.hex()}, InputError, "hashed with before"),
        ({"ADJUDGE_NEW_SECRET": NEW.hex(), "ADJUDGE_SECRET": "11" * 16}, DefinitionError, fingerprint(SECRET)),
    ],
)
def test_what_is_wrong_leaves_the_log_alone(
    tmp_path: Path, environ: dict[str, str], error: type[AdjudgeError], words: str
) -> None:
    """Each in one sentence."""
    decided(tmp_path, "p1")
    with pytest.raises(error, match=words):
        rekey(tmp_path, **environ)
    assert decided(tmp_path, "p1") == [True]


def test_a_workspace_that_is_served_keeps_its_secret(tmp_path: Path) -> None:
    """The service has to be ended first."""
    decided(tmp_path, "p1")
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        Decider([plan_of("payments")], log)
        with pytest.raises(UnavailableError, match="decides on this log"):
            rekey(tmp_path, ADJUDGE_NEW_SECRET=NEW.hex())


def test_a_workspace_is_missed_before_a_secret_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no workspace in"):
        run("rekey", "--who", "officer", "--why", "x", "-w", str(tmp_path / "nosuch"))
