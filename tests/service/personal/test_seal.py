"""Sealing: what is sealed is opened by its key for its event alone, and comes back byte for byte."""

from __future__ import annotations

import base64
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adjudge.define import Category, Event, Id, Key, Money, Number, Place, Text, Time
from adjudge.define import field as declared
from adjudge.errors import AdjudgeError, DefinitionError
from adjudge.log.codec import CodecError
from adjudge.service.decode import EventDecoder
from adjudge.service.personal.keys import KeysError, MemoryKeys, Person
from adjudge.service.personal.seal import CACHED, MARKER, SEALED, Vault
from tests.service.personal.bank import Payment, payment

SCHEMA = Payment.schema()
DOOR = EventDecoder(SCHEMA)


def body(user: str = "ada") -> bytes:
    """Return the canonical bytes of a payment."""
    return DOOR.encode(DOOR.one(json.dumps(payment(1, user)).encode()))


def sealed(vault: Vault, plain: bytes, token: int = 7, id_: str = "p1") -> bytes:
    """Return a body sealed."""
    (made,) = vault.seal("payment", [id_], [DOOR.one(plain)], [token])
    return made


@pytest.fixture
def vault() -> Vault:
    """Return a vault of its own."""
    return Vault({"payment": SCHEMA}, MemoryKeys())


@settings(max_examples=60, deadline=None)
@given(
    user=st.text(st.characters(codec="utf-8"), min_size=1, max_size=30),
    remark=st.none() | st.text(st.characters(codec="utf-8"), max_size=30) | st.just(f'"{SEALED}":"x"'),
    merchant=st.sampled_from(["m1", SEALED, f'"{SEALED}":"']),
)
def test_what_was_sealed_comes_back_byte_for_byte(user: str, remark: str | None, merchant: str) -> None:
    """Whatever the texts are; nothing personal is readable in between."""
    vault = Vault({"payment": SCHEMA}, MemoryKeys())
    row = payment(1, user, card=None, remark=remark, merchant=merchant)
    plain = DOOR.encode(DOOR.one(json.dumps(row).encode()))
    kept = sealed(vault, plain)
    assert set(json.loads(kept)) == {"payment_id", "at", "merchant", "amount", SEALED}
    found = vault.read("payment", "p1", kept)
    assert (found.body, found.erased) == (plain, False)
    assert vault.read("payment", "p1", plain).body == plain  # written before the field was personal


def test_no_two_sealed_bodies_are_alike(vault: Vault) -> None:
    """Every one has a nonce of its own, so that equal values do not show."""
    made = vault.seal("payment", ["p1"] * 50, [DOOR.one(body())] * 50, [7] * 50)
    boxes = [base64.b64decode(json.loads(one)[SEALED]) for one in made]
    assert len({box[17:29] for box in boxes}) == 50
    assert len({box[1:17] for box in boxes}) == 1  # one person, one key


def test_what_is_sealed_belongs_to_its_event(vault: Vault) -> None:
    """Moved to another event or stream, or changed in any bit, it is not opened."""
    kept = sealed(vault, body())
    members = json.loads(kept)
    for stream, id_ in (("payment", "p2"), ("login", "p1"), ("payment\np1", "")):
        with pytest.raises(KeysError, match="not what was sealed"):
            vault.read(stream, id_, kept)
    box = base64.b64decode(members[SEALED])
    for at in (17, 29, len(box) - 1):
        forged = box[:at] + bytes([box[at] ^ 1]) + box[at + 1 :]
        with pytest.raises(KeysError):
            vault.read("payment", "p1", msgspec.json.encode(members | {SEALED: base64.b64encode(forged).decode()}))


def test_a_sealed_body_that_was_damaged_is_refused_in_words(vault: Vault) -> None:
    """Wherever it was cut or a bit was flipped: an error of adjudge's, and never one of a parser."""
    kept = sealed(vault, body())
    with pytest.raises(CodecError, match="stream 'payment' is not what was logged"):
        vault.read("payment", "p1", kept[:-1])
    for at in range(len(kept)):
        flipped = kept[:at] + bytes([kept[at] ^ 0x80]) + kept[at + 1 :]
        with pytest.raises(AdjudgeError):  # what is not sealed is for the door to refuse
            DOOR.one(vault.read("payment", "p1", flipped).body)


def test_keys_are_asked_for_once_and_forgotten_when_doomed() -> None:
    """A person's key stays at hand; from its erasure on it is neither used nor brought back to mind."""

    class Counted(MemoryKeys):
        asked = 0

        def find(self, persons: object) -> dict[Person, object]:  # type: ignore[override]
            self.asked += 1
            return super().find(persons)  # type: ignore[arg-type,return-value]

    keys = Counted()
    vault = Vault({"payment": SCHEMA}, keys)  # type: ignore[arg-type]
    first = sealed(vault, body())
    asked = keys.asked
    second = sealed(vault, body())
    assert keys.asked == asked
    ada = Person("user", 7)
    key = vault.key_of(ada)
    assert key is not None
    vault.doom(ada, key.id)
    assert vault.key_of(ada) is None
    assert vault.read("payment", "p1", first).erased
    third = sealed(vault, body())  # ada came back, before anybody had the time to destroy the key
    assert keys.secret(key.id) is None
    assert vault.read("payment", "p1", third).body == body()
    found = vault.read("payment", "p1", second)
    assert found.erased
    assert json.loads(found.body) == json.loads(body()) | dict.fromkeys(("user", "card", "remark"), MARKER)
    assert list(json.loads(found.body)) == list(json.loads(body()))


def test_many_persons_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys at hand are bounded, and bodies of persons whose keys left are opened all the same."""
    assert CACHED >= 10_000
    monkeypatch.setattr("adjudge.service.personal.seal.CACHED", 4)
    vault = Vault({"payment": SCHEMA}, MemoryKeys())
    kept = [sealed(vault, body(user=f"u{i}"), token=i) for i in range(11)]
    assert [json.loads(vault.read("payment", "p1", one).body)["user"] for one in kept] == [f"u{i}" for i in range(11)]
    assert max(len(vault._sealing), len(vault._opening)) <= 4


def test_personal_fields_need_one_person() -> None:
    """A declaration that cannot be kept says why, in a sentence that names the field."""

    class Nobody(Event):
        id: Id
        at: Time
        remark: Text = declared(personal=True)

    class Two(Event):
        id: Id
        at: Time
        a: Key = declared(person=True)
        b: Key = declared(person=True)

    class Maybe(Event):
        id: Id
        at: Time
        a: Key | None = declared(person=True)

    class Where(Event):
        id: Id
        at: Time
        a: Key = declared(person=True)
        home: Place = declared(personal=True)

    class Age(Event):
        id: Id
        at: Time
        a: Key = declared(person=True)
        age: Number = declared(personal=True)

    class Named(Event):
        id: Id = declared(personal=True)
        at: Time
        a: Key = declared(person=True)

    class Foreign(Event):
        id: Id
        at: Time
        a: Key = declared(person=True)
        amount: Money = declared(currency_from="currency", rate_from="rate")
        currency: Category = declared(personal=True)
        rate: Number

    for stream, words in (
        (Nobody, "exactly one Key field whose they are, not on 0"),
        (Two, "not on 2"),
        (Maybe, "field 'a' names the person and must be a required Key field"),
        (Where, "field 'home' is of type place and cannot be personal"),
        (Age, "field 'age' is of type number and cannot be personal"),
        (Named, "field 'id' is of type id and cannot be personal"),
        (Foreign, "field 'currency' is the currency of an amount"),
    ):
        with pytest.raises(DefinitionError, match=words):
            stream.schema()
    assert SCHEMA.person_field == "user"
    assert SCHEMA.personal_fields == ("user", "card", "remark")


def test_what_is_personal_does_not_change_what_a_stored_event_means() -> None:
    """A log is read on when a field becomes personal: its encoded fields are the same."""

    class Visit(Event):
        id: Id
        at: Time
        guest: Key

    plain = Visit.schema()

    class Visit(Event):  # type: ignore[no-redef]
        id: Id
        at: Time
        guest: Key = declared(person=True)

    assert Visit.schema().digest == plain.digest
