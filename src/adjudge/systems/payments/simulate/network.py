"""Network addresses, all from ranges reserved for shared lines and benchmarks: none is anybody's."""

from __future__ import annotations

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.draws import DAY_US
from adjudge.typing import BoolArray, IntArray

LINES = 0x64400000
"""First address of 100.64.0.0/10 (RFC 6598): homes and phones, three blocks of 65,536 for each country."""

PROXIES = 0xC6120000
"""First address of 198.18.0.0/15 (RFC 2544): proxies."""

PROXY_COUNT = 3000
"""Number of proxies that exist."""

PROXY_KNOWN = 2400
"""Number of them that are on the list; the rest look like ordinary foreign lines."""

_BLOCK = 3 * 65_536


def home_line(address: IntArray, country: IntArray, at: IntArray) -> IntArray:
    """Return the address of a home line, which changes every twelve days or so.

    Parameters
    ----------
    address
        Postal address: a household shares its line.
    country
        Country indices.
    at
        Moments, microseconds.
    """
    lease = (at + (address % 12) * DAY_US) // (12 * DAY_US)
    mixed = (address * 2_654_435_761 + lease * 40_503) % 2_147_483_647
    result: IntArray = LINES + country * _BLOCK + mixed % _BLOCK
    return result


def mobile_line(rng: np.random.Generator, country: IntArray) -> IntArray:
    """Return an address that a phone happened to get.

    Parameters
    ----------
    rng
        Source of randomness.
    country
        Country indices.
    """
    # Phones share few public addresses.
    result: IntArray = LINES + country * _BLOCK + 60_000 + rng.integers(0, 4000, len(country))
    return result


def proxy_line(rng: np.random.Generator, size: int, countries: int) -> tuple[IntArray, IntArray]:
    """Return proxies and the countries in which they stand.

    Parameters
    ----------
    rng
        Source of randomness.
    size
        How many.
    countries
        Number of countries.
    """
    which = (PROXY_COUNT * rng.random(size) ** 1.5).astype(np.int64)
    number = (which * 7) % PROXY_COUNT
    return PROXIES + number * 37, (number * 13) % countries


def listed(ip: IntArray) -> BoolArray:
    """Return whether an address is on the proxy list.

    Parameters
    ----------
    ip
        Network addresses as numbers.

    Examples
    --------
    >>> listed(np.array([PROXIES, LINES, PROXIES + 37 * (PROXY_COUNT - 1)])).tolist()
    [True, False, False]
    """
    result: BoolArray = (ip >= PROXIES) & ((ip - PROXIES) // 37 < PROXY_KNOWN)
    return result


def proxy_list() -> list[str]:
    """Return the proxy list as text."""
    known: list[str] = dotted(PROXIES + 37 * np.arange(PROXY_KNOWN)).to_list()
    return known


def dotted(ip: IntArray) -> pl.Series:
    """Return addresses as text, null for 0.

    Parameters
    ----------
    ip
        Network addresses as numbers.

    Examples
    --------
    >>> dotted(np.array([LINES + 258, 0])).to_list()
    ['100.64.1.2', None]
    """
    parts = pl.DataFrame({str(shift): (ip >> shift) & 255 for shift in (24, 16, 8, 0)})
    text = parts.select(pl.concat_str(pl.all(), separator=".")).to_series()
    return pl.select(pl.when(pl.Series(ip) != 0).then(text)).to_series()
