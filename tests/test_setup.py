"""Setting up says in one sentence what is missing, and does nothing twice."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documents import ROOT

OLD = """\
case "$*" in *version_info*) exit 1;; --version) echo "Python 3.9.2";; esac
"""

WITHOUT_VENV = """\
case "$*" in *ensurepip*) exit 1;; --version) echo "Python 3.11.2";; esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a folder with what setting up reads, and nothing installed."""
    folder = tmp_path / "clone"
    shutil.copytree(ROOT / "tools", folder / "tools", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, folder)
    return folder


def program(folder: Path, name: str, text: str) -> Path:
    """Write a shell script and return its path."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{text}", encoding="utf-8")
    path.chmod(0o755)
    return path


def setup(clone: Path, script: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a script of the clone."""
    command = ["sh", str(clone / "tools" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": os.environ["PATH"], **environ})


@pytest.mark.parametrize(
    ("text", "said"),
    [(OLD, "Python 3.11 or newer is needed"), (WITHOUT_VENV, "lacks the venv module"), (None, "there is no")],
)
def test_a_python_that_will_not_do_is_one_clear_sentence(
    clone: Path, tmp_path: Path, text: str | None, said: str
) -> None:
    python = program(tmp_path / "bin", "python3", text) if text is not None else tmp_path / "nowhere" / "python3"
    result = setup(clone, "venv.sh", "base", PYTHON=str(python))
    assert result.returncode == 1
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert said in result.stderr
    assert not (clone / ".venv").exists()


def test_a_complete_environment_is_left_alone(clone: Path) -> None:
    """The stamp of `all` stands for every part; a changed constraint makes it void."""
    bin_ = clone / ".venv" / "bin"
    bin_.mkdir(parents=True)
    calls = clone / "calls"
    program(
        bin_, "python", f'case "$*" in *"pip install"*) echo "$@" >>{calls};; --version) echo "Python 3.11.2";; esac\n'
    )
    for _ in range(2):
        assert setup(clone, "venv.sh", "all").returncode == 0
    assert setup(clone, "venv.sh", "base").stdout == ""
    assert len(calls.read_text().splitlines()) == 1
    with (clone / "constraints.txt").open("a", encoding="utf-8") as constraints:
        constraints.write("another==1.0\n")
    said = setup(clone, "venv.sh", "base").stdout
    assert "pip downloads what running needs" in said
    assert len(calls.read_text().splitlines()) == 2


def test_services_that_cannot_be_installed_are_listed_with_their_reason(clone: Path, tmp_path: Path) -> None:
    bin_ = tmp_path / "bin"
    program(bin_, "id", "echo 1000\n")
    for name in ("sh", "dirname"):
        found = shutil.which(name)
        assert found is not None
        (bin_ / name).symlink_to(found)
    result = setup(clone, "services.sh", PATH=str(bin_))
    assert result.returncode == 0
    assert "redis-server is not here; it is needed by the benchmark http" in result.stdout
    assert "skipped installing redis-server wrk" in result.stdout
    assert ": not root" in result.stdout


def test_every_pin_is_exact_and_no_index_is_named() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(line.count("==") == 1 and "/" not in line and " " not in line for line in pins)
    assert "torch==2.13.0" in pins
