"""Mirroring to an MLflow tracking server that really runs, and back: what comes back is the package, or nothing."""

from __future__ import annotations

import http.client
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from adjudge.engine import SECRET
from adjudge.errors import BundleError, InputError, NotFoundError, UnavailableError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.home import LOG_FILE
from adjudge.service.registry import package, tracking
from adjudge.service.registry.tracking import Mirrored
from adjudge.service.server import free_port
from tests.documents import ROOT
from tests.service.registry.test_moves import Desk
from tests.service.retrain.lived import Life, run

PROGRAM = ROOT / ".venv-mlflow" / "bin" / "mlflow"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a tracking server with its database and artifacts in a folder, and wait until it answers."""
    if not PROGRAM.exists():
        pytest.skip("there is no .venv-mlflow: make venv-mlflow")
    home, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [str(PROGRAM), "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{home}/runs.db", "--artifacts-destination", str(home / "artifacts")]
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environ |= {"MLFLOW_DISABLE_TELEMETRY": "true", "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    with (home / "server.log").open("w") as output:
        child = subprocess.Popen(command, env=environ, cwd=home, stdout=output, stderr=output)
        try:
            _wait(port, child, home / "server.log")
            yield f"http://127.0.0.1:{port}"
        finally:
            child.terminate()
            child.wait(30)


def _wait(port: int, child: subprocess.Popen[bytes], log: Path) -> None:
    """Ask until the server answers; it makes its database first."""
    until = time.monotonic() + 180
    while time.monotonic() < until and child.poll() is None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=2)) as asked:
            try:
                asked.request("GET", "/health")
                if asked.getresponse().status == 200:
                    return
            except OSError:
                child_waited(child)
    pytest.fail(f"the tracking server does not answer: {log.read_text()[-2000:]}")


def child_waited(child: subprocess.Popen[bytes]) -> None:
    """Give the server a moment."""
    try:
        child.wait(0.2)
    except subprocess.TimeoutExpired:
        return


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    home = tmp_path_factory.mktemp("development")
    with closing(SqliteLog(home / LOG_FILE)) as log:
        life = Life(log).live(20)
        return home, run(life, home).bundle


def mirrored(home: Path, id_: str, uri: str) -> Mirrored:
    desk, packed = Desk(home), home / "packed"
    release = desk.release(id_)
    desk.export(release.id, packed)
    return tracking.mirror(packed, uri, SECRET)


def test_a_release_is_a_run_with_its_figures_and_a_model_version(server: str, made: tuple[Path, str]) -> None:
    home, id_ = made
    first = mirrored(home, id_, server)
    assert (first.model, first.version, first.new) == ("adjudge-shop", "1", True)
    client: Any = tracking._client(server)[0]
    data = client.get_run(first.run).data
    release = Desk(home).release(id_)
    ap = release.evidence["figures"]["average_precision"]["challenger"]["value"]
    assert data.metrics["average_precision.challenger"] == pytest.approx(ap)
    assert (data.params["how"], data.params["verdict"]) == ("full", "first")
    assert {one.path for one in client.list_artifacts(first.run)} == {"card.json", "card.md", "release"}


def test_what_is_there_is_left_as_it_is(server: str, made: tuple[Path, str]) -> None:
    first, again = (mirrored(*made, server) for _ in range(2))
    assert (again.run, again.version, again.new) == (first.run, first.version, False)


def test_it_comes_back_by_run_and_by_model_and_is_taken_in(server: str, made: tuple[Path, str], tmp_path: Path) -> None:
    there = mirrored(*made, server)
    client: Any = tracking._client(server)[0]
    client.set_registered_model_alias(there.model, "champion", there.version)
    references = (f"runs:/{there.run}", f"models:/{there.model}/{there.version}", f"models:/{there.model}@champion")
    packages = {package.read(tracking.fetch(one, server, tmp_path / "a")).sha256 for one in references}
    assert len(packages) == 1
    home = tmp_path / "other"
    home.mkdir()
    with closing(SqliteLog(home / LOG_FILE)) as log:
        Life(log).live(1)
    assert Desk(home).take_in(tmp_path / "a") == made[1]


def test_what_somebody_changed_on_the_server_is_refused(server: str, made: tuple[Path, str], tmp_path: Path) -> None:
    there = mirrored(*made, server)
    client: Any = tracking._client(server)[0]
    path = tmp_path / tracking.FILE
    content = bytearray(tracking.fetch(f"runs:/{there.run}", server, path).read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    run_id = client.create_run(client.get_experiment_by_name("adjudge-shop").experiment_id).info.run_id
    client.log_artifact(run_id, str(path), tracking.FOLDER)
    with pytest.raises(BundleError):
        package.read(tracking.fetch(f"runs:/{run_id}", server, tmp_path / "changed"))


def test_what_is_not_there_is_said_so(server: str, tmp_path: Path) -> None:
    for reference in ("runs:/00000000000000000000000000000000", "models:/nothing/1", "models:/nothing@champion"):
        with pytest.raises(NotFoundError, match="holds no release"):
            tracking.fetch(reference, server, tmp_path / "a")
    with pytest.raises(InputError, match="a reference looks like"):
        tracking.fetch("nothing", server, tmp_path / "a")


def test_a_server_that_does_not_answer_is_said_so(made: tuple[Path, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(UnavailableError, match="the tracking server at"):
        mirrored(*made, f"http://127.0.0.1:{free_port()}")
