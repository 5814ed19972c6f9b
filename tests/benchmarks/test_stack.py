"""The benchmark of stacks asks for the most that a decision can cost: every model weighs and every layer is needed."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.engine import compile
from adjudge.models.served import check_invariance
from adjudge.models.stacked import StackScorer
from benchmarks import _orders, stack

pytestmark = pytest.mark.slow

ROWS = 4_000
"""Events of the history: 33 users with some 120 each."""


@pytest.fixture(scope="module")
def scorer() -> StackScorer:
    return stack.trained(ROWS, _orders.history(ROWS), trees=5, epochs=1)


def test_every_model_weighs_in_every_mix_of_its_layer(scorer: StackScorer) -> None:
    assert scorer.family_names == ("trees", "logistic", "isolation", "net", "sequencenet")
    assert "user_since_last_s" in scorer.members[0].model.names
    assert {there: (mix.weights > 0).sum() for there, mix in scorer.mixes.items()} == {1: 3, 2: 2, 3: 5}


def test_every_event_needs_every_layer_and_has_reasons(scorer: StackScorer) -> None:
    plan = compile(stack.orders(), scorer=scorer)
    state = plan.start()
    plan.insert(state, plan.encode_frame("order", _orders.history(ROWS), np.arange(ROWS)))
    found = plan.step(state, plan.encode("order", _orders.fresh(64, ROWS), np.arange(ROWS, ROWS + 64)))
    assert found is not None
    assert not found.layers.any()
    assert all(decision.reasons for decision in found)
    assert check_invariance(scorer, found.X, plan.scorer_rows) == 3 * 7 * 64
    assert set(stack._members(scorer, plan, found.X)) == set(scorer.family_names)
