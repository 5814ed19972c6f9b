"""The nets' measurement: figures of both, of every seed and fold, and how long a row takes."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from benchmarks import _handbook as hb
from benchmarks import _nets as nets

from .test_handbook import world


def test_figures_are_of_every_seed_and_fold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nets, "NET", {"hidden": (8,), "epochs": 1})
    monkeypatch.setattr(nets, "AUTOENCODER", nets.AUTOENCODER | {"epochs": 1})
    data = world()
    X = hb.inputs(backfill(compile(hb.cards()), hb.streams(data)).table)
    said: list[str] = []
    found = nets.figures(data, X, said.append, seeds=(0, 1), tests=(10, 12), validations=(10,))
    assert [text.split(":")[0] for text in said] == [
        *(f"net, seed {seed}, from day {day}" for seed in (0, 1) for day in (10, 12)),
        "autoencoder, seed 0, from day 10",
    ]
    for one in (found["net"], found["autoencoder"]):
        assert one["ap"] == pytest.approx(np.mean([seed["ap"] for seed in one["seeds"]]))
        assert 0.0 < one["batched_us"] < one["contributions_us"] or one is found["autoencoder"]
    assert found["net"]["seeds"][0]["ap"] != found["net"]["seeds"][1]["ap"]
