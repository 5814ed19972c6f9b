"""From numbers to tables: names that say nothing, columns as delivered, the accounts and the lists."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate.batch import CHANNELS, DECLINES, METHODS, Batch
from adjudge.systems.payments.simulate.customers import CARD_VERSIONS
from adjudge.systems.payments.simulate.devices import TRAITS, fingerprints
from adjudge.systems.payments.simulate.draws import DAY_US
from adjudge.systems.payments.simulate.fraud import PATTERNS
from adjudge.systems.payments.simulate.fraud.lone import STOLEN_BEFORE
from adjudge.systems.payments.simulate.fraud.scene import Scene
from adjudge.systems.payments.simulate.geography import COUNTRIES, CURRENCIES
from adjudge.systems.payments.simulate.merchants import CATEGORIES
from adjudge.systems.payments.simulate.network import dotted, listed, proxy_list
from adjudge.systems.payments.simulate.seasons import PAY_DAYS, holidays
from adjudge.systems.payments.simulate.society import Society, card_number
from adjudge.typing import BoolArray, IntArray

UTC_TIME = pl.Datetime("us", "UTC")
"""Type of every moment that leaves the simulator."""


@dataclass(frozen=True)
class Names:
    """Scrambled numbers as names, so that a name tells neither order nor kind.

    Parameters
    ----------
    shift
        Drawn once a world.
    """

    shift: int

    def of(self, letter: str, digits: int, number: IntArray) -> pl.Series:
        """Return a letter and a fixed number of digits for each number, a name of its own for each.

        Parameters
        ----------
        letter
            First character.
        digits
            How many digits follow.
        number
            Whole numbers below ten to the power of `digits`.

        Examples
        --------
        >>> Names(3).of("u", 4, np.array([0, 1])).to_list()
        ['u0003', 'u6730']
        """
        space = 10**digits
        # A multiplier without the factors 2 and 5 visits every number once.
        step = (int(space * 0.6728) // 10) * 10 + 7
        mixed = (number * step + self.shift) % space
        return pl.select(pl.lit(letter) + pl.Series(mixed).cast(pl.String).str.zfill(digits)).to_series()


def _gathered(names: pl.Series, number: IntArray) -> pl.Series:
    """Return the name of each number, null for negative ones."""
    return names.gather(pl.Series(np.where(number < 0, 0, number))).set(pl.Series(number < 0), None)


def _known(names: tuple[str, ...], number: IntArray) -> pl.Series:
    return _gathered(pl.Series(names), number)


def _missing(values: Any) -> pl.Series:
    return pl.Series(values).fill_nan(None)


def _moments(values: IntArray) -> pl.Series:
    return pl.Series(values).cast(UTC_TIME)


def card_numbers(batch: Batch, replaced_us: IntArray) -> IntArray:
    """Return the number of the very card used: a slot holds another card after a report, -1 without a card.

    Parameters
    ----------
    batch
        Payments.
    replaced_us
        Moment from which each card slot holds its replacement.
    """
    slot = card_number(batch.who, np.maximum(batch.card, 0))
    version = 1 + (batch.at >= replaced_us[slot])
    number = slot * CARD_VERSIONS + version
    number = np.where(batch.card == STOLEN_BEFORE, slot * CARD_VERSIONS, number)
    return np.where(batch.card == -1, -1, number)


def payments_frame(society: Society, batch: Batch, card: IntArray, names: Names, seed: int) -> pl.DataFrame:
    """Return the delivered table of payments.

    Parameters
    ----------
    society
        The world.
    batch
        All payments in order of time.
    card
        Number of the card of each.
    names
        Gives the names.
    seed
        Of the world, for the looks of devices.
    """
    people, shops, geography = society.customers, society.merchants, society.geography
    merchant_names = names.of("m", 6, np.arange(len(shops.category)))
    countries = tuple(code for code, _, _ in COUNTRIES)
    day = np.clip((batch.at - society.start_us) // DAY_US, 0, society.days)
    amount = batch.minor / 100.0
    columns = {
        "payment_id": names.of("p", 10, np.arange(len(batch))),
        "at": _moments(batch.at),
        "utc_offset_min": pl.Series(geography.offset_min(batch.place, batch.at)).cast(pl.Int16),
        "user": names.of("u", 7, np.arange(len(people))).gather(batch.who),
        "card": _distinct(card, lambda number: names.of("c", 8, number)),
        **_device_columns(society, batch.device, seed),
        "address": _distinct(batch.address, lambda number: names.of("a", 8, number)),
        "postal_area": pl.Series(geography.area_names).gather(batch.area),
        "merchant": merchant_names.gather(batch.merchant),
        "category": pl.Series([c.name for c in CATEGORIES]).gather(shops.category[batch.merchant]),
        "amount_minor": pl.Series(batch.minor),
        "amount": pl.Series(amount),
        "currency": pl.Series(CURRENCIES).gather(batch.currency),
        "rate": pl.Series(geography.rates[batch.currency, day]),
        "method": pl.Series(METHODS).gather(batch.method),
        "channel": pl.Series(CHANNELS).gather(batch.channel),
        "lat": _missing(batch.lat),
        "lon": _missing(batch.lon),
        "ip": dotted(batch.ip),
        "ip_country": _known(countries, batch.ip_country),
        "card_country": _known(countries, batch.card_country),
        "address_country": _known(countries, batch.address_country),
        "proxy": pl.Series(listed(batch.ip)),
        "typing_speed": _missing(np.round(batch.typing, 2)),
        "session_s": _missing(np.round(batch.session, 1)),
    }
    return pl.DataFrame(columns)


def _distinct(number: IntArray, name: Any) -> pl.Series:
    """Return names made once for each distinct number, null for -1."""
    used, position = np.unique(number, return_inverse=True)
    named: pl.Series = name(np.maximum(used, 0))
    return named.set(pl.Series(used < 0), None).gather(position)


def _device_columns(society: Society, device: IntArray, seed: int) -> dict[str, pl.Series]:
    home = society.geography.city_country[society.customers.city]
    used, position = np.unique(device, return_inverse=True)
    looks = fingerprints(used[used >= 0], home, seed)
    nothing = pl.DataFrame({name: [None] for name in looks.columns}, schema=looks.schema)
    if used[0] < 0:
        looks = pl.concat([nothing, looks])
    every = looks[position]
    return {name: every[name] for name in ("device", *TRAITS)}


def outcomes_frame(rng: np.random.Generator, batch: Batch, payment_id: pl.Series) -> pl.DataFrame:
    """Return the issuer's answers, which arrive some seconds after the payments.

    Parameters
    ----------
    rng
        Source of randomness.
    batch
        All payments in order of time.
    payment_id
        Their ids.
    """
    wait = np.clip(rng.lognormal(0.7, 0.5, len(batch)), 1.0, 10.0) * 1e6
    frame = pl.DataFrame(
        {
            "payment_id": payment_id,
            "declined": pl.Series(batch.decline > 0),
            "reason": _known(DECLINES, batch.decline - 1),
            "at": _moments(batch.at + wait.astype(np.int64)),
        }
    )
    return frame.sort("at", maintain_order=True)


def truth_frame(batch: Batch, payments: pl.DataFrame) -> pl.DataFrame:
    """Return what really happened, payment by payment.

    Parameters
    ----------
    batch
        All payments in order of time.
    payments
        The delivered table.
    """
    fraud = batch.pattern >= 0
    base = payments["amount"].to_numpy() * payments["rate"].to_numpy()
    return pl.DataFrame(
        {
            "payment_id": payments["payment_id"],
            "fraud": pl.Series(fraud),
            "pattern": _known(PATTERNS, batch.pattern),
            "case": pl.Series(batch.case).cast(pl.Int32).set(pl.Series(~fraud), None),
            "looks_legitimate": pl.Series(batch.pattern == PATTERNS.index("quiet")),
            "loss": pl.Series(np.where(fraud & (batch.decline == 0), np.round(base, 2), 0.0)),
        }
    )


def labels_frame(payment_id: pl.Series, row: IntArray, fraud: BoolArray, known_at: IntArray) -> pl.DataFrame:
    """Return the reports in the order in which they became known.

    Parameters
    ----------
    payment_id
        Ids of all payments.
    row, fraud, known_at
        Payment, content and moment of each report.
    """
    return pl.DataFrame({"payment_id": payment_id.gather(row), "fraud": fraud, "known_at": _moments(known_at)})


def accounts_frame(rng: np.random.Generator, society: Society, scene: Scene, names: Names) -> pl.DataFrame:
    """Return the profile stream: a first row for each account, then what changed.

    Parameters
    ----------
    rng
        Source of randomness.
    society
        The world.
    scene
        Knows which contact data thieves changed.
    names
        Gives the names.
    """
    people, n, span = society.customers, len(society.customers), society.end_us - society.start_us
    who = np.arange(n)
    first = np.where(
        people.opened_us < society.start_us,
        society.start_us - 1 - rng.integers(0, DAY_US, n),
        people.opened_us,
    )
    moved = rng.random(n) < 0.00016 * society.days
    former = np.where(moved, rng.integers(0, society.honest, n), who)

    def later(chosen: IntArray) -> IntArray:
        begin = np.maximum(first[chosen], society.start_us)
        return begin + (rng.random(len(chosen)) * span).astype(np.int64)

    movers = np.flatnonzero(moved)
    raised = np.flatnonzero((rng.random(n) < 0.0007 * society.days) & (people.verification < 3))
    touched = np.flatnonzero(rng.random(n) < 0.0006 * society.days)
    at_move, at_raise = later(movers), later(raised)
    stolen = [who_at for who_at in scene.updates if len(who_at[0])]
    owners = np.concatenate([who, movers, raised, touched, *(a for a, _ in stolen)])
    at = np.concatenate([first, at_move, at_raise, later(touched), *(b for _, b in stolen)])
    # State at a row is what moves and raises up to that moment make of it.
    move_at = np.full(n, np.iinfo(np.int64).min)
    move_at[movers] = at_move
    raise_at = np.full(n, np.iinfo(np.int64).max)
    raise_at[raised] = at_raise
    home = np.where(at >= move_at[owners], owners, former[owners])
    level = people.verification[owners] + (at >= raise_at[owners])
    keep = (at < society.end_us) & (at >= first[owners])
    order = np.flatnonzero(keep)[np.argsort(at[keep], kind="stable")]
    return _accounts_table(society, owners[order], at[order], home[order], level[order], names)


def _accounts_table(
    society: Society, owner: IntArray, at: IntArray, home: IntArray, level: IntArray, names: Names
) -> pl.DataFrame:
    people, geography = society.customers, society.geography
    country = geography.city_country[people.city[home]]
    return pl.DataFrame(
        {
            "user": names.of("u", 7, owner),
            "at": _moments(at),
            "opened": _moments(people.opened_us[owner]),
            "verification": pl.Series(level).cast(pl.Int8),
            "home_lat": pl.Series(np.round(people.lat[home], 5)),
            "home_lon": pl.Series(np.round(people.lon[home], 5)),
            "home_country": pl.Series([code for code, _, _ in COUNTRIES]).gather(country),
            "home_area": pl.Series(geography.area_names).gather(people.area[home]),
        }
    )


def named_lists(society: Society, scene: Scene, names: Names, known_bad: IntArray) -> dict[str, Any]:
    """Return the lists that rules may use, as they were known before the first payment.

    Parameters
    ----------
    society
        The world.
    scene
        Knows whose card was blocked.
    names
        Gives the names.
    known_bad
        Merchants with a bad name.
    """
    blocked = card_number(scene.blocked, np.zeros(len(scene.blocked), dtype=np.int64)) * CARD_VERSIONS
    return {
        "base_currency": CURRENCIES[0],
        "proxy_ips": proxy_list(),
        "holidays": [int(day.strftime("%Y%m%d")) for day in holidays(society.start, society.days)],
        "pay_days": list(PAY_DAYS),
        "blocked_cards": names.of("c", 8, blocked).to_list(),
        "risky_merchants": names.of("m", 6, known_bad).to_list(),
    }


def order_of(rng: np.random.Generator, at: IntArray) -> IntArray:
    """Return the positions in order of time, equal times in random order.

    Parameters
    ----------
    rng
        Source of randomness.
    at
        Moments.
    """
    # Twelve random bits below the microseconds settle ties.
    keys = (at - at.min()) * 4096 + rng.integers(0, 4096, len(at))
    result: IntArray = np.argsort(keys)
    return result
