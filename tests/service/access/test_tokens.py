"""Tokens of an issuer of our own on this machine: the good ones, and every way in which one is not."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjudge.errors import InputError, UnavailableError
from adjudge.service.access.guard import CredentialGuard, guard_of
from adjudge.service.access.issuer import DISCOVERY, MAX_DOCUMENT_BYTES, Issuer
from adjudge.service.access.keys import Keys
from adjudge.service.access.refusal import ForbiddenError, IssuerAwayError, UnauthenticatedError
from adjudge.service.access.scope import Principal, Scope
from adjudge.service.access.tokens import KEPT_US, LEEWAY_US, PAUSE_US, RENEW_US, SECOND_US, OidcTokens
from adjudge.service.run import _check_entrance
from adjudge.service.settings import Settings
from tests.service.access.acts import START_US
from tests.service.access.issuing import MAKERS, START_S, PrivateIssuer, Signer

SIGNERS = {algorithm: Signer(f"key of {algorithm}", algorithm) for algorithm in MAKERS}
ONE = SIGNERS["ES256"]


@pytest.fixture
def issuer() -> Iterator[PrivateIssuer]:
    with PrivateIssuer() as issuer:
        issuer.keys = [signer.jwk() for signer in SIGNERS.values()]
        yield issuer


def checker(issuer: PrivateIssuer, claim: str = "scope") -> OidcTokens:
    return OidcTokens(Issuer(issuer.url), "adjudge", claim)


def check(tokens: OidcTokens, *sent: str, at_us: int = START_US) -> list[Principal | None]:
    """Send tokens one after another; whatever they set going goes on to its end."""

    async def send() -> list[Principal | None]:
        found = [await tokens.check(token, at_us) for token in sent]
        if tokens._renewal is not None:
            await tokens._renewal
        return found

    return asyncio.run(send())


@pytest.mark.parametrize("algorithm", MAKERS)
def test_a_token_makes_its_subject_somebody_with_its_scopes(issuer: PrivateIssuer, algorithm: str) -> None:
    token = SIGNERS[algorithm].sign(issuer.claims())
    (found,) = check(checker(issuer), token)
    assert found == Principal(
        "ada", frozenset({Scope.REVIEW, Scope.LABEL}), START_US + RENEW_US, holders=frozenset({"ada"})
    )


@pytest.mark.parametrize("algorithm", ["RS256", "PS384", "EdDSA"])
def test_a_key_need_not_say_what_it_signs_with(issuer: PrivateIssuer, algorithm: str) -> None:
    """Then everything that fits its type is good, and nothing else."""
    issuer.keys = [SIGNERS[algorithm].jwk(alg=None, use=None, key_ops=None)]
    good = SIGNERS[algorithm].sign(issuer.claims())
    (found,) = check(checker(issuer), good)
    assert found is not None


@pytest.mark.parametrize(
    ("claims", "scopes"),
    [
        ({"scope": "openid adjudge:manage review"}, {Scope.MANAGE, Scope.REVIEW}),
        ({"scope": ["decide", "audit", 7]}, {Scope.DECIDE, Scope.AUDIT}),
        ({"scope": None, "roles": ["review"]}, set()),
        ({"scope": {"review": True}}, set()),
        ({"scope": "Manage MANAGE manage2"}, set()),
    ],
)
def test_scopes_are_read_from_one_claim(issuer: PrivateIssuer, claims: dict[str, Any], scopes: set[Scope]) -> None:
    (found,) = check(checker(issuer), ONE.sign(issuer.claims(**claims)))
    assert found is not None
    assert found.scopes == scopes


def test_the_claim_with_the_scopes_is_a_setting(issuer: PrivateIssuer) -> None:
    (found,) = check(checker(issuer, "roles"), ONE.sign(issuer.claims(roles=["review"], scope="manage")))
    assert found is not None
    assert found.scopes == {Scope.REVIEW}


WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "for another service": {"aud": "shop"},
    "for others": {"aud": ["shop", "desk"]},
    "for nobody": {"aud": None},
    "of another issuer": {"iss": "https://login.example"},
    "of nobody": {"iss": None},
    "about nobody": {"sub": None},
    "about an empty name": {"sub": " "},
    "about a name with a line in it": {"sub": "ada\nbob"},
    "about too long a name": {"sub": "a" * 201},
    "about a number": {"sub": 7},
    "without an end": {"exp": None},
    "with an end in words": {"exp": "tomorrow"},
    "with a huge end": {"exp": 1e300},
    "ended": {"exp": START_S - 31},
    "not begun": {"nbf": START_S + 31},
    "from the future": {"iat": START_S + 31},
    "begun at no number": {"nbf": True},
}


@pytest.mark.parametrize("changes", WRONG_CLAIMS.values(), ids=WRONG_CLAIMS)
def test_a_token_that_says_something_else_is_refused(issuer: PrivateIssuer, changes: dict[str, Any]) -> None:
    tokens = checker(issuer)
    wrong = msgspec.json.encode(issuer.claims(**changes))  # as bytes: the library would not write some of these
    token = jwt.api_jws.PyJWS().encode(wrong, ONE.private, ONE.algorithm, {"kid": ONE.kid})
    good = ONE.sign(issuer.claims(aud=["shop", "adjudge"]))
    refused, let_in = check(tokens, token, good)
    assert refused is None
    assert let_in is not None


def test_clocks_may_be_a_little_apart(issuer: PrivateIssuer) -> None:
    tokens = checker(issuer)
    late, early = issuer.claims(exp=START_S - 29), issuer.claims(nbf=START_S + 29, iat=START_S + 29)
    found = check(tokens, ONE.sign(late), ONE.sign(early))
    assert [principal is not None for principal in found] == [True, True]
    assert found[0] is not None
    assert found[0].until_us == (START_S - 29) * SECOND_US + LEEWAY_US


def part(value: object) -> str:
    data = value if isinstance(value, bytes) else msgspec.json.encode(value)
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged_with_public_key(issuer: PrivateIssuer) -> str:
    """Return a token whose signature is an HMAC under the issuer's public key, which everybody knows."""
    signer = SIGNERS["RS256"]
    head = part({"alg": "HS256", "kid": signer.kid}) + "." + part(issuer.claims(scope="manage"))
    secret = msgspec.json.encode(signer.jwk())
    return head + "." + part(hmac.new(secret, head.encode(), hashlib.sha256).digest())


def changed(issuer: PrivateIssuer) -> str:
    """Return a token with another scope than the one that was signed."""
    head, _, signature = ONE.sign(issuer.claims()).split(".")
    return f"{head}.{part(issuer.claims(scope='manage'))}.{signature}"


def unsigned(issuer: PrivateIssuer, algorithm: str = "none") -> str:
    return f"{part({'alg': algorithm, 'kid': ONE.kid})}.{part(issuer.claims())}."


STRANGER = Signer(ONE.kid)

FORGED: dict[str, Callable[[PrivateIssuer], str]] = {
    "unsigned": unsigned,
    "unsigned in other letters": lambda issuer: unsigned(issuer, "nOnE"),
    "signed with the public key": forged_with_public_key,
    "changed": changed,
    "without its signature": lambda issuer: ONE.sign(issuer.claims()).rpartition(".")[0] + ".",
    "signed by a stranger": lambda issuer: STRANGER.sign(issuer.claims()),
    "with a key of its own": lambda issuer: STRANGER.sign(issuer.claims(), jwk=STRANGER.jwk()),
    "with keys elsewhere": lambda issuer: STRANGER.sign(issuer.claims(), jku="http://127.0.0.1:1/keys"),
    "under the name of another key": lambda issuer: ONE.sign(issuer.claims(), kid=SIGNERS["EdDSA"].kid),
    "under no name": lambda issuer: ONE.sign(issuer.claims(), kid=""),
    "under an unknown name": lambda issuer: ONE.sign(issuer.claims(), kid="../keys"),
    "with something critical": lambda issuer: ONE.sign(issuer.claims(), crit=["exp"]),
    "another algorithm of the key's type": lambda issuer: Signer(
        SIGNERS["RS256"].kid, "PS384", SIGNERS["RS256"].private
    ).sign(issuer.claims()),
    "nested": lambda issuer: f"{part(b'[' * 4000)}.e30.",
    "no token": lambda issuer: "adj_0123456789ab_" + "0" * 64,
    "a list": lambda issuer: f"{part([])}.{part([])}.",
    "no algorithm": lambda issuer: f"{part({'kid': ONE.kid})}.{part(issuer.claims())}.AAAA",
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_what_the_issuer_has_not_signed_is_refused(
    issuer: PrivateIssuer, forge: Callable[[PrivateIssuer], str]
) -> None:
    tokens = checker(issuer)
    good = ONE.sign(issuer.claims())
    assert [p is not None for p in check(tokens, good, forge(issuer), good)] == [True, False, True]


def test_keys_that_are_no_public_keys_to_sign_with_are_not_used(issuer: PrivateIssuer) -> None:
    """Shared secrets, keys for encryption, weak keys, and what is no key at all, beside a good one."""
    signer = SIGNERS["RS256"]
    shared = {"kty": "oct", "kid": "shared", "alg": "HS256", "k": part(b"s" * 32)}
    private = jwt.get_algorithm_by_name("RS256").to_jwk(signer.private, as_dict=True) | {"kid": "private"}
    weak = Signer("weak", "RS256", rsa.generate_private_key(65537, 1024))
    issuer.keys = [
        shared,
        private,
        weak.jwk(),
        signer.jwk(kid="encrypts", use="enc"),
        signer.jwk(kid="wraps", key_ops=["wrapKey"]),
        signer.jwk(kid="broken", n="!"),
        signer.jwk(kid=7),
        {"kty": ["RSA"], "kid": "odd"},
        ONE.jwk(),
    ]
    tokens = checker(issuer)
    symmetric = jwt.encode(issuer.claims(), b"s" * 32, "HS256", {"kid": "shared"})
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        short = weak.sign(issuer.claims())
    sent = [signer.sign(issuer.claims(), kid=kid) for kid in ("private", "encrypts", "wraps", "broken")]
    found = check(tokens, symmetric, short, *sent, ONE.sign(issuer.claims()))
    assert [principal is not None for principal in found] == [False] * 6 + [True]


def test_a_single_key_needs_no_name_and_one_of_several_does(issuer: PrivateIssuer) -> None:
    nameless = jwt.encode(issuer.claims(), ONE.private, "ES256")
    assert check(checker(issuer), nameless) == [None]
    issuer.keys = [ONE.jwk(kid=None)]
    (found,) = check(checker(issuer), nameless)
    assert found is not None


def test_the_issuer_changes_its_keys_while_tokens_go_on(issuer: PrivateIssuer) -> None:
    """A new key is asked for when it is met, an old one is good until the issuer does not show it any more."""
    old, new = ONE, Signer("new")
    issuer.keys = [old.jwk()]
    tokens = checker(issuer)
    first, second = old.sign(issuer.claims()), new.sign(issuer.claims())
    assert [p is not None for p in check(tokens, first, first)] == [True, True]
    assert issuer.asked == 1
    issuer.keys = [old.jwk(), new.jwk()]
    assert check(tokens, second) == [None]  # it was asked just now
    later = START_US + PAUSE_US
    assert [p is not None for p in check(tokens, second, first, at_us=later)] == [True, True]
    assert issuer.asked == 2
    issuer.keys = [new.jwk()]
    later += RENEW_US
    assert [p is not None for p in check(tokens, first, at_us=later)] == [True]  # while it is asked behind its back
    assert issuer.asked == 3
    assert [p is not None for p in check(tokens, first, second, at_us=later)] == [False, True]
    assert issuer.asked == 3


def test_many_unknown_names_ask_the_issuer_seldom(issuer: PrivateIssuer) -> None:
    tokens = checker(issuer)
    bad = [ONE.sign(issuer.claims(), kid=f"unknown {i}") for i in range(20)]
    assert check(tokens, *bad) == [None] * 20
    assert issuer.asked == 1

    async def at_once() -> list[Principal | None]:
        return await asyncio.gather(*(tokens.check(token, START_US + PAUSE_US) for token in bad))

    assert asyncio.run(at_once()) == [None] * 20
    assert issuer.asked == 2


def test_all_who_come_first_at_once_are_let_in_by_one_question(issuer: PrivateIssuer) -> None:
    tokens = checker(issuer)
    good = [signer.sign(issuer.claims()) for signer in SIGNERS.values()]

    async def at_once() -> list[Principal | None]:
        return await asyncio.gather(*(tokens.check(token, START_US) for token in good))

    assert None not in asyncio.run(at_once())
    assert issuer.asked == 1


def test_while_the_issuer_is_away_its_keys_are_good_for_a_day(
    issuer: PrivateIssuer, caplog: pytest.LogCaptureFixture
) -> None:
    tokens = checker(issuer)
    token = ONE.sign(issuer.claims(exp=START_S + 10 * 86_400))
    issuer.answers[DISCOVERY] = (503, b"")
    with pytest.raises(IssuerAwayError) as caught:
        check(tokens, token)
    assert dict(caught.value.headers)[b"retry-after"] == b"10"
    assert "status 503" in caplog.text
    del issuer.answers[DISCOVERY]
    begun = START_US + PAUSE_US
    assert check(tokens, token, at_us=begun) != [None]
    issuer.answers["/keys"] = (500, b"")
    assert check(tokens, token, at_us=begun + KEPT_US - 1) != [None]
    with pytest.raises(IssuerAwayError):
        check(tokens, token, at_us=begun + KEPT_US)
    issuer.answers.clear()
    assert check(tokens, token, at_us=begun + KEPT_US + PAUSE_US) != [None]


ANSWERS: dict[str, tuple[str, int, bytes, str]] = {
    "another issuer": (DISCOVERY, 200, b'{"issuer":"https://evil.example","jwks_uri":"x"}', "calls itself"),
    "no address": (DISCOVERY, 200, b"{}", "something else"),
    "no JSON": (DISCOVERY, 200, b"<html>", "something else"),
    "a redirection": (DISCOVERY, 302, b"", "status 302"),
    "too much": ("/keys", 200, b" " * (MAX_DOCUMENT_BYTES + 1), "too much"),
    "no keys": ("/keys", 200, b'{"keys":7}', "something else"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_an_issuer_that_answers_something_else_is_away(issuer: PrivateIssuer, name: str) -> None:
    path, status, body, told = ANSWERS[name]
    issuer.answers[path] = (status, body)
    with pytest.raises(UnavailableError, match=told):
        asyncio.run(Issuer(issuer.url).keys())


def test_keys_are_fetched_encrypted_or_from_this_machine(issuer: PrivateIssuer) -> None:
    told = {"issuer": issuer.url, "jwks_uri": "http://login.example/keys"}
    issuer.answers[DISCOVERY] = (200, msgspec.json.encode(told))
    with pytest.raises(UnavailableError, match="cannot be fetched"):
        asyncio.run(Issuer(issuer.url).keys())
    for url in ("http://login.example", "https://", "login.example", "ftp://localhost", "https://a:b@login.example"):
        with pytest.raises(InputError, match="an issuer has an address such as"):
            Settings(oidc_issuer=url)
    with pytest.raises(InputError, match="nobody is asked for a token"):
        Settings(oidc_issuer="https://login.example", auth="off")


def test_an_issuer_that_is_not_there_is_away() -> None:
    with PrivateIssuer() as gone:
        pass
    with pytest.raises(UnavailableError, match="cannot be asked at"):
        asyncio.run(Issuer(gone.url).keys())


def test_the_guard_lets_tokens_in_beside_keys_and_remembers_them_until_they_end(issuer: PrivateIssuer) -> None:
    now = [START_US]
    wanted = Settings(oidc_issuer=issuer.url, rate_per_s=1000)
    guard = guard_of(wanted, Keys(), lambda: now[0])
    assert isinstance(guard, CredentialGuard)
    token = ONE.sign(issuer.claims(exp=START_S + 60))

    def enter(text: str, need: Scope = Scope.REVIEW) -> str:
        return asyncio.run(guard.admit([(b"authorization", f"Bearer {text}".encode())], need)).principal.who

    assert [enter(token), enter(token)] == ["ada", "ada"]
    with pytest.raises(ForbiddenError):
        enter(token, Scope.MANAGE)
    with pytest.raises(UnauthenticatedError):
        enter(unsigned(issuer))
    now[0] += 60 * SECOND_US + LEEWAY_US - 1
    assert enter(token) == "ada"
    now[0] += 1
    with pytest.raises(UnauthenticatedError):
        enter(token)
    assert guard_of(replace(wanted, oidc_issuer=""), Keys(), lambda: 0)._tokens is None  # type: ignore[attr-defined]


def test_where_tokens_are_accepted_a_service_starts_without_a_key() -> None:
    _check_entrance(Settings(oidc_issuer="https://login.example"), ())
    with pytest.raises(InputError, match="no API key"):
        _check_entrance(Settings(), ())


@pytest.fixture(scope="module")
def standing() -> OidcTokens:
    """Return what checks tokens of an issuer that has gone away after it was asked."""
    with PrivateIssuer() as issuer:
        issuer.keys = [ONE.jwk(kid=None)]
        tokens = checker(issuer)
        check(tokens, jwt.encode(issuer.claims(), ONE.private, "ES256"))
    return tokens


@given(
    st.text(max_size=200)
    | st.lists(st.binary(max_size=60).map(part), min_size=3, max_size=3).map(".".join)
    | st.dictionaries(st.sampled_from(["alg", "kid", "b64", "typ"]), st.text(max_size=5) | st.booleans()).map(
        lambda header: f"{part(header)}.e30.AAAA"
    )
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
def test_no_text_is_a_good_token_or_a_failure(standing: OidcTokens, text: str) -> None:
    assert asyncio.run(standing.check(text, START_US)) is None
