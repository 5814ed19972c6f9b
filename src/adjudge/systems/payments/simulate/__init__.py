"""A made-up world of payments, fraud included, whose plausibility is checked by tests and not claimed.

A world is a function of its settings and its seed. Honest life comes first (`life`, `habits`), `fraud` bends
it, and truth comes out late and in part (`labels`).
`docs/guides/simulate.md` states what was made up.

``payments``, in order of time, equal times in random order:

================  =================  ====  ============================================================
column            type               null  meaning
================  =================  ====  ============================================================
payment_id        String             no    says nothing
at                Datetime(us, UTC)  no    moment of the payment
utc_offset_min    Int16              no    minutes east of UTC where the payer is believed to be
user              String             no    customer whose account it is
card              String             yes   null for transfer, direct_debit and invoice
device            String             yes   SHA-256 of the next four, joined by line feeds; null on pos, by
                                           phone, and for subscriptions, which merchants start themselves
browser           String             yes   with version and build, null without a device
system            String             yes   with release and patch level, null without a device
screen            String             yes   points, null without a device
timezone          String             yes   name of the zone, null without a device
address           String             yes   key of the delivery or billing address; null on pos
postal_area       String             no    area of the address, or of the terminal on pos
merchant          String             no    who is paid
category          String             no    merchant category
amount_minor      Int64              no    amount in minor units; all currencies have two decimals
amount            Float64            no    the same in major units
currency          String             no    EUR, GBP, CHF, SEK, PLN or USD
rate              Float64            no    EUR per unit of the currency on that day
method            String             no    card, wallet, transfer, direct_debit or invoice
channel           String             no    web, app, pos or phone
lat, lon          Float64            yes   of the terminal on pos; roughly of a device that shares its place
ip                String             yes   network address from a reserved range; null on pos, by phone,
                                           and for subscriptions
ip_country        String             yes   country of ip
card_country      String             yes   country of the card's issuer
address_country   String             yes   country of address
proxy             Boolean            no    ip is on the list of proxies
typing_speed      Float64            yes   characters per second, where the form is measured
session_s         Float64            yes   seconds from opening to paying, where the form is measured
================  =================  ====  ============================================================

``accounts``: user, at, opened, verification (Int8, 0 to 3), home_lat, home_lon, home_country, home_area.
``labels``: payment_id, fraud, known_at; false where a dispute was withdrawn; no row where nobody reports.
``outcomes``: payment_id, declined, reason (insufficient_funds, wrong_code, issuer, or null), at.
``inquiries``: payment_id, outcome (step_up, verification, review, dispute), value, known_at.
``truth``: payment_id, fraud, pattern, case, looks_legitimate, loss (EUR, 0 where declined or honest).
``approvals``, only where `declining` was asked for: payment_id, approved, propensity.
``lists``: base_currency, proxy_ips, holidays (yyyymmdd), pay_days, blocked_cards, risky_merchants.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.systems.payments.simulate import naming
from adjudge.systems.payments.simulate.batch import Batch
from adjudge.systems.payments.simulate.customers import CARD_SLOTS, make_customers
from adjudge.systems.payments.simulate.draws import DAY_US, some
from adjudge.systems.payments.simulate.fraud import PATTERNS, SHARES, budgets, fraud
from adjudge.systems.payments.simulate.fraud.scene import Scene
from adjudge.systems.payments.simulate.geography import make_geography
from adjudge.systems.payments.simulate.holdout import declining
from adjudge.systems.payments.simulate.inquiries import inquiries_frame
from adjudge.systems.payments.simulate.labels import reports
from adjudge.systems.payments.simulate.life import honest_payments
from adjudge.systems.payments.simulate.merchants import make_merchants
from adjudge.systems.payments.simulate.society import Society, card_number
from adjudge.systems.payments.simulate.world import World, read
from adjudge.typing import BoolArray, IntArray

__all__ = ["PATTERNS", "SHARES", "World", "declining", "read", "simulate"]


def simulate(
    events: int = 1_500_000,
    *,
    days: int = 92,
    seed: int = 7,
    fraud_share: float = 0.005,
    start: datetime = datetime(2025, 1, 1, tzinfo=UTC),
    customers: int | None = None,
    merchants: int | None = None,
    patterns: Mapping[str, float] = SHARES,
    begins: Mapping[str, float] | None = None,
) -> World:
    """Return a world of payments; the same settings and seed give the same world.

    Parameters
    ----------
    events
        Payments in all, fraud included.
    days
        Span, from 7 to 1000.
    seed
        Of everything random.
    fraud_share
        Share of fraudulent payments, at most 0.2.
    start
        First moment; aware, moved back to midnight UTC.
    customers
        How many; one for 28 events by default.
    merchants
        How many; one for 300 events by default, 700 at least.
    patterns
        Weight of each fraud pattern; ``{"device_farm": 1, "quiet": 1}`` has rings and little else.
    begins
        Day from which on there is a pattern, for those that are not there from the first day on. What would have come
        earlier is left out, honest payments stand in its place, and its share holds for the days that are left.

    Raises
    ------
    InputError
        If a setting is out of bounds.

    Examples
    --------
    >>> world = simulate(2000, days=14, fraud_share=0.05)
    >>> world.payments.height, int(world.truth["fraud"].sum())
    (2000, 100)
    """
    _check(events, days, fraud_share, start, customers, merchants)
    first = _first_days(begins or {}, days)
    start = start.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    frauds = budgets(round(events * fraud_share), patterns)
    world_rng, life_rng, fraud_rng, label_rng, name_rng, desk_rng = np.random.default_rng(seed).spawn(6)
    society = _society(world_rng, events, days, frauds, start, customers, merchants)
    batch, scene = _payments(life_rng, fraud_rng, society, events, frauds, first)
    row, reported, known_at = reports(label_rng, batch)
    names = naming.Names(int(name_rng.integers(1, 1 << 31)))
    card = naming.card_numbers(batch, _replacements(label_rng, society, batch, row[reported], known_at[reported]))
    payments = naming.payments_frame(society, batch, card, names, seed)
    ids = payments["payment_id"]
    return World(
        payments=payments,
        accounts=naming.accounts_frame(name_rng, society, scene, names),
        labels=naming.labels_frame(ids, row, reported, known_at),
        outcomes=naming.outcomes_frame(name_rng, batch, ids),
        inquiries=inquiries_frame(desk_rng, batch, (row, reported, known_at), ids),
        truth=naming.truth_frame(batch, payments),
        lists=naming.named_lists(society, scene, names, _bad_names(fraud_rng, society, scene)),
    )


def _check(
    events: int,
    days: int,
    fraud_share: float,
    start: datetime,
    customers: int | None,
    merchants: int | None,
) -> None:
    checks = (
        ("events", 200 <= events <= 50_000_000, "must lie between 200 and 50,000,000"),
        ("days", 7 <= days <= 1000, "must lie between 7 and 1000"),
        ("fraud_share", 0.0 <= fraud_share <= 0.2, "must lie between 0 and 0.2"),
        ("start", start.tzinfo is not None, "needs a time zone"),
        ("customers", customers is None or customers >= 50, "must be 50 or more"),
        ("merchants", merchants is None or merchants >= 50, "must be 50 or more"),
    )
    for field, fine, what in checks:
        if not fine:
            message = f"{field} {what}"
            raise InputError(message, field=field, code="out_of_bounds")


def _first_days(begins: Mapping[str, float], days: int) -> dict[str, float]:
    """Return the first day of each pattern that is not there from the beginning, after looking at them."""
    for name, day in begins.items():
        if name not in SHARES:
            message = f"no fraud pattern {name!r}{did_you_mean(name, SHARES)}"
            raise InputError(message, field="begins", code="unknown_pattern")
        if not 0 <= day < days:
            message = f"begins: day {day:g} of {name!r} must lie between 0 and {days}"
            raise InputError(message, field="begins", code="out_of_bounds")
    return dict(begins)


def _society(
    rng: np.random.Generator,
    events: int,
    days: int,
    frauds: dict[str, int],
    start: datetime,
    customers: int | None,
    merchants: int | None,
) -> Society:
    geography = make_geography(rng, start, days)
    honest = customers or max(100, events // 28)
    farmed = frauds["device_farm"] // 3 + 1
    shops = make_merchants(rng, geography, merchants or max(700, events // 300), days)
    return Society(geography, shops, make_customers(rng, geography, honest, farmed, days), start, days, honest)


def _payments(
    life: np.random.Generator,
    crime: np.random.Generator,
    society: Society,
    events: int,
    frauds: dict[str, int],
    begins: Mapping[str, float],
) -> tuple[Batch, Scene]:
    """Return all payments in order of time, exactly as many of each kind as asked for."""
    honest = events - sum(frauds.values())
    spare = honest // 200 + 20
    old = np.flatnonzero(society.customers.opened_us[: society.honest] < society.start_us)
    scene = Scene(
        society,
        honest=_drawn(life, society, honest + spare),
        farm=np.arange(society.honest, len(society.customers)),
        blocked=crime.permutation(old)[: max(5, len(old) // 400)],
    )
    crimes = [fraud(crime, scene, frauds, begins)] if any(frauds.values()) else []
    honest = events - sum(map(len, crimes))
    while _still_there(scene).sum() < honest:
        scene.honest = Batch.join([scene.honest, _drawn(life, society, spare)])
    there = np.flatnonzero(_still_there(scene))
    there = there[some(life, len(there), honest)]
    every = Batch.join([scene.honest, *crimes])
    rows = np.concatenate([there, np.arange(len(scene.honest), len(every))])
    # The payments are by far the largest thing here: let go of one copy before making the next.
    scene.honest = every.take(rows[:0])
    return every.take(rows[naming.order_of(life, every.at[rows])]), scene


def _drawn(life: np.random.Generator, society: Society, wanted: int) -> Batch:
    batch = honest_payments(life, society, wanted)
    return batch.take(some(life, len(batch), wanted))


def _still_there(scene: Scene) -> BoolArray:
    """Return which honest payments were made: not those after the end, or by a customer who had vanished."""
    leaves = np.full(len(scene.society.customers), scene.society.end_us)
    for who, moment in scene.stopped.items():
        leaves[who] = moment
    made: BoolArray = scene.honest.at < leaves[scene.honest.who]
    return made


def _replacements(
    rng: np.random.Generator, society: Society, batch: Batch, row: IntArray, known_at: IntArray
) -> IntArray:
    """Return the moment from which each card slot holds another card: a day after a report, or at expiry."""
    slots = len(society.customers) * CARD_SLOTS
    expiry = society.start_us + (rng.random(slots) * 1500 * DAY_US).astype(np.int64)
    carded = batch.card[row] >= 0
    slot = card_number(batch.who[row[carded]], batch.card[row[carded]])
    np.minimum.at(expiry, slot, known_at[carded] + DAY_US)
    return expiry


def _bad_names(rng: np.random.Generator, society: Society, scene: Scene) -> IntArray:
    """Return merchants that somebody had doubts about: few of the guilty, some of the innocent."""
    guilty = scene.colluding[: max(1, len(scene.colluding) // 8)]
    return np.concatenate([guilty, rng.integers(0, len(society.merchants.category), 6)])
