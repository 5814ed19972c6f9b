"""A warm start: the champion's trees stay, new ones are added from recent events, and the sum is calibrated anew.

What is recent is split by entity and not by time, because what is new must be learnt from at once, up to the present
and with the labels there are: a fifth of the entities stops the boosting, calibrates and sets the thresholds, and
another fifth is what champion and challenger are judged on. Neither fifth is ever fitted on by who goes on from whom.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np

from adjudge.define import Capacity, Policy
from adjudge.engine import Plan
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.metrics import auc, average_precision
from adjudge.learn.split import Parts
from adjudge.learn.table import Table
from adjudge.learn.train import FITTED_UNTIL, ROWS, Trained, estimator_of, probabilities, thin, thresholds_for
from adjudge.models.forest import Forest
from adjudge.models.scorers import ModelScorer, Served
from adjudge.models.trees import Trees
from adjudge.typing import BoolArray

HELD_OUT = 5
"""One in so many entities is held out, and another one is judged on."""

MORE_TREES = 80
"""Most trees that are added."""

MOST_TREES = 2_000
"""Trees of a forest from which on a full retrain is asked for instead."""


def can_go_on(scorer: object, estimator: object = None) -> str:
    """Return why a model cannot be gone on from; empty if it can.

    Parameters
    ----------
    scorer
        The champion's; None where rules alone decide.
    estimator
        What the system trains, where that is known.

    Examples
    --------
    >>> can_go_on(None)
    'the model that decides is no forest of boosted trees'
    """
    if not isinstance(scorer, ModelScorer) or not isinstance(scorer.model, Forest):
        return "the model that decides is no forest of boosted trees"
    if scorer.model.divisor != 1.0:
        return "the trees that decide are a mean and no sum"
    if scorer.model.trees + MORE_TREES > MOST_TREES:
        return f"the model that decides has {scorer.model.trees:,} trees already"
    if isinstance(estimator, Trees) and estimator.focal:
        return "the system trains with a focal loss, and trees go on with the log loss"
    return ""


def gone_on(
    plan: Plan,
    champion: Served,
    parts: Parts,
    *,
    until_us: int,
    rows: int = ROWS,
    trees: int = MORE_TREES,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Trained:
    """Add trees to the champion's and calibrate the sum.

    Parameters
    ----------
    plan
        The compiled system.
    champion
        Its model.
    parts
        Recent events to train on, those of other entities to stop, calibrate and set thresholds by, and the test.
    until_us
        End of what is fitted on, microseconds UTC.
    rows
        Most events to fit on; positives are all among them.
    trees
        Most trees to add.
    seed
        Of everything drawn.
    progress
        Called after each round of boosting.

    Raises
    ------
    DefinitionError
        If the champion cannot be gone on from, or a part is missing.
    ShapeError
        If a part has no positives, or nothing else.
    """
    own = estimator_of(plan.system)
    why = can_go_on(champion, own)
    if why or parts.validation is None:
        message = f"{why or 'nothing is held out'}: train it anew, with a full retrain"
        raise DefinitionError(message)
    assert isinstance(champion, ModelScorer)  # `can_go_on` has looked
    assert isinstance(champion.model, Forest)
    for name, part in (("recent", parts.train), ("held-out", parts.validation)):
        if not 0 < part.label.sum() < len(part):
            message = f"the {name} events hold {int(part.label.sum())} known frauds among {len(part)}"
            raise ShapeError(message)
    settings = copy.deepcopy(own) if isinstance(own, Trees) else Trees()
    settings.set_params(n_trees=trees, seed=seed, top=champion.top)
    drawn, weight = thin(parts.train, rows, seed)
    names = champion.names
    inputs, held_out = drawn.features(names), parts.validation.features(names)
    model = settings.going_on(champion.model).fit(
        inputs.X.T,
        inputs.label,
        validation=(held_out.X.T, held_out.label),
        names=names,
        categories=champion.categories,
        weight=weight,
        progress=progress,
    )
    scorer = model.served()
    p = probabilities(scorer, parts.validation)
    thresholds = thresholds_for(_share_of(plan.policy), parts.validation, p)
    metrics = {
        "validation_auc": auc(parts.validation.label, p),
        "validation_average_precision": average_precision(parts.validation.label, p),
    }
    return Trained(
        scorer, None, thresholds, parts, metrics, _facts(parts, until_us, champion.model, len(drawn), model.model_)
    )


def held_out(table: Table, seed: int = 0) -> BoolArray:
    """Return which events belong to the entities that are held out, shape (n,).

    Parameters
    ----------
    table
        The events.
    seed
        Same seed, same entities.

    Examples
    --------
    >>> n = 1_000
    >>> events = Table((), np.zeros((0, n)), np.arange(n), np.zeros(n), np.arange(n), np.ones(n), np.arange(n) // 2)
    >>> chosen = held_out(events)
    >>> bool((chosen[::2] == chosen[1::2]).all()), bool(0.1 < chosen.mean() < 0.3)
    (True, True)
    """
    return _fifth(table, seed, 0)


def judged_on(table: Table, seed: int = 0) -> BoolArray:
    """Return which events belong to the entities that champion and challenger are judged on, shape (n,).

    Parameters
    ----------
    table
        The events.
    seed
        Same seed, same entities, none of which `held_out` has.

    Examples
    --------
    >>> n = 1_000
    >>> events = Table((), np.zeros((0, n)), np.arange(n), np.zeros(n), np.arange(n), np.ones(n), np.arange(n))
    >>> bool((held_out(events) & judged_on(events)).any()), bool(0.1 < judged_on(events).mean() < 0.3)
    (False, True)
    """
    return _fifth(table, seed, 1)


def _fifth(table: Table, seed: int, which: int) -> BoolArray:
    entities = table.entity.astype(np.uint64, copy=False)
    mixed = (entities ^ np.uint64(seed)) * np.uint64(0x9E3779B97F4A7C15)
    chosen: BoolArray = (mixed >> np.uint64(33)) % np.uint64(HELD_OUT) == which
    return chosen


def _share_of(policy: Policy) -> Policy:
    """Return a policy with the capacity that falls to the events that are held out: a fifth, as of the entities."""
    if policy.capacity is None:
        return policy
    return replace(policy, capacity=Capacity(policy.capacity.alerts_per_day / HELD_OUT))


def _facts(parts: Parts, until_us: int, before: Forest, fitted: int, after: object) -> dict[str, str]:
    assert isinstance(after, Forest)  # what going on makes
    assert parts.validation is not None  # looked at before

    def words(part: Table) -> str:
        return f"{len(part):,} labelled events, {int(part.label.sum()):,} of them frauds known then"

    return {
        "Warm start": f"{before.trees} trees of the model that decides, {after.trees - before.trees} more",
        "Training part": f"{words(parts.train)}; {fitted:,} drawn to fit on",
        "Validation part": f"{words(parts.validation)}; of other entities at the same time",
        FITTED_UNTIL: datetime.fromtimestamp(until_us / 1e6, tz=UTC).isoformat(),
    }
