"""Distances between places, on a sphere of the mean Earth radius."""

from __future__ import annotations

import math

from adjudge.history.inline import inlined

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""


@inlined
def distance_km(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return the great-circle distance between two places in degrees, by the haversine formula.

    Examples
    --------
    A quarter of the way round the equator:

    >>> round(distance_km(0.0, 0.0, 0.0, 90.0), 3)
    10007.557
    """
    a = math.radians(latitude)
    b = math.radians(other_latitude)
    north = math.sin((b - a) / 2.0)
    east = math.sin(math.radians(other_longitude - longitude) / 2.0)
    h = north * north + math.cos(a) * math.cos(b) * east * east
    return 2.0 * EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, h)))


@inlined
def turn(longitude: float, own: float) -> float:
    """Return how many degrees east of `own` a longitude lies, between -180 and 180.

    Examples
    --------
    >>> turn(-179.0, 179.0)
    2.0
    """
    east = longitude - own
    return east - 360.0 * math.floor((east + 180.0) / 360.0)


@inlined
def speed_kmh(distance: float, elapsed_us: int) -> float:
    """Return kilometres an hour; infinite if no time passed and the place differs, 0 if not.

    Examples
    --------
    >>> speed_kmh(30.0, 1_800_000_000), speed_kmh(1.0, 0), speed_kmh(0.0, 0)
    (60.0, inf, 0.0)
    """
    if elapsed_us == 0:
        return math.inf if distance > 0.0 else 0.0
    return distance / (elapsed_us / 3.6e9)
