"""How far and how fast an entity went from each place to the next, by what had come in by then."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from adjudge.engine.encode import micros_of
from adjudge.history.geo import EARTH_RADIUS_KM, distance_km, speed_kmh, turn
from adjudge.service.around.view import Nearby

KM_PER_DEGREE = math.pi * EARTH_RADIUS_KM / 180
"""Length of a degree of latitude."""


def east_of(longitude: float, own: float) -> float:
    """Return how many degrees east of `own` a longitude lies, between -180 and 180."""
    return float(turn(longitude, own))


def travelled(events: Sequence[Nearby]) -> list[Nearby]:
    """Return events, which are in the order of their time, with how far each is from the place before it.

    The place before an event is one that had come in before it: a late one moves none that was decided before it came.
    """
    return [_from(before, one) for one in events for before in [_before(events, one)]]


def _before(events: Sequence[Nearby], one: Nearby) -> Nearby | None:
    if one.place is None:
        return None
    known = [e for e in events if e.place is not None and e.seq < one.seq and e.at <= one.at]
    return known[-1] if known else None


def _from(before: Nearby | None, one: Nearby) -> Nearby:
    if before is None or before.place is None or one.place is None:
        return one
    km = distance_km(before.place.lat, before.place.lon, one.place.lat, one.place.lon)
    kmh = speed_kmh(km, micros_of(one.at) - micros_of(before.at))
    return msgspec.structs.replace(one, km=round(km, 3), kmh=round(kmh, 1) if math.isfinite(kmh) else None)
