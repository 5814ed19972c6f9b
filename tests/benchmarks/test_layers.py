"""The table of layers: a part that says nothing pays nothing, and what is printed is what was computed."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.models import Categories, Logistic, Stack, Trees
from adjudge.models.stack import Of, known_before
from benchmarks import layers

NAMES = ("risk", "noise")


@pytest.fixture(scope="module")
def result() -> dict[str, object]:
    """Judge a stack whose fast layer reads what matters and whose deep layer reads noise."""
    random = np.random.default_rng(2)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        X = random.normal(size=(n, 2))
        return X, (X[:, 0] + random.normal(size=n) > 1.5).astype(np.float64)

    (X, y), later, (test, truth) = draw(3_000), draw(1_500), draw(2_000)
    data = layers.Data(
        NAMES,
        X.T,
        y,
        np.ones(len(y)),
        known_before(np.arange(len(y)), 100),
        later,
        Categories({}, bytes(16)),
        np.ascontiguousarray(test.T),
        truth,
        np.ones(len(truth)),
        np.arange(len(truth)) % 500,
        np.zeros(len(truth), np.bool_),
    )
    stack = Stack(
        Of(Trees(n_trees=20, depth=2, threads=1), features=["risk"]),
        Of(Logistic(), layer="deep", features=["noise"]),
        folds=2,
        sure=0.0,
    ).fit(X, y, validation=later, names=NAMES)
    return layers.judged(data, stack, rounds=20)


def test_the_layer_that_reads_what_matters_pays_and_the_other_does_not(result: dict[str, dict[str, bool]]) -> None:
    assert result["pays"] == {"fast": True, "deep": False, "trees": True, "logistic": False}


def test_every_part_is_a_line_of_the_table(result: dict[str, dict[str, object]]) -> None:
    parts = ["trees", "logistic", "every layer", "without fast", "without deep", "without trees", "without logistic"]
    names = [*parts, "stack"]
    assert list(result["lines"]) == names
    text = layers.table(result)
    assert [line.split(" | ")[0].strip("| ") for line in text.splitlines()[2:10]] == names
    assert "Layer deep: average precision" in text
    assert text.endswith("a stack has it off.")


def test_the_first_layer_is_asked_about_everything(result: dict[str, dict[str, float]]) -> None:
    assert result["asked"]["fast"] == 1.0
    assert result["asked"]["deep"] < 1.0


def test_what_moves_the_score_is_weight_times_spread(result: dict[str, dict[str, dict[str, float]]]) -> None:
    members = result["members"]
    assert members["trees"]["moves"] > 10 * members["logistic"]["moves"]
    assert members["trees"]["ap_ahead"] > 2 * members["logistic"]["ap_ahead"]


def test_a_part_that_leads_alone_is_level_with_the_whole(result: dict[str, dict[str, dict[str, list[float]]]]) -> None:
    value, low, high = result["over"]["trees"]["ap"]
    assert low <= value <= high
    assert abs(value) < 0.05 < result["over"]["logistic"]["ap"][1]


def test_nothing_that_knows_a_category_is_left_without_them() -> None:
    names = ("category", "amount", "usual_ratio", "customer_category_count_1d", "merchant_fraud_rate_90d", "hour")
    assert [name for name in names if not layers.of_categories(name)] == ["amount", "hour"]
