"""Systems that together use everything a definition can say, each attribute at another value than the usual one.

`python -m tests.define.everything` prints the golden file of the present format; a golden file that is there is never
written again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from adjudge.define import (
    Boolean,
    Capacity,
    Category,
    Costs,
    DerivedFeature,
    Event,
    Fallback,
    FeatureGroup,
    Id,
    Key,
    Label,
    Money,
    Number,
    Outcome,
    Place,
    Policy,
    Profile,
    ProfileFeature,
    Rule,
    Rules,
    System,
    Term,
    Text,
    Time,
    WindowFeature,
    days,
    feature,
    field,
    hours,
    minutes,
)
from adjudge.define.spec import to_spec
from adjudge.engine import compile


class Order(Event):
    """An order before it is sent."""

    order_id: Id = field(max_length=64)
    at: Time = field(zone="Europe/Vienna", meaning="when it was placed")
    paid_at: Time | None
    buyer: Key = field(person=True)
    device: Key | None = field(personal=True)
    amount: Money = field(minimum=0, maximum=1e6, currency="USD", currency_from="currency", rate_from="rate")
    tip: Money | None = field(minimum=-0.5, currency="JPY")
    currency: Category | None = field(max_length=3)
    rate: Number | None = field(minimum=0.01)
    weight: Number = field(minimum=0.25, maximum=1_000)
    gift: Boolean | None
    place: Place | None
    note: Text | None


class WebVisit(Event):
    """A look at the shop."""

    visit_id: Id
    seen_at: Time
    buyer: Key
    seconds: Number | None
    page: Category


class Customer(Profile):
    """What is known of a buyer."""

    change_id: Id
    at: Time
    buyer: Key
    since: Time | None
    home: Place | None
    level: Category
    premium: Boolean


class Parcel(Event):
    """Kept, and read by nothing yet."""

    parcel_id: Id
    at: Time
    buyer: Key


buyer = Order.by("buyer", capacity=64, eps=0.1, memory=days(90))
device, both = Order.by("device"), Order.by("buyer", "device")
visit = WebVisit.by("buyer")

WINDOWS = [
    buyer.count(hours(1), days(7)),
    buyer.count(days(7), of="place"),
    buyer.sum("amount", timedelta(microseconds=1_500_001)),
    buyer.mean("amount", days(30)),
    buyer.std("amount", days(30)),
    buyer.min("weight", days(7)),
    buyer.max("weight", days(7)),
    buyer.first("note"),
    buyer.last("amount"),
    buyer.last_n("weight", 3),
    buyer.distinct("device", days(7)),
    buyer.trend("amount", days(30)),
    buyer.correlation("amount", "weight", days(30)),
    buyer.decayed_sum("amount", hours(6)),
    buyer.decayed_count(minutes(90)),
    buyer.since_last(),
    buyer.since_first(),
    buyer.speed("place"),
    buyer.distance("place"),
    buyer.distance_typical("place", days(30)),
    buyer.including().sum("amount", hours(1)),
    buyer.where("amount > 50 and gift is not missing", called="large").count(hours(1)),
    device.rate("returned", days(30)),
    device.rate("returned", days(30), delay=days(2)),
    device.where("weight > 2").rate("returned", days(30)),
    device.delayed_count(days(1), days(7)),
    device.count(days(7), of="stopped"),
    buyer.count(days(7), of="call_missed"),
    both.is_new(),
    device.linked("buyer", fan_out=16).known("returned", days(7)),
    visit.count(minutes(10)),
    visit.where("page == 'help'", called="help").mean("seconds", days(1)),
]

BY_BANDS = System(
    name="orders",
    decides=Order,
    label=Label("returned", delay=days(3), meaning="it came back"),
    features=[
        FeatureGroup("habits", "risk team", WINDOWS, meaning="How the buyer orders."),
        (WindowFeature("odd_name", device, "count", window=days(2), unit="orders", meaning="by hand", owner="ops"),),
        Customer.by("buyer").latest("since", "home", "level"),
        (ProfileFeature("premium", Customer.by("buyer"), "premium", unit="yes or no", meaning="by hand", owner="ops"),),
        feature("far", "distance(place, buyer_customer_home)", unit="km", meaning="from home"),
        (DerivedFeature("known_page", "coalesce(note, '-') in pages or weight in sizes", owner="ops"),),
        feature("evening", "hour(at) >= 18 and\n  weekday(at) < 5"),
    ],
    rules=Rules(
        (
            Rule("plain", "amount > 100", "review"),
            Rule(
                id="full",
                when="buyer_count_1h>=(3)  and buyer in stolen",
                action="stop",
                reason="{buyer_count_1h:.0f} within an hour, {amount:.2f}.",
                code="R17",
                confidence=0.75,
                priority=-3,
                final=True,
                description="Since the spring.",
                owner="risk team",
                created="2026-01-31",
                expires="2027-01-31T12:30:00+01:00",
                tags=("velocity", "stolen-cards"),
                on_fraud={"list": "stolen", "add": "device", "for": "36h"},
            ),
            Rule("noted", "gift", "flag"),
        ),
        lists={"stolen": ("b1", 'ü "quoted"'), "none": ()},
    ),
    policy=Policy(
        actions=("send", "ask", "review", "stop"),
        bands={"send": 30, "ask": 60, "stop": 100},
        costs=Costs(fraud_share=0.9, review=3.5, insult=2, insult_share=0.01, review_catches=0.8),
        capacity=Capacity(alerts_per_day=12.5),
        review=("ask", "review"),
        soft_rules="advise",
    ),
    lists={"pages": {"help", "a", "-"}, "sizes": (2.5, -1, 10)},
    outcomes=[
        Outcome("stopped", decided=("stop",), meaning="by us"),
        Outcome("kept"),
        Outcome("call", values=("answered", "missed"), meaning="of the desk"),
    ],
    amount="amount",
    card="buyer",
    inputs=["weight", "buyer_count_1h", "far"],
    leave_out=["far"],
    streams=[Parcel],
    meaning="Decides orders.",
    terms={"sizes": {10.0: Term(reason="asked for")}, "stolen": {"b1": Term("2026-12-31", "seen on sale")}},
)

BY_LOSS = System(
    name="losses",
    decides=Order,
    label=Label("returned", delay=days(3)),
    features=[buyer.count(days(1))],
    policy=Policy(thresholds={"review": 10, "block": 250.5}, compare="loss"),
    amount="amount",
)

BY_COST = System(
    name="costs",
    decides=Order,
    features=[visit.count(days(1))],
    policy=Policy(by_cost=True, fallback=Fallback("review", above={"block": 500}), false_positives=0.02),
    amount="amount",
)

SYSTEMS = (BY_BANDS, BY_LOSS, BY_COST)
"""What can only be said one way in a system is said another way in another."""


def golden() -> str:
    """Return the specs of the systems and the versions that they compile to, as a file that can be read in a diff."""
    entries = [{**to_spec(system), "versions": dict(compile(system).versions)} for system in SYSTEMS]
    return "[" + ",".join("{" + ",".join(_lines(entry)) + "\n}" for entry in entries) + "]\n"


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        rows = isinstance(value, list) and value and isinstance(value[0], dict)
        told = "[\n  " + ",\n  ".join(map(json.dumps, value)) + "]" if rows else json.dumps(value)
        yield f"\n {json.dumps(key)}: {told}"


if __name__ == "__main__":
    print(golden(), end="")
