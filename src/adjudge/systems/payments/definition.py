"""The payments system: what a card payment is, what is known when it arrives, and what is done about it.

Everything that the decision rests on stands here. Training table, service, monitors and replay are made from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from adjudge.define import (
    Boolean,
    Capacity,
    Category,
    Costs,
    Event,
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
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
    minutes,
)
from adjudge.models import Trees

VELOCITY = (minutes(1), minutes(5), minutes(15), hours(1), hours(24), days(7))
"""Windows in which payments are counted and summed."""

MONTH = days(30)
"""Window of what is usual."""

RULES = Path(__file__).with_name("rules.yaml")
"""The rules that come with the system."""


POLICY = Policy(costs=Costs(), capacity=Capacity(alerts_per_day=200), compare="loss", soft_rules="advise")
"""Thresholds from training: a team that can look at 200 payments a day looks where most money is at stake."""


OUTCOMES = (
    Outcome("declined", decided=("block",), meaning="declined by the issuer or by us"),
    Outcome(
        "verification", values=("passed", "failed", "timed_out"), meaning="whether the customer proved who they are"
    ),
    Outcome("step_up", values=("passed", "failed", "timed_out"), meaning="whether the payer confirmed the payment"),
    Outcome("review", values=("fraud", "legitimate", "unclear"), meaning="what a person found who looked at it"),
    Outcome("dispute", values=("opened", "won", "lost"), meaning="the customer's dispute, and how it ended for us"),
)
"""What becomes known about a payment besides whether it was fraud."""


class Payment(Event):
    """A payment before authorisation."""

    payment_id: Id
    at: Time = field(meaning="when the payer asked for it, with the local offset of the place where the payer is")
    user: Key
    merchant: Key
    amount: Money = field(minimum=0, maximum=10_000_000, currency_from="currency", rate_from="rate")
    currency: Category | None = field(max_length=3, meaning="ISO code; EUR where missing")
    rate: Number | None = field(minimum=0, meaning="EUR per unit of the currency")
    card: Key | None
    device: Key | None = field(meaning="SHA-256 of browser, system, screen and time zone")
    address: Key | None
    postal_area: Key | None
    category: Category | None = field(meaning="merchant category")
    method: Category | None
    channel: Category | None
    place: Place | None
    ip: Key | None
    ip_country: Category | None = field(max_length=2)
    card_country: Category | None = field(max_length=2)
    address_country: Category | None = field(max_length=2)
    proxy: Boolean | None
    typing_speed: Number | None = field(minimum=0, meaning="characters per second")
    session_s: Number | None = field(minimum=0, meaning="seconds from opening the page to paying")


class Account(Profile):
    """What is known about a customer."""

    change_id: Id
    at: Time
    user: Key
    opened: Time
    verification: Number = field(minimum=0, maximum=3)
    home: Place | None
    home_country: Category | None
    home_area: Key | None


user, card, device = Payment.by("user"), Payment.by("card"), Payment.by("device")
address, merchant, area = Payment.by("address"), Payment.by("merchant"), Payment.by("postal_area")

RAW = FeatureGroup(
    "payment",
    owner="payments",
    meaning="The payment itself.",
    features=[
        feature("amount_log", "log1p(amount)"),
        feature("hour", "hour(at)", unit="h"),
        feature("weekday", "weekday(at)"),
        feature("weekend", "weekday(at) >= 5"),
        feature("holiday", "date(at) in holidays"),
        feature(
            "days_from_pay_day",
            "min(abs(monthday(at) - 1), abs(monthday(at) - 15), abs(monthday(at) - 25), abs(monthday(at) - 32))",
            unit="d",
            meaning="days to the nearest 1st, 15th or 25th; at the end of a month of 30 days one too many, "
            "at the end of February up to two",
        ),
        feature("ip_listed", "where(ip is missing, False, ip in proxy_ips or proxy is not missing and proxy)"),
    ],
)

SPEED = FeatureGroup(
    "velocity",
    owner="payments",
    meaning="How much, how fast, by whom.",
    features=[
        made
        for entity in (user, card, device, address, merchant)
        for made in (
            entity.count(*VELOCITY),
            entity.sum("amount", *VELOCITY),
            entity.mean("amount", *VELOCITY),
            entity.max("amount", *VELOCITY),
        )
    ]
    + [
        user.count(hours(1), hours(24), of="declined"),
        card.count(hours(1), hours(24), of="declined"),
        user.count(hours(24), of="step_up_failed"),
        user.where("amount < 5", called="small").count(hours(1), hours(24)),
        user.decayed_sum("amount", hours(6)),
    ],
)

HABIT = FeatureGroup(
    "behaviour",
    owner="payments",
    meaning="How this payment compares with the customer's normal.",
    features=[
        user.count(MONTH),
        user.sum("amount", MONTH),
        user.mean("amount", MONTH),
        user.std("amount", MONTH),
        user.max("amount", MONTH),
        user.trend("amount", days(7)),
        feature("amount_zscore", "(amount - user_amount_mean_30d) / user_amount_std_30d"),
        feature("three_sigma", "abs(amount_zscore) > 3"),
        feature("amount_ratio", "amount / user_amount_mean_30d"),
        user.since_last(),
        feature("minutes_since_last", "user_since_last_s / 60", unit="min"),
        Payment.by("user", "method").is_new(),
        Payment.by("user", "merchant").is_new(),
        Payment.by("user", "device").is_new(),
        Payment.by("user", "device").since_first(),
        Payment.by("user", "postal_area").is_new(),
        Payment.by("user", "address").is_new(),
        Payment.by("user", "address").since_first(),
        Payment.by("user", "card").since_first(),
        Payment.by("user", "ip_country").is_new(),
        user.distinct("merchant", hours(24), days(7)),
        user.distinct("device", hours(24), days(7)),
        user.distinct("card", hours(24), days(7)),
        user.mean("typing_speed", MONTH),
        user.std("typing_speed", MONTH),
        user.mean("session_s", MONTH),
        user.std("session_s", MONTH),
        feature("typing_zscore", "(typing_speed - user_typing_speed_mean_30d) / user_typing_speed_std_30d"),
        feature("session_zscore", "(session_s - user_session_s_mean_30d) / user_session_s_std_30d"),
        Account.by("user").latest("at", "opened", "verification", "home", "home_country"),
        feature("account_age_days", "(at - user_account_opened) / 86400", unit="d"),
        feature("account_changed_s", "at - user_account_at", unit="s", meaning="since the account's last change"),
    ],
)

COUNTERPART = FeatureGroup(
    "merchant",
    owner="payments",
    meaning="What is known of the merchant, the device and the addresses behind the payment.",
    features=[
        merchant.rate("fraud", MONTH),
        device.rate("fraud", MONTH),
        area.rate("fraud", MONTH),
        merchant.count(MONTH, of="fraud"),
        merchant.count(days(7), of="fraud"),
        device.count(MONTH, of="fraud"),
        area.count(MONTH, days(7), of="fraud"),
        user.count(MONTH, of="fraud"),
        area.count(hours(24), days(7)),
        merchant.count(MONTH),
        feature("merchant_share_1d", "merchant_count_1d / merchant_count_30d", meaning="a day's part of a month"),
        feature("merchant_share_7d", "merchant_count_7d / merchant_count_30d", meaning="a week's part of a month"),
        merchant.mean("amount", MONTH),
        merchant.std("amount", MONTH),
        feature("merchant_amount_zscore", "(amount - merchant_amount_mean_30d) / merchant_amount_std_30d"),
        merchant.count(MONTH, of="dispute_opened"),
        merchant.count(MONTH, of="dispute_lost"),
        feature(
            "merchant_disputes",
            "merchant_dispute_opened_count_30d + merchant_dispute_lost_count_30d",
            meaning="disputes of the last month that are open or were lost",
        ),
        merchant.distinct("user", hours(24)),
        device.distinct("user", hours(24), MONTH),
        device.distinct("card", hours(24), MONTH),
        device.distinct("address", MONTH),
        device.count(MONTH),
        device.since_first(),
        address.count(MONTH, of="fraud"),
        address.since_first(),
        address.distinct("user", MONTH),
        card.distinct("merchant", hours(1), hours(24)),
    ],
)


def geography(impossible_kmh: float) -> FeatureGroup:
    """Return the features of place and country; travel faster than so many kilometres per hour is impossible."""
    return FeatureGroup(
        "geography",
        owner="payments",
        meaning="Where the payment comes from, against where the customer is.",
        features=[
            user.speed("place"),
            user.distance("place"),
            user.distance_typical("place", MONTH),
            feature("impossible_travel", f"user_place_speed_kmh > {impossible_kmh:g} and user_place_distance_km > 100"),
            feature("home_km", "distance(place, user_account_home)", unit="km"),
            feature("address_abroad", "address_country != user_account_home_country"),
            feature("card_abroad", "card_country != address_country"),
            feature("ip_abroad", "ip_country != user_account_home_country"),
        ],
    )


def payments(
    *,
    impossible_kmh: float = 800.0,
    lists: Mapping[str, Collection[str | float]] | None = None,
    rules: Rules | None = None,
    policy: Policy | None = None,
) -> System:
    """Return the payments system.

    Parameters
    ----------
    impossible_kmh
        Speed above which two payments cannot be one person's, 500 or 800 in the case studies.
    lists
        Contents of the lists ``proxy_ips``, ``holidays``, ``blocked_cards`` and ``risky_merchants``.
    rules
        Instead of the rules that come with the system.
    policy
        Instead of thresholds from training with 200 alerts a day.

    Examples
    --------
    >>> payments().name
    'payments'
    """
    empty: dict[str, Collection[str | float]] = {
        "proxy_ips": (),
        "holidays": (),
        "blocked_cards": (),
        "risky_merchants": (),
    }
    return System(
        name="payments",
        decides=Payment,
        label=Label("fraud", delay=days(7), meaning="reported by the customer or found by review"),
        outcomes=OUTCOMES,
        features=[RAW, SPEED, HABIT, COUNTERPART, geography(impossible_kmh)],
        rules=rules if rules is not None else Rules.load(RULES),
        policy=policy or POLICY,
        lists=empty | dict(lists or {}),
        model=Trees(n_trees=400, depth=5, columns=0.3, min_rows=50, l2=5.0),
        amount="amount",
        card="card",
        leave_out=["rate", "user_account_at", "user_account_opened"],
        meaning="Decides card payments before authorisation.",
    )


system = payments
"""What `adjudge --system payments` builds."""
