"""Serves the small shop with its console as a process of its own: ``python -m tests.console.serving PORT [FOLDER]``.

With a folder it serves the workspace there, in which `live` has let some weeks pass.

It prints a key for each kind of person, one ``NAME SECRET`` a line, before it serves.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adjudge.console.attach import attach
from adjudge.engine import SECRET
from adjudge.engine.plan import Plan
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access import keys
from adjudge.service.access.keys import Grant
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.bundles import Bundles
from adjudge.service.changed import Change
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.registry.asked import Assent, Registration
from adjudge.service.resolver import Resolver
from adjudge.service.server import python, serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from tests.console.people import PEOPLE, WICKED
from tests.service.retrain.lived import Life, place_of, releases_of, run
from tests.service.retrain.lived import plan as lived_plan
from tests.service.shop import as_json, many_purchases, purchase, shop

RULES = {
    "version": 1,
    "rules": [
        {"id": name, "when": f"amount > {least}", "action": "review", "reason": "A large amount.", "owner": owner}
        for name, least, owner in (("large", 300, "ada"), ("larger", 600, "ada"), ("never", 99_000, "bob"))
    ],
}
"""Rules of which one fires only with another, and one never."""


def fill(decider: Decider) -> None:
    """Have some purchases decided: ordinary ones, a busy user, a listed card, and fields that hold scripts."""
    start = datetime.now(UTC) - timedelta(hours=3)
    rows = many_purchases(200, at=start, step_s=30)
    rows += [
        purchase(f"busy-{i}", start + timedelta(minutes=100 + i), user="u-busy", amount="900.00") for i in range(6)
    ]
    rows += [purchase("listed", start + timedelta(minutes=120), user="u2", card="stolen", amount="250.00")]
    rows += [purchase(WICKED, start + timedelta(minutes=121), user=WICKED, card=WICKED, method=WICKED, amount="431.00")]
    decoded = decider.workspace.door("purchase").many(as_json(rows))
    assert not decoded.errors, decoded.errors
    for start_at in range(0, len(rows), 50):
        decider.decide("purchase", decoded.events[start_at : start_at + 50])


def live(folder: Path) -> None:
    """Let weeks pass in a workspace: a model is trained and decides, then a way to pay becomes a hot spot."""
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        life = Life(log).live(25)
        made, place = run(life, folder), place_of(life, folder)
        desk = releases_of(life.decider, place)
        desk.promote(made.bundle, Assent("first", "development"), By("ada", "first"))
        drafted = Registration("large ones", rules=RULES, evidence={"saved": 1.0})
        desk.promote(desk.register(drafted, By("ada", "large ones")).id, Assent("tried"), By("ada", "tried"))
        life.live(38)
        spot = [
            purchase(
                f"hot-{i}",
                life.clock.at - timedelta(hours=12 - i),
                user=f"v{i}",
                card=f"w{i}",
                method="voucher",
                amount="90.00",
                place={"lat": 52.5 + i / 100, "lon": 13.4},
            )
            for i in range(12)
        ]
        decoded = life.decider.workspace.door("purchase").many(as_json(spot))
        assert not decoded.errors, decoded.errors
        life.decider.decide("purchase", decoded.events)
        life.decider.change([Change(Kind.LABEL, "purchase", str(row["purchase_id"]), "fraud", 1.0) for row in spot])


def lived(folder: Path) -> tuple[list[Plan], Decider, Callable[[str], list[str]]]:
    """Return a decider on such a workspace, and how its verbs are started."""
    made = [lived_plan()]
    resolver = Resolver(made, Bundles(folder / "bundles", SECRET, folder))
    return made, Decider(made, SqliteLog(folder / LOG_FILE), resolver=resolver), lambda verb: python("adjudge", verb)


if __name__ == "__main__":
    home = Path(sys.argv[2]) if len(sys.argv) > 2 else None
    plans, decider, command = ([shop()], None, None) if home is None else lived(home)
    warm(plans, lambda text: print(text, file=sys.stderr))
    where: dict[str, Any] = {} if home is None else {"workspace": str(home)}
    settings = Settings(
        port=int(sys.argv[1]), console="on", second_person="bundle,rules,policy,lists" if home is None else "", **where
    )
    decider = decider or Decider(plans)
    registry = decider.workspace.management.keys
    made = {
        who: keys.create(registry, decider, Grant(who, scopes), By("ops", "the tests")).text
        for who, scopes in PEOPLE.items()
    }
    if home is None:
        fill(decider)
    service = Service(decider, settings)
    attach(service, command)
    print(json.dumps(made), flush=True)
    serve(service, settings)
