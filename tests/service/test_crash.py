"""Killed at random moments under load, on every kind of log: what was acknowledged is there, once, and nothing differs.

The benchmark `crash` does the same for many more rounds; see there for what happens in one, and for the share of rounds
in which something was on its way at that moment, which is a matter of chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from benchmarks._crash import model
from benchmarks._crash.rounds import Kind
from benchmarks._crash.site import Site
from benchmarks.crash import play


def survives(site: Site, kinds: Sequence[Kind], seed: int) -> dict[str, Any]:
    """Play rounds, check that nothing was lost, decided twice or decided otherwise, and return what was counted."""
    site.bundle = model.write(site.folder.parent)
    try:
        found = play(site, kinds, seed=seed, progress=lambda text: None)
    finally:
        site.end()
    assert found["rounds"] == len(kinds)
    assert found["acknowledged"] > 100
    wrong = {key: found[key] for key in ("lost", "decided_twice", "differences", "wrong_answers")}
    assert not any(wrong.values()), wrong
    return found


@pytest.mark.slow
def test_a_service_that_is_killed_goes_on_where_it_ended(tmp_path: Path) -> None:
    """Started again, or with a standby that takes over within the second."""
    found = survives(Site(tmp_path / "workspace", tmp_path), ["restart", "standby"], seed=1)
    assert found["takeover_s_max"] < found["restart_s_max"]


@pytest.mark.slow
def test_with_fsync_it_goes_on_after_a_loss_of_power(tmp_path: Path) -> None:
    """What was not synced is gone, and nothing of it had been acknowledged."""
    found = survives(Site(tmp_path / "workspace", tmp_path, durability="fsync", power=True), ["restart"], seed=2)
    assert found["unsynced_bytes_lost"] > 0


@pytest.mark.slow
def test_with_its_log_in_postgres_it_goes_on_as_well(tmp_path: Path, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE crash")
    log = urlsplit(postgres_url)._replace(path="/crash").geturl()
    survives(Site(tmp_path / "workspace", tmp_path, log=log), ["restart"], seed=3)
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("DROP DATABASE crash WITH (FORCE)")
