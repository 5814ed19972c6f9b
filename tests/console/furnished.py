"""A desk with something open on every page, all of it in words that would like to run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tests.console.asked import ask, tell
from tests.console.conftest import Served
from tests.console.people import WICKED
from tests.service.shop import shop_system


def furnish(served: Served) -> None:
    """Have people note, list, draft, release, challenge, alert and silence something.

    Parameters
    ----------
    served
        The small shop, in which rules and lists take a second person.
    """
    now = datetime.now(UTC)
    rules = shop_system().rules.document()
    rules["rules"].append(
        {"id": "wicked", "when": "amount > 880", "action": "review", "reason": WICKED, "owner": WICKED}
    )
    listed = {"add": [{"value": WICKED, "reason": WICKED}]}
    tell(served, "/v1/cases/note", {"ids": [f"p{WICKED}", "p1-8"], "text": WICKED}, "analyst")
    tell(served, "/v1/cases/escalate", {"ids": [f"p{WICKED}"], "why": WICKED}, "analyst")
    tell(served, "/v1/activations", {"why": WICKED, "lists": {"blocked": listed}})
    proposal = ask(served, "/v1/proposals")["proposals"][-1]["id"]
    tell(served, f"/v1/proposals/{proposal}/approve", {"why": WICKED}, "second")
    tell(served, "/v1/activations", {"why": WICKED, "rules": rules})  # a proposal that stays open
    evidence = {"text": WICKED, WICKED: 1.0}
    tell(served, "/v1/releases", {"why": WICKED, "rules": rules, "evidence": evidence})
    rules["rules"].pop(0)
    tell(served, "/v1/challengers", {"why": WICKED, "name": "wicked", "revision": {"rules": rules}})
    signal = {"key": WICKED, "words": WICKED, "group": WICKED, "severity": "critical"}
    tell(served, "/v1/alerts/looks", {"why": WICKED, "source": "monitor", "signals": [signal]})
    until = (now + timedelta(days=1)).isoformat()
    tell(served, "/v1/alerts/silences", {"keys": f"other{WICKED}", "until": until, "why": WICKED})
