"""The nets' measurement: steps are a card's last payments, figures are of every fold and seed, gains are paired."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest

from adjudge.models.sequence import CELLS, find_steps
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb
from benchmarks import _lines as lines
from benchmarks import _nets, nets
from benchmarks.baselines import AMOUNTS

from .test_handbook import world

SMALL = replace(
    nets.QUICK,
    tests=(10,),
    validations=(10,),
    setting={
        "trees": {"n_trees": 10},
        "isolation": {"n_trees": 10},
        "autoencoder": {"hidden": (4, 2, 4), "epochs": 1},
        "net": {"hidden": (8,), "epochs": 1},
        **{cell: {"hidden": 4, "head": 8, "epochs": 1} for cell in CELLS},
    },
)


@pytest.fixture(scope="module")
def data() -> hb.Cards:
    return world()


@pytest.fixture(scope="module")
def X(data: hb.Cards) -> FloatArray:
    return _nets.inputs(data)


@pytest.fixture(scope="module")
def found(data: hb.Cards, X: FloatArray) -> dict[str, Any]:
    return nets.figures(data, X, list[str]().append, SMALL)


def test_steps_are_the_last_payments_of_the_card(data: hb.Cards, X: FloatArray) -> None:
    """As polars sees them, for every payment."""
    steps = find_steps(_nets.NAMES)
    assert [len(steps), len(steps[0])] == [_nets.LAST, len(_nets.STEMS)]
    column = {name: X[:, i] for i, name in enumerate(_nets.NAMES)}
    seconds = pl.col("TX_TIME_SECONDS").cast(pl.Float64)
    for k in (1, 5, _nets.LAST):
        seen = data.frame.select(
            amount=pl.col("TX_AMOUNT").shift(k).over("CUSTOMER_ID"),
            since=(seconds - seconds.shift(k)).over("CUSTOMER_ID"),
        ).cast(pl.Float64)
        np.testing.assert_array_equal(column[f"customer_amount_last_{_nets.LAST}_{k}"], seen["amount"].to_numpy())
        np.testing.assert_array_equal(column[f"customer_since_last_s_{_nets.LAST}_{k}"], seen["since"].to_numpy())


def test_every_model_has_a_line_of_all_its_seeds(found: dict[str, Any]) -> None:
    """The mean over seeds is what the line says."""
    for name in _nets.CONTENDERS:
        line = found["lines"][name]
        assert len(line["seeds"]) == len(SMALL.seeds)
        assert line["ap"][0] == pytest.approx(np.mean(line["seeds"]), abs=1e-4)
        assert line["ap"][1] <= line["ap"][0] <= line["ap"][2]
        assert 0.0 < line["us_plain"] <= line["us_a_row"] < line["us_single"]
        if name in ("net", *CELLS):
            assert line["seeds"][0] != line["seeds"][1]
    assert found["lines"]["net"]["published"] == 0.675
    assert set(found["validation"]) == {"isolation", "autoencoder"}


def test_gains_are_the_whole_less_what_is_there_without_a_part(found: dict[str, Any]) -> None:
    whole = found["lines"]["stack"]["ap"][0]
    members = (*nets.MEMBERS, found["cell"])
    assert set(found["gains"]) == {"fast", "deep"}
    assert set(found["members"]) == set(members)
    for name, gain in (found["gains"] | found["members"]).items():
        assert gain["ap"][0] == pytest.approx(whole - found["lines"][f"without {name}"]["ap"][0], abs=1e-3)
    assert found["over_trees"]["ap"][0] != 0.0
    for weights in found["weights"].values():
        assert len(weights) == len(SMALL.tests)
        assert min(weights) >= 0.0


def test_a_member_is_the_model_that_stands_alone(data: hb.Cards, X: FloatArray) -> None:
    """So that its first seed need not be trained twice."""
    settings = {name: {**_nets.CONTENDERS[name].chosen, **(SMALL.setting or {}).get(name, {})} for name in nets.MEMBERS}
    fold = hb.fold(data, 10)
    stacked = nets._stacked(data, X, settings, [fold], list[str]().append)
    for name in ("trees", "net"):
        alone, _ = nets._ranked(data, X, _nets.CONTENDERS[name], settings[name], [fold], (0,))
        np.testing.assert_array_equal(stacked.alone[name][0], alone[0][0])


def test_settings_are_those_that_did_best_in_validation(data: hb.Cards, X: FloatArray) -> None:
    """Every number of epochs is judged from one training."""
    net = replace(_nets.CONTENDERS["net"], tried=[{"hidden": (4,)}, {"hidden": (8,)}])
    folds = [hb.fold(data, start) for start in (5, 8)]
    chosen = _nets.choose(data, X, net, folds, list[str]().append)
    assert chosen["ap"] == max(one["ap"] for one in chosen["tried"])
    assert 1 <= chosen["setting"]["epochs"] <= _nets.MOST
    forest = replace(_nets.CONTENDERS["isolation"], tried=[{"n_trees": 5, "features": AMOUNTS}, {"n_trees": 5}])
    again = _nets.choose(data, X, forest, folds, list[str]().append)
    assert "epochs" not in again["setting"]


def test_a_ranking_with_nothing_to_add_gains_nothing(data: hb.Cards) -> None:
    """Paired: the same ranking twice differs by nothing in any draw."""
    fold = hb.fold(data, 10)
    score = np.random.default_rng(0).random(len(fold.test)) + data.fraud[fold.test]
    ranked = {name: [[score]] for name in ("trees", "without deep", "stack")}
    result = lines.judged(data, ranked, [fold], rounds=10)
    assert result["gains"] == {"deep": {"ap": [0.0, 0.0, 0.0], "value": [0.0, 0.0, 0.0]}}
    assert result["pays"] == {"deep": False}
