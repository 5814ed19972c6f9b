"""The guard alone: whom it lets in, what it remembers, and what it says to others."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.service.access import guard as module
from adjudge.service.access.guard import CredentialGuard, Guard, LocalGuard, Visitor
from adjudge.service.access.keys import DAY_US, GRACE_US, create, revoke, rotate
from adjudge.service.access.refusal import (
    ForbiddenError,
    MisdirectedError,
    RateLimitedError,
    UnauthenticatedError,
)
from adjudge.service.access.routes import Door, Need
from adjudge.service.access.scope import SOMEBODY, Scope
from tests.service.access.acts import BY, CHECKOUT, Desk


class Entrance(Desk):
    """A guard over a registry whose time stands still."""

    def __init__(self, rate_per_s: int = 0) -> None:
        super().__init__()
        self.keys = self.management.keys
        self.guard = CredentialGuard(self.keys, None, lambda: self.now_us, rate_per_s=rate_per_s)

    def key(self, **changes: Any) -> str:
        """Return a new key."""
        return create(self.keys, self.ledger, msgspec.structs.replace(CHECKOUT, **changes), by=BY).text

    def enter(self, text: str, need: Need = Scope.DECIDE) -> Visitor:
        """Send a key."""
        return admit(self.guard, need, authorization=f"Bearer {text}")


def admit(guard: Guard, need: Need = Scope.DECIDE, **headers: str | bytes) -> Visitor:
    """Send headers."""
    sent = [(k.encode(), v.encode("latin-1") if isinstance(v, str) else v) for k, v in headers.items()]
    return asyncio.run(guard.admit(sent, need))


def test_a_good_key_is_let_in_for_its_scopes_and_nothing_else() -> None:
    at = Entrance()
    key = at.key()
    for _ in range(2):  # looked up, and remembered
        assert at.enter(key).principal.who == "checkout"
        assert at.enter(key, Scope.LABEL).principal.key == key.split("_")[1]
        assert at.enter(key, Door.ANY).principal.who == "checkout"
        for scope in (Scope.REVIEW, Scope.MANAGE, Scope.AUDIT):
            with pytest.raises(ForbiddenError, match=f"needs the scope '{scope.value}'") as caught:
                at.enter(key, scope)
            assert f'scope="{scope.value}"'.encode() in dict(caught.value.headers)[b"www-authenticate"]


def test_what_is_open_asks_nobody() -> None:
    assert admit(Entrance().guard, Door.OPEN).principal.scopes == frozenset()
    assert admit(Entrance().guard, Door.OPEN, authorization="rubbish").principal.who == ""


BAD = {
    "nothing": {},
    "an empty header": {"authorization": ""},
    "another scheme": {"authorization": "Basic YTpi"},
    "no token": {"authorization": "Bearer "},
    "no scheme": {"authorization": "adj_0123456789ab_" + "0" * 64},
    "too long": {"authorization": "Bearer " + "x" * 9000},
    "an unknown key": {"authorization": "Bearer adj_0123456789ab_" + "0" * 64},
    "another header": {"x-api-key": "adj_0123456789ab_" + "0" * 64},
    "no text": {"authorization": b"Bearer \xff\xfe\x00"},
}


@pytest.mark.parametrize("headers", BAD.values(), ids=BAD)
@pytest.mark.parametrize("need", [Scope.DECIDE, Door.ANY])
def test_everything_else_is_unauthenticated(headers: dict[str, str | bytes], need: Need) -> None:
    """The challenge says that it was bad only where there was a token at all."""
    at = Entrance()
    at.key()
    with pytest.raises(UnauthenticatedError) as caught:
        admit(at.guard, need, **headers)
    challenge = dict(caught.value.headers)[b"www-authenticate"]
    assert challenge.startswith(b'Bearer realm="adjudge"')
    token = headers.get("authorization", "")
    told_bad = isinstance(token, bytes) or (token.startswith("Bearer adj_"))
    assert (b"invalid_token" in challenge) is told_bad


def test_the_scheme_may_be_written_in_any_case() -> None:
    at = Entrance()
    assert admit(at.guard, authorization=f"bEARER {at.key()}").principal.who == "checkout"


def test_a_remembered_key_ends_on_time() -> None:
    at = Entrance()
    key = at.key(lifetime_us=DAY_US)
    at.enter(key)
    at.advance(DAY_US - 1)
    at.enter(key)
    at.advance(1)
    with pytest.raises(UnauthenticatedError):
        at.enter(key)


def test_a_remembered_key_is_revoked_at_once_and_rotated_without_a_gap() -> None:
    at = Entrance()
    other, old = at.key(owner="other"), at.key()
    at.enter(old)
    new = rotate(at.keys, at.ledger, old.split("_")[1], by=BY).text
    at.enter(old)
    at.enter(new)
    at.advance(GRACE_US)
    at.enter(new)
    with pytest.raises(UnauthenticatedError):
        at.enter(old)
    revoke(at.keys, at.ledger, old.split("_")[1], by=BY)
    with pytest.raises(UnauthenticatedError):
        at.enter(new)
    at.enter(other)


def test_a_secret_is_compared_in_constant_time_whether_its_key_exists_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measuring time would be a coin toss; that the comparison is the right one can be seen."""
    compared: list[tuple[str, str]] = []
    real = hmac.compare_digest

    def compare(a: str, b: str) -> bool:
        compared.append((a, b))
        return real(a, b)

    at = Entrance()
    key = at.key()
    monkeypatch.setattr("adjudge.service.access.keys.hmac.compare_digest", compare)
    for sent in (key, key[:-4] + "0000", key.replace(key.split("_")[1], "f" * 12)):
        before = len(compared)
        try:
            at.enter(sent)
        except UnauthenticatedError:
            assert sent != key
        assert len(compared) == before + 1
    assert all(len(a) == len(b) == 64 for a, b in compared)


def test_bad_credentials_fill_no_memory_and_good_ones_only_so_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_KNOWN", 3)
    at = Entrance(rate_per_s=100)
    keys = [at.key(owner=f"owner {i}") for i in range(8)]
    for i in range(50):
        with pytest.raises(UnauthenticatedError):
            at.enter(f"adj_{i:012x}_{'0' * 64}")
    assert at.guard._known == {}
    for key in keys:
        at.enter(key)
        assert len(at.guard._known) <= 3
        assert len(at.guard._buckets) <= 3


def test_a_rate_is_shared_by_the_secrets_of_a_key_and_by_nobody_else() -> None:
    at = Entrance(rate_per_s=2)
    old, other = at.key(), at.key(owner="other", rate_per_s=1)
    new = rotate(at.keys, at.ledger, old.split("_")[1], by=BY).text
    for key in (old, new, old, new):
        at.enter(key)
    for key in (old, new):
        with pytest.raises(RateLimitedError) as caught:
            at.enter(key)
        assert dict(caught.value.headers)[b"retry-after"] == b"1"
    at.enter(other).charge(5)
    with pytest.raises(RateLimitedError) as caught:
        at.enter(other)
    assert dict(caught.value.headers)[b"retry-after"] == b"4"
    at.advance(500_000)
    at.enter(new)


def test_a_request_that_is_refused_takes_nothing_from_the_rate() -> None:
    at = Entrance(rate_per_s=1)
    key = at.key()
    for _ in range(9):
        with pytest.raises(ForbiddenError):
            at.enter(key, Scope.AUDIT)
    at.enter(key)


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: b"Bearer " + text.encode()))
def test_any_header_is_let_in_or_refused(sent: bytes) -> None:
    at = Entrance()
    with pytest.raises(UnauthenticatedError):
        admit(at.guard, authorization=sent)


LOCAL = ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "localhost", "[::1]:8000", "[::1]", "127.8.9.1:80"]
FOREIGN = [
    "shop.example",
    "shop.example:8000",
    "localhost.evil.example",
    "127.0.0.1.evil.example",
    "evil@127.0.0.1",
    "10.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::ffff:10.0.0.1]",
    "",
    "127.0.0.1:8000/",
    "127.0.0.1:port",
]


@pytest.mark.parametrize("host", LOCAL)
def test_without_authentication_this_machine_may_do_everything(host: str) -> None:
    guard = LocalGuard()
    for _ in range(2):
        assert admit(guard, Scope.MANAGE, host=host).principal.who == SOMEBODY
    assert admit(guard, Scope.DECIDE, host=host, origin=f"http://{host}").principal.who == SOMEBODY


@pytest.mark.parametrize("host", FOREIGN)
def test_a_name_that_only_resolves_to_this_machine_is_refused(host: str) -> None:
    """A page of evil.example can have its name resolve to 127.0.0.1, and then ask as if it were at home."""
    with pytest.raises(MisdirectedError, match="names another"):
        admit(LocalGuard(), host=host)


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://localhost:9999", "http://127.0.0.1:8000.evil"]
)
def test_a_page_from_elsewhere_is_refused(origin: str) -> None:
    with pytest.raises(MisdirectedError, match="no page from elsewhere"):
        admit(LocalGuard(), host="127.0.0.1:8000", origin=origin)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_host_is_let_in_or_refused(host: bytes, origin: bytes) -> None:
    with contextlib.suppress(MisdirectedError):
        assert admit(LocalGuard(), host=host, origin=origin).principal.who == SOMEBODY
