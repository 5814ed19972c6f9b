"""The real server: a process, a port, a load, and a replay of what it decided."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import httpx
import msgspec
import pytest

from adjudge.errors import InputError, UnavailableError
from adjudge.log import MemoryLog
from adjudge.service import load
from adjudge.service.app import CommitPage
from adjudge.service.replay import replay
from adjudge.service.server import claim, free_port, python, running, wait_ready
from tests.service.shop import as_json, many_purchases, purchase, shop


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Start the shop's service once."""
    port = free_port()
    with running(python("tests.service.serving", str(port)), port=port):
        yield f"http://127.0.0.1:{port}"


def test_it_answers(address: str) -> None:
    """Decisions, problems and pages, over a real connection."""
    now = datetime.now(UTC)
    with httpx.Client(base_url=address, timeout=30) as client:
        assert client.post("/v1/decide", json=purchase("one", now)).json()["id"] == "pone"
        assert client.post("/v1/decide", json=purchase("one", now)).json()["repeated"] is True
        many = client.post("/v1/decide/many", json=[purchase("two", now), {"purchase_id": 3}])
        assert (many.status_code, many.headers["content-type"]) == (207, "application/problem+json")
        assert client.get("/docs").status_code == 200
        assert client.get("/openapi.json").json()["info"]["title"] == "adjudge"
        assert client.get("/v1/decisions/" + quote("pone")).json()["decision"]["id"] == "pone"
        assert client.request("DELETE", "/v1/decide").status_code == 405
        assert client.get("/healthz").headers["server"] == "adjudge"
        assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 421


def test_a_port_is_not_shared(address: str) -> None:
    """Two services would each see half of the events."""
    port = int(address.rsplit(":", 1)[1])
    with pytest.raises(InputError, match=f"port {port} of localhost is in use"):
        claim("localhost", port)
    assert claim("127.0.0.1", free_port()) == "127.0.0.1"


@pytest.mark.parametrize("host", ["", "300.1.1.1", "192.0.2.1"])
def test_a_host_must_be_one_of_this_machine(host: str) -> None:
    with pytest.raises(InputError) as caught:
        claim(host, free_port())
    assert caught.value.field == "host"


def test_a_body_that_ends_early_disturbs_nobody(address: str) -> None:
    """Cut off, or in broken pieces; the next request is served."""
    host, port = address[7:].rsplit(":", 1)
    head = b"POST /v1/decide HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    for rest in (b"5\r\n{", b"zz\r\n{\r\n"):
        with socket.create_connection((host, int(port))) as line:
            line.settimeout(5)
            line.sendall(head + rest)
            line.shutdown(socket.SHUT_WR)
            assert b" 500 " not in line.recv(1000)
    assert httpx.get(address + "/readyz").status_code == 200


def test_bodies_in_pieces_and_too_large_ones(address: str) -> None:
    """A body may come in chunks; one beyond the limit is refused, and the service goes on."""
    whole = as_json(purchase("chunks", datetime.now(UTC)))
    with httpx.Client(base_url=address, timeout=30) as client:
        headers = {"content-type": "application/json"}
        answer = client.post("/v1/decide", content=iter([whole[:10], whole[10:]]), headers=headers)
        assert answer.json()["id"] == "pchunks"
        assert client.post("/v1/decide", content=b" " * 100_001, headers=headers).status_code == 413
        assert client.post("/v1/labels", content=b" " * 100_001, headers=headers).status_code == 413
        assert client.post("/v1/decide", content=b" " * 350_000, headers=headers).status_code == 413
        pieces = iter([b" " * 50_000] * 3)
        assert client.post("/v1/decide", content=pieces, headers=headers).status_code == 413
        assert client.get("/readyz").status_code == 200


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/labels"])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_is_sent(address: str, path: str) -> None:
    """Whoever waits with the body, as ``Expect: 100-continue`` asks for, never has to send it."""
    host, _, port = address.removeprefix("http://").partition(":")
    head = (
        f"POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100001\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as line:
        line.sendall(f"{head}content-length: 100001\r\n\r\n".encode())
        assert line.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize("data", [b"GARBAGE\r\n\r\n", b"POST /v1/decide HTTP/1.1\r\n", b"\x16\x03\x01\x02\x00"])
def test_what_is_not_http_disturbs_nobody(address: str, data: bytes) -> None:
    """The connection ends, the service goes on."""
    host, _, port = address.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1000):
            pass
    assert httpx.get(f"{address}/readyz").status_code == 200


def test_a_load_from_many_connections_replays_to_the_same_bits(address: str, tmp_path: Path) -> None:
    """The generator counts what it sent, and the service's own log, folded again, has not one bit changed."""
    before = httpx.get(f"{address}/metrics").text.count("\n")
    rows = many_purchases(600, at=datetime.now(UTC), step_s=-0.5)
    bodies = tmp_path / "bodies.jsonl"
    bodies.write_bytes(b"\n".join(map(as_json, rows)) + b"\n")
    command = python("adjudge.service.load", f"{address}/v1/decide", str(bodies), "--rate", "600", "--progress")
    done = subprocess.run(command, capture_output=True, check=True, timeout=60)
    report = msgspec.json.decode(done.stdout, type=load.Report)
    assert (report.sent, report.failed, report.statuses) == (600, 0, {200: 600})
    assert 0 < report.p50_ms <= report.p99_ms <= report.p999_ms <= report.max_ms < 10_000
    assert report.seconds >= 599 / 600
    assert b" of 600" in done.stderr
    assert before

    copy, start = MemoryLog(), 0
    with httpx.Client(base_url=address, timeout=30) as client:
        while start is not None:
            page = msgspec.json.decode(client.get(f"/v1/log/commits?start={start}&limit=500").content, type=CommitPage)
            for commit in page.commits:
                copy.append(commit)
            start = page.next  # type: ignore[assignment]
    found = replay([shop()], copy)
    assert found.events >= 600
    assert found.differences == []


def test_refusals_are_counted_as_failures(address: str) -> None:
    """A load of bad bodies fails, every one."""
    report = load.send(f"{address}/v1/decide", [b"{}"] * 20, 400)
    assert (report.failed, report.statuses) == (20, {422: 20})


def test_lost_connections_are_counted_and_made_again() -> None:
    """A server that answers one request and hangs up on the next loses none of the count."""
    script = """
import socket
listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen(50)
print(listener.getsockname()[1], flush=True)
while True:
    connection, _ = listener.accept()
    if connection.recv(10_000):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\n{}")
    connection.recv(10_000)
    connection.close()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        report = load.send(f"http://127.0.0.1:{port}/", [b"{}"] * 9, 300, connections=1)
        server.kill()
    assert report.sent == 9
    assert report.statuses[200] + report.statuses[load.LOST] == 9
    assert report.failed == report.statuses[load.LOST] >= 3


def test_a_load_on_nothing_is_one_clear_error() -> None:
    """And so is an address that is none, or a load without requests."""
    with pytest.raises(UnavailableError, match="nothing can be sent"):
        load.send(f"http://127.0.0.1:{free_port()}/", [b"{}"], 1)
    with pytest.raises(InputError, match="must look like"):
        load.send("ftp://shop", [b"{}"], 1)
    with pytest.raises(InputError, match="at least one body"):
        load.send("http://shop", [], 1)


def test_a_service_that_ends_early_is_not_waited_for() -> None:
    """Its exit code is told at once."""
    command = [sys.executable, "-c", "raise SystemExit(3)"]
    with pytest.raises(UnavailableError, match="exit code 3"), running(command, port=free_port()):
        pass
    with pytest.raises(UnavailableError, match=r"not ready within 0\.1 s"):
        wait_ready(free_port(), timeout_s=0.1)


def test_it_finishes_and_ends_when_told(address: str) -> None:
    """SIGTERM ends the process with code 0."""
    port = free_port()
    with running(python("tests.service.serving", str(port)), port=port) as child:
        answer = httpx.post(f"http://127.0.0.1:{port}/v1/decide", json=purchase(1, datetime.now(UTC)))
        assert json.loads(answer.content)["id"] == "p1"
        child.terminate()
        assert child.wait(10) == 0
