"""The proof itself: it passes on a simulated world through every entry point, and a broken kernel makes it fail."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from adjudge.discover import find
from adjudge.engine import compile
from adjudge.errors import ParityError
from adjudge.service.verify import CONTROL_EVENTS, Player, _as_table, broken, compared, script_of, verify
from adjudge.systems.payments.data import read

EVENTS = 1_500


def silent(what: str, done: int, of: int) -> None:
    """Tell nobody."""


def test_all_entry_points_agree_and_the_broken_kernel_is_caught() -> None:
    found = find("payments")
    assert found.simulate is not None
    result = verify(found, found.simulate(EVENTS), events=EVENTS, told=silent)
    assert result.passed
    assert result.events == EVENTS
    names = [p.name for p in result.entry_points]
    assert len(names) == 9
    assert {"http, in file order", "python, a log in a file, 12 restarts"} <= set(names)
    assert all(p.events == EVENTS for p in result.entry_points)
    compared = [p.features_compared / EVENTS for p in result.entry_points]
    assert sorted(compared) == [223] * 8 + [227]  # a log keeps the places and times that rules read, too


def test_one_flipped_bit_is_counted() -> None:
    found = find("payments")
    assert found.simulate is not None
    source = found.simulate(300)
    plan = compile(found.build(source.lists))
    script = script_of(plan, source)
    left = Player(plan, script, 1).play(plan.start())
    right = Player(plan, script, 10).play(plan.start())
    assert compared("same", left, right, 0.0).features_differing == 0
    right.features[7, 3] ^= np.uint64(1)
    assert compared("one bit", left, right, 0.0).features_differing == 1
    control = Player(plan, script, 100).play(broken(plan), limit=CONTROL_EVENTS)
    assert compared("broken", left, control, 0.0).features_differing > 0
    part = Player(plan, script, 100).play(plan.start(), limit=50)
    assert compared("the oldest", left, part, 0.0, limit=50).events == 50
    with pytest.raises(ParityError, match="50 events were decided, not 300"):
        compared("some lost", left, part, 0.0)


def test_a_label_known_with_its_event_is_seen_alike_by_service_and_table() -> None:
    found = find("payments")
    assert found.simulate is not None
    world = found.simulate(300)
    events = world.frames["payment"]
    known = events.select("payment_id", value=pl.lit(1.0), known_at="at").gather_every(5)
    source = replace(world, labels={"fraud": known, "declined": known})
    plan = compile(found.build(source.lists))
    reference = Player(plan, script_of(plan, source), 1).play(plan.start())
    assert _as_table(plan, source, reference, silent).features_differing == 0


def test_the_handbook_is_read_as_payments(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "TRANSACTION_ID": [0, 1, 2],
            "TX_DATETIME": pl.Series(
                ["2018-04-01 00:00:31", "2018-04-01 00:02:10", "2018-04-01 00:02:10"]
            ).str.to_datetime(),
            "CUSTOMER_ID": [596, 4961, 596],
            "TERMINAL_ID": [3156, 3412, 3156],
            "TX_AMOUNT": [57.16, 81.51, 146.0],
            "TX_FRAUD": [0, 0, 1],
        }
    )
    path = tmp_path / "transactions.parquet"
    frame.write_parquet(path)
    source = read(path)
    found = find("payments")
    plan = compile(found.build(source.lists))
    outcome = Player(plan, script_of(plan, source), 1).play(plan.start())
    row = plan.names.index("user_count_7d")
    assert outcome.features[:, row].view(np.float64).tolist() == [0.0, 0.0, 1.0]


@pytest.mark.slow
def test_the_handbook_agrees_through_every_python_entry_point(data_folder: Path) -> None:
    found = find("payments")
    source = found.read(data_folder / "fraud" / "fdh_simulated" / "transactions.parquet")
    result = verify(found, source, events=10_000, http=False, told=silent)
    assert result.passed
