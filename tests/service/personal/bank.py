"""A small bank whose payments are about persons: what the tests of personal data run on."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from adjudge.define import (
    Boolean,
    Event,
    Id,
    Key,
    Label,
    Money,
    Policy,
    Profile,
    Rules,
    System,
    Text,
    Time,
    days,
    hours,
)
from adjudge.define import field as declared
from adjudge.engine import SECRET
from adjudge.engine import compile as compile_system
from adjudge.engine.plan import Plan
from adjudge.errors import ErasedError
from adjudge.log import Kind, Log
from adjudge.log.codec import Events
from adjudge.service.activation import secret_of
from adjudge.service.again import again_of
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.personal.keys import Keys, MemoryKeys
from adjudge.service.workspace import Change
from tests.service.shop import START, ManualClock, as_json


class Payment(Event):
    """A payment of a customer to a merchant."""

    payment_id: Id
    at: Time
    user: Key = declared(person=True)
    card: Key | None = declared(personal=True)
    remark: Text | None = declared(personal=True)
    merchant: Key
    amount: Money = declared(minimum=0)


class Login(Event):
    """A sign-in of the same persons."""

    login_id: Id
    at: Time
    user: Key = declared(person=True)


class Account(Profile):
    """What is known of them."""

    change_id: Id
    at: Time
    user: Key = declared(person=True)
    verified: Boolean


RULES = """
version: 1
rules:
- id: busy
  when: user_count_1h >= 3
  action: review
  reason: "{user_count_1h} payments of {user} within an hour."
"""


def bank(capacity: int = 8, secret: bytes = SECRET) -> Plan:
    """Return the compiled system; keys have merged rows from `capacity` rows on."""
    return compile_system(bank_system(capacity), secret=secret)


def bank_system(capacity: int = 8) -> System:
    """Return the system."""
    user = Payment.by("user", capacity=capacity)
    pair = Payment.by("user", "merchant", capacity=capacity)
    merchant, card = Payment.by("merchant", capacity=capacity), Payment.by("card", capacity=capacity)
    return System(
        "bank",
        decides=Payment,
        label=Label("fraud", delay=days(1)),
        features=[
            user.count(hours(1), days(30)),
            user.sum("amount", days(30)),
            pair.is_new(),
            pair.mean("amount", days(30)),
            merchant.count(days(30)),
            merchant.distinct("user", days(30)),
            merchant.rate("fraud", days(30)),
            card.count(days(30)),
            Login.by("user").count(days(1)),
            Account.by("user").latest("verified"),
        ],
        rules=Rules.load(RULES),
        policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
        amount="amount",
    )


def payment(number: int | str, user: str = "ada", minute: float = 0.0, **changes: Any) -> dict[str, Any]:
    """Return a payment as a client would send it."""
    made = {
        "payment_id": f"p{number}",
        "at": (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "user": user,
        "card": f"card of {user}",
        "remark": f"from {user} with love",
        "merchant": "m1",
        "amount": "10.00",
    }
    return {k: v for k, v in (made | changes).items() if v is not None}


class Bank:
    """A decider with its clock and its keys, spoken to in plain rows."""

    def __init__(self, plan: Plan, log: Log, keys: Keys | None = None) -> None:
        self.plan, self.log, self.keys = plan, log, MemoryKeys() if keys is None else keys
        self.clock = ManualClock()
        self.decider = Decider([plan], log, clock=self.clock, follower=self.follower())

    def follower(self) -> Follower:
        """Return the state of the log, folded from its beginning."""
        made = Follower([self.plan], self.log, say=print, keys=self.keys)
        made.catch_up()
        return made

    def send(self, *rows: dict[str, Any], stream: str = "payment") -> list[str]:
        """Decide rows that must be well-formed; return what became of each."""
        decoded = self.decider.workspace.door(stream).many(as_json(rows))
        assert not decoded.errors, decoded.errors
        verdicts = self.decider.decide(stream, decoded.events)
        return [v.error.code if v.error else "repeated" if v.repeated else "new" for v in verdicts]

    def erase(self, person: str, stream: str = "payment") -> bool:
        """Erase a person."""
        return self.decider.erase(stream, person, who="officer", why="asked for it")

    def decide_twice(self, *ids: str) -> None:
        """Log second decisions about some payments, as if the first ones had lacked something; the same come out."""
        workspace, writer = self.decider.workspace, self.decider.writer
        for id_ in ids:
            position = workspace.ids["payment"].get(id_)
            assert position is not None
            first, block = workspace.lookup.block(position)
            assert isinstance(block, Events)
            made = workspace.made_of(first, block, block.ids.texts())["bank"]
            writer.append([again_of("payment", made.one(position - first))], self.decider.clock())

    def is_withheld(self, id_: str) -> bool:
        """Return whether a decision can no longer be read, because its person was erased."""
        try:
            self.decider.decision(id_)
        except ErasedError:
            return True
        return False

    def rekey(self, plan: Plan) -> None:
        """Replace the secret by that of another plan for the same system, and start again with it."""
        self.decider.rekey(secret_of([plan]), who="officer", why="every year")
        self.plan = plan
        self.decider = Decider([plan], self.log, clock=self.clock, follower=self.follower())


USERS = ("ada", "bob", "cleo", "dan")
"""The customers."""


def random_life(
    bank: Bank,
    seed: int,
    steps: int,
    erased: Sequence[str] = ("ada", "bob"),
    meanwhile: Mapping[int, Callable[[], None]] | None = None,
) -> set[str]:
    """Let random things happen, some persons be erased and some of them come back; return the ids of erased events.

    What is to be done before a step is in `meanwhile`.
    """
    rng = random.Random(seed)
    of: dict[str, list[str]] = {user: [] for user in USERS}
    gone: set[str] = set()
    for step in range(steps):
        if meanwhile and step in meanwhile:
            meanwhile[step]()
        bank.clock.advance(timedelta(minutes=rng.choice((1, 20, 400))))
        minute = (bank.clock.at - START).total_seconds() / 60
        user = rng.choice(USERS)
        match rng.choice(("pay", "pay", "pay", "pay", "login", "account", "label", "retract", "erase")):
            case "pay":
                rows = [
                    payment(
                        f"{step}-{i}",
                        rng.choice(USERS),
                        minute - rng.choice((0, 0, 30, 3000)),
                        merchant=f"m{rng.randrange(3)}",
                        amount=f"{rng.randrange(1, 9999) / 100:.2f}",
                        card=rng.choice((None, "shared", "card of ada")),
                    )
                    for i in range(rng.randrange(1, 6))
                ]
                for row, came in zip(rows, bank.send(*rows), strict=True):
                    if came == "new":
                        of[row["user"]].append(row["payment_id"])
            case "login":
                at = bank.clock.at.isoformat()
                bank.send({"login_id": f"l{step}", "at": at, "user": user}, stream="login")
            case "account":
                row = {
                    "change_id": f"a{step}",
                    "at": bank.clock.at.isoformat(),
                    "user": user,
                    "verified": step % 2 == 0,
                }
                bank.send(row, stream="account")
            case "label" if of[user]:
                change = Change(Kind.LABEL, "payment", rng.choice(of[user]), "fraud", float(rng.randrange(2)))
                bank.decider.change([change])
            case "retract" if of[user]:
                bank.decider.change([Change(Kind.RETRACTION, "payment", rng.choice(of[user]))])
            case "erase" if user in erased and rng.random() < 0.5:
                bank.erase(user)
                gone.update(of[user])
    return gone
