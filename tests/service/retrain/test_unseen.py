"""What the champion has seen is not held out where there is enough else, and never goes unsaid."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adjudge.errors import InputError
from adjudge.learn.bundle import Bundle
from adjudge.learn.goingon import held_out, judged_on
from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT, ModelCard
from adjudge.learn.table import Table
from adjudge.learn.train import FITTED_UNTIL
from adjudge.service.bundles import Bundles
from adjudge.service.retrain.recipe import LEAST_HELD_OUT, Cut, cut, recipe_of
from adjudge.service.retrain.run import Retrained
from adjudge.service.retrain.unseen import apart_until, limits_of_seen
from tests.service.retrain.lived import DAY_US, Life, place_of, run
from tests.service.retrain.test_run import activate


def sixty_days() -> Table:
    """Return a table of sixty days whose frauds are reported at once."""
    n = 20_000
    rng = np.random.default_rng(0)
    ts = np.arange(n) * 60 * DAY_US // n
    label = (rng.random(n) < 0.1).astype(float)
    entity = rng.integers(0, 2_000, n).astype(np.uint64)
    return Table(("a",), rng.normal(size=(1, n)), ts, label, ts, np.ones(n), entity)


def cut_at(champion_day: float) -> tuple[Cut, int]:
    """Return how sixty days are cut for a champion that was fitted until a day, and that moment."""
    until = round(champion_day * DAY_US)
    return cut(recipe_of("incremental", DAY_US), sixty_days(), 60 * DAY_US, until), until


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


def test_what_is_learnt_from_reaches_to_the_present_and_what_is_judged_are_other_entities() -> None:
    made, until = cut_at(30)
    train, test = made.parts.train, made.parts.test
    assert (made.apart, made.until_us) == (True, 60 * DAY_US + 1)
    assert train.ts.max() > 59 * DAY_US  # what was reported at once
    assert not judged_on(train).any()
    assert judged_on(test).all()
    assert until <= test.ts.min()
    assert 0.15 < made.share < 0.25
    assert any(
        "a fifth of the entities" in limit for limit in limits_of_seen(made.parts, until, goes_on=True, apart=True)
    )


@pytest.mark.parametrize("kind", ["incremental", "full"])
def test_a_champion_of_yesterday_is_judged_on_the_entities_that_it_left_out(kind: Any) -> None:
    """Of all others nothing is left that it has not seen."""
    table = sixty_days()
    until = 60 * DAY_US
    with pytest.raises(InputError, match="was fitted on all but"):
        cut(recipe_of(kind, DAY_US), table, 60 * DAY_US, until)
    made = cut(recipe_of(kind, DAY_US), table, 60 * DAY_US, until, 30 * DAY_US)
    assert made.apart
    assert judged_on(made.parts.test).all()
    assert made.parts.test.ts.min() >= 30 * DAY_US


def test_the_entities_that_are_judged_on_stay_unseen_along_a_chain(tmp_path: Path) -> None:
    """What is made from what was made keeps saying since when, and a full one can follow it."""
    life = Life().live(30)
    activate(life, tmp_path, run(life, tmp_path).bundle)
    since = []
    for _ in range(2):
        life.live(6)
        made = run(life, tmp_path, "incremental")
        champion = place_of(life, tmp_path).bundles.read(made.bundle)
        since.append(apart_until(champion, 0))
        assert apart_until(champion, 1) is None  # other entities were left out
        activate(life, tmp_path, made.bundle)
    assert since[0] is not None
    assert since[0] == since[1]
    life.live(1)
    assert run(life, tmp_path).kind == "full"


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
