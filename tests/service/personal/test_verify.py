"""The proof of a system with personal data: what the service has sealed can be decided again."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.service.decode import EventDecoder
from adjudge.service.verify import Events
from adjudge.service.verify_http import concurrently, service
from tests.service.personal.bank import bank, payment
from tests.service.personal.test_leaks import DEFINITION


@pytest.mark.slow
def test_concurrent_load_is_replayed_with_the_keys_of_the_service(tmp_path: Path) -> None:
    """They are in a file beside it, and are gone when it is."""
    (tmp_path / "definition.py").write_text(DEFINITION)
    plan = bank()
    rows = [payment(i, f"u{i % 9}", at=f"2020-01-02T12:00:{i:02}Z") for i in range(60)]
    events = EventDecoder(plan.schema("payment")).rows(rows).events
    with service(plan, str(tmp_path), None) as (port, keys):
        assert keys is not None
        found = concurrently(plan, [Events("payment", events)], port=port, events=60, keys=keys, told=lambda done: None)
    assert (found.events, found.features_differing, found.scores_differing) == (60, 0, 0)
