"""Looking earlier entries up: the same wherever they are stored, and no more is unpacked than is asked for."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from adjudge.errors import NotFoundError
from adjudge.log import chunks
from adjudge.log.codec import Events
from adjudge.log.segment import Segment
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.lookup import Lookup
from tests.service.shop import Shop, shop
from tests.service.test_decider import busy_day


def test_fields_are_the_same_out_of_segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of whatever events in whatever order; the features beside them stay packed."""
    monkeypatch.setattr(chunks, "SEGMENT", 10)
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        desk = Shop(shop())
        desk.decider = Decider([shop()], log, clock=desk.clock)
        busy_day(desk)
        workspace = desk.decider.workspace
        positions = np.random.default_rng(3).permutation(workspace.ids["purchase"].arrays()["values"]).tolist()
        before = workspace.fields_at("purchase", positions)
        received = [workspace.lookup.received_at(position) for position in positions]
        while log.maintain(keep=20):
            pass
        assert isinstance(log.find(1), Segment)
        workspace.lookup = Lookup(log)
        with monkeypatch.context() as patch:
            patch.setattr(
                "adjudge.log.segment._Alike._features", property(lambda self: pytest.fail("features were unpacked"))
            )
            assert workspace.fields_at("purchase", positions).tobytes() == before.tobytes()
        assert [workspace.lookup.received_at(position) for position in positions] == received
        for position in positions:
            first, block = Lookup(log).block(position)
            assert isinstance(block, Events)
            again = Lookup(log).block(position, frozenset(("fields",)))[1]
            assert isinstance(again, Events)
            assert (block.ids[position - first], block.fields) == (again.ids[position - first], again.fields)
        log.drop(30)
        with pytest.raises(NotFoundError, match=r"position 5 was archived: the log begins at \d+ now"):
            Lookup(log).block(5, frozenset(("fields",)))
