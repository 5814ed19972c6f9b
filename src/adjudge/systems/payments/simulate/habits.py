"""What honest customers do, and what thieves imitate: a plausible payment for a customer at a moment.

Every payment of the world, fraud included, starts in `plausible`; a fraud pattern then changes the few things
that the thief cannot or does not care to imitate. So only what a pattern does on purpose tells fraud apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.batch import (
    ACCEPTED,
    APP,
    CARD,
    INVOICE,
    ISSUER,
    NO_FUNDS,
    PHONE,
    POS,
    TRANSFER,
    WALLET,
    WEB,
    WRONG_CODE,
    Batch,
)  # fmt: skip
from adjudge.systems.payments.simulate.customers import DEVICE_EPOCHS, DEVICE_SLOTS, Customers
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US
from adjudge.systems.payments.simulate.geography import COUNTRIES
from adjudge.systems.payments.simulate.merchants import (
    CATEGORIES,
    DAYPART,
    ONLINE_SHARE,
    currency_of,
    price_tags,
)
from adjudge.systems.payments.simulate.network import home_line, mobile_line, proxy_line
from adjudge.systems.payments.simulate.seasons import PAY_DAYS
from adjudge.systems.payments.simulate.society import ADDRESSES_PER_CUSTOMER, PUBLIC_DEVICES, Society
from adjudge.typing import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Wish:
    """What is already decided about payments that `plausible` is to complete; None leaves it to habit.

    Parameters
    ----------
    category
        Category of each payment.
    online
        Whether each payment is made online.
    city
        City in which the payer is.
    explore
        Probability of leaving the favourite merchants, in place of the customer's own.
    """

    category: IntArray | None = None
    online: BoolArray | None = None
    city: IntArray | None = None
    explore: FloatArray | float | None = None


def plausible(
    rng: np.random.Generator, society: Society, who: IntArray, at: IntArray, wish: Wish | None = None
) -> Batch:
    """Return a payment that each customer could well have made at each moment.

    Parameters
    ----------
    rng
        Source of randomness.
    society
        The world.
    who
        Customers.
    at
        Moments, microseconds UTC.
    wish
        What is already decided.
    """
    wish = wish or Wish()
    people, shops, n = society.customers, society.merchants, len(who)
    city, moving = people.whereabouts(who, at)
    if wish.city is not None:
        city, moving = wish.city.copy(), np.zeros(n, dtype=np.bool_)
    category = draw_category(rng, society, who, at, city) if wish.category is None else wish.category
    online = draw_online(rng, people, who, category) if wish.online is None else wish.online
    # What is sold only here or only there decides, whatever was wished for.
    online = ((online | moving) & (ONLINE_SHARE[category] > 0)) | (ONLINE_SHARE[category] == 1)
    channel = np.where(online, np.where(rng.random(n) < people.app[who], APP, WEB), POS)
    channel[online & (rng.random(n) < 0.015)] = PHONE
    explore = 1.0 - people.loyalty[who] if wish.explore is None else wish.explore
    u = people.favourites[who, category, (rng.random(n) < 0.25).astype(np.int64)]
    u = np.where(rng.random(n) < explore, rng.random(n), u)
    merchant = shops.choose(category, np.where(online, -1, city), at, u, rng)
    minor, currency = _amount(rng, society, who, merchant, at, online)
    method = _method(rng, people, who, online)
    card = _card(rng, people, who, method)
    address, area, address_country = _address(rng, society, who, merchant, online)
    device = _device(rng, people, who, at, channel)
    lat, lon = _place(rng, society, who, city, merchant, channel)
    ip, ip_country = _network(rng, society, who, city, channel, at)
    measured = people.measured[who] & (device >= 0)
    batch = Batch(
        at=at.copy(), who=who.copy(), place=city, card=card, device=device, address=address, area=area,
        merchant=merchant, minor=minor, currency=currency, method=method, channel=channel, lat=lat, lon=lon,
        ip=ip, ip_country=ip_country, card_country=card_country(society, who, card),
        address_country=address_country,
        typing=np.where(measured, people.typing[who] * np.exp(rng.normal(0, 0.13, n)), np.nan),
        session=np.where(measured, people.session[who] * np.exp(rng.normal(0, 0.5, n)), np.nan),
        decline=np.zeros(n, dtype=np.int64), pattern=np.full(n, -1), case=np.full(n, -1),
    )  # fmt: skip
    batch.decline = decline(rng, society, batch)
    return batch


_MEDIAN = np.array([c.median for c in CATEGORIES])
_SIGMA = np.array([c.sigma for c in CATEGORIES])
_BASKET = np.array([c.ending == "free" for c in CATEGORIES])


def draw_category(rng: np.random.Generator, society: Society, who: IntArray, at: IntArray, city: IntArray) -> IntArray:
    """Return what each customer would buy at the local time of a city.

    Parameters
    ----------
    rng
        Source of randomness.
    society
        The world.
    who
        Customers.
    at
        Moments.
    city
        Where they are.
    """
    local = at + society.geography.offset_min(city, at) * 60_000_000
    day = (local - society.start_us) // DAY_US
    hour = (local // HOUR_US) % 24
    # 1 January 1970 was a Thursday.
    rest = ((local // DAY_US + 3) % 7 >= 5).astype(np.int64)
    months = _months(society.start, society.days)[np.clip(day + 1, 0, society.days + 1)]
    group = (months - 1) * 10 + DAYPART[hour] * 2 + rest
    drawn = society.merchants.tastes.draw(group, rng.random(len(who)))
    liked = society.customers.liked[who, rng.integers(0, 3, len(who))]
    return np.where(rng.random(len(who)) < 0.4, liked, drawn)


def _months(start: datetime, days: int) -> IntArray:
    first = start.date()
    dates = pl.Series([first]).cast(pl.Int32).to_numpy()[0] + np.arange(-1, days + 1)
    return pl.Series(dates.astype(np.int32)).cast(pl.Date).dt.month().to_numpy().astype(np.int64)


def draw_online(rng: np.random.Generator, people: Customers, who: IntArray, category: IntArray) -> BoolArray:
    """Return whether each customer would pay for something of a category online.

    Parameters
    ----------
    rng
        Source of randomness.
    people
        All customers.
    who
        Customers.
    category
        Categories.
    """
    share = np.clip(ONLINE_SHARE[category], 1e-9, 1 - 1e-9)
    odds = share / (1 - share) * np.exp(people.online[who])
    result: BoolArray = rng.random(len(who)) < odds / (1 + odds)
    return result


def _amount(
    rng: np.random.Generator,
    society: Society,
    who: IntArray,
    merchant: IntArray,
    at: IntArray,
    online: BoolArray,
) -> tuple[IntArray, IntArray]:
    shops, people, n = society.merchants, society.customers, len(who)
    category = shops.category[merchant]
    home = society.geography.city_country[people.city[who]]
    abroad = ~online | (rng.random(n) < 0.15)
    currency = currency_of(np.where(abroad, shops.country[merchant], home))
    base = _MEDIAN[category] * shops.level[merchant] * people.wealth[who] ** 0.4
    base = base * np.exp(rng.normal(0, 1, n) * _SIGMA[category])
    big = rng.random(n) < 0.006
    base[big] *= np.exp(rng.normal(1.6, 0.5, int(big.sum())))
    day = np.clip((at - society.start_us) // DAY_US, 0, society.days)
    local = base / society.geography.rates[currency, day]
    keep = rng.random(n) < np.where(_BASKET[category], 0.05, 0.8)
    return price_tags(local, shops.ending[merchant], keep), currency


def scale_amount(batch: Batch, factor: FloatArray | float, rows: BoolArray, society: Society) -> None:
    """Multiply amounts in place, and give the result a price ending of its merchant again.

    Parameters
    ----------
    batch
        Payments.
    factor
        Factor, one or as long as the batch.
    rows
        Which payments to change.
    society
        Knows the merchants.
    """
    ending = society.merchants.ending[batch.merchant]
    # The cents of the old price decide whether the new one is tagged: a basket stays a basket.
    tagged = np.isin(batch.minor % 100, (99, 95, 0, 50))
    amount = (batch.minor * factor / 100.0).astype(np.float64)
    batch.put(rows, minor=price_tags(amount, ending, tagged))


def _method(rng: np.random.Generator, people: Customers, who: IntArray, online: BoolArray) -> IntArray:
    n = len(who)
    u, wallet, transfer = rng.random(n), people.wallet[who], people.transfer[who]
    method = np.where(u < wallet * np.where(online, 1.0, 0.6), WALLET, CARD)
    method[online & (u > 1 - transfer)] = TRANSFER
    method[online & (rng.random(n) < 0.02)] = INVOICE
    return method


def _card(rng: np.random.Generator, people: Customers, who: IntArray, method: IntArray) -> IntArray:
    n = len(who)
    # One card does most of the work.
    slot = np.where(rng.random(n) < 0.72, 0, (rng.random(n) * people.cards[who]).astype(np.int64))
    return np.where((method == CARD) | (method == WALLET), slot, -1)


def card_country(society: Society, who: IntArray, card: IntArray) -> IntArray:
    """Return the country of the issuer of each card, -1 without a card.

    Parameters
    ----------
    society
        The world.
    who
        Owners.
    card
        Card slots.
    """
    people = society.customers
    home = society.geography.city_country[people.city[who]]
    foreign = (home + 1 + who % 11) % 13
    return np.where(card == -1, -1, np.where(card == people.foreign_card[who], foreign, home))


def _address(
    rng: np.random.Generator, society: Society, who: IntArray, merchant: IntArray, online: BoolArray
) -> tuple[IntArray, IntArray, IntArray]:
    people, geography, n = society.customers, society.geography, len(who)
    total = len(people)
    address = people.address[who]
    area = people.area[who].copy()
    elsewhere = online & (rng.random(n) < 0.10)
    kind = rng.integers(1, ADDRESSES_PER_CUSTOMER, n)
    # The office is in the same city; the other two are wherever the customer number says.
    office = elsewhere & (kind == 1)
    other = elsewhere & (kind > 1)
    stranger = (who * 7919 + kind * 104_729) % society.honest
    colleague = _same_city(society, who)
    area[office] = people.area[colleague[office]]
    area[other] = people.area[stranger[other]]
    address = np.where(elsewhere, total * kind + who, address)
    # A present goes to somebody else's home.
    gift = online & (rng.random(n) < 0.012)
    friend = rng.integers(0, society.honest, n)
    address = np.where(gift, people.address[friend], address)
    area = np.where(gift, people.area[friend], area)
    area = np.where(online, area, society.merchants.area[merchant])
    country = geography.city_country[geography.area_city[area]]
    return np.where(online, address, -1), area, np.where(online, country, -1)


def _same_city(society: Society, who: IntArray) -> IntArray:
    people = society.customers
    order = np.argsort(people.city, kind="stable")
    sizes = np.bincount(people.city, minlength=len(society.geography.city_lat))
    first = np.cumsum(sizes) - sizes
    city = people.city[who]
    result: IntArray = order[first[city] + (who * 31 + 17) % sizes[city]]
    return result


def _device(rng: np.random.Generator, people: Customers, who: IntArray, at: IntArray, channel: IntArray) -> IntArray:
    n = len(who)
    slot = np.where(channel == APP, np.where(rng.random(n) < 0.93, 0, 2), np.where(rng.random(n) < 0.55, 1, 0))
    borrowed = (channel == WEB) & (slot == 1) & (rng.random(n) < 0.10)
    owner = np.where(borrowed, people.mate[who], who)
    device = people.fingerprint(owner, slot, at)
    public = (channel == WEB) & (rng.random(n) < 0.008)
    device[public] = len(people) * DEVICE_SLOTS * DEVICE_EPOCHS + rng.integers(0, PUBLIC_DEVICES, int(public.sum()))
    return np.where((channel == WEB) | (channel == APP), device, -1)


def _place(
    rng: np.random.Generator,
    society: Society,
    who: IntArray,
    city: IntArray,
    merchant: IntArray,
    channel: IntArray,
) -> tuple[FloatArray, FloatArray]:
    people, geography, shops, n = society.customers, society.geography, society.merchants, len(who)
    home = city == people.city[who]
    lat = np.where(home, people.lat[who], geography.city_lat[city]) + rng.normal(0, 0.015, n)
    lon = np.where(home, people.lon[who], geography.city_lon[city]) + rng.normal(0, 0.02, n)
    device = ((channel == WEB) | (channel == APP)) & people.locates[who]
    shop = channel == POS
    jitter = rng.normal(0, 0.0004, (2, n))
    lat = np.where(shop, shops.lat[merchant] + jitter[0], np.where(device, lat, np.nan))
    lon = np.where(shop, shops.lon[merchant] + jitter[1], np.where(device, lon, np.nan))
    return np.round(lat, 5), np.round(lon, 5)


def _network(
    rng: np.random.Generator, society: Society, who: IntArray, city: IntArray, channel: IntArray, at: IntArray
) -> tuple[IntArray, IntArray]:
    people, geography, n = society.customers, society.geography, len(who)
    country = geography.city_country[city].copy()
    at_home = city == people.city[who]
    fixed = at_home & (rng.random(n) < np.where(channel == WEB, 0.85, 0.55))
    ip = np.where(fixed, home_line(people.address[who], country, at), mobile_line(rng, country))
    hidden = people.vpn[who] & (rng.random(n) < 0.35)
    ip[hidden], country[hidden] = proxy_line(rng, int(hidden.sum()), len(COUNTRIES))
    net = (channel == WEB) | (channel == APP)
    return np.where(net, ip, 0), np.where(net, country, -1)


def decline(rng: np.random.Generator, society: Society, batch: Batch, factor: float = 1.0) -> IntArray:
    """Return what the issuer answers to honest payments.

    Parameters
    ----------
    rng
        Source of randomness.
    society
        The world.
    batch
        Payments.
    factor
        Factor on the probability of a refusal by the issuer's own judgement.
    """
    people, n = society.customers, len(batch)
    day = (batch.at - society.start_us) / DAY_US
    pay_day = np.array(PAY_DAYS)[people.pay_day[batch.who]]
    since = (day + society.start.day - pay_day) % 30.4
    rate = society.geography.rates[batch.currency, np.clip(day.astype(np.int64), 0, society.days)]
    large = np.clip(batch.minor * rate / 10_000.0, 0.3, 6.0) ** 0.5
    short = people.thin[batch.who] * (0.5 + since / 20.0) * large
    carded = batch.card >= 0
    wrong = np.where(carded & (batch.method == CARD), 0.008, 0.0005)
    issuer = 0.0025 * factor * np.where(batch.ip_country == batch.card_country, 1.0, 2.5)
    u = rng.random(n)
    result = np.where(u < short, NO_FUNDS, ACCEPTED)
    result[(u >= short) & (u < short + wrong)] = WRONG_CODE
    result[(u >= short + wrong) & (u < short + wrong + issuer)] = ISSUER
    return result
