"""What fraud patterns share: victims, moments, new devices and addresses, and the thieves' common tricks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from adjudge.systems.payments.simulate.batch import APP, CARD, POS, WEB, Batch
from adjudge.systems.payments.simulate.devices import uniform
from adjudge.systems.payments.simulate.draws import DAY_US, Choice, pick
from adjudge.systems.payments.simulate.geography import COUNTRIES
from adjudge.systems.payments.simulate.habits import card_country
from adjudge.systems.payments.simulate.merchants import CATEGORIES, CATEGORY_INDEX, ONLINE_SHARE
from adjudge.systems.payments.simulate.network import mobile_line, proxy_line
from adjudge.systems.payments.simulate.society import Society, foreign_addresses, fraud_devices
from adjudge.typing import BoolArray, FloatArray, IntArray


def categories(*names: str) -> IntArray:
    """Return category numbers.

    Parameters
    ----------
    names
        Category names.
    """
    return np.array([CATEGORY_INDEX[name] for name in names])


RESALE = categories("electronics", "jewellery", "gift_cards", "fashion", "marketplace", "sports", "home_garden")
"""What can be turned into money."""

DIGITAL = categories("digital_goods", "gaming", "gift_cards", "marketplace", "transport")
"""What arrives at once, and what an account of a farm buys."""

_EVERYDAY = Choice([[c.share * (1 - c.online) for c in CATEGORIES], [c.share * c.online for c in CATEGORIES]])


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
        at = np.where(shuffle, self.society.start_us + day + (rng.random(count) * DAY_US).astype(np.int64), at)
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


def goods(rng: np.random.Generator, online: BoolArray, keen: float, wanted: IntArray = RESALE) -> IntArray:
    """Return what a thief buys: sometimes what sells well, otherwise what everybody buys.

    Parameters
    ----------
    rng
        Source of randomness.
    online
        Whether each payment is made online.
    keen
        Probability of choosing among `wanted`.
    wanted
        Categories to choose among.
    """
    everyday = _EVERYDAY.draw(online.astype(np.int64), rng.random(len(online)))
    chosen = pick(rng, wanted, len(online))
    sold = online | (ONLINE_SHARE[chosen] < 1.0)
    return np.where(sold & (rng.random(len(online)) < keen), chosen, everyday)


def strange_device(
    rng: np.random.Generator, scene: Scene, batch: Batch, device: IntArray, rows: BoolArray, abroad: float
) -> None:
    """Give online payments to thieves' devices: their lines, their hands on the keys, no place of the victim.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    batch
        Payments, changed in place.
    device
        Fingerprint number of each payment.
    rows
        Which payments; of these only those made online change.
    abroad
        Probability of a line in any country rather than in that of the victim.
    """
    n, geography = len(batch), scene.society.geography
    rows = rows & ((batch.channel == WEB) | (batch.channel == APP))
    country = geography.city_country[batch.place]
    country = np.where(rng.random(n) < abroad, rng.integers(0, len(COUNTRIES), n), country)
    ip = mobile_line(rng, country)
    hidden = rng.random(n) < 0.3
    ip[hidden], country[hidden] = proxy_line(rng, int(hidden.sum()), len(COUNTRIES))
    batch.put(rows, device=device, ip=ip, ip_country=country)
    seen = rows & ~np.isnan(batch.typing)
    # One device, one pair of hands.
    pace = 1.35 + 0.8 * (uniform(device, 77) + uniform(device, 78) - 1.0)
    batch.put(seen, typing=np.exp(pace + rng.normal(0, 0.15, n)), session=np.exp(rng.normal(4.1, 0.6, n)))
    city = rng.integers(0, len(geography.city_lat), n)
    shown = rng.random(n) < 0.2
    lat = np.where(shown, geography.city_lat[city] + rng.normal(0, 0.05, n), np.nan)
    lon = np.where(shown, geography.city_lon[city] + rng.normal(0, 0.05, n), np.nan)
    batch.put(rows & ~np.isnan(batch.lat), lat=np.round(lat, 5), lon=np.round(lon, 5))


def send_to(scene: Scene, batch: Batch, address: IntArray, area: IntArray, rows: BoolArray) -> None:
    """Have goods sent to an address; payments at a till stay where they are.

    Parameters
    ----------
    scene
        The world.
    batch
        Payments, changed in place.
    address, area
        Number of the address and its postal area, payment by payment.
    rows
        Which payments.
    """
    geography = scene.society.geography
    country = geography.city_country[geography.area_city[area]]
    batch.put(rows & (batch.channel != POS), address=address, area=area, address_country=country)


def pay_by_card(scene: Scene, batch: Batch, card: IntArray) -> None:
    """Have every payment made with a card of the victim.

    Parameters
    ----------
    scene
        The world.
    batch
        Payments, changed in place.
    card
        Card slot of each payment.
    """
    batch.put(np.ones(len(batch), dtype=np.bool_), method=CARD, card=card)
    batch.card_country = card_country(scene.society, batch.who, card)


def any_card(rng: np.random.Generator, scene: Scene, who: IntArray) -> IntArray:
    """Return one of the card slots of each customer.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    who
        Customers.
    """
    return (rng.random(len(who)) * scene.society.customers.cards[who]).astype(np.int64)


def refuse(rng: np.random.Generator, batch: Batch, share: FloatArray | float, reason: int) -> None:
    """Have the issuer refuse a share of the payments, besides those it refused anyway.

    Parameters
    ----------
    rng
        Source of randomness.
    batch
        Payments, changed in place.
    share
        Probability.
    reason
        Outcome.
    """
    batch.decline = np.where(rng.random(len(batch)) < share, reason, batch.decline)


def nearby_area(rng: np.random.Generator, scene: Scene, who: IntArray) -> IntArray:
    """Return an area in the victim's city or, one time in three, anywhere.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    who
        Victims.
    """
    people, geography = scene.society.customers, scene.society.geography
    same = geography.areas.draw(people.city[who], rng.random(len(who)))
    other = rng.integers(0, len(geography.area_city), len(who))
    return np.where(rng.random(len(who)) < 0.66, same, other)


def minutes(value: FloatArray) -> IntArray:
    """Return minutes as microseconds.

    Parameters
    ----------
    value
        Minutes.

    Examples
    --------
    >>> minutes(np.array([0.5])).tolist()
    [30000000]
    """
    result: IntArray = (value * 60e6).astype(np.int64)
    return result


def by_day(rng: np.random.Generator, scene: Scene, at: IntArray) -> IntArray:
    """Keep the day of each moment and draw its time of day from honest life.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    at
        Moments.
    """
    start = scene.society.start_us
    hour = (pick(rng, scene.honest.at, len(at)) - start + rng.integers(0, 60_000_000, len(at))) % DAY_US
    result: IntArray = (at - start) // DAY_US * DAY_US + hour + start
    return result
