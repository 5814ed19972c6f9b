"""Who pays: homes, cards, devices, money, habits, households, trips, and how an account grows up."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adjudge.systems.payments.simulate.draws import DAY_US, HOUR_US, Choice
from adjudge.systems.payments.simulate.geography import Geography, distance_km
from adjudge.systems.payments.simulate.merchants import CATEGORIES
from adjudge.systems.payments.simulate.seasons import PAY_DAYS, RHYTHM_SHARE
from adjudge.typing import BoolArray, FloatArray, IntArray

CARD_SLOTS = 4
"""Most cards of a customer."""

CARD_VERSIONS = 3
"""A slot may hold a card that was blocked before the simulation, the present one, or its replacement."""

DEVICE_SLOTS = 3
"""A phone, a computer, and a second phone or tablet."""

DEVICE_EPOCHS = 3
"""A device changes its fingerprint at most twice: an update, or another device in its place."""


@dataclass(frozen=True)
class Customers:
    """Customers as arrays, one entry each; the accounts of device farms come last and never pay honestly.

    Parameters
    ----------
    city, area, lat, lon
        Home.
    address
        Number of the home address; households share one.
    activity
        Relative number of payments, heavy-tailed.
    rhythm, pay_day
        Kind of day, and index of the day on which wages arrive.
    wealth
        Factor on prices, 1 in the middle.
    online, app, transfer, wallet
        Leaning to pay online (added to the logit), in the app rather than on the web, and by method.
    loyalty
        Probability of going to a favourite merchant.
    favourites
        Uniform numbers that pick favourite merchants, shape (customers, categories, 2).
    liked
        Three favourite categories, shape (customers, 3).
    cards, foreign_card
        Number of cards; the slot whose issuer is abroad, or -1.
    device_from
        Moments at which each device becomes its second and third self, shape (customers, slots, 2).
    mate
        Partner whose computer is sometimes used, or the customer itself.
    locates, measured, vpn
        Whether devices share their place, whether forms are measured, whether a proxy is used at times.
    typing, session
        Usual characters per second and seconds per session.
    thin
        Probability that funds do not suffice, before the pay day effect.
    opened_us, verification
        Account opening and level of verification at the start (or at opening).
    trip_start, trip_end, trip_city, trip_transit
        Journeys, shape (customers, journeys); no journey starts at the largest integer.
    """

    city: IntArray
    area: IntArray
    lat: FloatArray
    lon: FloatArray
    address: IntArray
    activity: FloatArray
    rhythm: IntArray
    pay_day: IntArray
    wealth: FloatArray
    online: FloatArray
    app: FloatArray
    transfer: FloatArray
    wallet: FloatArray
    loyalty: FloatArray
    favourites: FloatArray
    liked: IntArray
    cards: IntArray
    foreign_card: IntArray
    device_from: IntArray
    mate: IntArray
    locates: BoolArray
    measured: BoolArray
    vpn: BoolArray
    typing: FloatArray
    session: FloatArray
    thin: FloatArray
    opened_us: IntArray
    verification: IntArray
    trip_start: IntArray
    trip_end: IntArray
    trip_city: IntArray
    trip_transit: IntArray

    def __len__(self) -> int:
        """Return the number of customers."""
        return len(self.city)

    def whereabouts(self, who: IntArray, at_us: IntArray) -> tuple[IntArray, BoolArray]:
        """Return the city in which each customer is, and whether they are on the way.

        Parameters
        ----------
        who
            Customers.
        at_us
            Moments.
        """
        city = self.city[who].copy()
        moving = np.zeros(len(who), dtype=np.bool_)
        for k in range(self.trip_start.shape[1]):
            start, end, way = self.trip_start[who, k], self.trip_end[who, k], self.trip_transit[who, k]
            away = (at_us >= start) & (at_us < end)
            city[away] = self.trip_city[who[away], k]
            # Between leaving and arriving nobody stands at a till.
            moving |= (away & (at_us - start < way)) | ((at_us >= end - way // 2) & (at_us < end + way // 2))
        return city, moving

    def fingerprint(self, who: IntArray, slot: IntArray, at_us: IntArray) -> IntArray:
        """Return the number of the fingerprint that a device shows at a moment.

        Parameters
        ----------
        who
            Owners.
        slot
            Which of the owner's devices.
        at_us
            Moments.
        """
        epoch = (at_us[:, None] >= self.device_from[who, slot]).sum(axis=1)
        result: IntArray = (who * DEVICE_SLOTS + slot) * DEVICE_EPOCHS + epoch
        return result


def make_customers(rng: np.random.Generator, geography: Geography, count: int, farmed: int, days: int) -> Customers:
    """Draw the customers of one world.

    Parameters
    ----------
    rng
        Source of randomness.
    geography
        Where they live.
    count
        Customers who pay for themselves.
    farmed
        Accounts opened by device farms, added at the end.
    days
        Length of the simulation.
    """
    n = count + farmed
    city = rng.choice(len(geography.city_home), n, p=geography.city_home / geography.city_home.sum())
    area = geography.areas.draw(city, rng.random(n))
    lat = geography.area_lat[area] + rng.normal(0, 0.008, n)
    lon = geography.area_lon[area] + rng.normal(0, 0.012, n)
    address, mate = np.arange(n), np.arange(n)
    _join_households(rng, count, city, (area, lat, lon, address), mate)
    activity = rng.gamma(0.9, size=n) * np.exp(rng.normal(0, 0.6, n)) + 0.03
    activity[count:] = 0.0
    wealth = np.exp(rng.normal(0, 0.45, n))
    likes = Choice([[c.share for c in CATEGORIES]])
    opened, verification = _accounts(rng, geography.start_us, n, days)
    cards = np.minimum(1 + rng.poisson(0.7, n), CARD_SLOTS)
    trips = _trips(rng, geography, city, days)
    return Customers(
        city=city, area=area, lat=lat, lon=lon, address=address, activity=activity,
        rhythm=rng.choice(len(RHYTHM_SHARE), n, p=RHYTHM_SHARE), pay_day=rng.integers(0, len(PAY_DAYS), n),
        wealth=wealth, online=rng.normal(0, 0.9, n), app=rng.beta(1.5, 1.5, n),
        transfer=rng.beta(0.5, 6.0, n),
        wallet=rng.beta(0.5, 1.6, n), loyalty=rng.beta(9, 1.6, n), cards=cards,
        favourites=rng.random((n, len(CATEGORIES), 2)),
        liked=likes.draw(np.zeros((n, 3), dtype=np.int64), rng.random((n, 3))),
        foreign_card=np.where(rng.random(n) < 0.05, rng.integers(0, cards), -1),
        device_from=_device_changes(rng, geography.start_us, n, days), mate=mate,
        locates=rng.random(n) < 0.6, measured=rng.random(n) < 0.7, vpn=rng.random(n) < 0.06,
        typing=np.exp(rng.normal(1.25, 0.3, n)), session=np.exp(rng.normal(4.7, 0.5, n)),
        thin=0.035 * rng.beta(0.6, 2.4, n) / wealth, opened_us=opened, verification=verification,
        trip_start=trips[0], trip_end=trips[1], trip_city=trips[2], trip_transit=trips[3],
    )  # fmt: skip


def _join_households(
    rng: np.random.Generator,
    count: int,
    city: IntArray,
    home: tuple[IntArray, FloatArray, FloatArray, IntArray],
    mate: IntArray,
) -> None:
    order = rng.permutation(count)
    order = order[np.argsort(city[order], kind="stable")]
    left, right = order[0 : count - 1 : 2], order[1:count:2]
    together = (city[left] == city[right]) & (rng.random(len(left)) < 0.3)
    left, right = left[together], right[together]
    for values in home:
        values[right] = values[left]
    mate[left], mate[right] = right, left


def _accounts(rng: np.random.Generator, start_us: int, n: int, days: int) -> tuple[IntArray, IntArray]:
    opened = start_us - (rng.gamma(1.3, 600, n) * DAY_US).astype(np.int64)
    young = rng.random(n) < 0.0009 * days
    opened[young] = start_us + (rng.random(int(young.sum())) * days * DAY_US).astype(np.int64)
    age = np.maximum(start_us - opened, 0) / DAY_US
    verification = np.minimum(rng.poisson(0.5 + 1.6 * age / (age + 300)), 3)
    return opened, verification


def _device_changes(rng: np.random.Generator, start_us: int, n: int, days: int) -> IntArray:
    wait = rng.exponential(130, (n, DEVICE_SLOTS, 2)).cumsum(axis=2)
    # Nothing bounds the wait but the calendar: most devices do not change within three months.
    changes: IntArray = start_us + (np.minimum(wait, 4.0 * days + 365) * DAY_US).astype(np.int64)
    return changes


def _trips(
    rng: np.random.Generator, geography: Geography, home: IntArray, days: int
) -> tuple[IntArray, IntArray, IntArray, IntArray]:
    n, most = len(home), max(1, round(days / 46))
    kinds = Choice(_trip_weights(geography))
    city = kinds.draw(np.repeat(home, most).reshape(n, most), rng.random((n, most)))
    # Each journey lives in its own slice of the calendar, so journeys never overlap.
    slice_us = days * DAY_US / most
    length = np.minimum(np.exp(rng.normal(1.3, 0.7, (n, most))) + 0.5, 0.7 * days / most) * DAY_US
    begin = geography.start_us + ((np.arange(most) + rng.random((n, most)) * 0.25) * slice_us).astype(np.int64)
    start = (begin // DAY_US) * DAY_US + (rng.integers(5, 20, (n, most)) * HOUR_US)
    start = np.maximum(start, geography.start_us)
    km = distance_km(
        geography.city_lat[home][:, None], geography.city_lon[home][:, None],
        geography.city_lat[city], geography.city_lon[city],
    )  # fmt: skip
    transit = ((km / 650.0 + 3.0) * HOUR_US).astype(np.int64)
    goes = (rng.random((n, most)) < 0.22) & (city != home[:, None])
    start[~goes] = np.iinfo(np.int64).max // 2
    end = np.where(goes, start + length.astype(np.int64) + 2 * transit, start)
    return start, end, city, np.where(goes, transit, 0)


def _trip_weights(geography: Geography) -> FloatArray:
    n = len(geography.city_lat)
    km = distance_km(
        np.repeat(geography.city_lat, n), np.repeat(geography.city_lon, n),
        np.tile(geography.city_lat, n), np.tile(geography.city_lon, n),
    ).reshape(n, n)  # fmt: skip
    result: FloatArray = geography.city_visit[None, :] * (0.3 + np.exp(-km / 700.0)) + 1e-9
    return result
