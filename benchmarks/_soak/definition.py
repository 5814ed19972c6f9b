"""A system that reaches its full size within minutes of fast event time: nothing reaches back further than a day.

With the lateness of a week an id is kept for 8 to 16 days, and the rows of a key for 8.
"""

from __future__ import annotations

from adjudge.define import (
    Category,
    Event,
    Id,
    Key,
    Label,
    Money,
    Place,
    Policy,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
    minutes,
)

CAPACITY = 128
"""Rows up to which a key is exact."""


class Order(Event):
    """An order that is paid at once."""

    order_id: Id
    at: Time
    user: Key
    card: Key
    amount: Money = field(minimum=0)
    method: Category
    place: Place | None


class Login(Event):
    """A sign-in."""

    login_id: Id
    at: Time
    user: Key


RULES = Rules.load("""
version: 1
lists: {stolen: [c0, c1, c2, c3]}
rules:
- {id: stolen, when: card in stolen, action: block, reason: The card is listed., priority: 1}
- {id: busy, when: user_count_10m >= 25, action: review, reason: "{user_count_10m} orders in ten minutes."}
""")

user = Order.by("user", capacity=CAPACITY, memory=days(1))
card = Order.by("card", capacity=CAPACITY, memory=days(1))
sign_in = Login.by("user", capacity=CAPACITY, memory=days(1))

system = System(
    name="soak",
    decides=Order,
    label=Label("fraud", delay=minutes(1)),
    features=[
        user.count(minutes(10), hours(1), days(1)),
        user.mean("amount", days(1)),
        user.std("amount", days(1)),
        user.distinct("card", days(1)),
        user.speed("place"),
        card.count(hours(1), days(1)),
        card.rate("fraud", days(1)),
        sign_in.count(minutes(10)),
        feature("zscore", "(amount - user_amount_mean_1d) / user_amount_std_1d"),
    ],
    rules=RULES,
    policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
    amount="amount",
    streams=[Login],
)
