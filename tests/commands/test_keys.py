"""Keys on the command line, in a workspace that no service runs on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from adjudge.cli import app
from adjudge.errors import AdjudgeError, InputError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.offline import open_desk
from adjudge.service.settings import Settings


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return tmp_path / "w"


def keys(workspace: Path, *arguments: str) -> Result:
    """Run a verb; what is wrong with the input is raised."""
    return CliRunner().invoke(app, ["keys", *arguments, "--workspace", str(workspace)], catch_exceptions=False)


def make(workspace: Path, *more: str) -> str:
    """Make a key and return it."""
    common = ("--owner", "shop", "--scopes", "decide, label", "--why", "trying")
    return keys(workspace, "create", *common, *more).stdout.strip()


def test_a_key_is_made_listed_rotated_and_revoked(workspace: Path) -> None:
    """Standard output has the secret alone, and nothing else ever shows it."""
    first = make(workspace, "--days", "90")
    assert first.startswith("adj_")
    (listed,) = json.loads(keys(workspace, "list", "--json").stdout)
    assert (listed["owner"], listed["scopes"], listed["state"]) == ("shop", ["decide", "label"], "active")
    assert listed["id"] == first.split("_")[1]
    rotated = json.loads(keys(workspace, "rotate", listed["id"], "--why", "time", "--json").stdout)
    assert rotated["key"]["id"] == listed["id"]
    assert rotated["key"]["old_until"] is not None
    assert rotated["secret"] != first
    assert "revoked key" in keys(workspace, "revoke", listed["id"], "--why", "lost").stdout
    table = keys(workspace, "list").stdout
    assert "revoked" in table
    assert first[-64:] not in table
    log = (workspace / "log.sqlite").read_bytes()
    assert first[-64:].encode() not in log
    assert rotated["secret"][-64:].encode() not in log


def test_a_key_says_on_standard_error_what_it_is(workspace: Path) -> None:
    done = keys(workspace, "create", "--owner", "shop", "--scopes", "audit", "--why", "x", "--who", "ada")
    assert "of shop may audit, until it is revoked" in done.stderr
    assert done.stdout.strip() not in done.stderr


def test_only_making_a_key_makes_a_workspace(workspace: Path) -> None:
    for arguments in (["list"], ["rotate", "x", "--why", "y"], ["revoke", "x", "--why", "y"]):
        with pytest.raises(InputError, match="there is no workspace in"):
            keys(workspace, *arguments)
    assert not workspace.exists()


def test_while_a_service_decides_keys_can_be_listed_and_not_changed(workspace: Path) -> None:
    make(workspace)
    log = SqliteLog(workspace / "log.sqlite")
    assert log.acquire("the service", now_us=0, ttl_us=10**18) is not None
    assert len(json.loads(keys(workspace, "list", "--json").stdout)) == 1
    with pytest.raises(UnavailableError, match="the service decides on this log"):
        make(workspace)
    log.close()
    make(workspace)


def test_a_log_in_memory_keeps_no_keys() -> None:
    with pytest.raises(InputError, match="keeps no keys"), open_desk(Settings(log="memory"), "ada"):
        pass


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["create", "--owner", "shop", "--scopes", "decidd", "--why", "x"], "did you mean 'decide'"),
        (["create", "--owner", "shop", "--scopes", "decide", "--why", ""], "needs why"),
        (["create", "--owner", "", "--scopes", "decide", "--why", "x"], "needs an owner"),
    ],
)
def test_a_mistake_is_named(workspace: Path, arguments: list[str], said: str) -> None:
    with pytest.raises(AdjudgeError, match=said):
        keys(workspace, *arguments)
