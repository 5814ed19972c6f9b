"""Signed messages: what was signed is believed, and nothing else is."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.client.webhooks import ID, SIGNATURE, TIME, SignatureError, secret_of, sign, verify
from adjudge.errors import InputError

SECRET, NOW, BODY = b"a shared secret", 1_772_366_400, b'{"type":"decisions","decisions":[]}'


def signed(secret: bytes = SECRET, at_s: int = NOW) -> dict[str, str]:
    return sign(secret, "processor-17", at_s, BODY)


def test_signatures_are_those_of_the_specification() -> None:
    """The example that libraries for Standard Webhooks are tested with."""
    secret = secret_of("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = sign(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_a_message_is_believed_whatever_the_case_of_its_headers() -> None:
    assert verify(SECRET, signed(), BODY, now_s=NOW) == "processor-17"
    assert verify(SECRET, {name.title(): value for name, value in signed().items()}, BODY, now_s=NOW) == "processor-17"


CHANGED: dict[str, tuple[dict[str, str], bytes]] = {
    "body": ({}, BODY.replace(b"[]", b"[1]")),
    "id": ({ID: "processor-18"}, BODY),
    "time": ({TIME: str(NOW + 1)}, BODY),
    "where the id ends": ({ID: f"processor-17.{NOW}"}, BODY),
    "signature": ({SIGNATURE: "v1," + base64.b64encode(b"0" * 32).decode()}, BODY),
    "version": ({SIGNATURE: signed()[SIGNATURE].replace("v1,", "v2,")}, BODY),
    "no signature": ({SIGNATURE: ""}, BODY),
}


@pytest.mark.parametrize("what", CHANGED)
def test_a_message_that_was_changed_is_not_believed(what: str) -> None:
    headers, body = CHANGED[what]
    with pytest.raises(SignatureError, match="does not fit"):
        verify(SECRET, signed() | headers, body, now_s=NOW)


def test_a_message_is_good_for_a_few_minutes_both_ways() -> None:
    """Signed at S, tolerated 5 minutes.

    ::

        S-5min                 S                 S+5min
        ─┃──────── good ───────┃─────── good ──────┃─
    """
    for late_s in (-300, 0, 300):
        assert verify(SECRET, signed(), BODY, now_s=NOW + late_s)
    for late_s in (-301, 301, 10**6):
        with pytest.raises(SignatureError, match="not sent within 300 s"):
            verify(SECRET, signed(), BODY, now_s=NOW + late_s)
    strict = timedelta(seconds=10)
    with pytest.raises(SignatureError, match="not sent within 10 s"):
        verify(SECRET, signed(), BODY, now_s=NOW + 11, tolerance=strict)


@pytest.mark.parametrize("at", ["", "now", "-1", "٣", "1" * 13, "9" * 5_000])
def test_a_time_that_is_none_is_refused_though_it_is_signed(at: str) -> None:
    headers = sign(SECRET, "m", at, BODY)  # type: ignore[arg-type]  # as a sender that is wrong would do it
    with pytest.raises(SignatureError, match="not sent within"):
        verify(SECRET, headers, BODY, now_s=NOW)


def test_secrets_are_replaced_without_a_gap() -> None:
    """The receiver takes both while the sender changes over; or the sender signs with both."""
    old, new = b"old", b"new"
    for secret in (old, new):
        assert verify([old, new], signed(secret), BODY, now_s=NOW)
    both = signed(old) | {SIGNATURE: f"{signed(old)[SIGNATURE]} v9,later {signed(new)[SIGNATURE]}"}
    for secret in (old, new):
        assert verify(secret, both, BODY, now_s=NOW)
    with pytest.raises(SignatureError):
        verify([new], signed(old), BODY, now_s=NOW)
    with pytest.raises(SignatureError):
        verify([], signed(old), BODY, now_s=NOW)


@pytest.mark.parametrize("text", ["", "whsec_", "whsec_no base64!"])
def test_an_empty_secret_is_no_secret(text: str) -> None:
    """Anybody could sign with it: what is missing from an environment must not open a door."""
    with pytest.raises(InputError, match="must not be empty"):
        secret_of(text)
    for call in (lambda: signed(b""), lambda: verify([SECRET, b""], signed(), BODY, now_s=NOW)):
        with pytest.raises(InputError, match="must not be empty"):
            call()


@given(st.dictionaries(st.sampled_from([ID, TIME, SIGNATURE]), st.text()), st.binary())
def test_whatever_comes_is_refused_and_nothing_else(headers: dict[str, str], body: bytes) -> None:
    with pytest.raises(SignatureError):
        verify(SECRET, headers, body, now_s=NOW)
