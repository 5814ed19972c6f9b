"""The service of the benchmark `console`: orders decided in a log in a file, some of which wait for a person."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.console.attach import attach
from adjudge.define import Policy, Rule, Rules
from adjudge.engine import compile as compile_system
from adjudge.engine.plan import Plan
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.service.app import Service
from adjudge.service.changed import Change
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.server import python, serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from benchmarks import _orders

FEATURES = 28
WAITING = 0.005
"""Share of the orders that a rule wants reviewed."""

KNOWN = 0.01
"""Share of the orders whose label is known; half of them are fraud."""

AT_ONCE = 2_048


def prepare(folder: Path, decisions: int) -> tuple[Plan, Decider]:
    """Decide so many orders, label some, and return the decider."""
    drawn = _orders.fresh(decisions, decisions)
    least = float(np.quantile([float(event.amount) for event in drawn], 1 - WAITING))
    rules = Rules((Rule("large", f"amount > {least:.2f}", "review", "A large amount.", owner="ada"),))
    plan = compile_system(replace(_orders.system(FEATURES), rules=rules, policy=Policy()))
    log = SqliteLog(folder / LOG_FILE)
    decider = Decider([plan], log)
    door = decider.workspace.door("order")
    for start in range(0, decisions, AT_ONCE):
        decider.decide("order", [door.type(**vars(event)) for event in drawn[start : start + AT_ONCE]])
    draw = np.random.default_rng(3)
    known = draw.choice(decisions, int(decisions * KNOWN), replace=False)
    labels = [Change(Kind.LABEL, "order", f"f{i}", "fraud", float(draw.random() < 0.5)) for i in known]
    for start in range(0, len(labels), AT_ONCE):
        decider.change(labels[start : start + AT_ONCE])
    while log.maintain():
        pass
    return plan, decider


def bodies(count: int, decided: int) -> list[Any]:
    """Return orders to send, after those that were decided."""
    found = _orders.fresh(count, decided, seed=2)
    for event in found:
        event.order_id, event.at = f"n{event.order_id}", event.at + timedelta(seconds=decided)
    return found


def main(port: str, folder: str, decisions: str) -> None:
    """Decide, say so, and serve."""
    plan, decider = prepare(Path(folder), int(decisions))
    warm([plan], lambda text: None)
    settings = Settings(port=int(port), workspace=folder, auth="off", console="on")
    service = Service(decider, settings)
    attach(service, lambda verb: python("adjudge", verb))
    print("ready", flush=True)
    serve(service, settings)


if __name__ == "__main__":
    main(*sys.argv[1:])
