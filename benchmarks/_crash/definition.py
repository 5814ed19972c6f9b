"""The system that is killed over and over: small, with everything in it that a log has to bring back.

Histories, labels, a feature that depends on earlier decisions, a profile, a second stream, rules with a list.
"""

from __future__ import annotations

from adjudge.define import (
    Boolean,
    Category,
    Event,
    Id,
    Key,
    Label,
    Money,
    Outcome,
    Place,
    Policy,
    Profile,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
    minutes,
)


class Order(Event):
    """An order that is paid at once."""

    order_id: Id
    at: Time
    user: Key
    card: Key | None
    amount: Money = field(minimum=0)
    method: Category
    place: Place | None


class Login(Event):
    """A sign-in."""

    login_id: Id
    at: Time
    user: Key


class Account(Profile):
    """What is known of a user."""

    change_id: Id
    at: Time
    user: Key
    verified: Boolean


RULES = Rules.load("""
version: 1
lists: {stolen: [c0, c1, c2, c3]}
rules:
- {id: stolen, when: card in stolen, action: block, reason: The card is listed., priority: 1}
- {id: busy, when: user_count_10m >= 25, action: review, reason: "{user_count_10m} orders in ten minutes."}
- {id: declined, when: user_declined_count_1d >= 2, action: review, reason: Two orders were declined today.}
""")

user, card = Order.by("user"), Order.by("card")

system = System(
    name="orders",
    decides=Order,
    label=Label("fraud", delay=minutes(1)),
    outcomes=[Outcome("declined", decided=("block",))],
    features=[
        user.count(minutes(10), hours(1), days(1)),
        user.mean("amount", days(30)),
        user.std("amount", days(30)),
        user.count(days(1), of="declined"),
        user.distinct("card", days(7)),
        user.speed("place"),
        card.rate("fraud", days(30)),
        Order.by("user", "card").is_new(),
        Login.by("user").count(minutes(10)),
        Account.by("user").latest("verified"),
        feature("zscore", "(amount - user_amount_mean_30d) / user_amount_std_30d"),
    ],
    rules=RULES,
    policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
    amount="amount",
    streams=[Login],
)
