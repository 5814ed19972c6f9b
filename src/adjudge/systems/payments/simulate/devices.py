"""What a device shows of itself: browser, system, screen and time zone, and the SHA-256 of the four.

A fingerprint number names a device at one stage of its life. Its traits follow from the number alone, so
nothing has to be stored; some devices of different people look the same, as they do in life.
"""

from __future__ import annotations

import hashlib

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.customers import DEVICE_EPOCHS, DEVICE_SLOTS
from adjudge.systems.payments.simulate.geography import COUNTRIES
from adjudge.typing import BoolArray, FloatArray, IntArray

TRAITS = ("browser", "system", "screen", "timezone")
"""The fields that the fingerprint is hashed from, in this order, joined by line feeds."""

_BROWSERS = ("Chrome", "Safari", "Firefox", "Edge", "Samsung Internet", "Opera")
_SYSTEMS = ("Android", "iOS", "Windows", "macOS", "Linux")
_BROWSER_BY_SYSTEM = (
    (0.72, 0.00, 0.05, 0.01, 0.20, 0.02),
    (0.12, 0.86, 0.01, 0.01, 0.00, 0.00),
    (0.58, 0.00, 0.10, 0.28, 0.00, 0.04),
    (0.40, 0.52, 0.06, 0.02, 0.00, 0.00),
    (0.45, 0.00, 0.52, 0.01, 0.00, 0.02),
)
_SYSTEM_BY_SLOT = ((0.62, 0.38, 0.0, 0.0, 0.0), (0.0, 0.0, 0.74, 0.22, 0.04), (0.5, 0.5, 0.0, 0.0, 0.0))
_SCREENS = (
    (("360x800", "384x854", "393x873", "412x892", "412x915", "432x960", "360x780", "384x832")),
    (("375x667", "375x812", "390x844", "393x852", "414x896", "428x926", "430x932", "820x1180")),
    (("1366x768", "1536x864", "1600x900", "1680x1050", "1920x1080", "1920x1200", "2560x1440", "3440x1440")),
    (("1280x800", "1440x900", "1470x956", "1512x982", "1680x1050", "1728x1117", "1920x1080", "2560x1440")),
    (("1366x768", "1600x900", "1920x1080", "1920x1200", "2256x1504", "2560x1440", "2880x1800", "3840x2160")),
)


def uniform(key: IntArray, salt: int) -> FloatArray:
    """Return a number in [0, 1) that depends on the key and the salt alone.

    Parameters
    ----------
    key
        Whole numbers.
    salt
        Another number for another independent draw.

    References
    ----------
    Steele, Lea, Flood (2014), Fast splittable pseudorandom number generators (the mixing function).
    """
    offset = np.uint64(salt * 0xD1B54A32D192ED03 % 2**64)
    x = key.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + offset
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    result: FloatArray = ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return result


def fingerprints(number: IntArray, home: IntArray, seed: int) -> pl.DataFrame:
    """Return the traits and the hash of each fingerprint number, one row each.

    Parameters
    ----------
    number
        Distinct fingerprint numbers; those beyond the customers' belong to nobody or to thieves.
    home
        Country of each customer, whose time zone their devices keep.
    seed
        Makes the devices of one world different from those of another.
    """
    owned = number < len(home) * DEVICE_SLOTS * DEVICE_EPOCHS
    device, slot, owner = _identity(number, owned, len(home), seed)
    system = _chosen(_SYSTEM_BY_SLOT, slot, uniform(device, seed + 1))
    browser = _chosen(_BROWSER_BY_SYSTEM, system, uniform(device, seed + 2))
    stage = number % DEVICE_EPOCHS
    # Nobody's devices are spread over the countries as the customers are.
    stranger = (uniform(device, seed + 3) * len(home)).astype(np.int64)
    country = home[np.where(owned, owner, stranger)]
    builds = np.where(system < 2, 25, 120)
    frame = pl.DataFrame(
        {
            "family": browser,
            "version": 126 + 2 * stage + (uniform(device, seed + 4) ** 2 * 6).astype(np.int64),
            "build": (uniform(device * 3 + stage, seed + 5) ** 1.5 * builds).astype(np.int64),
            "system": system,
            "release": 10 + (uniform(device, seed + 6) * 4).astype(np.int64),
            "patch": (uniform(device, seed + 7) ** 1.4 * 14).astype(np.int64),
            "glass": system * 8 + (uniform(device, seed + 8) ** 1.2 * 8).astype(np.int64),
            "zone": country,
        }
    )
    return _spelled(frame)


def _identity(number: IntArray, owned: BoolArray, customers: int, seed: int) -> tuple[IntArray, IntArray, IntArray]:
    """Return the device, the kind of its owner's devices that it is, and the owner, of each fingerprint."""
    plain, stage = np.divmod(number, DEVICE_EPOCHS)
    # One change in three is another device; the others are updates of the same one.
    replaced = (stage > 0) & (uniform(number, seed + 9) < 1 / 3)
    device = np.where(owned & ~replaced, plain * DEVICE_EPOCHS, number)
    slot = np.where(owned, plain % DEVICE_SLOTS, (uniform(number, seed + 10) * 2).astype(np.int64))
    return device, slot, np.minimum(plain // DEVICE_SLOTS, customers - 1)


def _chosen(table: tuple[tuple[float, ...], ...], row: IntArray, u: FloatArray) -> IntArray:
    ends = np.cumsum(np.array(table), axis=1)
    result: IntArray = np.minimum((u[:, None] >= ends[row] - 1e-12).sum(axis=1), ends.shape[1] - 1)
    return result


def _spelled(codes: pl.DataFrame) -> pl.DataFrame:
    browsers, systems = pl.Series(_BROWSERS), pl.Series(_SYSTEMS)
    screens = pl.Series([screen for group in _SCREENS for screen in group])
    zones = pl.Series([zone for _, _, zone in COUNTRIES])
    named = pl.DataFrame(
        {
            "family": browsers.gather(codes["family"]),
            "os": systems.gather(codes["system"]),
            "screen": screens.gather(codes["glass"]),
            "timezone": zones.gather(codes["zone"]),
        }
    )
    traits = pl.concat([named, codes.select("version", "build", "release", "patch")], how="horizontal").select(
        browser=pl.format("{} {}.0.{}", "family", "version", "build"),
        system=pl.format("{} {}.{}", "os", "release", "patch"),
        screen="screen",
        timezone="timezone",
    )
    joined = traits.select(pl.concat_str(TRAITS, separator="\n")).to_series()
    device = [hashlib.sha256(text.encode()).hexdigest() for text in joined.to_list()]
    return traits.with_columns(device=pl.Series(device, dtype=pl.String))
