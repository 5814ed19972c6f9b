"""Fraud by one thief, or one script: against a card, an account, or nobody in particular."""

from __future__ import annotations

import numpy as np

from adjudge.systems.payments.simulate.batch import (
    ACCEPTED,
    APP,
    CARD,
    ISSUER,
    PHONE,
    POS,
    TRANSFER,
    WALLET,
    WEB,
    WRONG_CODE,
    Batch,
)  # fmt: skip
from adjudge.systems.payments.simulate.draws import HOUR_US, fitting, pick, running, steps
from adjudge.systems.payments.simulate.fraud.scene import (
    DIGITAL,
    Scene,
    any_card,
    categories,
    goods,
    minutes,
    nearby_area,
    pay_by_card,
    refuse,
    send_to,
    strange_device,
)  # fmt: skip
from adjudge.systems.payments.simulate.geography import distance_km
from adjudge.systems.payments.simulate.habits import Wish, plausible, scale_amount
from adjudge.typing import BoolArray, IntArray

TESTED = categories("digital_goods", "charity", "gaming", "transport", "marketplace", "books_media", "telecom")
"""Where small amounts raise no eyebrow."""

STOLEN_BEFORE = -7
"""Stands for the card of slot 0 that was blocked before the simulation, until cards get their numbers."""


def stolen_card_spree(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments of stolen cards emptied within hours, at shops the owner never visits.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    sizes = fitting(rng, wanted, 2, 7.0)
    case, step = steps(sizes)
    began = scene.moments(rng, len(sizes))
    victim = scene.victims(rng, began)
    listed = rng.random(len(sizes)) < 0.05
    victim[listed] = pick(rng, scene.blocked, int(listed.sum()))
    at = began[case] + minutes(running(rng.exponential(11.0, wanted) + 1.0, sizes))
    online = (rng.random(len(sizes)) < 0.7)[case]
    wish = Wish(goods(rng, online, 0.4), online, explore=0.97)
    batch = plausible(rng, scene.society, victim[case], at, wish)
    every = np.ones(wanted, dtype=np.bool_)
    pay_by_card(scene, batch, np.where(listed, STOLEN_BEFORE, any_card(rng, scene, victim))[case])
    boldness = np.exp(rng.normal(0.9, 0.5, len(sizes)))[case]
    scale_amount(batch, boldness * (1 + 0.06 * step), every, scene.society)
    strange_device(rng, scene, batch, scene.new_devices(len(sizes))[case], every, abroad=0.25)
    sent = (rng.random(len(sizes)) < 0.7)[case]
    send_to(scene, batch, scene.new_addresses(len(sizes))[case], nearby_area(rng, scene, victim)[case], sent)
    refuse(rng, batch, np.where(listed[case], 1.0, np.minimum(0.04 + 0.04 * step, 0.4)), ISSUER)
    batch.case = case
    return batch


def card_testing(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments of a script that tries many cards with small amounts, then charges those that work.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    sizes = fitting(rng, wanted, 4, 7.5)
    card, step = steps(sizes)
    campaigns = -(-len(sizes) // 6)
    campaign = np.arange(len(sizes)) // 6
    began = scene.moments(rng, campaigns)[campaign] + minutes(rng.random(len(sizes)) * 90.0)
    victim = scene.victims(rng, began)
    works = rng.random(len(sizes)) < 0.65
    # The last one or two charges of a card that works are large, and come after a pause.
    first_large = np.where(works, sizes - rng.integers(1, 3, len(sizes)), sizes)[card]
    large = step >= first_large
    gaps = np.where(large, 8.0 + rng.exponential(12.0, wanted), 0.08 + rng.exponential(0.6, wanted))
    gaps += np.where(step == first_large, 10.0 + rng.exponential(90.0, wanted), 0.0)
    at = began[card] + minutes(running(gaps, sizes))
    online = np.ones(wanted, dtype=np.bool_)
    ring = campaign[card]
    category = np.where(large, goods(rng, online, 0.5), pick(rng, TESTED, campaigns)[ring])
    batch = plausible(rng, scene.society, victim[card], at, Wish(category, online, explore=1.0))
    pay_by_card(scene, batch, any_card(rng, scene, victim)[card])
    _try_small(rng, batch, ~large, ring)
    scale_amount(batch, np.exp(rng.normal(1.3, 0.5, wanted)), large, scene.society)
    strange_device(rng, scene, batch, scene.new_devices(campaigns)[ring], online, abroad=0.35)
    batch.put(~large & ~np.isnan(batch.session), session=np.exp(rng.normal(3.2, 0.6, wanted)))
    send_to(scene, batch, scene.new_addresses(campaigns)[ring], nearby_area(rng, scene, victim)[card], large)
    refuse(rng, batch, np.where(large, 0.15, np.where(works[card], 0.30, 0.85)), WRONG_CODE)
    batch.case = ring
    return batch


def _try_small(rng: np.random.Generator, batch: Batch, small: BoolArray, ring: IntArray) -> None:
    """Make payments small, half of them round, at the one shop with a weak form that a campaign uses."""
    amount = np.exp(rng.normal(0.5, 0.55, len(batch)))
    rounded = rng.random(len(batch)) < 0.5
    minor = np.where(rounded, np.maximum(np.round(amount), 1.0) * 100, np.maximum(np.round(amount * 100), 30))
    batch.put(small, merchant=one_for_each(ring, batch.merchant, batch.at, small), channel=WEB, minor=minor)


def one_for_each(group: IntArray, value: IntArray, at: IntArray, rows: BoolArray) -> IntArray:
    """Return, for every payment, the value that the earliest chosen payment of its group has.

    A merchant that was open for the earliest payment of a group is open for all of them.

    Parameters
    ----------
    group
        Group of each payment, from 0.
    value
        Value of each payment.
    at
        Moment of each payment.
    rows
        Payments to choose from.

    Examples
    --------
    >>> group, at = np.array([0, 0, 1]), np.array([5, 4, 9])
    >>> one_for_each(group, np.array([7, 8, 9]), at, np.array([True, True, True])).tolist()
    [8, 8, 9]
    """
    order = np.flatnonzero(rows)[np.argsort(-at[rows], kind="stable")]
    chosen = np.zeros(int(group.max()) + 1, dtype=np.int64)
    chosen[group[order]] = value[order]
    return chosen[group]


def account_takeover(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments of somebody who logs in as the customer, often after changing the contact data.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    sizes = fitting(rng, wanted, 1, 3.0)
    case, _ = steps(sizes)
    began = scene.moments(rng, len(sizes))
    victim = scene.victims(rng, began)
    at = began[case] + minutes(running(2.0 + rng.exponential(25.0, wanted), sizes))
    every = np.ones(wanted, dtype=np.bool_)
    category = np.where(rng.random(wanted) < 0.5, goods(rng, every, 0.5), goods(rng, every, 0.5, DIGITAL))
    batch = plausible(rng, scene.society, victim[case], at, Wish(category, every, explore=0.9))
    batch.put(batch.channel == PHONE, channel=APP)
    pay_by_card(scene, batch, np.zeros(wanted, dtype=np.int64))
    method = pick(rng, np.array([CARD, WALLET, WALLET, TRANSFER]), len(sizes))[case]
    batch.put(every, method=method)
    batch.put(method == TRANSFER, card=-1, card_country=-1)
    scale_amount(batch, np.exp(rng.normal(1.1, 0.5, len(sizes)))[case], every, scene.society)
    strange_device(rng, scene, batch, scene.new_devices(len(sizes))[case], every, abroad=0.3)
    sent = (rng.random(len(sizes)) < 0.6)[case]
    send_to(scene, batch, scene.new_addresses(len(sizes))[case], nearby_area(rng, scene, victim)[case], sent)
    changed = rng.random(len(sizes)) < 0.4
    before = began - minutes(rng.exponential(20.0, len(sizes)) + 0.5)
    scene.updates.append((victim[changed], before[changed]))
    refuse(rng, batch, 0.08, ISSUER)
    batch.case = case
    return batch


def impossible_travel(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return payments with copies of cards in far cities whose owners have just paid at home.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    society, honest = scene.society, scene.honest
    home = society.customers.city
    sizes = fitting(rng, wanted, 1, 2.5)
    case, _ = steps(sizes)
    at_home = (honest.channel == POS) & (honest.card >= 0) & (honest.place == home[honest.who])
    hook = pick(rng, np.flatnonzero(at_home), len(sizes))
    victim = honest.who[hook]
    began = honest.at[hook] + ((0.3 + rng.exponential(0.9, len(sizes))) * HOUR_US).astype(np.int64)
    at = began[case] + minutes(running(4.0 + rng.exponential(14.0, wanted), sizes))
    far = _far_city(rng, scene, home[victim])[case]
    in_shop = np.zeros(wanted, dtype=np.bool_)
    batch = plausible(rng, society, victim[case], at, Wish(goods(rng, in_shop, 0.6), in_shop, far, 1.0))
    pay_by_card(scene, batch, honest.card[hook][case])
    scale_amount(batch, np.exp(rng.normal(0.95, 0.45, wanted)), ~in_shop, society)
    refuse(rng, batch, 0.10, ISSUER)
    batch.case = case
    return batch


def _far_city(rng: np.random.Generator, scene: Scene, home: IntArray) -> IntArray:
    lat, lon = scene.society.geography.city_lat, scene.society.geography.city_lon
    city = rng.integers(0, len(lat), len(home))
    for _ in range(30):
        near = np.flatnonzero(distance_km(lat[home], lon[home], lat[city], lon[city]) < 1200)
        city[near] = rng.integers(0, len(lat), len(near))
    return city


def quiet(rng: np.random.Generator, scene: Scene, wanted: int) -> Batch:
    """Return fraud that nothing tells from honest payments: a relative with the phone, a patient thief.

    Parameters
    ----------
    rng
        Source of randomness.
    scene
        The world.
    wanted
        Number of payments.
    """
    at = scene.moments(rng, wanted)
    batch = plausible(rng, scene.society, scene.victims(rng, at), at)
    batch.decline = np.full(wanted, ACCEPTED)
    scale_amount(batch, np.exp(rng.normal(0.15, 0.3, wanted)), np.ones(wanted, dtype=np.bool_), scene.society)
    batch.case = np.arange(wanted)
    return batch
