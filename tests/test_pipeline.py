"""The Jenkinsfile: every verb and option in it exists, and its shell steps, one after another, do what it promises."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from adjudge.log.sqlite import SqliteLog
from adjudge.service.home import LOG_FILE
from adjudge.service.registry.desk import open_desk
from adjudge.service.settings import Settings
from tests.documents import ROOT
from tests.service.retrain.lived import Life
from tests.test_deploy import check_command

FILE = ROOT / "deploy" / "ci" / "Jenkinsfile"

SECRETS = {"DEVELOPMENT": "11" * 16, "STAGING": "22" * 16, "PRODUCTION": "33" * 16}


def steps() -> list[str]:
    """Return the shell steps, in order."""
    return re.findall(r"sh '''\n(.*?)'''", FILE.read_text(encoding="utf-8"), re.DOTALL)


def lines() -> list[str]:
    return [line.strip() for step in steps() for line in step.splitlines() if line.strip()]


def commands() -> list[list[str]]:
    return [shlex.split(line.partition(" > ")[0]) for line in lines() if not line.startswith("RELEASE=")]


def test_every_verb_and_option_exists() -> None:
    found = commands()
    assert len(found) == 11
    for program, *words in found:
        assert program == "adjudge"
        check_command(words)


def test_every_step_moves_the_release_that_this_run_has_made() -> None:
    """Another retrain may register another one between two steps, so none of them asks for the latest."""
    (said,) = {line for line in lines() if line.startswith("RELEASE=")}
    assert "retrained.json" in said
    assert [step.count(said) for step in steps()] == [1, 1, 1]
    assert not [words for words in commands() if "latest" in words]
    assert sum("$RELEASE" in words for words in commands()) == 7


def test_every_variable_is_a_parameter_or_one_of_jenkins() -> None:
    text = FILE.read_text(encoding="utf-8")
    given = set(re.findall(r"name: '([A-Z]+)'", text)) | {"BUILD_TAG", "APPROVER", "RELEASE"}
    used = {name for step in steps() for name in re.findall(r"\$([A-Z_]+)", step)}
    assert used == given
    assert text.count("{") == text.count("}")
    assert text.count("env.APPROVER = input(") == 2


@pytest.mark.slow
def test_the_steps_bring_a_bundle_from_development_to_production(tmp_path: Path) -> None:
    """Each environment has a secret of its own, and its log says who approved."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    (bin_ / "adjudge").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m adjudge "$@"\n')
    (bin_ / "adjudge").chmod(0o755)
    key = Ed25519PrivateKey.generate()
    signing, trusted = tmp_path / "signing.pem", tmp_path / "signing.pub"
    signing.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    trusted.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    homes = {name: tmp_path / name.lower() for name in SECRETS}
    for name, home in homes.items():
        home.mkdir()
        with closing(SqliteLog(home / LOG_FILE)) as log:
            Life(log, secret=bytes.fromhex(SECRETS[name])).live(25 if name == "DEVELOPMENT" else 1)
    environ = {
        **os.environ,
        **{name: str(home) for name, home in homes.items()},
        "PATH": f"{bin_}:{os.environ['PATH']}",
        "SIGNING": str(signing),
        "TRUSTED": str(trusted),
        "BUILD_TAG": "jenkins-adjudge-1",
    }
    for step, name, approver in zip(steps(), SECRETS, ("", "ada", "bob"), strict=True):
        given = environ | {"ADJUDGE_SECRET": SECRETS[name], "APPROVER": approver}
        done = subprocess.run(
            ["sh", "-ex", "-c", step], env=given, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "card.md").read_text(encoding="utf-8").startswith("# Model card: shop, full")
    production = Settings(workspace=str(homes["PRODUCTION"]))
    with open_desk(production, bytes.fromhex(SECRETS["PRODUCTION"])) as desk:
        (release,) = desk.releases().releases
    assert [(one.environment, one.who) for one in release.approvals] == [("production", "bob")]
    assert [(one.environment, one.who) for one in release.history] == [("staging", "ada")]
    assert [one.environment for one in release.stages] == ["staging", "production"]
