"""Honest life: outings in their season and hour, long shopping tours, subscriptions, and second attempts."""

from __future__ import annotations

import numpy as np

from adjudge.systems.payments.simulate.batch import ACCEPTED, DIRECT_DEBIT, WEB, Batch
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US, Choice, running, steps
from adjudge.systems.payments.simulate.habits import Wish, draw_category, draw_online, plausible
from adjudge.systems.payments.simulate.merchants import CATEGORY_INDEX
from adjudge.systems.payments.simulate.seasons import PAY_DAYS, hour_weights
from adjudge.systems.payments.simulate.society import Society
from adjudge.typing import IntArray

SUBSCRIBED = tuple(CATEGORY_INDEX[name] for name in ("streaming", "telecom", "utilities"))
"""Categories that are paid by subscription."""


BINGE = tuple(
    CATEGORY_INDEX[n]
    for n in ("fashion", "electronics", "home_garden", "sports", "beauty", "marketplace", "gift_cards")
)
"""Categories of a long shopping tour."""


def honest_payments(rng: np.random.Generator, society: Society, wanted: int) -> Batch:
    """Return about as many honest payments as wanted: outings, subscriptions and second attempts.

    Parameters
    ----------
    rng
        Source of randomness.
    society
        The world.
    wanted
        How many are needed; more are drawn, since some fall before an account was opened.
    """
    regular = _subscriptions(rng, society, wanted)
    batch = Batch.join([regular, _outings(rng, society, max(1, int(wanted * 1.03) - len(regular)))])
    return Batch.join([batch, _second_attempts(rng, batch)])


def _outings(rng: np.random.Generator, society: Society, wanted: int) -> Batch:
    people = society.customers
    parts, have = [], 0
    hours = Choice(hour_weights(rng, society.start, society.days))
    who_pays = Choice([people.activity])
    while have < wanted:
        who, at, wish = _visits(rng, society, hours, who_pays, int((wanted - have) * 1.05) + 20)
        parts.append(plausible(rng, society, who, at, wish))
        have += len(who)
    return Batch.join(parts)


def _visits(
    rng: np.random.Generator, society: Society, hours: Choice, who_pays: Choice, wanted: int
) -> tuple[IntArray, IntArray, Wish]:
    people = society.customers
    sizes = rng.geometric(0.64, int(wanted / 1.6) + 1)
    tour = rng.random(len(sizes)) < 0.006
    sizes[tour] += 2 + rng.poisson(4, int(tour.sum()))
    leader = who_pays.draw(np.zeros(len(sizes), dtype=np.int64), rng.random(len(sizes)))
    hour = hours.draw(people.rhythm[leader] * len(PAY_DAYS) + people.pay_day[leader], rng.random(len(sizes)))
    local = hour * HOUR_US + (rng.random(len(sizes)) * HOUR_US).astype(np.int64) + society.start_us
    began = local - society.geography.offset_min(people.city[leader], local) * 60_000_000
    visit, _ = steps(sizes)
    median = np.where(tour, 7.0, 20.0)[visit]
    gaps = (3.0 + median * np.exp(rng.normal(0, 1.0, len(visit)))) * 60e6
    at = began[visit] + running(gaps, sizes).astype(np.int64)
    who = leader[visit]
    keep = (at >= np.maximum(society.start_us, people.opened_us[who])) & (at < society.end_us)
    who, at, visit = who[keep], at[keep], visit[keep]
    city, _ = people.whereabouts(who, at)
    # A traveller keeps the hours of the place.
    shift = society.geography.offset_min(people.city[who], at) - society.geography.offset_min(city, at)
    at = np.clip(at + shift * 60_000_000, np.maximum(society.start_us, people.opened_us[who]), society.end_us - 1)
    touring = tour[visit]
    category = draw_category(rng, society, who, at, city)
    category = np.where(touring, np.array(BINGE)[rng.integers(0, len(BINGE), len(who))], category)
    indoors = np.where(touring, rng.random(len(sizes))[visit] < 0.5, draw_online(rng, people, who, category))
    return who, at, Wish(category, indoors, explore=np.where(touring, 0.6, 1 - people.loyalty[who]))


def _subscriptions(rng: np.random.Generator, society: Society, wanted: int) -> Batch:
    people = society.customers
    months = society.days / 30.4
    n = min(int(society.honest * 1.1), int(0.11 * wanted / max(months, 0.2)))
    subscriber = rng.integers(0, society.honest, n)
    first = society.start_us - (rng.random(n) * 30.4 * DAY_US).astype(np.int64)
    turns = int(np.ceil(months)) + 1
    who = np.repeat(subscriber, turns)
    turn = np.tile(np.arange(turns), n)
    hour = 2 + rng.gamma(2.0, 2.0, len(who))
    at = np.repeat(first // DAY_US, turns) * DAY_US + (turn * 30.4).astype(np.int64) * DAY_US
    at = at + (hour * HOUR_US).astype(np.int64)
    category = np.repeat(rng.choice(SUBSCRIBED, n), turns)
    batch = plausible(rng, society, who, at, Wish(category, np.ones(len(who), dtype=np.bool_), explore=0.0))
    # One merchant, one price, one method for as long as it lasts, and nobody in front of a screen.
    lead = np.repeat(np.arange(n) * turns, turns)
    for name in ("merchant", "minor", "currency", "method", "card", "card_country"):
        setattr(batch, name, getattr(batch, name)[lead])
    debit = np.repeat(rng.random(n) < 0.45, turns)
    everywhere = np.ones(len(batch), dtype=np.bool_)
    batch.put(debit, method=DIRECT_DEBIT, card=-1, card_country=-1)
    batch.put(everywhere, channel=WEB, device=-1, ip=0, ip_country=-1, lat=np.nan, lon=np.nan)
    batch.put(everywhere, typing=np.nan, session=np.nan, address=people.address[who], area=people.area[who])
    batch.put(everywhere, address_country=society.geography.city_country[people.city[who]])
    alive = (at >= np.maximum(society.start_us, people.opened_us[who])) & (at < society.end_us)
    return batch.take(alive & (society.merchants.opened_us[batch.merchant] <= at))


def _second_attempts(rng: np.random.Generator, batch: Batch) -> Batch:
    again = np.flatnonzero((batch.decline != ACCEPTED) & (rng.random(len(batch)) < 0.45))
    retry = batch.take(again)
    retry.at = retry.at + (rng.lognormal(3.8, 0.7, len(again)) * 1e6).astype(np.int64)
    stubborn = rng.random(len(again)) < 0.3
    retry.decline = np.where(stubborn, retry.decline, ACCEPTED)
    return retry
