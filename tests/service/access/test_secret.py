"""What a key looks like, and what is kept of it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.service.access.secret import digest_of, mint, new_id, parse

ID = "0123456789ab"


def test_a_secret_has_256_random_bits_and_is_never_minted_twice() -> None:
    made = {mint(ID)[0] for _ in range(500)}
    assert len(made) == 500
    assert all(re.fullmatch(r"adj_0123456789ab_[0-9a-f]{64}", text) for text in made)
    bits = [int(text[-64:], 16) for text in made]
    for bit in range(256):  # every bit is sometimes set and sometimes not
        assert 150 < sum(number >> bit & 1 for number in bits) < 350


def test_what_is_kept_opens_nothing() -> None:
    """The digest is not the secret, and belongs to one id."""
    text, digest = mint(ID)
    parsed = parse(text)
    assert parsed is not None
    assert parsed[0] == ID
    assert digest_of(*parsed) == digest
    assert parsed[1] not in digest
    assert digest_of("ba9876543210", parsed[1]) != digest
    assert parse(f"adj_{ID}_{digest}") is not None  # looks like a key
    assert digest_of(ID, digest) != digest  # and is none


def test_ids_are_of_the_form_that_keys_are_parsed_by() -> None:
    id_ = new_id()
    assert parse(mint(id_)[0]) is not None
    assert new_id() != id_


@pytest.mark.parametrize(
    "text",
    [
        "",
        "adj",
        f"adj_{ID}_",
        f"adj_{ID}_{'0' * 63}",
        f"adj_{ID}_{'0' * 65}",
        f"adj_{ID}_{'G' * 64}",
        f"adj_{ID.upper()}_{'0' * 64}",
        f"ADJ_{ID}_{'0' * 64}",
        f"adj_{ID}_{'0' * 64}\n",
        f" adj_{ID}_{'0' * 64}",
        f"adj_{ID}_{'٣' * 64}",
    ],
)
def test_what_is_nearly_a_key_is_none(text: str) -> None:
    assert parse(text) is None


@given(st.text())
def test_any_text_is_parsed_or_refused(text: str) -> None:
    parsed = parse(text)
    assert parsed is None or text == f"adj_{parsed[0]}_{parsed[1]}"
