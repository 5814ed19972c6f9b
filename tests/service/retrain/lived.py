"""A shop that has lived for some weeks: large purchases with a new card are frauds, and are reported a while later."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.define import Policy, Rules
from adjudge.engine import SECRET, compile
from adjudge.engine.plan import Plan
from adjudge.log import Kind, Log
from adjudge.models import Trees
from adjudge.service.access.ledger import By
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.site import LiveSite
from adjudge.service.decider import Decider
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.retrain.recipe import Recipe, recipe_of
from adjudge.service.retrain.run import Place, Retrained, retrain
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.workspace import Change
from tests.service.shop import START, ManualClock, as_json, purchase, shop_system

DAY_US = 86_400_000_000

SMALL = Trees("lightgbm", n_trees=20, depth=3, min_rows=5, threads=1, patience=0)
"""What the shop trains."""


def plan(secret: bytes = SECRET) -> Plan:
    """Return the shop with rules that stop nobody."""
    system = replace(shop_system(rules=False), rules=Rules(), policy=Policy(), model=SMALL)
    return compile(system, secret=secret)


class Life:
    """A decider that decides purchases day by day, and is told of frauds as they are reported."""

    def __init__(self, log: Log | None = None, *, seed: int = 5, secret: bytes = SECRET, per_day: int = 40) -> None:
        self.clock = ManualClock(START)
        self.decider = Decider([plan(secret)], log, clock=self.clock)
        self.rng, self.per_day, self.days, self.number = np.random.default_rng(seed), per_day, 0, 0
        self.reports: list[tuple[int, str]] = []
        self.prices = 1.0

    def live(self, days: int, *, pattern: bool = False) -> Life:
        """Let days pass; with a pattern, small purchases of one kind are frauds, too."""
        for _ in range(days):
            begin = START + timedelta(days=self.days)
            for i in range(self.per_day):
                self.decide(begin + timedelta(hours=24 * i / self.per_day), pattern)
            self.days += 1
        self.clock.at = START + timedelta(days=self.days)
        self.report()
        return self

    def decide(self, at: Any, pattern: bool) -> None:
        """Decide one purchase, after everything that was reported before it."""
        self.clock.at = at
        self.report()
        self.number += 1
        fraud, new = self.rng.random() < 0.1, pattern and self.rng.random() < 0.1
        amount = self.prices * self.rng.lognormal(6.0 if fraud else 3.0, 0.5)
        method = "wallet" if new else str(self.rng.choice(["card", "transfer", "invoice"]))
        row = purchase(
            self.number,
            at,
            user=f"u{self.rng.integers(0, 60)}",
            card=f"c{self.rng.integers(0, 200)}",
            amount=f"{amount:.2f}",
            method=method,
        )
        decoded = self.decider.workspace.door("purchase").many(as_json([row]))
        assert not decoded.errors
        self.decider.decide("purchase", decoded.events)
        if fraud or new:
            self.reports.append((self.clock() + int(self.rng.integers(1, 20)) * DAY_US // 24, str(row["purchase_id"])))

    def report(self) -> None:
        """Tell of frauds that are reported by now."""
        due = [id_ for at, id_ in self.reports if at <= self.clock()]
        self.reports = [(at, id_) for at, id_ in self.reports if at > self.clock()]
        self.decider.change([Change(Kind.LABEL, "purchase", id_, "fraud", 1.0) for id_ in due])


def place_of(life: Life, home: Path) -> Place:
    """Return where a life's runs and bundles are."""
    secret = life.decider.workspace.secret
    return Place(life.decider.log, Bundles(home / "bundles", secret, home), home / "retrain")


def quick(kind: Any, **changes: Any) -> Any:
    """Return a function from the label delay to a small recipe."""

    def make(delay_us: int) -> Recipe:
        base: dict[str, Any] = {"rounds": 20, "trees": 10, "queue_per_day": 5.0}
        days = {"window_us": 4 * DAY_US, "validation_us": 4 * DAY_US, "recent_us": 30 * DAY_US}
        from msgspec.structs import replace as changed

        return changed(recipe_of(kind, delay_us), **base | days | changes)

    return make


def run(life: Life, home: Path, kind: Any = "full", **changes: Any) -> Retrained:
    """Retrain on a life."""
    place = place_of(life, home)
    desk = releases_of(life.decider, place)
    return retrain(place, None, quick(kind, **changes), desk, By("ada", "test"), estimator=SMALL)


def releases_of(decider: Decider, place: Place) -> ReleaseDesk:
    """Return the registry of a decider that has its bundles at a place."""
    decider.resolver.bundles = place.bundles
    return ReleaseDesk(LiveSite(decider, LiveDesk(decider, background=False)))
