"""Replay over versions: each stretch of a log is decided again by what was active then, whatever is at hand now."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adjudge.define import Policy, Rules, System, days
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import BundleError
from adjudge.log import Commit, Log, MemoryLog
from adjudge.log.codec import Events, pack, unpack
from adjudge.service.bundles import Bundles
from adjudge.service.decider import Decider
from adjudge.service.explain import explain
from adjudge.service.follow import Follower
from adjudge.service.replay import Replay, replay
from tests.service import bundled
from tests.service.shop import RULES, SPENDING, START, Shop, many_purchases, shop_system, user
from tests.service.test_decider import label

STRICT = Rules.load(RULES.replace(">= 3", ">= 1").replace("[stolen]", "[stolen, c3]"))

CHANGES: dict[str, Callable[[System], System]] = {
    "rules": lambda system: replace(system, rules=STRICT),
    "lists": lambda system: replace(system, rules=Rules(system.rules.rules, {"blocked": ("c1", "c2")})),
    "policy": lambda system: replace(system, policy=Policy(thresholds={"review": 0.3, "block": 0.6})),
    "a derived feature": lambda system: replace(system, leave_out=["above_usual"]),
    "a window": lambda system: replace(system, features=[*system.features, user.max("amount", days(2))]),
    "fewer windows": lambda system: replace(system, features=[SPENDING], rules=STRICT),
}
"""What may be another between two starts of a service."""


class Years:
    """A service that decided with one version after another."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bundles = Bundles(folder / "bundles", SECRET)
        self.desk: Shop | None = None
        self.batch = 0

    @property
    def log(self) -> Log:
        """Its log."""
        assert self.desk is not None
        return self.desk.decider.log

    def go_on(self, system: System, model: int | None = None) -> Plan:
        """Restart with a version, and decide for a while."""
        plan = compile(system)
        if model is not None:
            path = bundled.write(self.folder / "made" / f"{model}-{self.batch}", system, model)
            self.bundles.keep(path)
            plan = bundled.plan_with(path, system)
        if self.desk is None:
            self.desk = Shop(plan)
        else:
            self.desk.decider = Decider([plan], self.log, clock=self.desk.clock)
        self.batch += 1
        self.desk.clock.advance(timedelta(hours=1))
        rows = many_purchases(40, seed=self.batch, at=START + timedelta(hours=self.batch - 1))
        for i in range(0, 40, 10):
            self.desk.decide(*rows[i : i + 10])
            self.desk.decider.change([label(rows[i]["purchase_id"])])
        return plan

    def replayed(self, *plans: Plan, **options: Any) -> Replay:
        """Return what a replay finds."""
        return replay(plans, self.log, bundles=self.bundles, **options)


@pytest.mark.parametrize("change", CHANGES)
def test_a_log_of_two_versions_replays_without_a_difference(change: str, tmp_path: Path) -> None:
    """Whichever of the two is at hand, and another that never decided; from the beginning and from the middle."""
    years = Years(tmp_path)
    first = years.go_on(shop_system(), 1)
    middle = len(years.log)
    other = CHANGES[change](shop_system())
    second = years.go_on(other, 1)
    for plan in (first, second, compile(shop_system(rules=False))):
        found = years.replayed(plan)
        assert (found.events, found.other_versions, found.differences) == (80, 0, [])
    assert years.replayed(first, start=middle).events == 40


def test_another_bundle_of_the_same_system(tmp_path: Path) -> None:
    """Each stretch with its own model; a damaged or missing bundle is told by name, and the others go on."""
    years = Years(tmp_path)
    years.go_on(shop_system(), 1)
    last = years.go_on(shop_system(), 2)
    bare = compile(shop_system())
    assert years.replayed(bare).differences == []
    assert years.replayed(bare).events == 80
    kept = years.bundles.folder
    assert kept is not None
    (gone,) = (path for path in kept.iterdir() if path.name != last.bundle)
    shutil.rmtree(gone)
    found = years.replayed(bare)
    assert (found.events, found.other_versions, found.differences) == (40, 40, [])
    assert f"the bundle {gone.name[:12]} is not in the workspace" in found.not_restored[0]
    (file,) = (kept / last.bundle).rglob("model.npz")
    file.write_bytes(file.read_bytes()[:-1])
    assert "corrupt" in years.replayed(bare).not_restored[1]
    shutil.copytree(tmp_path / "made" / "2-1", gone)
    with pytest.raises(BundleError, match="is another one"):
        years.bundles.read(gone.name)


def test_many_versions_in_a_row_with_snapshots_between(tmp_path: Path) -> None:
    """There and back again: a replay from anywhere finds the snapshot whose state fits, or folds."""
    years = Years(tmp_path)
    system, plans = shop_system(), []
    for name in ("rules", "a window", "policy", "fewer windows", "lists"):
        plans.append(years.go_on(CHANGES[name](system)))
        follower = Follower([plans[-1]], years.log, tmp_path / "snapshots", say=lambda text: None)
        follower.catch_up()
        follower.snapshot(tmp_path / "snapshots")
    end = len(years.log)
    for start in (0, end // 3, end // 2, end - 30):
        for snapshots in (None, tmp_path / "snapshots"):
            found = years.replayed(plans[0], start=start, snapshots=snapshots)
            assert (found.other_versions, found.differences) == (0, [])
            assert found.events >= min(200, (end - start) * 3 // 4)


def test_a_decision_is_explained_by_what_decided_then(tmp_path: Path) -> None:
    """Its features, rows and contributions are computed again by the version of then."""
    years = Years(tmp_path)
    years.go_on(shop_system(), 1)
    now = years.go_on(CHANGES["fewer windows"](shop_system()), 2)
    for number in (1, 2):
        found = explain([now], years.log, f"p{number}-7", bundles=years.bundles)
        assert (found.same_versions, found.agrees) == (True, True)
        assert set(found.contributions) == set(bundled.NAMES)
    assert any(f.name == "above_usual" for f in explain([now], years.log, "p1-7", bundles=years.bundles).features)


@pytest.mark.parametrize("number", [1, 2])
def test_a_changed_record_is_found_in_any_stretch(number: int, tmp_path: Path) -> None:
    """One decision of one version edited: it is found, and nothing else."""
    years = Years(tmp_path)
    years.go_on(shop_system(), 1)
    plan = years.go_on(CHANGES["rules"](shop_system()), 2)
    found = replay([plan], tampered(years.log, f"p{number}-13"), bundles=years.bundles)
    assert (found.events, found.scores_differing, found.features_differing) == (80, 1, 0)


def tampered(log: Log, id_: str) -> MemoryLog:
    """Return a log in which somebody has turned one decision into another action, and mended the chain."""
    changed = MemoryLog()
    for commit in log.read():
        blocks = unpack(commit.payload)
        for n, block in enumerate(blocks):
            if isinstance(block, Events) and id_.encode() in block.ids.all():
                (made,) = block.made
                at = block.ids.all().index(id_.encode()) * (len(made.records) // len(block))
                records = made.records[:at] + bytes([(made.records[at] + 1) % 3]) + made.records[at + 1 :]
                blocks[n] = msgspec.structs.replace(block, made=[msgspec.structs.replace(made, records=records)])
        end, payload = changed.end(), pack(blocks)
        again = Commit.after(
            end.link, end.position, count=commit.count, received_at=commit.received_at, payload=payload
        )
        changed.append(again)
    return changed
