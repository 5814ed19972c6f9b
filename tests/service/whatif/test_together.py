"""What is said between events does not cut what is decided in one go, and changes no bit of it."""

from __future__ import annotations

import functools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from adjudge.engine import SECRET
from adjudge.log import Kind
from adjudge.log.codec import Changes
from adjudge.log.scan import scan
from adjudge.service.bundles import Bundles
from adjudge.service.changed import Change as Told
from adjudge.service.versions.revision import Revision
from adjudge.service.whatif import run as module
from adjudge.service.whatif.change import Beside, Change
from adjudge.service.whatif.fold import Deciding
from adjudge.service.whatif.kept import named
from adjudge.service.whatif.run import counterfactual
from tests.service.shop import START, purchase
from tests.service.test_decider import label
from tests.service.whatif.lives import Life, bundle, system

CHANGE = Change(Revision(""), {"block": 0.55})


def talkative(life: Life, events: int = 150, seed: int = 3) -> Life:
    """Have something said after nearly every event: of itself, of an earlier one, and of some that come later."""
    draw, desk = np.random.default_rng(seed), life.desk
    for i in range(events):
        at = START + timedelta(seconds=30 * i)
        user, card, amount = f"u{draw.integers(30)}", f"c{draw.integers(30)}", f"{draw.integers(1, 40_000) / 100:.2f}"
        desk.decide(purchase(i, at, user=user, card=card, amount=amount))
        if draw.random() < 0.8:
            earlier = f"p{draw.integers(max(0, i - 20), i + 1)}"
            declined = Told(Kind.OUTCOME, "purchase", earlier, "declined", float(draw.integers(2)))
            desk.decider.change([declined if draw.random() < 0.5 else label(earlier, bool(draw.integers(2)))])
        if draw.random() < 0.05:
            desk.decider.change([label(f"p{i + 3}")])
        if draw.random() < 0.03:
            desk.decider.change([Told(Kind.RETRACTION, "purchase", f"p{draw.integers(i + 1)}")])
    return life


@pytest.mark.parametrize("seed", range(4))
def test_however_many_are_decided_in_one_go_every_bit_is_the_same(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, plan = bundle(tmp_path, system(), 1)
    kept = Beside(Bundles(tmp_path / "bundles", SECRET, tmp_path))
    log = talkative(Life(tmp_path, plan), seed=seed).log
    sizes: list[int] = []

    class Counting(Deciding):
        def finish(self) -> None:
            sizes.append(self._many)
            super().finish()

    found = []
    for most in (1, 7, 2048):
        monkeypatch.setattr(module, "Deciding", functools.partial(Counting, run=most))
        sizes.clear()
        found.append(counterfactual(log, CHANGE, kept))
    alone = found[0].other
    for other in (worlds.other for worlds in found[1:]):
        assert other.action.tolist() == alone.action.tolist()
        assert other.p.view(np.int64).tolist() == alone.p.view(np.int64).tolist()
        assert other.fired.tolist() == alone.fired.tolist()
    assert max(sizes) > 8  # and labels stand between them


def test_whom_something_is_said_of_is_known_before(tmp_path: Path) -> None:
    _, plan = bundle(tmp_path, system(), 1)
    log = talkative(Life(tmp_path, plan), 40).log
    said = {id_ for s in scan(log) if isinstance(s.block, Changes) for id_ in s.block.ids.texts()}
    assert named(log, "purchase", 0, len(log)) == said
    assert named(log, "login", 0, len(log)) == frozenset()
