"""Fraud with a plan: leaked cards, crooked merchants, device farms, areas, debtors who mean to vanish."""

from __future__ import annotations

import numpy as np

from adjudge.systems.payments.simulate.batch import ISSUER, NO_FUNDS, PHONE, WEB, Batch
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US, fitting, pick, running, spread, steps
from adjudge.systems.payments.simulate.fraud.lone import one_for_each
from adjudge.systems.payments.simulate.fraud.scene import (
    DIGITAL,
    Scene,
    any_card,
    by_day,
    categories,
    goods,
    minutes,
    pay_by_card,
    refuse,
    send_to,
    strange_device,
)  # fmt: skip
from adjudge.systems.payments.simulate.habits import Wish, plausible, scale_amount
from adjudge.systems.payments.simulate.network import mobile_line
from adjudge.typing import IntArray

CROOKED = categories("electronics", "jewellery", "home_garden", "fashion", "restaurant", "hotel", "sports")
"""Trades in which a merchant can charge strangers without showing goods."""


def _not_before(first: IntArray, at: IntArray) -> IntArray:
    """Mirror moments at the first possible one, so that nothing piles up there."""
    mirrored: IntArray = first + np.abs(at - first)
    return mirrored


def compromised_merchant(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments with cards that a merchant leaked, days later, at a handful of other shops.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society, honest = scene.society, scene.honest
    sizes = fitting(rng, wanted, 1, 2.0)
    case, _ = steps(sizes)
    leaks = max(2, len(sizes) // 60)
    leak = np.arange(len(sizes)) % leaks
    hook = _leaked(rng, scene, leaks, leak)
    # All cards of a leak are used within a fortnight or so.
    sold = society.start_us + (spread(rng, leaks, 0.05, 0.9) * society.days * DAY_US).astype(np.int64)
    began = sold[leak] + (rng.gamma(2.0, 3.0, len(sizes)) * DAY_US).astype(np.int64)
    began = np.minimum(np.maximum(began, honest.at[hook] + DAY_US), society.end_us - HOUR_US)
    at = by_day(rng, scene, began)[case] + minutes(running(3.0 + rng.exponential(40.0, wanted), sizes))
    online = np.ones(wanted, dtype=np.bool_)
    outlet = leak[case] * 6 + rng.integers(0, 6, wanted)
    category = goods(rng, np.ones(leaks * 6, dtype=np.bool_), 0.5)[outlet]
    batch = plausible(rng, society, honest.who[hook][case], at, Wish(category, online, explore=1.0))
    batch.merchant = one_for_each(outlet, batch.merchant, batch.at, online)
    pay_by_card(scene, batch, honest.card[hook][case])
    scale_amount(batch, np.exp(rng.normal(0.9, 0.5, len(sizes)))[case], online, society)
    # Half of the buyers work from machines of the ring, half from their own.
    shared = scene.new_devices(leaks * 6)[leak * 6 + rng.integers(0, 6, len(sizes))]
    device = np.where(rng.random(len(sizes)) < 0.5, shared, scene.new_devices(len(sizes)))
    strange_device(rng, scene, batch, device[case], online, abroad=0.15)
    drop = leak * 8 + rng.integers(0, 8, len(sizes))
    area = rng.integers(0, len(society.geography.area_city), leaks * 8)
    sent = (rng.random(len(sizes)) < 0.7)[case]
    send_to(scene, batch, scene.new_addresses(leaks * 8)[drop][case], area[drop][case], sent)
    refuse(rng, batch, 0.10, ISSUER)
    batch.case = case
    return batch


def _leaked(rng: np.random.Generator, scene: Scene, leaks: int, leak: IntArray) -> IntArray:
    """Return an honest card payment at the leaking merchant for each card."""
    honest, society = scene.honest, scene.society
    early = honest.at < society.end_us - 0.25 * society.days * DAY_US
    rows = np.flatnonzero((honest.card >= 0) & early)
    found = np.empty(len(leak), dtype=np.int64)
    for i, merchant in enumerate(pick(rng, honest.merchant[rows], leaks)):
        mine = np.flatnonzero(leak == i)
        found[mine] = pick(rng, rows[honest.merchant[rows] == merchant], len(mine))
    return found


def colluding_merchant(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments that small merchants charge to stolen cards through their own till or page.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society, shops = scene.society, scene.society.merchants
    trade = np.bincount(scene.honest.merchant, minlength=len(shops.category))
    small = np.flatnonzero(np.isin(shops.category, CROOKED) & (trade <= np.quantile(trade, 0.5)))
    scene.colluding = crooked = rng.permutation(small)[: max(2, wanted // 60)]
    ring = np.sort(rng.integers(0, len(crooked), wanted))
    merchant = crooked[ring]
    opens = np.maximum(shops.opened_us[crooked], society.start_us)
    room = np.maximum(society.end_us - opens - 16 * DAY_US, DAY_US)
    began = opens + (spread(rng, len(crooked), 0.0, 1.0) * room).astype(np.int64)
    at = began[ring] + (rng.gamma(2.5, 2.2, wanted) * DAY_US).astype(np.int64)
    at = _not_before(began[ring], by_day(rng, scene, np.minimum(at, society.end_us - 1)))
    online = shops.city[merchant] < 0
    city = np.where(online, 0, shops.city[merchant])
    who = scene.victims(rng, at)
    batch = plausible(rng, society, who, at, Wish(shops.category[merchant], online, city, 1.0))
    batch.merchant = merchant
    spot = rng.normal(0, 0.0004, (2, wanted))
    lat, lon = np.round(shops.lat[merchant] + spot[0], 5), np.round(shops.lon[merchant] + spot[1], 5)
    batch.put(~online, area=shops.area[merchant], lat=lat, lon=lon)
    pay_by_card(scene, batch, np.zeros(wanted, dtype=np.int64))
    day = np.clip((at - society.start_us) // DAY_US, 0, society.days)
    amount = np.exp(rng.normal(4.9, 0.5, wanted)) / society.geography.rates[batch.currency, day]
    even = rng.random(wanted) < 0.4
    batch.minor = np.maximum(np.where(even, np.round(amount / 10) * 1000, np.round(amount) * 100 - 1), 99).astype(
        np.int64
    )
    device = scene.new_devices(len(crooked) * 3)[ring * 3 + rng.integers(0, 3, wanted)]
    strange_device(rng, scene, batch, device, online, abroad=0.1)
    refuse(rng, batch, 0.12, ISSUER)
    batch.case = ring
    return batch


def device_farm(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments of young accounts that a few devices run in turns for a week or so.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society = scene.society
    sizes = fitting(rng, wanted, 2, 5.0)[: len(scene.farm)]
    sizes[-1] += wanted - int(sizes.sum())
    account, _ = steps(sizes)
    rings = -(-len(sizes) // 16)
    member_ring = np.arange(len(sizes)) // 16
    ring, member = member_ring[account], scene.farm[: len(sizes)]
    began = society.start_us + (spread(rng, rings, 0.02, 0.92) * society.days * DAY_US).astype(np.int64)
    opened = began[member_ring] - (rng.gamma(2.0, 4.0, len(sizes)) * DAY_US).astype(np.int64) - HOUR_US
    society.customers.opened_us[member] = opened
    society.customers.verification[member] = rng.integers(0, 2, len(member))
    at = began[ring] + (rng.gamma(1.6, 2.2, wanted) * DAY_US).astype(np.int64)
    at = by_day(rng, scene, np.minimum(at, society.end_us - DAY_US))
    at = _not_before(opened[account] + HOUR_US, at)
    online = np.ones(wanted, dtype=np.bool_)
    category = goods(rng, online, 0.6, DIGITAL)
    batch = plausible(rng, society, member[account], at, Wish(category, online, explore=0.8))
    scale_amount(batch, np.exp(rng.normal(0.8, 0.4, wanted)), online, society)
    batch.put(batch.channel == PHONE, channel=WEB)
    device = scene.new_devices(rings * 4)[ring * 4 + rng.integers(0, 4, wanted)]
    strange_device(rng, scene, batch, device, online, abroad=0.1)
    base = rng.integers(0, 13, rings)
    lines = mobile_line(rng, np.repeat(base, 3))[ring * 3 + rng.integers(0, 3, wanted)]
    batch.put(rng.random(wanted) < 0.6, ip=lines, ip_country=base[ring])
    drop = ring * 3 + rng.integers(0, 3, wanted)
    area = rng.integers(0, len(society.geography.area_city), rings * 3)
    send_to(scene, batch, scene.new_addresses(rings * 3)[drop], area[drop], rng.random(wanted) < 0.7)
    refuse(rng, batch, 0.06, NO_FUNDS)
    batch.case = ring
    return batch


def bust_out(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments of customers of good standing who borrow more each day and are never seen again.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society = scene.society
    sizes = fitting(rng, wanted, 6, 14.0)
    case, step = steps(sizes)
    began = scene.moments(rng, len(sizes), tail_days=6.0)
    # They need some time of good standing first.
    began = began + ((society.end_us - began) * 0.15).astype(np.int64)
    who = scene.victims(rng, began)
    scene.stopped.update(zip(who.tolist(), began.tolist(), strict=True))
    hours = running(rng.exponential(4.0, wanted) + 0.1, sizes)
    at = np.minimum(began[case] + (hours * HOUR_US).astype(np.int64), society.end_us - 1)
    at = _not_before(began[case], by_day(rng, scene, at))
    at = at[np.lexsort((at, case))]
    online = rng.random(wanted) < 0.55
    wish = Wish(goods(rng, online, 0.6), online, explore=0.6)
    batch = plausible(rng, society, who[case], at, wish)
    pay_by_card(scene, batch, any_card(rng, scene, batch.who))
    growth = np.exp(rng.normal(0.6, 0.3, wanted)) * (1 + 0.18 * step)
    scale_amount(batch, growth, np.ones(wanted, dtype=np.bool_), society)
    refuse(rng, batch, np.minimum(0.03 * step, 0.35), NO_FUNDS)
    batch.case = case
    return batch


def hot_spot(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments for goods that strangers' cards buy and that all go to one postal area for some weeks.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society, geography = scene.society, scene.society.geography
    spots = max(1, wanted // 110)
    spot = np.sort(rng.integers(0, spots, wanted))
    middle = spread(rng, spots, 0.05, 0.95)[spot]
    share = np.clip(middle + rng.normal(0, 0.1, wanted), 0.005, 0.995)
    at = by_day(rng, scene, society.start_us + (share * society.days * DAY_US).astype(np.int64))
    area = rng.integers(0, len(geography.area_city), spots)[spot]
    who, other = scene.victims(rng, at), scene.victims(rng, at)
    # Compatriots of the area are somewhat more at risk.
    country = geography.city_country[geography.area_city[area]]
    who = np.where(geography.city_country[society.customers.city[other]] == country, other, who)
    online = np.ones(wanted, dtype=np.bool_)
    category = np.where(rng.random(wanted) < 0.5, goods(rng, online, 0.5), goods(rng, online, 0.5, DIGITAL))
    batch = plausible(rng, society, who, at, Wish(category, online, explore=0.95))
    pay_by_card(scene, batch, np.zeros(wanted, dtype=np.int64))
    scale_amount(batch, np.exp(rng.normal(0.8, 0.45, wanted)), online, society)
    send_to(scene, batch, scene.new_addresses(spots * 25)[spot * 25 + rng.integers(0, 25, wanted)], area, online)
    device = scene.new_devices(spots * 20)[spot * 20 + rng.integers(0, 20, wanted)]
    strange_device(rng, scene, batch, device, rng.random(wanted) < 0.75, abroad=0.1)
    refuse(rng, batch, 0.08, ISSUER)
    # The gangs of an area are many: each card is found out by itself.
    batch.case = np.arange(wanted)
    return batch
