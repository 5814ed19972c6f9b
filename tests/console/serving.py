"""Serves the small shop with its console as a process of its own: ``python -m tests.console.serving PORT``.

It prints a key for each kind of person, one ``NAME SECRET`` a line, before it serves.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta

from adjudge.console.attach import attach
from adjudge.service.access import keys
from adjudge.service.access.keys import Grant
from adjudge.service.access.ledger import By
from adjudge.service.app import Service
from adjudge.service.decider import Decider
from adjudge.service.server import serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from tests.console.people import PEOPLE, WICKED
from tests.service.shop import as_json, many_purchases, purchase, shop


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


if __name__ == "__main__":
    plans = [shop()]
    warm(plans, lambda text: print(text, file=sys.stderr))
    settings = Settings(port=int(sys.argv[1]), console="on", second_person="rules,lists")
    decider = Decider(plans)
    registry = decider.workspace.management.keys
    made = {
        who: keys.create(registry, decider, Grant(who, scopes), By("ops", "the tests")).text
        for who, scopes in PEOPLE.items()
    }
    fill(decider)
    service = Service(decider, settings)
    attach(service)
    print(json.dumps(made), flush=True)
    serve(service, settings)
