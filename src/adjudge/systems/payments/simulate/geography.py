"""Where the world happens: countries with a currency and a time zone, cities, and postal areas around them.

Countries and cities are real and coarse (a point and a weight); everything finer is invented, postal areas
included: an area is a number within a city, not a real postcode.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.draws import HOUR_US, Choice
from adjudge.typing import FloatArray, IntArray

EARTH_KM = 6371.0088
"""Mean radius of the Earth."""

COUNTRIES: tuple[tuple[str, str, str], ...] = (
    ("DE", "EUR", "Europe/Berlin"),
    ("FR", "EUR", "Europe/Paris"),
    ("ES", "EUR", "Europe/Madrid"),
    ("IT", "EUR", "Europe/Rome"),
    ("NL", "EUR", "Europe/Amsterdam"),
    ("AT", "EUR", "Europe/Vienna"),
    ("IE", "EUR", "Europe/Dublin"),
    ("PT", "EUR", "Europe/Lisbon"),
    ("GB", "GBP", "Europe/London"),
    ("CH", "CHF", "Europe/Zurich"),
    ("SE", "SEK", "Europe/Stockholm"),
    ("PL", "PLN", "Europe/Warsaw"),
    ("US", "USD", "America/New_York"),
    ("TR", "EUR", "Europe/Istanbul"),
    ("TH", "USD", "Asia/Bangkok"),
    ("BR", "USD", "America/Sao_Paulo"),
    ("AE", "USD", "Asia/Dubai"),
    ("JP", "USD", "Asia/Tokyo"),
    ("MX", "USD", "America/Cancun"),
)
"""Code, currency in which its merchants charge (simplified abroad), time zone."""

CITIES: tuple[tuple[str, float, float, float, float], ...] = (
    ("DE", 52.52, 13.40, 9.0, 3.0),
    ("DE", 53.55, 9.99, 5.0, 2.0),
    ("DE", 48.14, 11.58, 5.0, 2.5),
    ("DE", 50.94, 6.96, 4.0, 1.5),
    ("FR", 48.86, 2.35, 9.0, 5.0),
    ("FR", 45.76, 4.84, 3.0, 1.5),
    ("FR", 43.30, 5.37, 3.0, 2.0),
    ("ES", 40.42, -3.70, 6.0, 3.0),
    ("ES", 41.39, 2.17, 5.0, 5.0),
    ("ES", 39.47, -0.38, 2.0, 2.0),
    ("IT", 41.90, 12.50, 5.0, 5.0),
    ("IT", 45.46, 9.19, 5.0, 3.0),
    ("NL", 52.37, 4.90, 4.0, 3.0),
    ("AT", 48.21, 16.37, 3.0, 3.0),
    ("IE", 53.35, -6.26, 2.0, 1.5),
    ("PT", 38.72, -9.14, 2.5, 4.0),
    ("GB", 51.51, -0.13, 7.0, 5.0),
    ("GB", 53.48, -2.24, 3.0, 1.0),
    ("CH", 47.38, 8.54, 2.0, 1.5),
    ("SE", 59.33, 18.07, 2.5, 1.5),
    ("PL", 52.23, 21.01, 3.5, 1.5),
    ("PL", 50.06, 19.94, 2.0, 2.0),
    ("US", 40.71, -74.01, 1.5, 3.0),
    ("US", 25.76, -80.19, 0.7, 1.5),
    ("TR", 41.01, 28.98, 0.0, 2.5),
    ("TH", 13.76, 100.50, 0.0, 1.5),
    ("BR", -23.55, -46.63, 0.0, 0.7),
    ("AE", 25.20, 55.27, 0.0, 1.5),
    ("JP", 35.68, 139.69, 0.0, 1.0),
    ("MX", 21.16, -86.85, 0.0, 1.0),
)
"""Country, latitude, longitude, weight as a home, weight as a destination."""

CURRENCIES = ("EUR", "GBP", "CHF", "SEK", "PLN", "USD")
"""Currencies of the world, all with two decimals; EUR is the base."""

EUR_PER_UNIT = (1.0, 1.19, 1.06, 0.088, 0.235, 0.95)
"""Rates on the first day."""


@dataclass(frozen=True)
class Geography:
    """Cities and postal areas as arrays, and the clock of every country.

    Parameters
    ----------
    city_country, city_lat, city_lon, city_home, city_visit
        Country index, position and weights of each city.
    area_city, area_lat, area_lon, area_names
        City, centre and name of each postal area; the areas of a city lie together.
    areas
        Draws an area for a city.
    offsets
        Minutes east of UTC, shape (countries, hours of the simulation).
    rates
        EUR per unit, shape (currencies, days of the simulation).
    start_us
        First moment of the simulation.
    """

    city_country: IntArray
    city_lat: FloatArray
    city_lon: FloatArray
    city_home: FloatArray
    city_visit: FloatArray
    area_city: IntArray
    area_lat: FloatArray
    area_lon: FloatArray
    area_names: tuple[str, ...]
    areas: Choice
    offsets: IntArray
    rates: FloatArray
    start_us: int

    def offset_min(self, city: IntArray, at_us: IntArray) -> IntArray:
        """Return minutes east of UTC in a city at a moment.

        Parameters
        ----------
        city
            City indices.
        at_us
            Moments, microseconds UTC.
        """
        hour = np.clip((at_us - self.start_us) // HOUR_US, 0, self.offsets.shape[1] - 1)
        result: IntArray = self.offsets[self.city_country[city], hour]
        return result


def distance_km(lat1: FloatArray, lon1: FloatArray, lat2: FloatArray, lon2: FloatArray) -> FloatArray:
    """Return great-circle distances in kilometres.

    Parameters
    ----------
    lat1, lon1, lat2, lon2
        Degrees.

    Examples
    --------
    A quarter of the way round the Earth, from the equator to the pole:

    >>> q = distance_km(np.array([0.0]), np.array([0.0]), np.array([90.0]), np.array([0.0]))
    >>> round(float(q[0]))
    10008
    """
    a, b = np.radians(lat1), np.radians(lat2)
    half = np.sin((b - a) / 2) ** 2 + np.cos(a) * np.cos(b) * np.sin(np.radians(lon2 - lon1) / 2) ** 2
    result: FloatArray = 2 * EARTH_KM * np.arcsin(np.sqrt(np.minimum(half, 1.0)))
    return result


def make_geography(rng: np.random.Generator, start: datetime, days: int) -> Geography:
    """Draw the postal areas and the exchange rates of one world.

    Parameters
    ----------
    rng
        Source of randomness.
    start
        First moment, UTC.
    days
        Length of the simulation.
    """
    codes = [code for code, _, _ in COUNTRIES]
    country = np.array([codes.index(city[0]) for city in CITIES])
    lat, lon, home, visit = (np.array([city[i] for city in CITIES], dtype=np.float64) for i in (1, 2, 3, 4))
    per_city = np.maximum(3, np.round(home * 3)).astype(np.int64)
    area_city = np.repeat(np.arange(len(CITIES)), per_city)
    number = np.arange(len(area_city)) - (np.cumsum(per_city) - per_city)[area_city]
    scatter = 3.5 / 111.0
    area_lat = lat[area_city] + rng.normal(0, scatter, len(area_city))
    area_lon = lon[area_city] + rng.normal(0, scatter, len(area_city)) / np.cos(np.radians(lat[area_city]))
    weights = np.zeros((len(CITIES), len(area_city)))
    weights[area_city, np.arange(len(area_city))] = rng.gamma(3.0, size=len(area_city))
    names = tuple(f"{CITIES[city][0]}-{city:02d}{area:02d}" for city, area in zip(area_city, number, strict=True))
    return Geography(
        country, lat, lon, home, visit, area_city, area_lat, area_lon, names, Choice(weights),
        _offsets(start, days), _rates(rng, days), int(start.timestamp()) * 1_000_000,
    )  # fmt: skip


def _offsets(start: datetime, days: int) -> IntArray:
    # Polars carries its own time zone tables, so this does not depend on those of the machine.
    naive = start.replace(tzinfo=None)
    hours = pl.datetime_range(naive, naive + timedelta(days=days), "1h", time_unit="us", eager=True)
    utc = hours.dt.replace_time_zone("UTC")
    rows = []
    for _, _, zone in COUNTRIES:
        local = utc.dt.convert_time_zone(zone)
        total = local.dt.base_utc_offset() + local.dt.dst_offset()
        rows.append(total.dt.total_minutes().to_numpy().astype(np.int64))
    return np.stack(rows)


def _rates(rng: np.random.Generator, days: int) -> FloatArray:
    moves = np.cumsum(rng.normal(0, 0.003, (len(CURRENCIES), days + 1)), axis=1)
    moves[0] = 0.0
    return np.round(np.array(EUR_PER_UNIT)[:, None] * np.exp(moves), 6)
