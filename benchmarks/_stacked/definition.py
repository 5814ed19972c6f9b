"""Payments decided by every kind of model at once, on windows, profiles, outcomes, linked entities and last events."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from adjudge.define import System, days
from adjudge.engine import compile
from adjudge.models import Autoencoder, Isolation, Logistic, Net, SequenceNet, Stack, Trees
from adjudge.models.stack import Of
from adjudge.systems.payments.definition import Payment, payments

MONTH, STEPS = days(30), 8

user, device, address = Payment.by("user"), Payment.by("device"), Payment.by("address")

LINKS = [
    device.linked("user").count(days(1), MONTH),
    device.linked("user").known("fraud", MONTH),
    address.linked("user", fan_out=16).count(MONTH),
    address.linked("user", fan_out=16).events(MONTH, of="fraud"),
    user.linked("device").events(days(7)),
]
"""Who shares what, and what was known of them."""

LAST = [user.last_n("amount", STEPS), user.since_last_n(STEPS)]
"""What the sequence net reads."""

GUARDED = ("amount_log", "amount_ratio", "minutes_since_last", "user_count_1d", "user_amount_sum_1d")
"""What the autoencoder looks at."""


def system(lists: Mapping[str, Collection[str | float]] | None = None) -> System:
    """Return the system with given lists."""
    base = payments(lists=lists)
    linked = replace(base, name="stacked", features=[*base.features, *LINKS])
    plain = compile(linked).names
    return replace(
        linked,
        features=[*linked.features, *LAST],
        model=Stack(
            Of(Trees(n_trees=60, depth=5, threads=1), features=plain),
            Of(Logistic(), features=plain),
            Of(Isolation(), features=plain),
            Of(Net(hidden=(64, 32), epochs=5), features=plain),
            Of(Autoencoder(epochs=5), features=GUARDED),
            SequenceNet(hidden=16, head=16, epochs=3),
            folds=2,
            needed=0.2,
            sure=0.0,
        ),
        meaning="Payments with every layer.",
    )
