"""The smallest decision system: one stream, a few features, three rules. No model, no server.

Run it: ``python examples/01_first_decision.py``
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from adjudge.define import Event, Id, Key, Money, Policy, Rules, System, Time, days, feature, hours
from adjudge.engine import compile
from adjudge.service.decode import EventDecoder

RULES = Rules.load("""
version: 1
lists:
  stolen_cards: [c-666]
rules:
- id: stolen
  when: card in stolen_cards
  action: block
  reason: The card was reported stolen.
  priority: 1
  final: true
- id: too_fast
  when: user_count_1h >= 3
  action: review
  reason: "{user_count_1h} payments within an hour before this one."
  confidence: 0.9
- id: unusual_amount
  when: times_usual > 5
  action: review
  reason: "{amount:.2f} is {times_usual:.1f} times the usual {user_amount_mean_30d:.2f}."
  confidence: 0.8
""")


class Payment(Event):
    """A payment before authorisation."""

    payment_id: Id
    at: Time
    user: Key
    card: Key | None
    amount: Money


user = Payment.by("user")

SYSTEM = System(
    name="first",
    decides=Payment,
    features=[
        user.count(hours(1)),
        user.mean("amount", days(30)),
        feature("times_usual", "amount / user_amount_mean_30d"),
    ],
    rules=RULES,
    policy=Policy(actions=("approve", "review", "block")),
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def payment(number: int, minute: int, amount: str, card: str | None = "c-1") -> dict[str, object]:
    """Return a payment of ann's as an application would send it."""
    at = NOON + timedelta(minutes=minute)
    return {"payment_id": f"p{number}", "at": at, "user": "ann", "card": card, "amount": amount}


PAYMENTS = [
    payment(1, 0, "20.00"),
    payment(2, 10, "30.00"),
    payment(3, 200, "150.00"),  # six times the usual 25.00
    payment(4, 205, "25.00"),
    payment(5, 210, "25.00", card=None),
    payment(6, 215, "25.00"),  # the third in the hour before was at minute 200
    payment(7, 300, "10.00", card="c-666"),
]


def main() -> None:
    """Decide seven payments, one batch, and print what came of each and why."""
    plan = compile(SYSTEM)
    state = plan.start()
    events = EventDecoder(plan.schema("payment")).rows(PAYMENTS).events
    decisions = plan.step(state, plan.encode("payment", events, np.arange(len(events))))
    if decisions is None:
        return
    for i, decision in enumerate(decisions):
        why = " ".join(decisions.render(i)) or "nothing speaks against it"
        print(f"{decision.id}  {decision.decision:8}  {why}")
    print("features of p3:", decisions.features(2))


if __name__ == "__main__":
    main()
