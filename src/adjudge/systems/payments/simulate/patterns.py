"""How thieves behave: each pattern takes plausible payments and changes what the thief cannot imitate.

Every pattern is a function of (rng, scene, rows wanted) that returns exactly that many payments, numbered by case.
How much of each there is stands in `SHARES`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from adjudge.systems.payments.simulate.batch import (
    ACCEPTED, APP, CARD, ISSUER, NO_FUNDS, PHONE, POS, TRANSFER, WALLET, WEB, WRONG_CODE, Batch,
)  # fmt: skip
from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US, fitting, pick, running, steps
from adjudge.systems.payments.simulate.geography import COUNTRIES, distance_km
from adjudge.systems.payments.simulate.habits import (
    Society, Wish, foreign_addresses, fraud_devices, plausible, scale_amount,
)  # fmt: skip
from adjudge.systems.payments.simulate.merchants import CATEGORY_INDEX
from adjudge.systems.payments.simulate.network import mobile_line, proxy_line
from adjudge.typing import BoolArray, FloatArray, IntArray

SHARES: dict[str, float] = {
    "stolen_card_spree": 0.17,
    "card_testing": 0.18,
    "account_takeover": 0.10,
    "impossible_travel": 0.05,
    "compromised_merchant": 0.09,
    "colluding_merchant": 0.08,
    "device_farm": 0.09,
    "bust_out": 0.06,
    "hot_spot": 0.06,
    "quiet": 0.12,
}
"""Share of each pattern among all fraudulent payments; ``quiet`` looks fully legitimate."""

PATTERNS = tuple(SHARES)
"""Names of the patterns; a payment carries the position in this tuple."""


def _categories(*names: str) -> IntArray:
    return np.array([CATEGORY_INDEX[name] for name in names])


RESALE = _categories(
    "electronics", "electronics", "jewellery", "gift_cards", "fashion", "marketplace", "sports"
)
"""What can be turned into money."""

DIGITAL = _categories("digital_goods", "gaming", "gift_cards", "electronics", "marketplace")
"""What arrives at once, and what an account of a farm buys."""

TESTED = _categories("digital_goods", "charity", "streaming", "gaming")
"""Where small amounts raise no eyebrow."""


@dataclass
class Scene:
    """What the patterns share: the world, its honest payments to hook on to, and fresh numbers.

    Parameters
    ----------
    society
        The world.
    honest
        Honest payments.
    farm
        Accounts that device farms have not used yet.
    opened
        Openings of farm accounts that a pattern decided.
    blocked
        Customers whose earlier card was blocked before the simulation.
    stopped
        Moments after which a customer pays no more (bust-outs).
    updates
        Contact changes by thieves: pairs of (customers, moments).
    colluding
        Merchants that work with thieves.
    """

    society: Society
    honest: Batch
    farm: IntArray
    opened: dict[int, int] = field(default_factory=dict)
    blocked: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    stopped: dict[int, int] = field(default_factory=dict)
    updates: list[tuple[IntArray, IntArray]] = field(default_factory=list)
    colluding: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    devices: int = 0
    addresses: int = 0

    def new_devices(self, count: int) -> IntArray:
        """Return fingerprint numbers that were never seen.

        Parameters
        ----------
        count
            How many.
        """
        self.devices += count
        return fraud_devices(self.society) + self.devices - count + np.arange(count)

    def new_addresses(self, count: int) -> IntArray:
        """Return address numbers that were never seen.

        Parameters
        ----------
        count
            How many.
        """
        self.addresses += count
        return foreign_addresses(self.society) + self.addresses - count + np.arange(count)

    def moments(self, rng: np.random.Generator, count: int, tail_days: float = 0.0) -> IntArray:
        """Return moments with the hours of honest life, slightly later in the night.

        Parameters
        ----------
        rng
            Source of randomness.
        count
            How many.
        tail_days
            Time to leave before the end, for a case to run its course.
        """
        at = pick(rng, self.honest.at, count)
        shuffle = rng.random(count) < 0.35
        day = (at - self.society.start_us) // DAY_US * DAY_US
        at = np.where(
            shuffle, self.society.start_us + day + (rng.random(count) * DAY_US).astype(np.int64), at
        )
        at = at + rng.integers(0, 60_000_000, count)
        span = self.society.end_us - self.society.start_us
        room = min(tail_days * DAY_US, 0.5 * span)
        squeeze = (span - room) / span
        moved: IntArray = (self.society.start_us + (at - self.society.start_us) * squeeze).astype(np.int64)
        return at if tail_days == 0 else moved

    def victims(self, rng: np.random.Generator, at: IntArray) -> IntArray:
        """Return customers who have an account at each moment, active ones more often.

        Parameters
        ----------
        rng
            Source of randomness.
        at
            Moments.
        """
        people = self.society.customers
        who = pick(rng, self.honest.who, len(at))
        evenly = rng.random(len(at)) < 0.4
        who[evenly] = rng.integers(0, self.society.honest, int(evenly.sum()))
        for _ in range(4):
            wrong = np.flatnonzero(people.opened_us[who] > at)
            who[wrong] = rng.integers(0, self.society.honest, len(wrong))
        return who


def _strange_device(
    rng: np.random.Generator, scene: Scene, batch: Batch, device: IntArray, rows: BoolArray, *, abroad: float
) -> None:
    """Give online payments to thieves' devices: their lines, their hands on the keys, no place of the victim."""
    n = len(batch)
    rows = rows & ((batch.channel == WEB) | (batch.channel == APP))
    home = scene.society.geography.city_country[batch.place]
    country = np.where(rng.random(n) < abroad, rng.integers(0, len(COUNTRIES), n), home)
    ip = mobile_line(rng, country)
    hidden = rng.random(n) < 0.3
    ip[hidden], country[hidden] = proxy_line(rng, int(hidden.sum()), len(COUNTRIES))
    hand = np.random.default_rng(rng.integers(1 << 62)).normal(1.35, 0.4, int(device.max()) + 2)[device]
    seen = ~np.isnan(batch.typing)
    batch.put(rows, device=device, ip=ip, ip_country=country)
    batch.put(
        rows & seen, typing=np.exp(hand + rng.normal(0, 0.15, n)), session=np.exp(rng.normal(4.1, 0.6, n))
    )
    city = rng.integers(0, len(scene.society.geography.city_lat), n)
    lat = scene.society.geography.city_lat[city] + rng.normal(0, 0.05, n)
    lon = scene.society.geography.city_lon[city] + rng.normal(0, 0.05, n)
    shown = rng.random(n) < 0.2
    moved = rows & ~np.isnan(batch.lat)
    batch.put(
        moved, lat=np.where(shown, np.round(lat, 5), np.nan), lon=np.where(shown, np.round(lon, 5), np.nan)
    )


def _send_to(scene: Scene, batch: Batch, address: IntArray, area: IntArray, rows: BoolArray) -> None:
    geography = scene.society.geography
    rows = rows & (batch.channel != POS)
    country = geography.city_country[geography.area_city[area]]
    batch.put(rows, address=address, area=area, address_country=country)


def _pay_by_card(scene: Scene, batch: Batch, card: IntArray, rows: BoolArray) -> None:
    people = scene.society.customers
    home = scene.society.geography.city_country[people.city[batch.who]]
    foreign = (home + 1 + batch.who % 11) % 13
    issuer = np.where(card == people.foreign_card[batch.who], foreign, home)
    batch.put(rows, method=CARD, card=card, card_country=issuer)


def _refuse(rng: np.random.Generator, batch: Batch, share: FloatArray | float, reason: int) -> None:
    batch.decline = np.where(rng.random(len(batch)) < share, reason, batch.decline)


def _nearby_area(rng: np.random.Generator, scene: Scene, who: IntArray) -> IntArray:
    """Return an area in the victim's city or, one time in three, anywhere."""
    people, geography = scene.society.customers, scene.society.geography
    same = geography.areas.draw(people.city[who], rng.random(len(who)))
    other = rng.integers(0, len(geography.area_city), len(who))
    return np.where(rng.random(len(who)) < 0.66, same, other)


def stolen_card_spree(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A stolen card is emptied within hours, at shops its owner never visits, on things that sell well."""
    sizes = fitting(rng, wanted, 2, 7.0)
    case, step = steps(sizes)
    began = scene.moments(rng, len(sizes))
    victim = scene.victims(rng, began)
    listed = (rng.random(len(sizes)) < 0.05) & (len(scene.blocked) > 0)
    if listed.any():
        victim[listed] = pick(rng, scene.blocked, int(listed.sum()))
    gaps = rng.exponential(11.0, wanted) + 1.0
    at = began[case] + (running(gaps, sizes) * 60e6).astype(np.int64)
    who = victim[case]
    in_shops = (rng.random(len(sizes)) < 0.3)[case]
    batch = plausible(rng, scene.society, who, at, Wish(pick(rng, RESALE, wanted), ~in_shops, explore=0.97))
    every = np.ones(wanted, dtype=np.bool_)
    slot = (rng.random(len(sizes)) * scene.society.customers.cards[victim]).astype(np.int64)
    _pay_by_card(scene, batch, np.where(listed[case], STOLEN_BEFORE, slot[case]), every)
    bold = np.exp(rng.normal(0.55, 0.45, len(sizes)))[case]
    scale_amount(batch, bold * (1 + 0.06 * step), every, scene.society)
    _strange_device(rng, scene, batch, scene.new_devices(len(sizes))[case], every, abroad=0.25)
    drop = scene.new_addresses(len(sizes))[case]
    area = _nearby_area(rng, scene, victim)[case]
    _send_to(scene, batch, drop, area, (rng.random(len(sizes)) < 0.7)[case])
    _refuse(rng, batch, np.minimum(0.04 + 0.04 * step, 0.4), ISSUER)
    batch.decline = np.where(listed[case], ISSUER, batch.decline)
    batch.case = case
    return batch


STOLEN_BEFORE = -7
"""Stands for the card of slot 0 that was blocked before the simulation, until cards get their numbers."""


def card_testing(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A script tries many cards with small amounts at a few merchants; those that work are then charged a lot."""
    sizes = fitting(rng, wanted, 4, 7.5)
    case, step = steps(sizes)
    campaign = np.arange(len(sizes)) // 6
    began = scene.moments(rng, int(campaign[-1]) + 1)[campaign] + (
        rng.random(len(sizes)) * 1.5 * HOUR_US
    ).astype(np.int64)
    victim = scene.victims(rng, began)
    works = rng.random(len(sizes)) < 0.65
    last = np.where(works, 1 + rng.integers(0, 2, len(sizes)), 0)
    large = step >= (sizes - last)[case]
    first_large = large & (step == (sizes - last)[case])
    gaps = np.where(large, 8.0 + rng.exponential(12.0, wanted), 0.08 + rng.exponential(0.6, wanted))
    gaps = np.where(first_large, 15.0 + rng.exponential(100.0, wanted), gaps)
    at = began[case] + (running(gaps, sizes) * 60e6).astype(np.int64)
    who = victim[case]
    category = np.where(
        large, pick(rng, RESALE, wanted), pick(rng, TESTED, int(campaign[-1]) + 1)[campaign][case]
    )
    batch = plausible(
        rng, scene.society, who, at, Wish(category, np.ones(wanted, dtype=np.bool_), explore=1.0)
    )
    every = np.ones(wanted, dtype=np.bool_)
    slot = (rng.random(len(sizes)) * scene.society.customers.cards[victim]).astype(np.int64)[case]
    _pay_by_card(scene, batch, slot, every)
    # One shop with a weak form serves a whole campaign.
    shop = np.full(int(campaign[-1]) + 1, -1)
    shop[campaign[case][~large]] = batch.merchant[~large]
    batch.put(~large, merchant=shop[campaign][case], channel=WEB)
    small = np.round(np.exp(rng.normal(0.5, 0.55, wanted)) * 100).astype(np.int64)
    rounded = rng.random(wanted) < 0.5
    small = np.where(rounded, np.maximum(small // 100, 1) * 100, np.maximum(small, 30))
    batch.put(~large, minor=small)
    scale_amount(batch, np.exp(rng.normal(0.9, 0.4, wanted)), large, scene.society)
    _strange_device(
        rng, scene, batch, scene.new_devices(int(campaign[-1]) + 1)[campaign][case], every, abroad=0.35
    )
    scripted = ~np.isnan(batch.session)
    batch.put(scripted & ~large, session=np.exp(rng.normal(2.8, 0.5, wanted)))
    drop = scene.new_addresses(int(campaign[-1]) + 1)[campaign][case]
    _send_to(scene, batch, drop, _nearby_area(rng, scene, victim)[case], large)
    _refuse(rng, batch, np.where(large, 0.15, np.where(works[case], 0.30, 0.85)), WRONG_CODE)
    batch.case = campaign[case]
    return batch


def account_takeover(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Somebody logs in as the customer from a device of their own and spends, often after changing the contact data."""
    sizes = fitting(rng, wanted, 1, 3.0)
    case, _ = steps(sizes)
    began = scene.moments(rng, len(sizes))
    victim = scene.victims(rng, began)
    at = began[case] + (running(2.0 + rng.exponential(25.0, wanted), sizes) * 60e6).astype(np.int64)
    every = np.ones(wanted, dtype=np.bool_)
    category = np.where(rng.random(wanted) < 0.5, pick(rng, RESALE, wanted), pick(rng, DIGITAL, wanted))
    batch = plausible(rng, scene.society, victim[case], at, Wish(category, every, explore=0.9))
    batch.put(batch.channel == PHONE, channel=APP)
    method = pick(rng, np.array([CARD, WALLET, WALLET, TRANSFER]), len(sizes))[case]
    slot = np.zeros(wanted, dtype=np.int64)
    _pay_by_card(scene, batch, slot, every)
    batch.put(every, method=method)
    batch.put(method == TRANSFER, card=-1, card_country=-1)
    scale_amount(batch, np.exp(rng.normal(0.9, 0.5, len(sizes)))[case], every, scene.society)
    device = scene.new_devices(len(sizes))[case]
    _strange_device(rng, scene, batch, device, every, abroad=0.3)
    batch.put(every, device=device)
    moved = (rng.random(len(sizes)) < 0.6)[case]
    _send_to(
        scene, batch, scene.new_addresses(len(sizes))[case], _nearby_area(rng, scene, victim)[case], moved
    )
    changed = rng.random(len(sizes)) < 0.4
    before = began - (rng.exponential(20.0, len(sizes)) * 60e6).astype(np.int64) - 30_000_000
    scene.updates.append((victim[changed], before[changed]))
    _refuse(rng, batch, 0.08, ISSUER)
    batch.case = case
    return batch


def impossible_travel(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A copy of a card is used in a far city while its owner has just paid at home."""
    society = scene.society
    sizes = fitting(rng, wanted, 1, 2.5)
    case, _ = steps(sizes)
    people = society.customers
    hooks = np.flatnonzero((scene.honest.channel == POS) & (scene.honest.card >= 0)
                           & (scene.honest.place == people.city[scene.honest.who]))  # fmt: skip
    hook = pick(rng, hooks, len(sizes))
    victim, began = scene.honest.who[hook], scene.honest.at[hook]
    began = began + ((0.3 + rng.exponential(0.9, len(sizes))) * HOUR_US).astype(np.int64)
    far = _far_city(rng, scene, people.city[victim])
    at = began[case] + (running(4.0 + rng.exponential(14.0, wanted), sizes) * 60e6).astype(np.int64)
    in_shop = np.zeros(wanted, dtype=np.bool_)
    category = pick(rng, RESALE[:-2], wanted)
    batch = plausible(rng, society, victim[case], at, Wish(category, in_shop, far[case], 1.0))
    every = ~in_shop
    _pay_by_card(scene, batch, scene.honest.card[hook][case], every)
    scale_amount(batch, np.exp(rng.normal(0.6, 0.4, wanted)), every, society)
    _refuse(rng, batch, 0.10, ISSUER)
    batch.area = np.where(every, society.merchants.area[batch.merchant], batch.area)
    batch.case = case
    return batch


def _far_city(rng: np.random.Generator, scene: Scene, home: IntArray) -> IntArray:
    geography = scene.society.geography
    city = rng.integers(0, len(geography.city_lat), len(home))
    for _ in range(30):
        km = distance_km(
            geography.city_lat[home],
            geography.city_lon[home],
            geography.city_lat[city],
            geography.city_lon[city],
        )
        near = np.flatnonzero(km < 1200)
        city[near] = rng.integers(0, len(geography.city_lat), len(near))
    return city


def compromised_merchant(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A merchant leaks the cards used there; days later they are charged at a handful of other shops."""
    society, honest = scene.society, scene.honest
    sizes = fitting(rng, wanted, 1, 2.0)
    case, _ = steps(sizes)
    leaks = max(2, len(sizes) // 60)
    leak = np.arange(len(sizes)) % leaks
    carded = np.flatnonzero((honest.card >= 0) & (honest.at < society.end_us - 0.25 * society.days * DAY_US))
    source = pick(rng, honest.merchant[carded], leaks)
    hook = _payments_at(rng, honest, carded, source, leak)
    victim = honest.who[hook]
    # All cards of a leak are used within a fortnight or so.
    opens = society.start_us + ((0.1 + 0.75 * rng.random(leaks)) * society.days * DAY_US).astype(np.int64)
    began = np.maximum(
        honest.at[hook] + DAY_US, opens[leak] + (rng.gamma(2.0, 3.0, len(sizes)) * DAY_US).astype(np.int64)
    )
    began = _by_day(rng, scene, np.minimum(began, society.end_us - HOUR_US))
    at = began[case] + (running(3.0 + rng.exponential(40.0, wanted), sizes) * 60e6).astype(np.int64)
    every = np.ones(wanted, dtype=np.bool_)
    shops = rng.integers(0, 4, wanted)
    kind = pick(rng, RESALE, leaks * 4)[leak[case] * 4 + shops]
    batch = plausible(rng, society, victim[case], at, Wish(kind, every, explore=1.0))
    where = leak[case] * 4 + shops
    favourite = np.full(leaks * 4, -1)
    favourite[where] = batch.merchant
    batch.merchant = favourite[where]
    _pay_by_card(scene, batch, honest.card[hook][case], every)
    scale_amount(batch, np.exp(rng.normal(0.55, 0.4, len(sizes)))[case], every, society)
    pool = scene.new_devices(leaks * 5)
    _strange_device(
        rng, scene, batch, pool[leak[case] * 5 + rng.integers(0, 5, len(sizes))[case]], every, abroad=0.2
    )
    drops = scene.new_addresses(leaks * 4)
    drop = leak * 4 + rng.integers(0, 4, len(sizes))
    area = rng.integers(0, len(society.geography.area_city), leaks * 4)
    _send_to(scene, batch, drops[drop][case], area[drop][case], every)
    _refuse(rng, batch, 0.10, ISSUER)
    batch.case = case
    return batch


def _payments_at(
    rng: np.random.Generator, honest: Batch, rows: IntArray, source: IntArray, leak: IntArray
) -> IntArray:
    found = np.empty(len(leak), dtype=np.int64)
    for i, merchant in enumerate(source):
        mine = np.flatnonzero(leak == i)
        found[mine] = pick(rng, rows[honest.merchant[rows] == merchant], len(mine))
    return found


def _by_day(rng: np.random.Generator, scene: Scene, at: IntArray) -> IntArray:
    """Keep the day of each moment and draw its time of day from honest life."""
    start = scene.society.start_us
    hour = (pick(rng, scene.honest.at, len(at)) - start) % DAY_US
    result: IntArray = (at - start) // DAY_US * DAY_US + hour + start
    return result


def colluding_merchant(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A merchant charges stolen cards through its own terminal or page for a week or two."""
    society, shops = scene.society, scene.society.merchants
    rings = max(2, wanted // 60)
    kinds = _categories("electronics", "jewellery", "home_garden", "fashion", "restaurant", "hotel", "sports")
    # A merchant that opened lately, with little trade of its own.
    trade = np.bincount(scene.honest.merchant, minlength=len(shops.category))
    small = np.flatnonzero(np.isin(shops.category, kinds) & (trade <= np.quantile(trade, 0.5)))
    crooked = rng.permutation(small)[:rings]
    scene.colluding = crooked
    ring = np.sort(rng.integers(0, len(crooked), wanted))
    merchant = crooked[ring]
    opens = np.maximum(shops.opened_us[crooked], society.start_us)
    room = np.maximum(society.end_us - opens - 16 * DAY_US, DAY_US)
    began = opens + (rng.random(len(crooked)) * room).astype(np.int64)
    at = began[ring] + (rng.gamma(2.5, 2.2, wanted) * DAY_US).astype(np.int64)
    at = _by_day(rng, scene, np.minimum(at, society.end_us - 1))
    city = shops.city[merchant]
    who = scene.victims(rng, at)
    online = city < 0
    batch = plausible(
        rng, society, who, at, Wish(shops.category[merchant], online, np.where(online, 0, city), 1.0)
    )
    every = np.ones(wanted, dtype=np.bool_)
    batch.put(~online, merchant=merchant, channel=POS, area=shops.area[merchant])
    batch.put(~online, lat=np.round(shops.lat[merchant], 5), lon=np.round(shops.lon[merchant], 5))
    batch.merchant = merchant
    _pay_by_card(scene, batch, np.zeros(wanted, dtype=np.int64), every)
    amount = np.exp(rng.normal(5.0, 0.45, wanted))
    even = rng.random(wanted) < 0.4
    batch.minor = np.where(even, np.round(amount / 10) * 1000, np.round(amount) * 100 - 1).astype(np.int64)
    _strange_device(
        rng,
        scene,
        batch,
        scene.new_devices(len(crooked) * 3)[ring * 3 + rng.integers(0, 3, wanted)],
        online,
        abroad=0.1,
    )
    _refuse(rng, batch, 0.12, ISSUER)
    batch.case = ring
    return batch


def device_farm(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A few devices run many young accounts that buy what can be sold on, in turns, for a week or so."""
    society = scene.society
    sizes = fitting(rng, wanted, 2, 5.0)[: len(scene.farm)]
    sizes[-1] += wanted - int(sizes.sum())
    account, _ = steps(sizes)
    ring = np.arange(len(sizes)) // 16
    rings = int(ring[-1]) + 1
    member = scene.farm[: len(sizes)]
    began = scene.moments(rng, rings, tail_days=10.0)
    opened = began[ring] - (rng.gamma(2.0, 4.0, len(sizes)) * DAY_US).astype(np.int64) - HOUR_US
    scene.opened.update(zip(member.tolist(), opened.tolist(), strict=True))
    at = began[ring][account] + (rng.gamma(1.6, 2.2, wanted) * DAY_US).astype(np.int64)
    at = _by_day(rng, scene, np.minimum(at, society.end_us - DAY_US))
    at = np.maximum(at, opened[account] + HOUR_US)
    every = np.ones(wanted, dtype=np.bool_)
    batch = plausible(rng, society, member[account], at, Wish(pick(rng, DIGITAL, wanted), every, explore=0.8))
    scale_amount(batch, np.exp(rng.normal(0.5, 0.4, wanted)), every, society)
    batch.put(batch.channel == PHONE, channel=WEB)
    devices = scene.new_devices(rings * 4)
    which = ring[account] * 4 + rng.integers(0, 4, wanted)
    _strange_device(rng, scene, batch, devices[which], every, abroad=0.1)
    batch.put(every, device=devices[which])
    home = rng.integers(0, 13, rings)
    lines = mobile_line(rng, np.repeat(home, 3))
    own = rng.random(wanted) < 0.6
    batch.put(own, ip=lines[ring[account] * 3 + rng.integers(0, 3, wanted)], ip_country=home[ring][account])
    drops = scene.new_addresses(rings * 3)
    areas = rng.integers(0, len(society.geography.area_city), rings * 3)
    drop = ring[account] * 3 + rng.integers(0, 3, wanted)
    _send_to(scene, batch, drops[drop], areas[drop], rng.random(wanted) < 0.7)
    _refuse(rng, batch, 0.06, NO_FUNDS)
    batch.case = ring[account]
    return batch


def bust_out(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """A customer of good standing borrows on every card over some days, more each time, and is never seen again."""
    society = scene.society
    sizes = fitting(rng, wanted, 6, 14.0)
    case, step = steps(sizes)
    began = scene.moments(rng, len(sizes), tail_days=6.0)
    began = began + ((society.end_us - began) * 0.15).astype(np.int64)
    who = scene.victims(rng, began)
    scene.stopped.update(zip(who.tolist(), began.tolist(), strict=True))
    gaps = rng.exponential(6.0, wanted) + 0.2
    at = np.minimum(began[case] + (running(gaps, sizes) * HOUR_US).astype(np.int64), society.end_us - 1)
    at = _by_day(rng, scene, at)
    at = np.maximum(at, began[case])
    batch = plausible(rng, society, who[case], at, Wish(pick(rng, RESALE, wanted), explore=0.6))
    every = np.ones(wanted, dtype=np.bool_)
    slot = (rng.random(wanted) * society.customers.cards[batch.who]).astype(np.int64)
    _pay_by_card(scene, batch, slot, every)
    growth = np.exp(rng.normal(0.3, 0.3, wanted)) * (1 + 0.18 * step)
    scale_amount(batch, growth, every, society)
    _refuse(rng, batch, np.minimum(0.03 * step, 0.35), NO_FUNDS)
    batch.case = case
    return batch


def hot_spot(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """For some weeks goods bought with strangers' cards are sent to one postal area."""
    society, geography = scene.society, scene.society.geography
    spots = max(1, wanted // 110)
    at = scene.moments(rng, wanted)
    spot = np.sort(rng.integers(0, spots, wanted))
    centre = rng.random(spots) * 0.7 + 0.1
    days = np.clip(centre[spot] + rng.normal(0, 0.1, wanted), 0.01, 0.99) * society.days
    at = _by_day(rng, scene, society.start_us + (days * DAY_US).astype(np.int64))
    area = rng.choice(len(geography.area_city), spots)[spot]
    who = scene.victims(rng, at)
    abroad = (
        geography.city_country[geography.area_city[area]]
        != geography.city_country[society.customers.city[who]]
    )
    again = scene.victims(rng, at)
    who = np.where(abroad & (rng.random(wanted) < 0.6), again, who)
    every = np.ones(wanted, dtype=np.bool_)
    category = np.where(rng.random(wanted) < 0.6, pick(rng, RESALE, wanted), pick(rng, DIGITAL, wanted))
    batch = plausible(rng, society, who, at, Wish(category, every, explore=0.95))
    _pay_by_card(scene, batch, np.zeros(wanted, dtype=np.int64), every)
    scale_amount(batch, np.exp(rng.normal(0.4, 0.4, wanted)), every, society)
    drops = scene.new_addresses(spots * 25)
    _send_to(scene, batch, drops[spot * 25 + rng.integers(0, 25, wanted)], area, every)
    devices = scene.new_devices(spots * 20)
    _strange_device(
        rng,
        scene,
        batch,
        devices[spot * 20 + rng.integers(0, 20, wanted)],
        rng.random(wanted) < 0.75,
        abroad=0.1,
    )
    _refuse(rng, batch, 0.08, ISSUER)
    # Gangs share an area, not a case: each card is found out by itself.
    batch.case = np.arange(wanted)
    return batch


def quiet(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Fraud that nothing tells from honest payments: a relative with the phone, a patient thief, an invented dispute."""
    at = scene.moments(rng, wanted)
    batch = plausible(rng, scene.society, scene.victims(rng, at), at)
    batch.put(batch.decline != ACCEPTED, decline=ACCEPTED)
    scale_amount(batch, np.exp(rng.normal(0.15, 0.3, wanted)), np.ones(wanted, dtype=np.bool_), scene.society)
    batch.case = np.arange(wanted)
    return batch


MAKERS: dict[str, Callable[[np.random.Generator, Scene, int], Batch]] = {
    "stolen_card_spree": stolen_card_spree,
    "card_testing": card_testing,
    "account_takeover": account_takeover,
    "impossible_travel": impossible_travel,
    "compromised_merchant": compromised_merchant,
    "colluding_merchant": colluding_merchant,
    "device_farm": device_farm,
    "bust_out": bust_out,
    "hot_spot": hot_spot,
    "quiet": quiet,
}
"""The function of each pattern."""


def budgets(frauds: int) -> dict[str, int]:
    """Return how many payments of each pattern make up a number of frauds.

    Parameters
    ----------
    frauds
        Fraudulent payments in all.

    Examples
    --------
    >>> budgets(100)["card_testing"], sum(budgets(101).values())
    (18, 101)
    """
    ends = np.round(np.cumsum(list(SHARES.values())) * frauds / sum(SHARES.values())).astype(int)
    return dict(zip(SHARES, np.diff(ends, prepend=0).tolist(), strict=True))


def fraud(rng: np.random.Generator, scene: Scene, frauds: int) -> Batch:
    """Return exactly `frauds` fraudulent payments over all patterns.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world and its honest payments; patterns leave word in it of what else they changed.
    frauds
        How many; patterns that get none are left out.
    """
    parts, cases = [], 0
    for index, (name, wanted) in enumerate(budgets(frauds).items()):
        if wanted == 0:
            continue
        batch = MAKERS[name](rng, scene, wanted)
        batch.pattern = np.full(wanted, index)
        batch.case = batch.case + cases
        cases = int(batch.case.max()) + 1
        batch.at = np.clip(batch.at, scene.society.start_us, scene.society.end_us - 1)
        parts.append(batch)
    return Batch.join(parts)
