"""The files to deploy from: every option, variable, path and directive in them exists."""

from __future__ import annotations

import dataclasses
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from adjudge.cli import app
from adjudge.service.settings import PREFIX, Settings
from tests.documents import ROOT

DEPLOY = ROOT / "deploy"
CLI: Any = get_command(app)
VARIABLES = {PREFIX + f.name.upper() for f in dataclasses.fields(Settings)} | {"ADJUDGE_SECRET"}


def check_command(words: list[str]) -> None:
    """Refuse a verb or an option that the command line has not."""
    verb = CLI.commands[words[0]]
    if getattr(verb, "commands", None):
        verb, words = verb.commands[words[1]], words[1:]
    known = {option for p in verb.params for option in (*p.opts, *p.secondary_opts)}
    assert {w for w in words[1:] if w.startswith("-")} <= known, words


def instructions() -> list[tuple[str, str]]:
    """Return the instructions of the Dockerfile with their lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, " ".join(rest.split())) for name, _, rest in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize("file", sorted(p for p in DEPLOY.iterdir() if p.is_file()), ids=lambda path: path.name)
def test_every_variable_is_one_that_is_read(file: Path) -> None:
    assert set(re.findall(r"\bADJUDGE_[A-Z_]*[A-Z]", file.read_text(encoding="utf-8"))) <= VARIABLES


def test_what_the_dockerfile_copies_is_there_and_let_in() -> None:
    """Nothing else of the repository goes into the image."""
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = [w for name, rest in instructions() if name == "COPY" and "--from" not in rest for w in rest.split()[:-1]]
    assert copied
    for source in copied:
        assert (ROOT / source).exists(), source
        assert f"!{source}" in allowed


def test_the_image_runs_as_nobody_in_particular_and_what_it_runs_exists() -> None:
    found = dict(instructions())
    assert found["USER"] == "adjudge"
    names = [name for name, _ in instructions()]
    assert names.index("USER") < names.index("ENTRYPOINT")
    assert yaml.safe_load(found["ENTRYPOINT"]) == ["adjudge"]
    check_command(yaml.safe_load(found["CMD"]))
    probe = yaml.safe_load(found["HEALTHCHECK"].split("CMD ")[1])
    assert probe[0] == "python"
    compile(probe[2], "healthcheck", "exec")
    assert "/healthz" in probe[2]


def test_compose_names_what_it_has() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    services, volumes = compose["services"], compose["volumes"]
    assert {"adjudge", "standby", "postgres", "prometheus"} <= set(services)
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            assert (DEPLOY / source).exists() if source.startswith(".") else source in volumes, volume
        if service["image"] == "adjudge":
            assert service["read_only"] is True
            check_command(service["command"])
            build = service["build"]
            assert (DEPLOY / build["context"]).resolve() == ROOT
            assert (ROOT / build["dockerfile"]).exists()
    ports = [p for s in services.values() for p in s.get("ports", [])]
    assert all(p.startswith("127.0.0.1:") for p in ports), "nothing is open to the network by accident"


@pytest.mark.parametrize("file", ["compose.yaml", "adjudge.service"])
def test_whoever_deploys_is_told_how_to_make_the_first_key(file: str) -> None:
    """Without one nothing starts; the command is one that exists, and makes a key that can make the others."""
    text = (DEPLOY / file).read_text(encoding="utf-8").replace("\\\n#", "")
    (told,) = re.findall(r"^#.*\badjudge +(keys create .*)$", text, re.MULTILINE)
    words = shlex.split(told)
    check_command(words)
    assert "manage" in words[words.index("--scopes") + 1].split(",")
    assert "--why" in words


def test_prometheus_asks_services_of_the_compose_file() -> None:
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"]
    targets = [t for job in config["scrape_configs"] for s in job["static_configs"] for t in s["targets"]]
    assert targets
    assert all(t.split(":")[0] in services for t in targets)
    for name in {t.split(":")[0] for t in targets}:  # it sends no key
        assert services[name]["environment"]["ADJUDGE_PUBLIC"] == "metrics"


def test_the_unit_runs_a_command_that_exists_and_is_hardened() -> None:
    text = (DEPLOY / "adjudge.service").read_text(encoding="utf-8")
    (started,) = re.findall(r"^ExecStart=(.*)$", text, re.MULTILINE)
    program, *words = shlex.split(started)
    assert program.endswith("/bin/adjudge")
    check_command(words)
    for line in ("NoNewPrivileges=yes", "ProtectSystem=strict", "DynamicUser=yes", "CapabilityBoundingSet="):
        assert f"\n{line}\n" in text


def test_systemd_knows_every_directive(tmp_path: Path) -> None:
    """Asked of systemd itself, with a program that is there in place of ours."""
    verify = shutil.which("systemd-analyze")
    if verify is None:
        return  # what can be checked without it is checked above
    text = (DEPLOY / "adjudge.service").read_text(encoding="utf-8")
    unit = tmp_path / "adjudge.service"
    unit.write_text(text.replace("/opt/adjudge/bin/adjudge", shutil.which("true") or "/bin/true"))
    done = subprocess.run([verify, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
