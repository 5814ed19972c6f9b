"""Who is paid: categories with prices and hours of their own, merchants in cities and online, price tags."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from adjudge.systems.payments.simulate.draws import DAY_US, Choice
from adjudge.systems.payments.simulate.geography import COUNTRIES, CURRENCIES, Geography
from adjudge.typing import BoolArray, FloatArray, IntArray


class Category(NamedTuple):
    """How one merchant category trades.

    Parameters
    ----------
    name
        As delivered in the column ``category``.
    share
        Share of payments before the time of day and the season tilt it.
    online
        Share of its payments made online.
    merchants
        Share of all merchants.
    median
        Median price in EUR.
    sigma
        Spread of prices within a merchant, in logarithms.
    ending
        Favourite price ending: ``99``, ``95``, ``00``, ``50`` or ``free``.
    hours
        Weight in the night (0-6), morning (6-11), midday (11-15), afternoon (15-18), evening (18-24).
    """

    name: str
    share: float
    online: float
    merchants: float
    median: float
    sigma: float
    ending: str
    hours: tuple[float, float, float, float, float]


_ANY = (1.0, 1.0, 1.0, 1.0, 1.0)
_SHOP = (0.3, 1.0, 1.1, 1.3, 0.9)
_HOME = (1.4, 0.7, 0.8, 0.9, 1.5)

CATEGORIES = (
    Category("grocery", 0.225, 0.05, 0.13, 22.0, 0.80, "free", (0.2, 1.0, 1.0, 1.4, 0.9)),
    Category("restaurant", 0.125, 0.12, 0.15, 23.0, 0.65, "50", (0.6, 0.3, 1.5, 0.5, 1.7)),
    Category("cafe", 0.080, 0.02, 0.08, 5.6, 0.50, "50", (0.2, 2.0, 1.2, 1.0, 0.4)),
    Category("fuel", 0.055, 0.00, 0.05, 52.0, 0.40, "free", (0.6, 1.2, 0.9, 1.3, 0.9)),
    Category("transport", 0.070, 0.55, 0.03, 8.5, 0.85, "50", (1.2, 1.5, 0.8, 1.2, 0.9)),
    Category("pharmacy", 0.040, 0.15, 0.06, 15.5, 0.70, "95", _SHOP),
    Category("fashion", 0.055, 0.55, 0.09, 44.0, 0.70, "99", _SHOP),
    Category("electronics", 0.024, 0.60, 0.05, 110.0, 1.00, "99", _SHOP),
    Category("home_garden", 0.035, 0.45, 0.06, 46.0, 0.90, "99", _SHOP),
    Category("sports", 0.018, 0.50, 0.04, 41.0, 0.80, "95", _SHOP),
    Category("books_media", 0.025, 0.65, 0.03, 16.0, 0.55, "99", _ANY),
    Category("beauty", 0.030, 0.35, 0.05, 27.0, 0.60, "95", _SHOP),
    Category("jewellery", 0.005, 0.35, 0.02, 140.0, 0.95, "00", _SHOP),
    Category("gift_cards", 0.008, 0.80, 0.01, 34.0, 0.60, "00", _ANY),
    Category("gaming", 0.030, 1.00, 0.02, 13.0, 0.80, "99", _HOME),
    Category("streaming", 0.012, 1.00, 0.01, 11.0, 0.35, "99", _HOME),
    Category("telecom", 0.012, 0.80, 0.01, 27.0, 0.45, "99", _ANY),
    Category("utilities", 0.012, 0.90, 0.02, 80.0, 0.50, "free", _ANY),
    Category("hotel", 0.014, 0.75, 0.05, 135.0, 0.65, "00", _ANY),
    Category("airline", 0.008, 1.00, 0.01, 170.0, 0.70, "free", _HOME),
    Category("digital_goods", 0.026, 1.00, 0.03, 8.5, 0.90, "99", _HOME),
    Category("marketplace", 0.062, 1.00, 0.03, 29.0, 1.00, "99", _HOME),
    Category("charity", 0.007, 0.75, 0.01, 19.0, 0.80, "00", _ANY),
)
"""Every category; the shares are made up."""

CATEGORY_INDEX = {category.name: i for i, category in enumerate(CATEGORIES)}
"""Position of each category by name."""

ONLINE_SHARE: FloatArray = np.array([category.online for category in CATEGORIES])
"""Share of each category that is paid online; 0 and 1 leave no choice."""

ENDINGS = ("99", "95", "00", "50", "free")
"""Price endings that a merchant may favour."""

DAYPART = np.repeat(np.arange(5), (6, 5, 4, 3, 6))
"""Part of the day of each hour."""

_MONTH_TILT = {
    "fashion": {1: 1.35, 7: 1.3}, "electronics": {11: 1.6, 12: 1.5}, "jewellery": {2: 1.4, 12: 1.9},
    "gift_cards": {12: 2.2}, "marketplace": {11: 1.3, 12: 1.3}, "home_garden": {3: 1.2, 4: 1.4, 5: 1.4},
    "sports": {1: 1.4}, "airline": {1: 1.4, 6: 1.3, 7: 1.5, 8: 1.3}, "hotel": {6: 1.3, 7: 1.6, 8: 1.6},
    "books_media": {12: 1.5}, "charity": {12: 2.0}, "restaurant": {7: 1.1, 8: 1.1},
}  # fmt: skip


@dataclass(frozen=True)
class Merchants:
    """Merchants as arrays.

    Parameters
    ----------
    category, city
        Category and city of each merchant; city -1 sells online only.
    country
        Country of each merchant.
    lat, lon, area
        Position and postal area of the shop; of no meaning online.
    level
        Price level relative to the category, 1 in the middle.
    ending
        Favourite price ending, index into `ENDINGS`.
    opened_us
        When it opened; before the start of the simulation for most.
    shops
        Draws a merchant for a group ``category * (cities + 1) + city``, where the last "city" is online.
    tastes
        Draws a category for a group ``(month - 1) * 10 + daypart * 2 + (1 on days off)``.
    """

    category: IntArray
    city: IntArray
    country: IntArray
    lat: FloatArray
    lon: FloatArray
    area: IntArray
    level: FloatArray
    ending: IntArray
    opened_us: IntArray
    shops: Shops
    tastes: Choice

    def choose(
        self, category: IntArray, city: IntArray, at_us: IntArray, u: FloatArray, rng: np.random.Generator
    ) -> IntArray:
        """Return a merchant of each category and city that was open at the time.

        Parameters
        ----------
        category
            Category indices.
        city
            City indices, -1 for online.
        at_us
            Moments of payment.
        u
            Uniform numbers: the same number gives the same merchant, which is how favourites are kept.
        rng
            Draws again where the first answer was not open yet.
        """
        found = self.shops.draw(category, city, u)
        for _ in range(3):
            shut = np.flatnonzero(self.opened_us[found] > at_us)
            if not len(shut):
                break
            found[shut] = self.shops.draw(category[shut], city[shut], rng.random(len(shut)))
        shut = np.flatnonzero(self.opened_us[found] > at_us)
        found[shut] = self.shops.oldest(category[shut], city[shut])
        return found


class Shops:
    """Draws merchants by popularity within a category and city.

    Parameters
    ----------
    category, city
        Of each merchant.
    popularity
        Positive weight of each merchant.
    cities
        Number of cities.
    """

    def __init__(self, category: IntArray, city: IntArray, popularity: FloatArray, cities: int) -> None:
        self._cities = cities
        group = self._group(category, city)
        # The most popular merchant of a group comes last: it is never a new one.
        self._order = np.lexsort((popularity, group))
        ends = np.cumsum(popularity[self._order])
        sizes = np.bincount(group, minlength=len(CATEGORIES) * (cities + 1))
        last = np.cumsum(sizes)
        self._ends = ends
        self._last = last - 1
        padded = np.concatenate([[0.0], ends])
        self._low, self._high = padded[last - sizes], padded[last]

    def _group(self, category: IntArray, city: IntArray) -> IntArray:
        return category * (self._cities + 1) + np.where(city < 0, self._cities, city)

    def draw(self, category: IntArray, city: IntArray, u: FloatArray) -> IntArray:
        """Return the merchant that each uniform number selects.

        Parameters
        ----------
        category, city
            Where to look.
        u
            Uniform numbers.
        """
        group = self._group(category, city)
        at = np.searchsorted(self._ends, self._low[group] + u * (self._high - self._low)[group], side="right")
        result: IntArray = self._order[np.minimum(at, self._last[group])]
        return result

    def oldest(self, category: IntArray, city: IntArray) -> IntArray:
        """Return the merchant of each group that was always there.

        Parameters
        ----------
        category, city
            Where to look.
        """
        result: IntArray = self._order[self._last[self._group(category, city)]]
        return result


def make_merchants(rng: np.random.Generator, geography: Geography, count: int, days: int) -> Merchants:
    """Draw the merchants of one world; a few are added where a category would be missing from a city.

    Parameters
    ----------
    rng
        Source of randomness.
    geography
        Where they are.
    count
        How many, roughly.
    days
        Length of the simulation: one merchant in twelve opens during it.
    """
    cities = len(geography.city_country)
    category, city = _places(rng, geography, count)
    n = len(category)
    popularity = (1.0 / rng.random(n)) ** 0.75
    top = _first_of_group(category, city, popularity)
    opened = geography.start_us - (rng.exponential(900, n) * DAY_US).astype(np.int64)
    young = (rng.random(n) < 1 / 12) & ~top
    opened[young] = geography.start_us + (rng.random(int(young.sum())) * days * DAY_US).astype(np.int64)
    home = rng.choice(cities, n, p=geography.city_home / geography.city_home.sum())
    country = geography.city_country[np.where(city < 0, home, city)]
    area = geography.areas.draw(np.where(city < 0, home, city), rng.random(n))
    favourite = np.array([ENDINGS.index(c.ending) for c in CATEGORIES])[category]
    ending = np.where(rng.random(n) < 0.75, favourite, rng.integers(0, len(ENDINGS), n))
    lat = geography.area_lat[area] + rng.normal(0, 0.008, n)
    lon = geography.area_lon[area] + rng.normal(0, 0.012, n)
    level = np.exp(rng.normal(0, 0.35, n))
    shops = Shops(category, city, popularity, cities)
    return Merchants(category, city, country, lat, lon, area, level, ending, opened, shops, _tastes())


def _places(rng: np.random.Generator, geography: Geography, count: int) -> tuple[IntArray, IntArray]:
    cities = len(geography.city_country)
    share = np.array([c.merchants for c in CATEGORIES])
    online = np.array([c.online for c in CATEGORIES])
    kind = rng.choice(len(CATEGORIES), count, p=share / share.sum())
    weight = geography.city_home + 0.3 * geography.city_visit
    place = rng.choice(cities, count, p=weight / weight.sum())
    place[rng.random(count) < np.clip(online[kind] * 0.6, 0, 1) + (online[kind] == 1.0)] = -1
    # Every category trades in every city (unless it is online only), and online (unless it never is).
    grid, where = np.meshgrid(np.arange(len(CATEGORIES)), np.arange(-1, cities), indexing="ij")
    wanted = np.where(where.ravel() < 0, online[grid.ravel()] > 0, online[grid.ravel()] < 1)
    have = np.isin(grid.ravel() * 1000 + where.ravel(), kind * 1000 + place)
    missing = wanted & ~have
    category = np.concatenate([kind, grid.ravel()[missing]])
    city = np.concatenate([place, where.ravel()[missing]])
    return category.astype(np.int64), city.astype(np.int64)


def _first_of_group(category: IntArray, city: IntArray, popularity: FloatArray) -> BoolArray:
    group = category * 1000 + city
    order = np.lexsort((-popularity, group))
    first = np.ones(len(group), dtype=np.bool_)
    first[1:] = group[order][1:] != group[order][:-1]
    top = np.zeros(len(group), dtype=np.bool_)
    top[order[first]] = True
    return top


def _tastes() -> Choice:
    weights = np.empty((12, 5, 2, len(CATEGORIES)))
    for i, category in enumerate(CATEGORIES):
        for month in range(1, 13):
            tilt = _MONTH_TILT.get(category.name, {}).get(month, 1.0)
            weights[month - 1, :, :, i] = (category.share * tilt * np.array(category.hours))[:, None]
    leisure = [CATEGORY_INDEX[name] for name in ("restaurant", "fashion", "home_garden", "sports")]
    weights[:, :, 1, leisure] *= 1.3
    return Choice(weights.reshape(120, len(CATEGORIES)))


def currency_of(country: IntArray) -> IntArray:
    """Return the currency index of each country.

    Parameters
    ----------
    country
        Country indices.

    Examples
    --------
    Germany pays in EUR (0), the United Kingdom in GBP (1):

    >>> currency_of(np.array([0, 8])).tolist()
    [0, 1]
    """
    table = np.array([CURRENCIES.index(currency) for _, currency, _ in COUNTRIES])
    result: IntArray = table[country]
    return result


def price_tags(amount: FloatArray, ending: IntArray, keep: BoolArray) -> IntArray:
    """Return amounts in minor units with the merchant's favourite ending where `keep` says so.

    Parameters
    ----------
    amount
        Wanted amount, major units.
    ending
        Index into `ENDINGS`.
    keep
        Whether the ending is kept; baskets of several things lose it.

    Examples
    --------
    >>> price_tags(np.array([12.4, 12.4, 12.4]), np.array([0, 2, 3]), np.array([True, True, True])).tolist()
    [1199, 1200, 1250]
    """
    whole = np.maximum(np.round(amount), 1.0) * 100
    tagged = np.select(
        [ending == 0, ending == 1, ending == 2, ending == 3],
        [
            whole - 1,
            whole - 5,
            np.where(amount > 40, np.round(amount / 5) * 500, whole),
            np.round(amount * 2) * 50,
        ],
        np.round(amount * 100),
    )
    minor = np.where(keep, tagged, np.round(amount * 100))
    result: IntArray = np.maximum(minor, 30).astype(np.int64)
    return result
