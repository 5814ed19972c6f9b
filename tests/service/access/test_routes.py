"""Every route says what it asks for, and every credential gets exactly what its scopes are good for."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjudge.errors import DefinitionError, InputError
from adjudge.service.access.gate import Gate, names_of
from adjudge.service.access.guard import LocalGuard
from adjudge.service.access.keys import Grant, create
from adjudge.service.access.routes import NEEDS, OPENED, Door, Need, needs
from adjudge.service.access.scope import Scope
from adjudge.service.app import Service
from adjudge.service.settings import Settings
from tests.service.access.acts import BY
from tests.service.shop import START, Shop, purchase, shop, shop_system
from tests.service.test_http import Client as OpenClient

LOGIN = {"login_id": "l1", "at": START.isoformat(), "user": "u1"}

SOFT = {"policy": {"soft_rules": "advise"}}

BODIES: dict[str, tuple[str, Any]] = {
    "POST /v1/decide": ("/v1/decide", purchase(1)),
    "POST /v1/decide/many": ("/v1/decide/many", [purchase(2)]),
    "POST /v1/score": ("/v1/score", purchase(3)),
    "POST /v1/score/many": ("/v1/score/many", [purchase(3)]),
    "POST /v1/events/{stream}": ("/v1/events/login", LOGIN),
    "POST /v1/labels": ("/v1/labels", {"id": "p0", "value": True}),
    "POST /v1/outcomes": ("/v1/outcomes", {"id": "p0", "outcome": "declined", "value": True}),
    "POST /v1/retractions": ("/v1/retractions", {"id": "p9"}),
    "GET /v1/decisions/{id:path}": ("/v1/decisions/p0", None),
    "GET /v1/around/{id:path}": ("/v1/around/pcase", None),
    "GET /v1/linked/{field}": ("/v1/linked/user?value=u1", None),
    "GET /v1/cases/one/{id:path}": ("/v1/cases/one/pcase", None),
    "POST /v1/cases/next": ("/v1/cases/next", {}),
    "POST /v1/cases/assign": ("/v1/cases/assign", {"ids": ["pcase"], "why": "y"}),
    "POST /v1/cases/release": ("/v1/cases/release", {"ids": ["pcase"], "why": "y"}),
    "POST /v1/cases/note": ("/v1/cases/note", {"ids": ["pcase"], "text": "y"}),
    "POST /v1/cases/due": ("/v1/cases/due", {"ids": ["pcase"], "why": "y"}),
    "POST /v1/cases/decide": ("/v1/cases/decide", {"ids": ["pdone"], "value": True, "why": "y"}),
    "POST /v1/cases/undo": ("/v1/cases/undo", {"ids": ["pdone"], "why": "y"}),
    "POST /v1/cases/defer": ("/v1/cases/defer", {"ids": ["pcase"], "why": "y"}),
    "POST /v1/cases/escalate": ("/v1/cases/escalate", {"ids": ["pcase"], "why": "y"}),
    "POST /v1/cases/routine": ("/v1/cases/routine", {"routine": {"second": 0.1}, "why": "y"}),
    "GET /v1/features/{entity}": ("/v1/features/user?user=u1", None),
    "POST /v1/keys": ("/v1/keys", {"owner": "x", "scopes": ["decide"], "why": "y"}),
    "POST /v1/keys/{id}/rotate": ("/v1/keys/{key}/rotate", {"why": "y"}),
    "POST /v1/keys/{id}/revoke": ("/v1/keys/{key}/revoke", {"why": "y"}),
    "POST /v1/erasures": ("/v1/erasures", {"stream": "purchase", "person": "u1", "why": "y"}),
    "GET /v1/lists/{name}": ("/v1/lists/blocked", None),
    "POST /v1/alerts/looks": ("/v1/alerts/looks", {"why": "y", "source": "monitor", "signals": []}),
    "POST /v1/alerts/silences": ("/v1/alerts/silences", {"keys": "world:*", "until": START.isoformat(), "why": "y"}),
    "POST /v1/activations": ("/v1/activations", {"why": "y", "lists": {"blocked": {"add": ["c1"]}}}),
    "POST /v1/challengers": (
        "/v1/challengers",
        {"why": "y", "name": "quick", "revision": SOFT},
    ),
    "GET /v1/challengers/{name}": ("/v1/challengers/quick", None),
    "POST /v1/challengers/{name}/share": ("/v1/challengers/quick/share", {"why": "y", "share": 0.1}),
    "POST /v1/challengers/{name}/promote": ("/v1/challengers/quick/promote", {"why": "y", "anyway": True}),
    "POST /v1/challengers/{name}/retire": ("/v1/challengers/last/retire", {"why": "y"}),
    "POST /v1/releases": (
        "/v1/releases",
        {"why": "y", "rules": shop_system().rules.document(), "evidence": {"saved": 1}},
    ),
    "GET /v1/releases/{id}": ("/v1/releases/latest", None),
    "GET /v1/releases/{id}/card": ("/v1/releases/latest/card", None),
    "POST /v1/releases/{id}/approve": ("/v1/releases/latest/approve", {"why": "y", "environment": "staging"}),
    "POST /v1/releases/{id}/promote": ("/v1/releases/latest/promote", {"why": "y", "environment": "staging"}),
    "POST /v1/releases/{id}/package": ("/v1/releases/latest/package", {"why": "y", "environment": "staging"}),
    "POST /v1/packages": ("/v1/packages?why=y", {}),
}
"""How each route is asked, where it takes more than its path."""

NOTHING = {
    "POST /v1/erasures": 422,
    "POST /v1/proposals/{id}/approve": 422,
    "POST /v1/proposals/{id}/refuse": 422,
    "GET /v1/releases/{id}/card": 404,
    "POST /v1/packages": 415,
}
"""What routes answer that are let through and have nothing to erase, to answer, to show, or to take in."""


class Client(OpenClient):
    """A service that asks for keys, with one key for each scope."""

    def __init__(self, desk: Shop, **settings: Any) -> None:
        self.desk = desk
        self.service = Service(desk.decider, Settings(**settings))
        self.keys = {scope: self.key(scope) for scope in Scope}

    def key(self, *scopes: Scope, **more: Any) -> str:
        """Return a new key."""
        grant = Grant(f"owner of {', '.join(scopes)}", [*scopes], **more)
        return create(self.desk.decider.workspace.management.keys, self.desk.decider, grant, by=BY).text

    def ask(self, name: str, key: str | None) -> httpx.Response:
        """Ask a route by its name in the table, with a key or without."""
        method, path = name.split()
        path, body = BODIES.get(name, (path, None))
        if "{key}" in path:  # one that nobody needs afterwards
            path = path.format(key=self.key(Scope.DECIDE).split("_")[1])
        headers = {"content-type": "application/json"} | ({} if key is None else {"authorization": f"Bearer {key}"})
        return self(method, path, body, headers=headers)


@pytest.fixture(scope="module")
def client() -> Client:
    made = Client(Shop(shop()))
    assert made.ask("POST /v1/decide", made.keys[Scope.DECIDE]).status_code == 200
    made("POST", "/v1/decide", purchase(0), headers=bearer(made.keys[Scope.DECIDE]))
    for id_ in ("case", "done"):
        row = purchase(id_, user=id_, amount="350.00")
        assert made("POST", "/v1/decide", row, headers=bearer(made.keys[Scope.DECIDE])).json()["decision"] == "review"
    assert made.ask("POST /v1/releases", made.keys[Scope.MANAGE]).status_code == 201
    last = {"why": "y", "name": "last", "revision": SOFT}
    assert made("POST", "/v1/challengers", last, headers=bearer(made.keys[Scope.MANAGE])).status_code == 200
    return made


def bearer(key: str) -> dict[str, str]:
    """Return the headers that send a key with JSON."""
    return {"authorization": f"Bearer {key}", "content-type": "application/json"}


def test_every_route_of_the_application_stands_in_the_table_and_no_other(client: Client) -> None:
    """The hot path's routes with those of FastAPI."""
    served = {name for route in client.service.api.routes for name in names_of(route)}
    served |= {f"POST {path}" for path in client.service.hot.handlers}
    assert served == set(NEEDS)
    assert {name for names in OPENED.values() for name in names} <= set(NEEDS)


def test_a_route_that_asks_for_nothing_is_not_served() -> None:
    api = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)

    @api.get("/v1/backdoor")
    async def backdoor() -> None: ...

    with pytest.raises(DefinitionError, match="GET /v1/backdoor"):
        Gate(api, LocalGuard(), needs())
    mounted = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    mounted.mount("/console", FastAPI())
    with pytest.raises(DefinitionError, match="MOUNT /console"):
        Gate(mounted, LocalGuard(), needs())


@pytest.mark.parametrize("name", NEEDS)
def test_each_scope_opens_its_routes_and_no_other(client: Client, name: str) -> None:
    """Nobody, a key that nobody has, and one key for each scope."""
    need = NEEDS[name]
    for key in (None, "adj_0123456789ab_" + "0" * 64):
        answer = client.ask(name, key)
        if need is Door.OPEN:
            assert answer.status_code == 200
            continue
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith('Bearer realm="adjudge"')
    for scope, key in client.keys.items():
        answer = client.ask(name, key)
        if need in (scope, Door.OPEN, Door.ANY):
            assert answer.status_code in ((NOTHING[name],) if name in NOTHING else (200, 201)), answer.text
            continue
        assert isinstance(need, Scope)
        assert answer.status_code == 403
        told = answer.json()
        assert told["type"] == "urn:adjudge:problem:forbidden"
        assert repr(need.value) in told["detail"]
        assert key not in answer.text
        assert key.split("_")[1] not in answer.text


def test_what_is_not_there_is_told_to_everybody(client: Client) -> None:
    assert client("GET", "/v1/nothing").status_code == 404
    answer = client("DELETE", "/v1/keys")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, POST")


@pytest.mark.parametrize(
    ("public", "opened"),
    [("", set()), ("metrics", {"/metrics"}), ("docs, metrics", {"/metrics", "/docs", "/openapi.json"})],
)
def test_a_setting_opens_metrics_and_documents(public: str, opened: set[str]) -> None:
    client = Client(Shop(shop()), public=public)
    for path in ("/metrics", "/docs", "/openapi.json", "/v1/log"):
        assert client("GET", path).status_code == (200 if path in opened else 401)


def test_a_setting_that_opens_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean 'metrics'"):
        Settings(public="metric")


def test_the_document_says_what_each_route_asks_for(client: Client) -> None:
    document = client.ask("GET /openapi.json", client.keys[Scope.AUDIT]).json()
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for name, need in NEEDS.items():
        method, path = name.replace(":path}", "}").split()
        route = document["paths"].get(path, {}).get(method.lower())
        if route is None:
            assert path in ("/docs", "/openapi.json")
            continue
        expected: dict[Need, Any] = {Door.OPEN: None, Door.ANY: [{"bearer": []}]}
        assert route.get("security") == expected.get(need, [{"bearer": [need.value]}])
        assert ("401" in route["responses"]) is (need is not Door.OPEN)
    open_to_all = Service(client.desk.decider, Settings(auth="off")).api.openapi()
    assert "securitySchemes" not in open_to_all["components"]


def test_every_answer_has_the_headers_and_none_says_what_serves_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also refusals, failures, metrics and pages; nothing lets a page from elsewhere read an answer."""
    decide = client.keys[Scope.DECIDE]
    good = client.ask("GET /v1/decisions/{id:path}", client.keys[Scope.REVIEW])
    with monkeypatch.context() as patch:
        patch.setattr(client.desk.decider, "decision", None)
        patch.setattr(client.service.hot, "_options", None)
        failures = [
            client.ask("GET /v1/decisions/{id:path}", client.keys[Scope.REVIEW]),
            client.ask("POST /v1/decide", decide),
        ]
    assert [answer.status_code for answer in (good, *failures)] == [200, 500, 500]
    for answer in (
        good,
        *failures,
        client.ask("GET /metrics", client.keys[Scope.AUDIT]),
        client.ask("GET /openapi.json", decide),
        client.ask("POST /v1/decide", decide),
        client.ask("POST /v1/decide", None),
        client.ask("GET /v1/keys", None),
        client.ask("GET /v1/keys", decide),
        client.ask("GET /healthz", None),
        client.ask("GET /docs", decide),
        client("GET", "/v1/nothing"),
        client("OPTIONS", "/v1/log", headers={"origin": "http://evil", "access-control-request-method": "GET"}),
    ):
        headers = answer.headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["server"] == "adjudge"
        assert not [name for name in headers if name.startswith("access-control")]
        assert "strict-transport-security" not in headers


@pytest.mark.parametrize("path", ["/v1/decide", "/v1/log", "/healthz"])
def test_only_what_goes_out_encrypted_asks_for_encryption(client: Client, path: str) -> None:
    answer = client("GET", f"https://localhost{path}")
    assert answer.headers["strict-transport-security"].startswith("max-age=")


def test_batches_are_charged_by_their_rows(client: Client) -> None:
    """2 a second: four at once are let in, and what came in one batch is waited for."""
    key = client.key(Scope.DECIDE, Scope.LABEL, rate_per_s=2)
    rows = [purchase(f"r{i}") for i in range(10)]
    assert client.post("/v1/decide/many", rows, headers=bearer(key)).status_code == 200
    answer = client.post("/v1/decide", purchase(1), headers=bearer(key))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "4")
    assert answer.json()["type"] == "urn:adjudge:problem:rate-limited"
    assert client.ask("POST /v1/labels", key).status_code == 429
    client.desk.clock.advance(timedelta(seconds=4))
    many = [{"id": f"pr{i}", "value": True} for i in range(9)]
    assert client.post("/v1/labels", many, headers=bearer(key)).status_code == 200
    assert client.ask("POST /v1/labels", key).headers["retry-after"] == "4"
    client.desk.clock.advance(timedelta(seconds=-4))


def test_keys_are_managed_over_http_without_downtime(client: Client) -> None:
    manage = bearer(client.keys[Scope.MANAGE])
    asked = {"owner": "shop", "scopes": ["decide", "label"], "why": "new shop", "lifetime_days": 30}
    made = client.post("/v1/keys", asked, headers=manage)
    assert made.status_code == 201
    key, secret = made.json()["key"], made.json()["secret"]
    assert client.ask("POST /v1/decide", secret).status_code == 200
    rotated = client.post(f"/v1/keys/{key['id']}/rotate", {"why": "a month", "grace_hours": 1}, headers=manage).json()
    for good in (secret, rotated["secret"]):
        assert client.ask("POST /v1/decide", good).status_code == 200
    listed = client.get("/v1/keys", headers=manage)
    (row,) = [row for row in listed.json()["keys"] if row["id"] == key["id"]]
    assert (row["state"], row["owner"]) == ("active", "shop")
    assert "digest" not in listed.text
    done = client.post(f"/v1/keys/{key['id']}/revoke", {"why": "closed"}, headers=manage)
    assert done.json()["state"] == "revoked"
    for bad in (secret, rotated["secret"]):
        assert client.ask("POST /v1/decide", bad).status_code == 401
    entries = client.get("/v1/log?limit=10000", headers=bearer(client.keys[Scope.AUDIT])).json()["entries"]
    acts = [(e["who"], e["why"], e["content"]["action"]) for e in entries if e["kind"] == 8][-3:]
    who = "owner of manage"
    assert acts == [
        (who, "new shop", "key_created"),
        (who, "a month", "key_rotated"),
        (who, "closed", "key_revoked"),
    ]


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("/v1/keys", {"owner": "x", "scopes": ["root"], "why": "y"}, 422, "scopes"),
        ("/v1/keys", {"owner": "x", "scopes": "decide", "why": "y"}, 422, "scopes"),
        ("/v1/keys", {"owner": "x", "scopes": ["decide"], "why": ""}, 422, "why"),
        ("/v1/keys", {"owner": "x", "scopes": ["decide"], "why": "y", "lifetime_days": 0}, 422, "lifetime_days"),
        ("/v1/keys", {"owner": "x", "scopes": ["decide"], "why": "y", "colour": 1}, 422, ""),
        ("/v1/keys", b"{", 400, ""),
        ("/v1/keys", b'{"owner":"\xff"}', 400, ""),
        ("/v1/keys/nothing/rotate", {"why": "y"}, 404, None),
        ("/v1/keys/nothing/revoke", {"why": "y"}, 404, None),
    ],
)
def test_a_wrong_request_is_named(client: Client, path: str, body: Any, status: int, field: str | None) -> None:
    answer = client.post(path, body, headers=bearer(client.keys[Scope.MANAGE]))
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    if field is not None:
        assert answer.json()["errors"][0].get("field", "") == field


def secrets_of(client: Client) -> Iterator[str]:
    """Yield what must never be seen."""
    for key in client.keys.values():
        yield key.split("_")[2]


def test_secrets_appear_in_no_log_answer_or_metric(
    client: Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also not when something fails with the request in hand."""
    caplog.set_level(logging.DEBUG)
    seen = []
    for name in NEEDS:
        for key in client.keys.values():
            seen.append(client.ask(name, key + "0").text)
            if not name.startswith("POST /v1/keys"):
                seen.append(client.ask(name, key).text)

    def broken(*args: Any, **kwargs: Any) -> Any:
        message = "out of order"
        raise RuntimeError(message)

    monkeypatch.setattr(client.desk.decider, "decision", broken)
    monkeypatch.setattr(client.service.hot, "_options", broken)
    for name in ("POST /v1/decide", "GET /v1/decisions/{id:path}"):
        answers = [client.ask(name, key) for key in client.keys.values()]
        assert 500 in {answer.status_code for answer in answers}
        seen += [answer.text for answer in answers]
    seen.append(caplog.text)
    text = "\n".join(seen)
    assert "out of order" in caplog.text
    assert [secret for secret in secrets_of(client) if secret in text] == []


@given(header=st.binary(max_size=300), name=st.sampled_from(["POST /v1/decide", "GET /v1/keys", "GET /v1/log"]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
def test_any_authorization_header_is_answered_with_401(client: Client, header: bytes, name: str) -> None:
    method, path = name.split()
    answer = client(method, path, headers={b"authorization": header})
    assert answer.status_code == 401
    assert json.loads(answer.content)["status"] == 401
