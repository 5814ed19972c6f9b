"""Hot spots: where more customers report fraud than the place is used to, told apart from what chance does anyway.

Reports are counted when they come and not when the event was, so nothing has to be known yet that is not: a place is
hot where the reports of the last days name it more often than its share of events and its own past lead one to
expect. A customer counts once for each place, because one stolen card makes many reports and no place.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from adjudge.errors import ShapeError
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

DAY_US = 86_400_000_000

WINDOWS_DAYS = (1, 2, 4, 7)
"""Days of reports that are looked at, each by itself."""

REFERENCE_DAYS = 56
"""Days of reports before the longest window that say what a place is used to."""

VOLUME_DAYS = 28
"""Days of events that say how much a place is used."""

RATE = 0.01
"""Share of false ones among what a look tells, at most; where nothing is hot, the chance that it tells anything."""

LEAST_VICTIMS = 3
"""Customers that a hot spot has at least."""

LEAST_RATIO = 2.0
"""How many times what is expected a hot spot has at least."""

SHAPES: tuple[float, ...] = tuple(np.geomspace(0.02, 200.0, 25).tolist())
"""How alike the places of a field may be: shapes of the distribution of their risks around 1 that are tried."""


class Spot(msgspec.Struct, frozen=True):
    """One place with more fraud than it is used to.

    Parameters
    ----------
    id
        ``field=value``: what `adjudge hotspots block` takes.
    field, value
        Where.
    days
        Length of the window of reports in which it is surest.
    victims
        Customers who have reported fraud there in that window.
    expected
        How many would have.
    ratio
        The one over the other.
    amount
        What their events were worth.
    events_a_day
        How many events a day there are at this place.
    first_us
        When the first of these reports came.
    p
        Chance of so many or more where nothing is the matter, for this place and all windows.
    q
        The same after all places that were looked at (Benjamini and Hochberg): of all spots told up to this one, that
        share is false.
    lat, lon
        The middle of where these events were, in degrees; None where none says it.
    """

    id: str
    field: str
    value: str
    days: int
    victims: int
    expected: float
    ratio: float
    amount: float
    events_a_day: float
    first_us: int
    p: float = 1.0
    q: float = 1.0
    lat: float | None = None
    lon: float | None = None


@dataclass(frozen=True)
class Place:
    """One field as codes.

    Parameters
    ----------
    field
        Its name.
    code
        Value of each event as a position in `names`; -1 where it is missing, shape (n,).
    names
        The values.
    """

    field: str
    code: IntArray
    names: Sequence[str]


@dataclass(frozen=True)
class Reports:
    """When it became known of events that they were fraud, and when that was taken back.

    Parameters
    ----------
    row
        Events, shape (m,).
    known_at
        When each was reported, microseconds UTC, shape (m,).
    until
        When that was taken back; far in the future where it was not, shape (m,).
    """

    row: IntArray
    known_at: IntArray
    until: IntArray

    @classmethod
    def of(cls, row: IntArray, fraud: BoolArray, known_at: IntArray) -> Reports:
        """Return reports from labels as they were told, of which the last one of an event counts.

        Parameters
        ----------
        row
            Event of each label.
        fraud
            What each says.
        known_at
            When it was told.

        Examples
        --------
        >>> made = Reports.of(np.array([4, 4, 7]), np.array([True, False, True]), np.array([10, 20, 15]))
        >>> made.row.tolist(), made.known_at.tolist(), made.until[0].item()
        ([4, 7], [10, 15], 20)
        """
        order = np.lexsort((known_at, row))
        row, fraud, known_at = row[order], fraud[order], known_at[order]
        last = np.append(row[1:] != row[:-1], True)[: len(row)]
        until = np.where(last, np.iinfo(np.int64).max, np.append(known_at[1:], 0)[: len(row)])
        return cls(row[fraud], known_at[fraud], until[fraud])


@dataclass(frozen=True)
class Field:
    """What is scanned.

    Parameters
    ----------
    ts
        Time of each event in order, microseconds UTC, shape (n,).
    victim
        Whose event it is, as any code, shape (n,).
    amount
        What it is worth, shape (n,).
    places
        The fields that are looked at.
    reports
        What became known.
    where
        Latitude and longitude of each in degrees, NaN where it is not known, shape (n, 2); None where no event says it.
    """

    ts: IntArray
    victim: IntArray
    amount: FloatArray
    places: Sequence[Place]
    reports: Reports
    where: FloatArray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.ts), len(self.victim), len(self.amount), *(len(place.code) for place in self.places)}
        if len(lengths) > 1:
            message = f"hot spots: columns have {sorted(lengths)} rows"
            raise ShapeError(message)


def scan(field: Field, as_of: int, *, rate: float = RATE) -> list[Spot]:
    """Return the hot spots at a moment, the surest first.

    Parameters
    ----------
    field
        Events and reports; what is later than the moment is not looked at.
    as_of
        The moment, microseconds UTC.
    rate
        False discovery rate of the look, over all fields together.

    Notes
    -----
    A place's share of the reports that are expected is its share of events times its own risk. Risks are taken to
    scatter around 1 by a gamma distribution, whose shape is the likeliest for all places of the field in the reference;
    what a place has had there moves its own. The count of a window is then negative binomial, and its tail is exact.
    The level is what all other places have in the window, or what was usual if that is more. Windows are corrected by
    Bonferroni, fields as well, and places within a field by Benjamini and Hochberg.

    References
    ----------
    DuMouchel (1999), Bayesian Data Mining in Large Frequency Tables (gamma-Poisson shrinkage). Kulldorff (1997), A
    Spatial Scan Statistic. Benjamini, Hochberg (1995), Controlling the False Discovery Rate.
    """
    longest = max(WINDOWS_DAYS) * DAY_US
    live = (field.reports.known_at <= as_of) & (as_of < field.reports.until)
    row, known = field.reports.row[live], field.reports.known_at[live]
    begin = max(as_of - longest - REFERENCE_DAYS * DAY_US, int(known.min()) if len(known) else as_of)
    past = (known > begin) & (known <= as_of - longest)
    span = (as_of - longest - begin) / DAY_US
    if span < 7 or not past.any():  # nothing says yet what is usual
        return []
    found: list[Spot] = []
    for place in field.places:
        now = _Counted.of(field, place, as_of, span, row[past], known[past], row, known)
        found += now.spots(rate / len(field.places))
    return sorted(found, key=lambda one: (one.q, one.p, one.id))


@dataclass(frozen=True)
class _Counted:
    """One field at one moment, counted."""

    place: Place
    field: Field
    as_of: int
    share: FloatArray  # of events, of each value
    events_a_day: FloatArray
    usual: FloatArray  # victims of the reference, of each value
    leads: FloatArray  # what its share of events leads one to expect of those
    level: float  # victims a day over the reference
    row: IntArray
    known: IntArray

    @classmethod
    def of(
        cls,
        field: Field,
        place: Place,
        as_of: int,
        span: float,
        past_row: IntArray,
        past_known: IntArray,
        row: IntArray,
        known: IntArray,
    ) -> _Counted:
        size = len(place.names)
        now = _volume(field, place, as_of - VOLUME_DAYS * DAY_US, as_of)
        before = _volume(field, place, int(past_known.min()) - VOLUME_DAYS * DAY_US, int(past_known.max()))
        usual = np.bincount(_once(place.code[past_row], field.victim[past_row])[0], minlength=size).astype(np.float64)
        days = min(VOLUME_DAYS, max((as_of - int(field.ts[0])) / DAY_US, 1.0))
        return cls(
            place,
            field,
            as_of,
            now / max(now.sum(), 1.0),
            now / days,
            usual,
            usual.sum() * before / max(before.sum(), 1.0),
            float(usual.sum()) / span,
            row,
            known,
        )

    def spots(self, rate: float) -> Iterator[Spot]:
        """Yield what is hot, at a false discovery rate of its own."""
        shape = _shape(self.usual, self.leads)
        looks = [self._look(days, shape) for days in WINDOWS_DAYS]
        p = np.minimum(np.min([look[2] for look in looks], axis=0) * len(looks), 1.0)
        tested = int((self.share > 0).sum())
        q = _discovered(p, tested)
        for value in np.flatnonzero(q <= rate).tolist():
            best = int(np.argmin([look[2][value] for look in looks]))
            victims, expected = int(looks[best][0][value]), float(looks[best][1][value])
            if victims >= max(LEAST_VICTIMS, LEAST_RATIO * expected):
                made = self._spot(value, WINDOWS_DAYS[best], victims, expected)
                yield msgspec.structs.replace(made, p=float(p[value]), q=float(q[value]))

    def _look(self, days: int, shape: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return victims, what is expected, and the chance of so many, of each value in one window."""
        from scipy.special import betainc

        recent = self.known > self.as_of - days * DAY_US
        code, _ = _once(self.place.code[self.row[recent]], self.field.victim[self.row[recent]])
        victims = np.bincount(code, minlength=len(self.share)).astype(np.float64)
        others = (victims.sum() - victims) / np.maximum(1.0 - self.share, 1e-9)
        leads = np.maximum(others, self.level * days) * self.share
        size, weight = shape + self.usual, shape + self.leads
        chance = np.ones(len(victims))
        some = victims > 0
        chance[some] = betainc(victims[some], size[some], leads[some] / (weight[some] + leads[some]))
        return victims, leads * size / weight, chance

    def _spot(self, value: int, days: int, victims: int, expected: float) -> Spot:
        here = (self.place.code[self.row] == value) & (self.known > self.as_of - days * DAY_US)
        name = self.place.names[value]
        lat, lon = (None, None) if self.field.where is None else _middle(self.field.where[self.row[here]])
        return Spot(
            id=f"{self.place.field}={name}",
            field=self.place.field,
            value=name,
            days=days,
            victims=victims,
            expected=expected,
            ratio=victims / max(expected, 1e-12),
            amount=float(np.nansum(self.field.amount[self.row[here]])),
            events_a_day=float(self.events_a_day[value]),
            first_us=int(self.known[here].min()),
            lat=lat,
            lon=lon,
        )


def _middle(where: FloatArray) -> tuple[float | None, float | None]:
    """Return the middle of places on the globe, latitude and longitude in degrees; None where there are none.

    Examples
    --------
    >>> _middle(np.array([[0.0, 179.0], [0.0, -179.0], [np.nan, np.nan]]))
    (0.0, 180.0)
    """
    lat, lon = np.radians(where[~np.isnan(where).any(axis=1)]).T
    x, y, z = (np.cos(lat) * np.cos(lon)).sum(), (np.cos(lat) * np.sin(lon)).sum(), np.sin(lat).sum()
    if not len(lat) or not (x or y or z):
        return None, None
    return round(math.degrees(math.atan2(z, math.hypot(x, y))), 4), round(math.degrees(math.atan2(y, x)), 4)


def _volume(field: Field, place: Place, start: int, end: int) -> FloatArray:
    """Return how many events each value has in a span of time."""
    first, last = np.searchsorted(field.ts, (start, end), side="right").tolist()
    code = place.code[first:last]
    return np.bincount(code[code >= 0], minlength=len(place.names)).astype(np.float64)


def _once(code: IntArray, victim: IntArray) -> tuple[IntArray, IntArray]:
    """Return every pair of a value and a victim once; missing values are left out.

    Examples
    --------
    >>> _once(np.array([2, 2, 2, -1]), np.array([7, 7, 8, 9]))[0].tolist()
    [2, 2]
    """
    there = code >= 0
    pairs: AnyArray = np.unique(np.stack([code[there], victim[there]]), axis=1)
    return pairs[0], pairs[1]


def _shape(usual: FloatArray, leads: FloatArray) -> float:
    """Return how alike the risks of a field's values are: the likeliest shape of their gamma distribution.

    By moments, the few values with most events would decide alone, and it is the rare ones that differ.
    """
    from scipy.special import gammaln

    some = leads > 0
    n, e = usual[some], leads[some]
    if not len(n):
        return SHAPES[-1]
    shape = np.array(SHAPES)[:, None]
    told = gammaln(shape + n) - gammaln(shape) + shape * np.log(shape / (shape + e)) + n * np.log(e / (shape + e))
    return SHAPES[int(np.argmax(told.sum(axis=1)))]


def _discovered(p: FloatArray, tested: int) -> FloatArray:
    """Return the false discovery rate at which each test is told (Benjamini and Hochberg's step up).

    Parameters
    ----------
    p
        Chances.
    tested
        How many tests there were, those that are not listed with a chance of 1.

    Examples
    --------
    >>> _discovered(np.array([0.01, 0.9, 0.02]), 4).tolist()
    [0.04, 1.0, 0.04]
    """
    order = np.argsort(p, kind="stable")
    steps = p[order] * max(tested, 1) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(steps[::-1])[::-1], 1.0)
    return q
