"""The service over HTTP: what each route answers, and what is said to bad requests."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx
import msgspec
import pytest

from adjudge.log import MemoryLog
from adjudge.service.app import CommitPage, Service
from adjudge.service.replay import replay
from adjudge.service.settings import Settings
from tests.service.shop import START, Shop, as_json, many_purchases, purchase, shop
from tests.service.test_decode import MALFORMED


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


class Client:
    """A service and somebody who talks to it, without a network between."""

    def __init__(self, desk: Shop, settings: Settings | None = None) -> None:
        self.desk = desk
        self.service = Service(desk.decider, replace(settings or Settings(), auth="off"))

    def __call__(self, method: str, path: str, content: Any = None, **more: Any) -> httpx.Response:
        """Send one request."""
        return self.together((method, path, content, more))[0]

    def together(self, *requests: tuple[str, str, Any, dict[str, Any]]) -> list[httpx.Response]:
        """Send several requests at once."""

        async def all_of_them() -> list[httpx.Response]:
            transport = httpx.ASGITransport(self.service, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
                return list(await asyncio.gather(*(one(client, *request) for request in requests)))

        async def one(
            client: httpx.AsyncClient, method: str, path: str, content: Any, more: dict[str, Any]
        ) -> httpx.Response:
            if content is not None:
                body = content if isinstance(content, bytes) else as_json(content)
                more = {"content": body, "headers": {"content-type": "application/json"}} | more
            return await client.request(method, path, **more)

        return asyncio.run(all_of_them())

    def post(self, path: str, content: Any, **more: Any) -> httpx.Response:
        """Send one POST."""
        return self("POST", path, content, **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Send one GET."""
        return self("GET", path, **more)


@pytest.fixture
def client(plan: Any) -> Client:
    """Return a fresh service of the shop."""
    return Client(Shop(plan))


def test_one_decision(client: Client) -> None:
    """The answer has everything; asked for, the features too; asked again, it says so."""
    answer = client.post("/v1/decide", purchase(1, card="stolen"))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    told = answer.json()
    expected = "id system seq decision score probability reason reasons rules method degraded families"
    assert list(told) == [*expected.split(), "versions", "latency_ms"]
    assert told["decision"] == "block"
    again = client.post("/v1/decide?features=true", purchase(1, card="stolen")).json()
    features = again.pop("features")
    assert again == told | {"repeated": True}
    assert features["user_count_1h"] == 0
    assert features["user_place_speed_kmh"] is None
    assert "method" not in features  # text inside is a hash, which means nothing outside


def test_many_decisions(client: Client) -> None:
    """In their order, seeing each other."""
    answer = client.post("/v1/decide/many", [purchase(i) for i in range(5)])
    assert answer.status_code == 200
    decisions = answer.json()["decisions"]
    assert [d["id"] for d in decisions] == ["p0", "p1", "p2", "p3", "p4"]
    assert [d["decision"] for d in decisions] == ["approve", "approve", "approve", "review", "review"]
    assert client.post("/v1/decide/many", []).json() == {"decisions": []}


def test_good_rows_of_a_batch_are_decided_beside_bad_ones(client: Client) -> None:
    """Each bad row is named with its field, and nothing of it is logged."""
    client.post("/v1/decide", purchase(0))
    rows = [
        purchase(1),
        purchase(2, amount="-1"),
        purchase(3, at=START + timedelta(hours=1)),
        {"purchase_id": "p4"},
        purchase(0, amount="3"),
        purchase(6, at=START - timedelta(days=30)),
        purchase(7),
        "no purchase",
    ]
    answer = client.post("/v1/decide/many", rows)
    assert answer.status_code == 207
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert {(e["row"], e.get("field", ""), e["code"]) for e in told["errors"]} == {
        (1, "amount", "out_of_range"),
        (2, "at", "in_future"),
        (3, "at", "missing_field"),
        (3, "user", "missing_field"),
        (3, "amount", "missing_field"),
        (3, "method", "missing_field"),
        (4, "purchase_id", "conflict"),
        (5, "at", "too_late"),
        (7, "", "wrong_type"),
    }
    assert [d and d["id"] for d in told["decisions"]] == ["p1", None, None, None, None, None, "p7", None]
    assert len(client.desk.decider.log) == 4
    worse = client.post("/v1/decide/many", rows[1:2])
    assert worse.status_code == 422
    assert worse.json()["decisions"] == [None]


REFUSED: dict[str, tuple[Any, int, str]] = {
    "missing field": ({"purchase_id": "p1"}, 422, "missing_field"),
    "wrong type": (purchase(1, user=7), 422, "wrong_type"),
    "naive time": (purchase(1) | {"at": "2026-03-01T12:00:00"}, 422, "naive_time"),
    "future": (purchase(1, START + timedelta(minutes=6)), 422, "in_future"),
    "array": ([purchase(1)], 422, "wrong_type"),
    "NaN": (as_json(purchase(1)).replace(b'"10.00"', b"NaN"), 422, "not_finite"),
    "infinity": (as_json(purchase(1)).replace(b'"10.00"', b"-Infinity"), 422, "not_finite"),
    "long id": (purchase("x" * 300), 422, "too_long"),
    "not JSON": (b'{"purchase_id": ', 400, "malformed"),
    "not text": (b"\xff\xfe\x00", 400, "malformed"),
}


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/score"])
@pytest.mark.parametrize(("content", "status", "code"), REFUSED.values(), ids=REFUSED.keys())
def test_a_bad_event_is_a_problem(client: Client, path: str, content: Any, status: int, code: str) -> None:
    """Problem document, field named, nothing appended, and the service goes on."""
    answer = client.post(path, content)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["status"], told["errors"][0]["code"]) == (status, code)
    assert told["type"].startswith("urn:adjudge:problem:")
    assert len(client.desk.decider.log) == 1
    assert client.post("/v1/decide", purchase(1)).status_code == 200


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/decide/many", "/v1/labels", "/v1/events/login"])
@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_bodies_are_problems(client: Client, path: str, content: bytes) -> None:
    """Whatever the bytes and the route."""
    answer = client.post(path, content)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"]
    assert len(client.desk.decider.log) == 1


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/decide/many", "/v1/score", "/v1/labels", "/v1/events/login"])
def test_limits_of_a_body(plan: Any, path: str) -> None:
    """Too large, declared or not; compressed; or not JSON by its own word."""
    client = Client(Shop(plan), Settings(max_body_bytes=1000))

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b" " * 100

    assert client.post(path, b" " * 1001).status_code == 413
    headers = {"content-type": "application/json"}
    assert client.together(("POST", path, None, {"content": pieces(), "headers": headers}))[0].status_code == 413
    assert client.post(path, b"{}", headers={"content-type": "text/plain"}).status_code == 415
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert client.post(path, b"{}", headers=headers).status_code == 415
    assert client.post(path, b"{}").status_code == 422


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/labels"])
@pytest.mark.parametrize(("declared", "status"), [("1001", 413), ("1000", 422), ("\xb2", 422), ("", 422)])
def test_a_length_is_judged_before_the_body_is_read(plan: Any, path: str, declared: str, status: int) -> None:
    """Of a body that declares too much not one piece is taken; what is no number decides nothing."""
    client = Client(Shop(plan), Settings(max_body_bytes=1000))
    taken: list[bytes] = []

    async def pieces() -> AsyncIterator[bytes]:
        taken.append(b"{}")
        yield b"{}"

    headers = [(b"content-type", b"application/json"), (b"content-length", declared.encode("latin-1"))]
    (answer,) = client.together(("POST", path, None, {"content": pieces(), "headers": headers}))
    assert (answer.status_code, bool(taken)) == (status, status != 413)
    assert (answer.headers.get("connection") == "close") == (status == 413)


def test_limit_of_rows(plan: Any) -> None:
    """A batch may not be longer than the settings say."""
    client = Client(Shop(plan), Settings(max_rows=3))
    assert client.post("/v1/decide/many", [purchase(i) for i in range(3)]).status_code == 200
    assert client.post("/v1/decide/many", [purchase(i) for i in range(4)]).status_code == 413
    assert client.post("/v1/labels", [{"id": "p1", "value": True}] * 4).status_code == 413


def test_long_batches_are_cut_and_answered_whole(plan: Any) -> None:
    """Others get their turn between the pieces; the answer is one."""
    client = Client(Shop(plan), Settings(max_batch=4))
    answer = client.post("/v1/decide/many", [purchase(i) for i in range(11)])
    assert [d["seq"] for d in answer.json()["decisions"]] == list(range(1, 12))
    assert client.service.batcher.sizes == {4: 2, 3: 1}


def test_too_much_waiting_is_answered_with_429(plan: Any) -> None:
    """With the time after which to try again; what was taken is decided."""
    client = Client(Shop(plan), Settings(max_waiting=2, retry_after_s=3))
    answers = client.together(*[("POST", "/v1/decide", purchase(i), {}) for i in range(4)])
    assert sorted(a.status_code for a in answers) == [200, 200, 429, 429]
    refused = next(a for a in answers if a.status_code == 429)
    assert refused.headers["retry-after"] == "3"
    assert refused.json()["type"] == "urn:adjudge:problem:overloaded"


def test_a_batch_that_can_never_wait_is_too_large_instead_of_told_to_come_again(plan: Any) -> None:
    client = Client(Shop(plan), Settings(max_waiting=2))
    assert client.post("/v1/decide/many", [purchase(i) for i in range(3)]).status_code == 413
    assert client.post("/v1/decide/many", [purchase(i) for i in range(2)]).status_code == 200
    assert client.service.batcher.waiting == 0


def test_labels_of_events_that_never_come_are_bounded(plan: Any) -> None:
    """What would wait beyond the bound is refused; room is made by the event, and known events need none."""
    client = Client(Shop(plan), Settings(max_waiting_labels=2, retry_after_s=3))
    labels = [{"id": f"p{i}", "value": True} for i in range(4)]
    first = client.post("/v1/labels", labels[:3])
    assert first.status_code == 207
    assert [r and r["status"] for r in first.json()["results"]] == ["waiting", "waiting", None]
    for content in (labels[2], labels[2:]):
        refused = client.post("/v1/labels", content)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
        assert {e["code"] for e in refused.json()["errors"]} == {"too_many_waiting"}
    client.post("/v1/decide", purchase(0))
    assert client.desk.decider.workspace.waiting == 1
    assert client.post("/v1/retractions", {"id": "p0"}).json()["results"][0]["status"] == "set"
    assert client.post("/v1/labels", labels[2]).json()["results"][0]["status"] == "waiting"


def test_requests_that_come_together_are_decided_together(client: Client) -> None:
    """One step for all, and each gets its own answer."""
    answers = client.together(*[("POST", "/v1/decide", purchase(i, user=f"u{i}"), {}) for i in range(6)])
    assert [a.json()["id"] for a in answers] == [f"p{i}" for i in range(6)]
    assert client.service.batcher.sizes == {6: 1}


def test_scores_and_decisions_that_come_together_keep_their_order(client: Client) -> None:
    """A score between two decisions sees the first and not the second."""
    first, score, second = client.together(
        ("POST", "/v1/decide", purchase(1), {}),
        ("POST", "/v1/score?features=true", purchase(2), {}),
        ("POST", "/v1/decide?features=true", purchase(3), {}),
    )
    assert score.json()["features"]["user_count_1h"] == 1
    assert second.json()["features"]["user_count_1h"] == 1
    assert (first.json()["seq"], score.json()["seq"], second.json()["seq"]) == (1, 2, 2)


def test_a_score_appends_nothing(client: Client) -> None:
    """One or many, and the same id may be decided afterwards."""
    answer = client.post("/v1/score", purchase(1))
    assert answer.status_code == 200
    assert client.post("/v1/score/many", [purchase(1), purchase(1)]).status_code == 200
    assert len(client.desk.decider.log) == 1
    assert client.post("/v1/decide", purchase(1)).json()["score"] == answer.json()["score"]


def test_labels_outcomes_and_retractions(client: Client) -> None:
    """One or many, before or after the event, with rows that are wrong."""
    client.post("/v1/decide/many", [purchase(1), purchase(2)])
    assert client.post("/v1/labels", {"id": "p1", "value": True}).json() == {"results": [{"id": "p1", "status": "set"}]}
    told = client.post(
        "/v1/labels",
        [
            {"id": "p1", "label": "fraud", "value": True},
            {"id": "p2", "label": "frod", "value": True},
            {"id": "p9", "stream": "purchase", "value": False},
            {"id": "p2"},
        ],
    )
    assert told.status_code == 207
    assert [r and r["status"] for r in told.json()["results"]] == ["unchanged", None, "waiting", None]
    assert [(e["row"], e["code"]) for e in told.json()["errors"]] == [
        (1, "unknown_label"),
        (3, "missing_field"),
    ]
    assert client.post("/v1/outcomes", {"id": "p1", "outcome": "declined", "value": True}).status_code == 200
    assert client.post("/v1/outcomes", {"id": "p1", "outcome": "won", "value": True}).status_code == 422
    assert client.post("/v1/labels", {"id": "p1", "stream": "nowhere", "value": True}).status_code == 404
    assert client.post("/v1/retractions", {"id": "p2"}).json()["results"][0]["status"] == "set"
    stored = client.get("/v1/decisions/p1").json()
    assert stored["labels"] == {"fraud": True, "declined": True}
    assert client.get("/v1/decisions/p2").json()["retracted"] is True


def test_events_of_other_streams(client: Client) -> None:
    """Kept, counted, and told when they repeat; the decided stream has its own address."""
    login = {"login_id": "l1", "at": START.isoformat(), "user": "u1"}
    assert client.post("/v1/events/login", login).json()["results"] == [{"id": "l1", "status": "accepted", "seq": 1}]
    told = client.post("/v1/events/login", [login, login | {"user": "u2"}, login | {"login_id": "l2", "at": "x"}])
    assert told.status_code == 207
    assert [(e["row"], e["code"]) for e in told.json()["errors"]] == [(1, "conflict"), (2, "bad_time")]
    assert told.json()["results"][0]["status"] == "repeated"
    assert client.post("/v1/events/purchase", purchase(1)).status_code == 422
    assert client.post("/v1/events/logn", login).status_code == 404
    seen = client.post("/v1/decide?features=true", purchase(1)).json()
    assert seen["features"]["user_login_count_10m"] == 1


def test_a_decision_is_read_again_with_its_reasons_in_words(client: Client) -> None:
    """The record is the answer that was given; ids may hold any character."""
    odd = "a/b?c#d e%ü"
    first = client.post("/v1/decide", purchase(0) | {"purchase_id": odd, "card": "stolen"}).json()
    stored = client.get("/v1/decisions/" + quote(odd, safe=""))
    assert stored.json()["decision"] == first
    assert "The card is listed." in stored.json()["words"]
    assert stored.json()["event"]["purchase_id"] == odd
    missing = client.get("/v1/decisions/p9")
    assert (missing.status_code, missing.headers["content-type"]) == (404, "application/problem+json")


def test_features_of_a_key(client: Client) -> None:
    """As of now or of a time, by its key fields; wrong names are told."""
    client.post("/v1/decide/many", [purchase(1), purchase(2)])
    told = client.get("/v1/features/user", params={"user": "u1"}).json()
    assert told["features"]["user_count_1h"] == 2
    before = client.get("/v1/features/user", params={"user": "u1", "as_of": "2026-03-01T11:59:59Z"}).json()
    assert before["features"]["user_count_1h"] == 0
    for path, params, status in (
        ("/v1/features/usr", {"user": "u1"}, 422),
        ("/v1/features/user", {}, 422),
        ("/v1/features/user", {"usr": "u1"}, 422),
        ("/v1/features/user", {"user": "u1", "as_of": "2026-03-01T11:59:59"}, 422),
        ("/v1/features/user", {"user": "u1", "as_of": "soon"}, 422),
        ("/v1/features/user", {"user": "u1", "as_of": "9"}, 422),
        ("/v1/features/user", {"user": "u1", "as_of": "0001-01-01T00:00:00+14:00"}, 422),
        ("/v1/features/user", {"user": "u1", "as_of": "9999-12-31T23:59:59-14:00"}, 422),
        ("/v1/features/user", {"user": "u1", "system": "other"}, 404),
    ):
        answer = client.get(path, params=params)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_two_systems_in_one_workspace() -> None:
    """Each is asked by name; a group of features that both use is one entry of the catalogue."""
    client = Client(Shop(shop("strict"), shop("lenient", model=False, rules=False)))
    assert client.post("/v1/decide", purchase(1)).status_code == 404
    strict = client.post("/v1/decide?system=strict&features=true", purchase(1, card="stolen")).json()
    lenient = client.post("/v1/decide?system=lenient&features=1", purchase(1, card="stolen")).json()
    assert (strict["decision"], lenient["decision"], lenient["repeated"]) == ("block", "approve", True)
    assert strict["features"]["user_count_1h"] == lenient["features"]["user_count_1h"] == 0
    rows = {row["name"]: row for row in client.get("/v1/catalogue").json()["features"]}
    shared = rows["user_count_1h"]
    assert {"system strict", "system lenient"} <= set(shared["used_by"])
    assert (shared["owner"], shared["window"], shared["entity"]) == ("risk team", "1h", "user")
    assert client.get("/v1/decisions/p1?system=lenient").json()["decision"]["decision"] == "approve"


@pytest.mark.parametrize("query", ["systm=shop", "system=other", "features=maybe", "features="])
def test_wrong_parameters_are_named(client: Client, query: str) -> None:
    """A misspelt parameter must not be ignored silently."""
    answer = client.post(f"/v1/decide?{query}", purchase(1))
    assert answer.status_code in (404, 422)
    assert answer.json()["errors"][0]["field"] in query


def test_the_log_over_http_replays_to_the_same_bits(client: Client, plan: Any) -> None:
    """Page by page, as anyone can check for themselves."""
    rows = many_purchases(60)
    client.desk.clock.advance(timedelta(hours=1))
    answers = client.together(*[("POST", "/v1/decide", row, {}) for row in rows])
    assert {a.status_code for a in answers} == {200}
    client.post("/v1/labels", [{"id": row["purchase_id"], "value": True} for row in rows[::7]])
    assert client.together(*[("POST", "/v1/decide", row, {}) for row in rows])[0].json()["repeated"]
    copy, start = MemoryLog(), 0
    while start is not None:
        page = msgspec.json.decode(client.get(f"/v1/log/commits?start={start}&limit=25").content, type=CommitPage)
        for commit in page.commits:
            copy.append(commit)
        start = page.next  # type: ignore[assignment]
    assert len(copy) == len(client.desk.decider.log)
    found = replay([plan], copy)
    assert (found.events, found.differences) == (60, [])
    assert client.get("/v1/log/commits?limit=0").status_code == 422


def test_the_log_over_http_is_readable(client: Client) -> None:
    """Entry by entry, from any position on."""
    client.post("/v1/decide", purchase(1))
    client.post("/v1/labels", {"id": "p1", "value": True})
    page = client.get("/v1/log?start=1").json()
    assert [(e["seq"], e["kind"], e["id"]) for e in page["entries"]] == [(1, 1, "p1"), (2, 2, "p1")]
    assert page["entries"][0]["content"]["amount"] == "10.00"
    assert page["entries"][1]["content"] == {"name": "fraud", "value": True}
    assert client.get("/v1/log?start=1&limit=1").json()["next"] == 2
    assert client.get("/v1/log?limit=0").status_code == 422


def test_health_and_readiness(client: Client) -> None:
    """Ready while deciding works, not afterwards; alive in either case."""
    told = client.get("/readyz").json()
    assert datetime.fromisoformat(told.pop("since")) <= datetime.now(UTC)
    assert told == {"ready": True, "state": "deciding", "position": 1, "behind": 0, "systems": ["shop"]}
    client.desk.decider.broken = "deciding has stopped"
    failed = client.get("/readyz")
    assert (failed.status_code, failed.json()["state"]) == (503, "failed")
    assert failed.json()["detail"] == "deciding has stopped"
    assert client.post("/v1/decide", purchase(1)).status_code == 503
    assert client.get("/healthz").status_code == 200


def test_metrics(client: Client) -> None:
    """Requests, decisions, batches and refusals are counted."""
    client.post("/v1/decide", purchase(1))
    client.post("/v1/decide", purchase(1))
    client.post("/v1/decide", {"purchase_id": "p2"})
    client.get("/v1/decisions/p1")
    text = client.get("/metrics").text
    assert 'adjudge_requests_total{path="/v1/decide",status="200"} 2.0' in text
    assert 'adjudge_requests_total{path="/v1/decisions/{id}",status="200"} 1.0' in text.replace(":path", "")
    assert 'adjudge_decisions_total{decision="approve",system="shop"} 1.0' in text
    assert "adjudge_repeated_total 1.0" in text
    assert 'adjudge_refused_total{code="missing_field"} 4.0' in text
    assert 'adjudge_batch_size_bucket{le="1"} 2.0' in text
    assert 'adjudge_request_seconds_count{path="/v1/decide"} 3.0' in text


def test_a_failure_inside_is_told_without_its_trace(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A status of 500 or 503, and not a word of what went on."""

    def broken(*args: Any, **kwargs: Any) -> Any:
        message = "secret of the house"
        raise RuntimeError(message)

    monkeypatch.setattr(client.desk.decider, "decide", broken)
    monkeypatch.setattr(client.desk.decider, "decision", broken)
    monkeypatch.setattr(client.service.hot, "_options", broken)
    for answer in (
        client.post("/v1/decide", purchase(1)),
        client.get("/v1/decisions/p1"),
        client.post("/v1/events/login", {"login_id": "l1", "at": START.isoformat(), "user": "u1"}),
    ):
        assert answer.status_code == 500
        assert answer.headers["content-type"] == "application/problem+json"
        assert "secret" not in answer.text
        assert "Traceback" not in answer.text
    assert 'path="/v1/decisions/{id:path}",status="500"} 1.0' in client.get("/metrics").text


def test_half_a_surrogate_is_named_by_every_address(client: Client) -> None:
    """No text can hold it, neither the log nor the answer."""
    half = "\ud800"
    for path, item, field in (
        ("/v1/decide/many", purchase(1, user=half), "user"),
        ("/v1/decide/many", purchase(1) | {half: 1}, "?"),
        ("/v1/score/many", purchase(1, user=half), "user"),
        ("/v1/labels", {"id": half, "value": True}, "id"),
        ("/v1/retractions", {"id": half}, "id"),
        ("/v1/events/login", {"login_id": "l1", "at": START.isoformat(), "user": half}, "user"),
    ):
        answer = client.post(path, [item])
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/decide", 405), ("PUT", "/v1/labels", 405), ("POST", "/v1/nothing", 404), ("GET", "/", 404)],
)
def test_wrong_addresses_and_methods(client: Client, method: str, path: str, status: int) -> None:
    """A problem document as well, with the headers that every answer has."""
    answer = client(method, path)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert (status == 405) == ("allow" in answer.headers)


def test_every_route_is_described(client: Client) -> None:
    """One document for both halves, and a page of it that loads nothing from elsewhere."""
    document = client.get("/openapi.json").json()
    assert set(client.service.hot.handlers) < set(document["paths"])
    assert {"/v1/labels", "/v1/outcomes", "/v1/retractions", "/v1/log", "/metrics"} < set(document["paths"])
    assert "event_purchase" in document["components"]["schemas"]
    text = json.dumps(document)
    for reference in text.split('"#/components/schemas/')[1:]:
        assert reference.split('"')[0] in document["components"]["schemas"]
    page = client.get("/docs")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "/v1/decide/many" in page.text
    assert "http" not in page.text.replace("http://json-schema.org", "").split("<h1>Shapes")[0]


def test_a_client_that_goes_away_disturbs_nobody(client: Client) -> None:
    """Its body never comes; the next request is served."""

    async def gone(path: str) -> list[Any]:
        sent: list[Any] = []
        messages: Iterator[dict[str, Any]] = iter(
            [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
        )

        async def receive() -> dict[str, Any]:
            return next(messages)

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": []}
        serve: Callable[..., Awaitable[None]] = client.service
        await serve(scope, receive, send)
        return sent

    for path in ("/v1/decide", "/v1/labels"):
        start, body = asyncio.run(gone(path))
        assert (start["status"], b"the body ended early" in body["body"]) == (400, True)
    assert client.post("/v1/decide", purchase(1)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/v1/log?limt=3", "/v1/catalogue?system=shop", "/v1/log/commits?=1", "/v1/decisions/x?id=x"]
)
def test_a_parameter_that_a_route_does_not_have_is_refused_and_not_ignored(client: Client, path: str) -> None:
    answer = client("GET", path)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert (error["code"], error.get("field", "")) == ("unknown_parameter", path.partition("?")[2].partition("=")[0])
    assert client("GET", "/healthz?now=1").status_code == 200
