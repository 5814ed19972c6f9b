"""The payments system at its limits: every rule just below and just above, and what its features say."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pytest

from adjudge.engine import Batch, Decision, Plan, compile
from adjudge.service.decode import EventDecoder
from adjudge.systems.payments.definition import payments

NOW = datetime(2026, 3, 18, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DEGREE_KM = 6371.0088 * np.pi / 180
"""One degree of longitude on the equator."""

LISTS: dict[str, Collection[str]] = {
    "blocked_cards": ["stolen"],
    "risky_merchants": ["shady"],
    "proxy_ips": ["10.0.0.1"],
}

Row = Mapping[str, Any]


@cache
def system(impossible_kmh: float = 800.0) -> Plan:
    """Return the compiled system with some lists."""
    return compile(payments(impossible_kmh=impossible_kmh, lists=LISTS))


class Line:
    """A timeline of ann's payments, told by how long before now they were."""

    def __init__(self, plan: Plan | None = None) -> None:
        self.plan = plan or system()
        self.state = self.plan.start()
        self.count = 0

    def pay(self, before: timedelta = timedelta(), **fields: Any) -> tuple[Decision, dict[str, float | None]]:
        """Decide a payment and return decision and features."""
        batch = self.encode("payment", self.row(before, fields))
        decisions = self.plan.step(self.state, batch)
        assert decisions is not None
        self.count += 1
        return decisions[0], decisions.features(0)

    def pays(self, *past: tuple[timedelta, Row]) -> Line:
        """Decide payments, and return the line."""
        for before, fields in past:
            self.pay(before, **fields)
        return self

    def tell(self, name: str, before: timedelta, **fields: Any) -> None:
        """Make a payment of the past fraud, or a declined one, or set another mark on it."""
        batch = self.encode("payment", self.row(before, fields))
        self.plan.step(self.state, batch)
        self.plan.label(self.state, batch, name, np.full(1, np.nan), np.ones(1))
        self.count += 1

    def account(self, age: timedelta, **fields: Any) -> None:
        """Write a new row about ann, whose account was opened so long ago."""
        row = {"change_id": f"c{self.count}", "at": NOW, "user": "ann", "opened": NOW - age, "verification": 1}
        self.plan.step(self.state, self.encode("account", row | fields))
        self.count += 1

    def row(self, before: timedelta, fields: Row) -> Row:
        common = {"payment_id": f"p{self.count}", "at": NOW - before, "user": "ann", "merchant": "m", "amount": "10"}
        return common | dict(fields)

    def encode(self, stream: str, row: Row) -> Batch:
        decoded = EventDecoder(self.plan.schema(stream)).rows([row], strict=False)
        assert not decoded.errors, decoded.errors
        return self.plan.encode(stream, decoded.events, np.array([self.count]))


def amounts(*before: str) -> Line:
    """Return a line on which ann has paid so much, a day between payments."""
    return Line().pays(*((DAY * (len(before) - i), {"amount": a}) for i, a in enumerate(before)))


def expect(found: tuple[Decision, Mapping[str, float | None]], rule: str, fires: bool, action: str) -> None:
    """Hold a decision to one rule alone: it decides, or nothing does."""
    decision, _ = found
    assert decision.rules == ([rule] if fires else [])
    assert decision.decision == (action if fires else "approve")


@pytest.mark.parametrize(("card", "fires"), [("stolen", True), ("stole", False), (None, False)])
def test_card_listed(card: str | None, fires: bool) -> None:
    expect(Line().pay(card=card), "card_listed", fires, "block")


def test_after_a_listed_card_nothing_else_is_asked() -> None:
    decision, _ = Line().pay(card="stolen", merchant="shady")
    assert decision.reason == "card_listed"
    assert set(decision.rules) == {"card_listed", "merchant_listed"}


@pytest.mark.parametrize(("merchant", "fires"), [("shady", True), ("m", False)])
def test_merchant_listed(merchant: str, fires: bool) -> None:
    expect(Line().pay(merchant=merchant), "merchant_listed", fires, "review")


@pytest.mark.parametrize(
    ("usual", "amount", "fires"),
    [
        (("99", "100", "101"), "110", False),  # exactly 10 deviations
        (("99", "100", "101"), "110.01", True),
        (("88", "89", "90"), "100", False),  # 11 deviations, and no more than 100
        (("88", "89", "90"), "100.01", True),
        (("100", "100", "100"), "2000", False),  # no deviation to compare with
        (("100",), "2000", False),
    ],
)
def test_amount_anomalous(usual: Sequence[str], amount: str, fires: bool) -> None:
    expect(amounts(*usual).pay(amount=amount), "amount_anomalous", fires, "block")


def travel(km: float, time: timedelta, limit: float = 800.0) -> tuple[Decision, dict[str, float | None]]:
    """Pay on the equator, and again so far to the east and so much later."""
    line = Line(system(limit)).pays((time, {"place": {"lat": 0, "lon": 0}}))
    return line.pay(place={"lat": 0, "lon": km / DEGREE_KM})


@pytest.mark.parametrize(
    ("limit", "km", "time", "fires"),
    [
        (800, 799.9, HOUR, False),
        (800, 800.1, HOUR, True),
        (800, 500.1, HOUR, False),
        (500, 499.9, HOUR, False),
        (500, 500.1, HOUR, True),
        (800, 99.9, MINUTE, False),  # 5994 km/h, but a place is never known that well
        (800, 100.1, MINUTE, True),
        (800, 100.1, timedelta(), True),  # infinitely fast
    ],
)
def test_travel_impossible(limit: float, km: float, time: timedelta, fires: bool) -> None:
    found = travel(km, time, limit)
    expect(found, "travel_impossible", fires, "block")
    assert found[1]["impossible_travel"] == float(fires)
    assert found[1]["user_place_distance_km"] == pytest.approx(km)


def test_travel_from_an_unknown_place_is_unknown() -> None:
    decision, found = Line().pays((HOUR, {})).pay(place={"lat": 0, "lon": 0})
    assert (decision.rules, found["impossible_travel"]) == ([], None)


@pytest.mark.parametrize(("past", "fires"), [(10, False), (11, True)])
def test_velocity_count(past: int, fires: bool) -> None:
    """An hour and no more: one exactly an hour old is out."""
    line = Line().pays((HOUR, {}), *((5 * MINUTE * (past - i), {}) for i in range(past)))
    expect(line.pay(), "velocity_count", fires, "block")


@pytest.mark.parametrize(("past", "fires"), [(5, False), (6, True)])
def test_velocity_card(past: int, fires: bool) -> None:
    """Whoever pays with it; one exactly five minutes old is out."""
    used = [{"card": "c", "user": f"u{i}"} for i in range(past)]
    line = Line().pays((5 * MINUTE, {"card": "c"}), *((MINUTE / 2 * (past - i), u) for i, u in enumerate(used)))
    expect(line.pay(card="c"), "velocity_card", fires, "block")


@pytest.mark.parametrize(("amount", "fires"), [("1000", False), ("1000.01", True)])
def test_velocity_amount(amount: str, fires: bool) -> None:
    line = Line().pays((HOUR, {"amount": "500"}), (59 * MINUTE, {"amount": "2000"}))
    expect(line.pay(amount=amount), "velocity_amount", fires, "review")


def known(frauds: int, honest: int, **fields: Any) -> Line:
    """Return a line with payments of other people, older than a label takes, some of them fraud."""
    line = Line()
    for i in range(frauds + honest):
        who: dict[str, Any] = {"user": f"u{i}", "merchant": f"m{i}"} | fields
        if i < frauds:
            line.tell("fraud", 10 * DAY, **who)
        else:
            line.pay(10 * DAY, **who)
    return line


@pytest.mark.parametrize(("frauds", "honest", "fires"), [(1, 1, False), (51, 49, True), (50, 50, False)])
def test_device_risky(frauds: int, honest: int, fires: bool) -> None:
    expect(known(frauds, honest, device="d").pay(device="d"), "device_risky", fires, "block")


@pytest.mark.parametrize(("frauds", "honest", "fires"), [(3, 7, False), (31, 69, True), (30, 70, False)])
def test_merchant_risky(frauds: int, honest: int, fires: bool) -> None:
    expect(known(frauds, honest, merchant="m").pay(), "merchant_risky", fires, "block")


def test_a_merchant_is_not_judged_by_payments_that_are_too_young_for_a_label() -> None:
    line = Line()
    line.tell("fraud", 7 * DAY - MINUTE, user="bob")
    decision, found = line.pay()
    assert (decision.rules, found["merchant_fraud_rate_30d"], found["merchant_fraud_count_7d"]) == ([], None, 1)


@pytest.mark.parametrize(
    ("amount", "device", "age", "fires"),
    [
        ("13.01", "new", 31 * DAY, True),
        ("13", "new", 31 * DAY, False),
        ("13.01", "old", 31 * DAY, False),
        ("13.01", None, 31 * DAY, False),
        ("13.01", "new", 30 * DAY, False),
        ("13.01", "new", 30 * DAY + timedelta(seconds=1), True),
        ("13.01", "new", None, False),
    ],
)
def test_new_device_large(amount: str, device: str | None, age: timedelta | None, fires: bool) -> None:
    line = Line().pays(*((DAY * (3 - i), {"amount": a, "device": "old"}) for i, a in enumerate(("9", "10", "11"))))
    if age is not None:
        line.account(age)
    expect(line.pay(amount=amount, device=device), "new_device_large", fires, "review")


@pytest.mark.parametrize(
    ("ip", "proxy", "card_country", "listed", "fires"),
    [
        ("10.0.0.1", None, "FR", 1, True),
        ("10.0.0.1", False, "FR", 1, True),
        ("10.0.0.2", True, "FR", 1, True),
        ("10.0.0.2", None, "FR", 0, False),
        ("10.0.0.1", None, "AT", 1, False),
        ("10.0.0.1", None, None, 1, False),  # unknown is not abroad
        (None, True, "FR", 0, False),
    ],
)
def test_abroad_by_proxy(
    ip: str | None, proxy: bool | None, card_country: str | None, listed: int, fires: bool
) -> None:
    found = Line().pay(ip=ip, proxy=proxy, card_country=card_country, address_country="AT")
    assert found[1]["ip_listed"] == listed
    expect(found, "abroad_by_proxy", fires, "review")


@pytest.mark.parametrize(("country", "abroad"), [("AT", 0), ("FR", 1), (None, None)])
def test_countries_against_home(country: str | None, abroad: float | None) -> None:
    line = Line()
    line.account(DAY, home_country="AT", home={"lat": 0, "lon": 1})
    _, found = line.pay(ip_country=country, address_country=country, card_country="AT", place={"lat": 0, "lon": 0})
    assert (found["address_abroad"], found["ip_abroad"], found["card_abroad"]) == (abroad, abroad, abroad)
    assert found["home_km"] == pytest.approx(DEGREE_KM)
    _, stranger = line.pay(user="bob", ip_country=country, address_country=country)
    assert (stranger["address_abroad"], stranger["ip_abroad"], stranger["home_km"]) == (None, None, None)


def test_deviations_from_the_usual_amount() -> None:
    """Three deviations are not more than three; with no deviation there is nothing to be compared with."""
    wanted = {"10": (0, 0), "13": (3, 0), "13.01": (3.01, 1), "6.99": (-3.01, 1)}
    for amount, (deviations, beyond) in wanted.items():
        _, found = amounts("9", "10", "11").pay(amount=amount)
        assert found["amount_zscore"] == pytest.approx(deviations)
        assert found["three_sigma"] == beyond
    for usual in (("10", "10", "10"), ("10",), ()):
        _, found = amounts(*usual).pay(amount="500")
        assert (found["amount_zscore"], found["three_sigma"]) == (None, None)


def test_account_age_is_that_of_the_row_known_last() -> None:
    line = Line()
    assert line.pay()[1]["account_age_days"] is None
    line.account(365 * DAY, verification=2)
    _, found = line.pay()
    assert (found["account_age_days"], found["user_account_verification"]) == (365, 2)
    line.account(DAY / 2, verification=3)
    _, found = line.pay()
    assert (found["account_age_days"], found["user_account_verification"]) == (0.5, 3)


def test_declines_of_the_last_hour() -> None:
    """By us at once, by the issuer when it says so; an hour later no more."""
    line = Line()
    line.tell("declined", HOUR + MINUTE, card="c")
    line.tell("declined", HOUR, card="c")
    line.tell("declined", HOUR - MINUTE, card="c")
    blocked, _ = line.pay(MINUTE, card="stolen")
    assert blocked.decision == "block"
    _, found = line.pay(card="c")
    assert found["user_declined_count_1h"] == 2
    assert (found["card_declined_count_1h"], found["card_declined_count_1d"]) == (1, 3)


@pytest.mark.parametrize(("failed", "fires"), [(1, False), (2, True)])
def test_step_ups_failed(failed: int, fires: bool) -> None:
    """Of the last day alone: one that is exactly a day old counts no more."""
    line = Line()
    line.tell("step_up_failed", DAY)
    line.tell("step_up_passed", HOUR)
    for i in range(failed):
        line.tell("step_up_failed", 2 * HOUR + i * MINUTE)
    found = line.pay()
    assert found[1]["user_step_up_failed_count_1d"] == failed
    expect(found, "step_ups_failed", fires, "review")


def test_disputes_of_a_merchant() -> None:
    """Those that are open or were lost, of whatever customer, within 30 days."""
    line = Line()
    for name, before, merchant in (
        ("dispute_opened", 30 * DAY, "m"),
        ("dispute_opened", 29 * DAY, "m"),
        ("dispute_lost", 3 * DAY, "m"),
        ("dispute_won", 2 * DAY, "m"),
        ("dispute_lost", DAY, "another"),
    ):
        line.tell(name, before, merchant=merchant, user="bob")
    assert line.pay()[1]["merchant_disputes"] == 2


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("method", "user_method"),
        ("merchant", "user_merchant"),
        ("device", "user_device"),
        ("postal_area", "user_postal_area"),
    ],
)
def test_what_is_new_to_a_customer(field: str, name: str) -> None:
    """New is what this customer has not used; what others use does not make it known, and none is not a new one."""
    a, b = dict[str, Any]({field: "a"}), dict[str, Any]({field: "b"})
    line = Line().pays((2 * DAY, a | {"user": "bob"}), (DAY, a))
    found = [line.pay(**row)[1][f"{name}_is_new"] for row in (a, b, b)]
    assert found == [0, 1, 0]
    if field != "merchant":
        assert line.pay()[1][f"{name}_is_new"] is None


@pytest.mark.parametrize(
    ("day", "away"),
    [("01-01", 0), ("01-08", 7), ("01-15", 0), ("01-20", 5), ("01-25", 0), ("01-30", 2), ("01-31", 1), ("04-30", 2)],
)
def test_days_from_pay_day(day: str, away: float) -> None:
    """The first of the next month is near at the end of this one."""
    _, found = Line().pay(at=datetime.fromisoformat(f"2026-{day}T12:00:00+00:00"))
    assert found["days_from_pay_day"] == away


def test_local_time_and_holidays() -> None:
    plan = compile(payments(lists={"holidays": [20260406]}))
    _, found = Line(plan).pay(at=datetime.fromisoformat("2026-04-05T23:30:00-02:00"))
    assert (found["hour"], found["weekday"], found["weekend"], found["holiday"]) == (23, 6, 1, 0)
    _, found = Line(plan).pay(at=datetime.fromisoformat("2026-04-06T00:30:00+00:00"))
    assert (found["hour"], found["weekday"], found["weekend"], found["holiday"]) == (0, 0, 0, 1)
