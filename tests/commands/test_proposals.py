"""Proposing and answering on the command line, each with a key of their own."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError
from adjudge.service.versions import remote
from tests.service.access.test_remote import Wire
from tests.service.versions.test_live import STRICT
from tests.service.versions.test_second import Office

URL = ["--url", "http://localhost:8000"]


class Terminal:
    """The command line of several people, at one service."""

    def __init__(self, office: Office, patch: pytest.MonkeyPatch) -> None:
        self.office = office
        self._patch = patch
        patch.setattr(
            remote, "RemoteVersions", functools.partial(remote.RemoteVersions, transport=Wire(office.service))
        )

    def __call__(self, who: str, *words: str) -> str:
        """Run a verb as somebody, and return what it prints."""
        self._patch.setenv("ADJUDGE_KEY", self.office.keys[who])
        done = CliRunner().invoke(app, [*words, *URL], catch_exceptions=False)
        assert done.exit_code == 0
        return done.stdout


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(STRICT))
    return Terminal(Office(tmp_path), monkeypatch)


def test_what_one_proposes_another_sees_and_approves(terminal: Terminal) -> None:
    rules = str(terminal.office.folder / "rules.yaml")
    said = terminal("ada", "activate", "--rules", rules, "--why", "too lenient")
    number = said.split()[-6]
    assert said == f"shop goes on as it is: proposal {number} waits for a second person\n"
    listed = terminal("bob", "proposals", "list")
    assert listed.startswith(f"{number}  open, until 2026-03-08 12:00Z  ada: too lenient\n")
    assert '"rules":' in listed
    with pytest.raises(InputError, match="403: ada has proposed this"):
        terminal("ada", "proposals", "approve", number, "--why", "me again")
    assert "is active from position" in terminal("bob", "proposals", "approve", number, "--why", "seen")
    assert f"{number}  used by bob" in terminal("ada", "proposals", "list")


def test_what_one_proposes_another_refuses(terminal: Terminal) -> None:
    number = str(terminal.office.propose())
    assert terminal("bob", "proposals", "refuse", number, "--why", "no") == f"refused proposal {number} of ada\n"
    (shown,) = json.loads(terminal("bob", "proposals", "list", "--json"))
    assert (shown["state"], shown["refused_by"]) == ("refused", "bob")
    with pytest.raises(InputError, match=f"409: proposal {number} was refused by bob"):
        terminal("carol", "proposals", "approve", number, "--why", "yes")
