"""The simulator's benchmark: an oracle that knows rates and no draw, curves at a recall, and what noise is counted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adjudge.learn.ranking import Ranking
from adjudge.learn.table import Table
from adjudge.systems.payments.simulate.fraud import PATTERNS
from adjudge.systems.payments.simulate.oracle import HIDDEN, chance_of_report, chances
from benchmarks import simulator
from tests.systems.payments.simulated import world


@pytest.fixture(scope="module")
def chance() -> np.ndarray:
    return chances(world())


@pytest.fixture(scope="module")
def reported() -> np.ndarray:
    last = world().labels.unique("payment_id", keep="last").filter("fraud")["payment_id"].implode()
    found: np.ndarray = world().payments["payment_id"].is_in(last).to_numpy()
    return found


def test_the_oracle_expects_as_many_reports_as_come(chance: np.ndarray, reported: np.ndarray) -> None:
    spread = 4 * np.sqrt((chance * (1 - chance)).sum()) + 0.02 * reported.sum()  # reports of a victim come together
    assert abs(chance.sum() - reported.sum()) < spread


def test_the_oracle_sees_every_pattern_but_the_one_that_looks_honest(chance: np.ndarray) -> None:
    kind = world().truth["pattern"].fill_null("").to_numpy()
    for pattern in PATTERNS:
        mean = chance[kind == pattern].mean()
        assert mean < 0.01 if pattern == HIDDEN else mean > 0.9


def test_the_oracle_cannot_tell_hidden_fraud_from_an_honest_payment_like_it() -> None:
    kind, distant, minor = np.array(["", HIDDEN, "", ""]), np.array([True, True, False, True]), np.full(4, 5_000)
    p = chance_of_report(kind, declined=np.array([False, False, False, True]), distant=distant, minor=minor)
    assert p[0] == p[1] > p[2] > p[3] == 0.0


def test_the_oracle_is_not_beaten_by_the_same_frauds_without_its_rates(
    chance: np.ndarray, reported: np.ndarray
) -> None:
    visible = ~np.isin(world().truth["pattern"].fill_null("").to_numpy(), ("", HIDDEN))
    blind = Ranking.of(reported, visible.astype(np.float64)).curve().average_precision()
    assert Ranking.of(reported, chance).curve().average_precision() > blind


def test_precision_at_a_recall_cuts_through_ties_in_proportion() -> None:
    apart = Ranking.of([1, 0, 0, 1], [4, 3, 2, 1]).curve()
    assert simulator.precision_at(apart, 0.5) == 1.0
    assert simulator.precision_at(apart, 0.9) == pytest.approx(1.8 / 3.8)
    tied = Ranking.of([1, 0, 1, 0], [1, 1, 1, 1]).curve()
    assert simulator.precision_at(tied, 0.3) == simulator.precision_at(tied, 0.9) == 0.5


def test_what_is_judged_is_told_with_what_stands_in_the_way() -> None:
    random = np.random.default_rng(1)
    n = 4_000
    kind = random.choice(["device_farm", HIDDEN, ""], n, p=[0.05, 0.01, 0.94])
    chance = np.where(kind == "device_farm", 0.97, 0.004)
    y = np.where(kind == "device_farm", 1.0, 0.0)
    y[np.flatnonzero(kind == HIDDEN)[::2]] = 1.0
    ts = np.arange(n)
    test = Table((), np.zeros((0, n)), ts, y, ts, np.ones(n), ts % 500)
    test = replace(test, extra={"chance": chance, "fraud": kind != "", "kind": kind})
    scores = {name: chance + random.random(n) * width for name, width in (("trees", 1.2), ("stack", 0.5))}
    found = simulator.judged(test, scores, rounds=20)
    assert found["noise"]["visible_reported"] == (kind == "device_farm").sum()
    assert found["noise"]["looks_honest_unreported"] == ((kind == HIDDEN) & (y == 0)).sum()
    lines = found["lines"]
    assert lines["oracle"]["of_oracle"] == [1.0, 1.0, 1.0]
    assert lines["trees"]["ap"][0] < lines["stack"]["ap"][0] <= lines["oracle"]["ap"][2]
    assert all(low <= value <= high for low, value, high in [(o[1], o[0], o[2]) for o in [lines["stack"]["ap"]]])
    assert found["patterns"]["device_farm"]["stack"] >= found["patterns"]["device_farm"]["trees"]
    assert set(found["points"]) == {"trees", "stack", "oracle"}
    text = simulator.table_of_points(found | {"test_payments": n})
    assert text.splitlines()[-1].startswith("| oracle | ")
