"""A whole report: trained, judged, cut up, folded and tested, on a world in which some payments were declined."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adjudge.define import System
from adjudge.errors import InputError
from adjudge.learn import pipeline
from adjudge.learn.report import Report, render, write_json
from adjudge.learn.source import Source
from adjudge.models.trees import Trees
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.simulate import declining
from adjudge.typing import FloatArray
from tests.learn import worlds


def source(share: float | None = None) -> Source:
    full = of_world(worlds.world() if share is None else declining(worlds.world(), share, seed=1))
    return Source({"payment": full.frames["payment"]}, {"fraud": full.labels["fraud"]}, {}, full.truth, full.approvals)


def build(lists: object) -> System:
    return worlds.SMALL


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trained") / "bundle"
    pipeline.run(worlds.SMALL, source()).write(path, datetime(2026, 1, 1, tzinfo=UTC))
    return path


def test_a_report_with_everything_goes_to_json_and_back_and_has_every_section(bundle: Path, tmp_path: Path) -> None:
    asked = pipeline.Asked(folds=2, slices=("channel", "amount"), leakage=True, drop_known=True, review_minutes=12)
    made = pipeline.judged(build, bundle, source(0.3), asked=asked)
    assert made.folds is not None
    assert len(made.folds.folds) == 2
    assert made.folds.without_known
    assert [one.field for one in made.slices] == ["channel", "amount"]
    assert made.leakage is not None
    assert not made.leakage.proven
    assert made.unseen is not None
    assert made.unseen.declined > 0
    assert made.unseen.figures["fraud_share"].truth is not None
    review, block = made.trade_offs
    assert (review.moved, block.moved, review.review_minutes) == ("review", "block", 12)
    assert review.marked("set") is not None
    assert review.marked("capacity") is not None
    read = msgspec.json.decode(write_json(made, tmp_path / "report.json").read_bytes(), type=Report)
    assert read == made
    page = render(made)
    assert [ranker.name for ranker in made.evaluation.rankers] == ["rules", "oracle", "model"]
    assert page.count("none of its draws") >= 1
    assert made.facts["Left out for labels"].startswith("7 days")
    for title in ("Alert threshold", "Block threshold", "Rolling folds", "Slices", "Declined traffic", "Leakage"):
        assert f"<h2>{title}" in page, title


def test_real_data_has_no_oracle(bundle: Path) -> None:
    world = source()
    assert world.truth is not None
    made = pipeline.judged(build, bundle, replace(world, truth=world.truth.drop("chance")))
    assert [ranker.name for ranker in made.evaluation.rankers] == ["rules", "model"]
    assert "none of its draws" not in render(made)


def test_the_row_that_is_set_is_what_the_headline_says(bundle: Path) -> None:
    made = pipeline.judged(build, bundle, source())
    assert made.folds is None
    assert made.unseen is None
    row = made.trade_offs[0].marked("set")
    assert row is not None
    assert row.alerts_per_day == pytest.approx(made.evaluation.line("queue").model)
    assert row.recall == pytest.approx(made.evaluation.line("recall").model)
    assert row.value_recall == pytest.approx(made.evaluation.line("value").model)
    assert row.false_positive_rate == pytest.approx(made.evaluation.line("false_positives").model)


def test_declined_payments_take_no_part_in_training_and_the_tried_ones_stand_for_them(bundle: Path) -> None:
    made = pipeline.loaded(build, bundle, source(0.3))
    train = made.trained.parts.train
    assert (train.extra["seen"] == 1).all()
    assert set(train.extra["propensity"].tolist()) == {0.3, 1.0}
    assert len(made.table) == 8_000


def test_what_was_declined_takes_no_part_in_any_fold(bundle: Path) -> None:
    """Its outcome is unknown: in a fold it would be an honest event that was stopped."""
    made = pipeline.judged(build, bundle, source(0.3), asked=pipeline.Asked(folds=2))
    table = pipeline.loaded(build, bundle, source(0.3)).table
    assert made.folds is not None
    seen = table.extra["seen"] == 1
    for fold in made.folds.folds:
        inside = (table.ts >= fold.start_us) & (table.ts < fold.end_us)
        assert fold.test_events == (inside & seen).sum() < inside.sum()


def test_training_is_told_what_each_tried_payment_stands_for() -> None:
    told: list[FloatArray] = []

    class Spy(Trees):
        def fit(self, X: FloatArray, *rest: Any, **more: Any) -> Any:
            told.extend([more["weight"], more["validation"][2]])
            return super().fit(X, *rest, **more)

    made = pipeline.run(worlds.SMALL, source(0.3), estimator=Spy(n_trees=3, depth=2, threads=1))
    for weight, part in zip(told, (made.trained.parts.train, made.trained.parts.validation), strict=True):
        assert part is not None
        assert set(np.unique(weight).tolist()) == {1.0, 1.0 / 0.3}
        np.testing.assert_array_equal(weight, 1.0 / part.extra["propensity"])


def test_a_field_that_is_not_there_is_told_before_anything_takes_long(bundle: Path) -> None:
    with pytest.raises(InputError, match="channel"):
        pipeline.judged(build, bundle, source(), asked=pipeline.Asked(folds=50, slices=("chanel",)))


def test_approvals_come_with_a_folder_of_data(tmp_path: Path) -> None:
    from adjudge.learn.source import read_streams

    made = source(0.3)
    made.write(tmp_path / "data")
    found = read_streams(worlds.SMALL, tmp_path / "data")
    assert found.approvals is not None
    assert made.approvals is not None
    assert found.approvals.equals(made.approvals)
    replace(made, approvals=made.approvals.drop("propensity")).write(tmp_path / "bad")
    with pytest.raises(InputError, match="propensity"):
        read_streams(worlds.SMALL, tmp_path / "bad")
