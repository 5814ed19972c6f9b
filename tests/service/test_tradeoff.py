"""The trade-off over a log: the cut in force means what was really decided, and what nobody knows is left out."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.engine import SECRET
from adjudge.errors import InputError
from adjudge.learn.choices import LoggedTradeOffs, logged_events, logged_trade_offs
from adjudge.learn.past import FRAUD, HONEST, Past
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import By
from adjudge.service.columns import logged_past
from adjudge.service.home import LOG_FILE
from adjudge.service.registry.asked import Assent
from tests.service.retrain.lived import Life, place_of, releases_of, run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which a model was trained and has decided for two weeks."""
    folder = tmp_path_factory.mktemp("tradeoff")
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        life = Life(log).live(20)
        made = run(life, folder)
        releases_of(life.decider, place_of(life, folder)).promote(
            made.bundle, Assent("first", "development"), By("ada", "first")
        )
        life.live(14)
    return folder


@pytest.fixture(scope="module")
def past(home: Path) -> Past:
    with closing(SqliteLog(home / LOG_FILE)) as log:
        return logged_past(log, (), secret=SECRET)


def test_the_cut_in_force_means_what_was_decided(past: Past) -> None:
    mature = ((past.known == FRAUD) | (past.known == HONEST)) & ~np.isnan(past.p)
    found = logged_trade_offs(past)
    assert (found.events, found.left_out) == (int(mature.sum()), int((~mature).sum()))
    assert found.frauds == int((past.known[mature] == FRAUD).sum())
    assert found.actions == {"review": "review", "block": "block"}
    for one in found.trade_offs:
        now = one.marked("set")
        assert now is not None
        assert round(now.alerts_per_day * one.days) == int((past.action[mature] > 0).sum())
        stopped = past.action[mature] == len(past.system.policy.actions) - 1
        assert round(now.blocked_per_day * one.days) == int(stopped.sum())
        assert round(now.false_declines_per_day * one.days) == int((stopped & (past.known[mature] == HONEST)).sum())


def test_more_points_are_finer_and_end_where_they_did(past: Past) -> None:
    few, many = (logged_trade_offs(past, points=n).trade_offs[0].rows for n in (4, 60))
    assert len(few) < len(many)
    assert few[-1].alerts_per_day == many[-1].alerts_per_day


def test_without_a_mature_event_there_is_nothing_to_say(past: Past) -> None:
    young = past.between(int(past.ts[-1]), 2**62)
    with pytest.raises(InputError, match="old enough for its label"):
        logged_events(young)


def test_the_command_line_tells_it(home: Path, past: Past) -> None:
    words = ["tradeoff", "--workspace", str(home)]
    done = CliRunner().invoke(app, [*words, "--json"], catch_exceptions=False)
    assert done.exit_code == 0
    assert msgspec.json.decode(done.stdout, type=LoggedTradeOffs) == logged_trade_offs(past)
    shown = CliRunner().invoke(app, words, catch_exceptions=False)
    assert shown.exit_code == 0
    assert "looked at above a probability of" in shown.stdout
