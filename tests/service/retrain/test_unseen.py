"""What the champion has seen is not held out where there is enough else, and never goes unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adjudge.learn.bundle import Bundle
from adjudge.learn.goingon import held_out
from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT, ModelCard
from adjudge.learn.table import Table
from adjudge.learn.train import FITTED_UNTIL
from adjudge.service.bundles import Bundles
from adjudge.service.retrain.recipe import LEAST_HELD_OUT, Cut, cut, recipe_of
from adjudge.service.retrain.run import Retrained
from adjudge.service.retrain.unseen import limits_of_seen
from tests.service.retrain.lived import DAY_US, Life, place_of, run
from tests.service.retrain.test_run import activate


def cut_at(champion_day: float) -> tuple[Cut, int]:
    """Return how sixty days are cut for a champion that was fitted until a day, and that moment."""
    n, until = 20_000, round(champion_day * DAY_US)
    rng = np.random.default_rng(0)
    ts = np.arange(n) * 60 * DAY_US // n
    label = (rng.random(n) < 0.1).astype(float)
    entity = rng.integers(0, 2_000, n).astype(np.uint64)
    table = Table(("a",), rng.normal(size=(1, n)), ts, label, ts, np.ones(n), entity)
    return cut(recipe_of("incremental", DAY_US), table, 60 * DAY_US, until), until


def test_only_what_the_champion_has_not_seen_is_held_out_where_that_is_enough() -> None:
    made, until = cut_at(30)
    validation = made.parts.validation
    assert validation is not None
    assert validation.ts.min() >= until
    assert validation.label.sum() >= LEAST_HELD_OUT
    assert held_out(validation).all()
    assert not held_out(made.parts.train).any()
    assert limits_of_seen(made.parts, until, goes_on=True) == []


def test_where_it_is_too_little_all_is_held_out_and_the_card_says_so() -> None:
    made, until = cut_at(55)
    validation = made.parts.validation
    assert validation is not None
    seen = int((validation.ts < until).sum())
    assert 0 < seen < len(validation)
    (limit,) = limits_of_seen(made.parts, until, goes_on=True)
    assert f"Of {len(validation):,} held-out events" in limit
    assert f"{seen:,} lie before the end of what the champion was fitted on" in limit
    assert limits_of_seen(made.parts, until, goes_on=False) == []


def card_of(life: Life, home: Path, made: Retrained) -> tuple[ModelCard, str]:
    found = place_of(life, home).bundles.read(made.bundle)
    return msgspec.json.decode(found.paper(CARD_JSON) or b"", type=ModelCard), (found.paper(CARD_TEXT) or b"").decode()


@pytest.mark.parametrize("kind", ["full", "incremental"])
def test_a_champion_of_which_nobody_knows_what_it_was_fitted_on_is_not_judged(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life().live(30)
    activate(life, tmp_path, run(life, tmp_path).bundle)
    life.live(12, pattern=True)
    terms = {"confidence": 0.5}  # one of the two is better for sure
    card, told = card_of(life, tmp_path, run(life, tmp_path, kind, **terms))
    assert card.unseen
    assert card.duel.verdict != "undecided"
    assert "neither was fitted on" in told
    real = Bundles.read

    def older(self: Bundles, id_: str) -> Bundle:
        found = real(self, id_)
        facts = {name: fact for name, fact in found.manifest.training.items() if name != FITTED_UNTIL}
        return replace(found, manifest=msgspec.structs.replace(found.manifest, training=facts))

    monkeypatch.setattr(Bundles, "read", older)
    made = run(life, tmp_path, kind, **terms, seed=1)
    card, told = card_of(life, tmp_path, made)
    assert (made.verdict, card.duel.verdict, card.unseen) == ("undecided", "undecided", False)
    assert "neither was fitted on" not in told
    assert any("Nothing says until when the champion was fitted" in limit for limit in card.limits)
    assert any("held-out events" in limit for limit in card.limits) is (kind == "incremental")
