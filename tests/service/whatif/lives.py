"""Two lives of one shop: the same purchases, labels and corrections, decided by one plan or another."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from adjudge.define import Policy, Rules, System
from adjudge.engine import SECRET, Plan
from adjudge.log import Kind, Log
from adjudge.service.bundles import Bundles
from adjudge.service.changed import Change as Told
from adjudge.service.decider import Decider
from adjudge.service.resolver import Resolver
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Revision
from tests.service import bundled
from tests.service.shop import RULES, START, Shop, many_purchases, shop_system
from tests.service.test_decider import label

EVENTS = 240

OWN = RULES + "- {id: declined_before, when: user_declined_count_1d >= 2, action: block, confidence: 0.8}\n"
"""Rules by which a decline leads to others: what a world decides is what its later decisions see."""

STRICT = OWN.replace(">= 3", ">= 1").replace("[stolen]", "[stolen, c3]")

POLICY = Policy(thresholds={"review": 0.45, "block": 0.62})


def system(rules: str = OWN) -> System:
    """Return the shop with rules that see its own decisions."""
    from dataclasses import replace

    return replace(shop_system(), rules=Rules.load(rules), policy=POLICY)


class Life:
    """A shop that decided everything that happened."""

    def __init__(self, folder: Path, plan: Plan, *, log: Log | None = None) -> None:
        self.bundles = Bundles(folder / "bundles", SECRET, folder)
        if plan.bundle and not (folder / "bundles" / plan.bundle).is_dir():
            raise AssertionError(plan.bundle)
        self.desk = Shop(plan, at=START + timedelta(hours=2))
        resolver = Resolver([plan], self.bundles)
        self.desk.decider = Decider([plan], log, clock=self.desk.clock, resolver=resolver)
        self.answers: dict[str, dict[str, Any]] = {}

    @property
    def log(self) -> Log:
        """Its log."""
        return self.desk.decider.log

    def live(self, middle: Callable[[Life], None] = lambda life: None) -> Life:
        """Decide everything in uneven batches, with what became known between them."""
        rows, desk, at = many_purchases(EVENTS), self.desk, 0
        sizes = [1, 7, 30, 2, 45, 35, 20, 60, 40]
        for turn, size in enumerate(sizes):
            if turn == 5:
                middle(self)
            part = rows[at : at + size]
            at += size
            account = {"change_id": f"a{turn}", "at": part[0]["at"], "user": f"u{turn % 6}", "verified": turn % 2 == 0}
            desk.decide(account, stream="account")
            desk.decide({"login_id": f"l{turn}", "at": part[0]["at"], "user": part[0]["user"]}, stream="login")
            self.answers.update({answer["id"]: answer for answer in desk.decide(*part)})
            said = [label(part[0]["purchase_id"]), label(part[-1]["purchase_id"], turn % 2 == 0)]
            said.append(Told(Kind.OUTCOME, "purchase", part[0]["purchase_id"], "declined", 1.0))
            desk.decider.change(said)
            if turn in (3, 6):
                desk.decider.change([Told(Kind.RETRACTION, "purchase", part[1]["purchase_id"])])
        desk.clock.advance(timedelta(days=3))
        desk.decider.change([label(rows[9]["purchase_id"])])
        assert at == EVENTS
        return self

    def revise(self, revision: Revision) -> None:
        """Change what decides."""
        LiveDesk(self.desk.decider, background=False).revise(revision, "ada")


def bundle(folder: Path, made_for: System, seed: int) -> tuple[Path, Plan]:
    """Write a bundle, keep it, and return its directory and the plan that decides with it."""
    path = folder / f"made-{seed}-{made_for.rules.version}"
    if not path.is_dir():
        bundled.write(path, made_for, seed)
    Bundles(folder / "bundles", SECRET, folder).keep(path)
    return path, bundled.plan_with(path, made_for)
