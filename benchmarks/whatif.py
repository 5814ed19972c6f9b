"""`whatif`: a million decisions made again with another bundle, beside what really deciding with it gives.

Orders of the size that the other benchmarks decide (50 window features, 500 trees, 50 rules) are decided by one bundle,
event by event and label by label as they became known, on a log in a file, which is brought into segments as a service
does it. What is timed is all of `adjudge whatif --bundle` with another one, from the log to both worlds in money with
their intervals. Then the other bundle really decides the same on a log of its own, and each of its decisions is
compared: action, probability in bits, and the rules that fired. Beside it stands the payments system on a simulated
world, with three times the features, outcomes between nearly all events, and features that count its own declines.
"""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import Policy, System
from adjudge.engine import SECRET, Plan, compile
from adjudge.learn import bundle
from adjudge.learn.past import Past
from adjudge.learn.pipeline import run as trained
from adjudge.learn.pipeline import with_bundle
from adjudge.learn.source import Source
from adjudge.learn.whatif.compare import Asked, what_if
from adjudge.learn.whatif.worlds import World, Worlds
from adjudge.log import Log
from adjudge.log.sqlite import SqliteLog
from adjudge.models import Trees
from adjudge.models.scorers import Served
from adjudge.service.bundles import Bundles
from adjudge.service.columns import logged_past
from adjudge.service.versions.revision import Revision
from adjudge.service.whatif.change import Beside, Change
from adjudge.service.whatif.data import lived
from adjudge.service.whatif.run import Span, counterfactual
from adjudge.systems.payments.data import simulate
from adjudge.systems.payments.definition import payments
from benchmarks import _orders

EVENTS, QUICK_EVENTS = 1_000_000, 20_000
"""Orders that are decided."""

PAYMENTS, QUICK_PAYMENTS = 30_000, 5_000
"""Payments that are; two lives of a million would take a quarter of an hour before anything is measured."""

POLICY = Policy(thresholds={"review": 0.08, "block": 0.2})
"""Of the orders: one in twenty is what the models look for, and either does something about some of them."""

FRAUDS = 0.02
"""Share of the orders of which somebody says, days later, that they were fraud."""

TARGET_S = 60.0

Tell = Callable[[str], None]


def run(*, quick: bool, progress: Tell) -> dict[str, Any]:
    """Return how long it took, and how many decisions are not what really deciding gives.

    Parameters
    ----------
    quick
        Few events; the figures say that the benchmark runs, and that nothing differs.
    progress
        Is told what happens.
    """
    with tempfile.TemporaryDirectory() as name:
        plans, source = _of_orders(Path(name), QUICK_EVENTS if quick else EVENTS, progress)
        orders = _both(Path(name), plans, source, progress)
    with tempfile.TemporaryDirectory() as name:
        plans, source = _of_payments(Path(name), QUICK_PAYMENTS if quick else PAYMENTS, progress)
        paid = _both(Path(name), plans, source, progress)
    met = orders["seconds"] <= TARGET_S * orders["events"] / EVENTS
    equal = not orders["differing_from_really_deciding"] and not paid["differing_from_really_deciding"]
    return {**orders, "target_s": TARGET_S, "reached": equal and met, "payments": paid}


def _both(folder: Path, plans: list[Plan], source: Source, progress: Tell) -> dict[str, Any]:
    """Live with one plan, ask what if the other one had decided, live with that one, and compare."""
    kept = Beside(Bundles(folder / "bundles", SECRET, folder))
    with closing(SqliteLog(folder / "actual")) as log:
        as_of = _live(plans[0], source, kept, log, progress)
        began, cpu = time.perf_counter(), time.process_time()
        change = Change(Revision("what if", bundle=plans[1].bundle))
        worlds = counterfactual(log, change, kept, span=Span(as_of=as_of, complete=True), told=_told(progress))
        folded = time.perf_counter() - began
        found = what_if(worlds, Asked())
        whole, spent = time.perf_counter() - began, time.process_time() - cpu
        entries, size = len(log), log.storage().size_bytes
    progress(f"{whole:.1f} s; {found.differing:,} of {found.events:,} decisions change")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    with closing(SqliteLog(folder / "really")) as log:
        _live(plans[1], source, kept, log, progress)
        differing = _unequal(worlds, logged_past(log, (), secret=SECRET))
    return {
        "events": found.events,
        "entries": entries,
        "log_gb": round(size / 2**30, 2),
        "features": len(plans[1].names),
        "rules": len(plans[1].rules),
        "changed": found.differing,
        "seconds": round(whole, 2),
        "seconds_folding": round(folded, 2),
        "cpu_seconds": round(spent, 2),
        "decisions_per_s": round(found.events / whole),
        "seconds_per_million": round(whole / found.events * 1e6, 1),
        "peak_gb": round(peak, 2),
        "differing_from_really_deciding": differing,
    }


def _of_orders(folder: Path, events: int, progress: Tell) -> tuple[list[Plan], Source]:
    """Return two plans with their bundles, and orders with what became known of some."""
    table = _orders.history(events)
    plan = compile(_system())
    sample = np.random.default_rng(3).uniform(0, 500, (len(plan.names), 1_000))
    made = []
    for trees in (_orders.TREES, _orders.TREES // 5):
        progress(f"training {trees} trees")
        scorer = _orders.trained(min(events, 100_000), plan, _orders.history(min(events, 100_000)), trees)
        made.append(_written(folder, f"trees-{trees}", plan, scorer, sample))
    draw = np.random.default_rng(4)
    rows = np.sort(draw.choice(events, round(FRAUDS * events), replace=False))
    ids, at = table["order_id"][rows.tolist()], table["at"][rows.tolist()]
    late = pl.Series(draw.integers(0, 20 * 86_400_000_000, len(rows))).cast(pl.Duration("us"))
    said = pl.DataFrame({"order_id": ids, "value": True, "known_at": at + late})
    return made, Source({"order": table}, {"fraud": said})


def _system() -> System:
    return replace(_orders.system(), policy=POLICY)


def _written(folder: Path, name: str, plan: Plan, scorer: Any, sample: Any) -> Plan:
    """Write a bundle, keep it, and return what decides with it."""
    served: Served = scorer
    rows = np.array([plan.names.index(column) for column in served.names])
    at = datetime(2026, 1, 1, tzinfo=UTC)
    bundle.write(folder / name, plan=plan, scorer=served, sample=(sample, rows), created_at=at)
    Bundles(folder / "bundles", SECRET, folder).keep(folder / name)
    return with_bundle(lambda lists: _system(), folder / name, SECRET)


def _of_payments(folder: Path, events: int, progress: Tell) -> tuple[list[Plan], Source]:
    """Return two plans with bundles that are trained by the product's own path, and the world they were trained on."""
    source, made = simulate(events, seed=11), []
    for depth, count in ((5, 200), (3, 20)):
        progress(f"training {count} trees of depth {depth} on {events:,} payments")
        trees = Trees("lightgbm", n_trees=count, depth=depth, min_rows=30, l2=5.0, seed=depth)
        path = folder / f"depth-{depth}"
        trained(payments(lists=source.lists), source, estimator=trees).write(path, datetime(2026, 1, 1, tzinfo=UTC))
        Bundles(folder / "bundles", SECRET, folder).keep(path)
        made.append(with_bundle(lambda lists: payments(lists=lists), path, SECRET))
    return made, source


def _live(plan: Plan, source: Source, kept: Beside, log: Log, progress: Tell) -> int:
    """Have a plan decide a world on a log, bring that into segments, and return when its end became known."""
    progress(f"deciding with the bundle {plan.bundle[:12]}")
    began = time.perf_counter()
    _, as_of = lived(plan, source, kept, lambda done, of: None, log=log)
    progress(f"decided in {time.perf_counter() - began:.1f} s")
    while log.maintain():
        pass
    return as_of


def _told(progress: Tell) -> Callable[[str, int, int], None]:
    """Return what tells each thing that is done once."""
    said = set[str]()

    def tell(what: str, done: int, of: int) -> None:
        if what not in said:
            said.add(what)
            progress(what)

    return tell


def _unequal(found: Worlds, really: Past) -> int:
    """Return how many decisions of the other world are not what really deciding has given."""
    order = np.argsort(really.ids.astype(str))
    at = order[np.searchsorted(really.ids.astype(str)[order], found.past.ids.astype(str))]
    if not np.array_equal(really.ids[at], found.past.ids) or len(really) != len(found.past):
        return len(found.past)
    other, world = found.other, World.of(really)
    same = other.names() == world.names()[at]
    same &= other.p.view(np.int64) == world.p[at].view(np.int64)
    for rule in {*other.rules, *world.rules}:
        same &= _fired(other, rule) == _fired(world, rule)[at]
    return int(np.count_nonzero(~same))


def _fired(world: World, rule: str) -> Any:
    if rule not in world.rules:
        return np.zeros(len(world.action), np.uint64)
    r = world.rules.index(rule)
    return world.fired[r // 64] >> np.uint64(r % 64) & np.uint64(1)
