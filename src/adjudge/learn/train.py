"""From a table to a trained system: fit on the first part, calibrate and set thresholds on the second.

The third part is not looked at here; `judge` is for that, once. Rules alone and a logistic regression are
always there beside the model, because a booster that cannot beat them should not be served.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.define import Capacity, Policy, System
from adjudge.engine import Plan
from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError, ShapeError
from adjudge.learn.aligned import CHANCE
from adjudge.learn.curves import ORACLE
from adjudge.learn.evaluate import DAY_US, Evaluation, Settings, Verdict, evaluate
from adjudge.learn.metrics import auc, average_precision
from adjudge.learn.split import Parts, Split
from adjudge.learn.table import Table
from adjudge.learn.threshold import (
    UNREACHED,
    Treatment,
    threshold_from_capacity,
    threshold_from_costs,
    threshold_from_false_positives,
)
from adjudge.learn.unseen import SEEN, stands_for
from adjudge.models.categories import Categories
from adjudge.models.graph.refresh import refreshed
from adjudge.models.logistic import Logistic
from adjudge.models.past import Past
from adjudge.models.scorers import Served
from adjudge.models.stack import Stack, known_before
from adjudge.models.stacked import StackScorer
from adjudge.models.trees import Trees
from adjudge.typing import BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

RULES = "rules"
"""Column of a backfilled table: position in the policy's actions that rules alone come to."""

BESIDE = "rules_beside_model"
"""Column of a backfilled table: position that the rules still come to where a model sees no risk."""

SETTLED = "settled"
"""Column of a backfilled table: whether the rules decide whatever a score may be; only the first layer is asked."""

ROWS = 250_000
"""Most rows that the model is fitted on; all positives are kept, negatives drawn from weigh more."""

BASELINE_ROWS = 60_000
"""The same for the logistic regression."""

CHUNK = 32_768
"""Events scored at a time; never changes a result."""

FITTED_UNTIL = "Fitted on events until"
"""Fact of a training: the end of what model, calibration and thresholds were fitted on, ISO 8601 with offset."""

Progress = Callable[[int, int], None]
"""Called with rounds done and rounds in all."""


@dataclass(frozen=True)
class Trained:
    """A trained system, before it is judged.

    Parameters
    ----------
    scorer
        The served, calibrated model.
    baseline
        The logistic regression on the same features; None for a system that was read from a bundle.
    thresholds
        Value strictly above which an action is taken; empty where the policy decides otherwise.
    parts
        The tables that it was made from, and the test.
    metrics
        Of the model on the validation part.
    facts
        What a report says about the training, by name.
    """

    scorer: Served
    baseline: Served | None
    thresholds: Mapping[str, float]
    parts: Parts
    metrics: Mapping[str, float | None]
    facts: Mapping[str, str] = field(default_factory=dict)


def train(
    plan: Plan,
    table: Table,
    split: Split,
    *,
    vocabulary: Mapping[str, Sequence[str]] | None = None,
    estimator: Any = None,
    queue_share: float | None = None,
    rows: int = ROWS,
    seed: int = 0,
    past: Table | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Fit the system's model, its calibration and its thresholds, and the baseline.

    Parameters
    ----------
    plan
        The compiled system, without a model.
    table
        What a backfill gave.
    split
        Its three parts.
    vocabulary
        Texts that the categorical features may hold, see `vocabulary_of`; features without any are left out.
    estimator
        Instead of the system's own model, and of boosted trees where it names none.
    queue_share
        Instead of the policy's capacity: as many alerts a day as this share of what rules alone raise.
    rows
        Most rows to fit on.
    seed
        Of the draw of negatives.
    past
        All events, for estimators that look back on them: what was declined as well. The table itself if absent.
    progress
        Called after each round of boosting.

    Raises
    ------
    DefinitionError
        If the split has no validation part or the system no label.
    ShapeError
        If a part has no positives, or nothing but positives.
    """
    return train_on(
        plan,
        split.parts(table, matures_us=_microseconds(plan)),
        past=table if past is None else past,
        gap_us=split.gap_us,
        until_us=0 if split.validation is None else split.validation.end,
        vocabulary=vocabulary,
        estimator=estimator,
        queue_share=queue_share,
        rows=rows,
        seed=seed,
        progress=progress,
    )


def train_on(
    plan: Plan,
    parts: Parts,
    *,
    past: Table,
    gap_us: int,
    until_us: int,
    vocabulary: Mapping[str, Sequence[str]] | None = None,
    estimator: Any = None,
    queue_share: float | None = None,
    rows: int = ROWS,
    seed: int = 0,
    progress: Progress | None = None,
) -> Trained:
    """Do what `train` does with parts that are cut already.

    Parameters
    ----------
    plan, vocabulary, estimator, queue_share, rows, seed, progress
        See `train`.
    parts
        What is fitted on, what is calibrated on, and the test.
    past
        All events, for estimators that look back on them.
    gap_us
        Time left out between the parts.
    until_us
        End of the second part, microseconds UTC.

    Raises
    ------
    DefinitionError
        If there is no second part, or the system has no label.
    ShapeError
        If a part has no positives, or nothing but positives.
    """
    first, second = parts.train, parts.validation
    if second is None or plan.system.label is None:
        message = f"training {plan.system.name!r} needs a label and a split with a validation part"
        raise DefinitionError(message)
    for name, part in (("training", first), ("validation", second)):
        _check_both(name, part.label)
    fitted = fit(
        plan,
        first,
        second,
        vocabulary=vocabulary,
        estimator=estimator,
        rows=rows,
        seed=seed,
        past=past,
        progress=progress,
    )
    names, categories = tuple(n for n in fitted.names if n not in plan.asked), fitted.categories
    few, few_weight = thin(first, BASELINE_ROWS, seed)
    few_weight = _times(few_weight, few)
    few = few.features(names)
    logistic = Logistic(top=0).fit(few.X.T, few.label, names=names, categories=categories, weight=few_weight)
    scorer = refreshed(fitted.estimator.served(), int(past.ts[-1]) + 1)
    p = probabilities(scorer, second)
    policy = plan.policy if queue_share is None else _shared(plan.policy, second, queue_share)
    thresholds = thresholds_for(policy, second, p)
    return Trained(
        scorer,
        logistic.served(),
        thresholds,
        parts,
        {
            "validation_auc": auc(second.label, p, stands_for(second)),
            "validation_average_precision": average_precision(second.label, p, stands_for(second)),
        },
        _facts(parts, gap_us, until_us, fitted.rows, thresholds) | _chosen(fitted.estimator),
    )


@dataclass(frozen=True)
class Fitted:
    """An estimator that was fitted on one part of a table.

    Parameters
    ----------
    estimator
        The estimator.
    names
        The features that it reads.
    categories
        How texts became numbers.
    rows
        How many events it was fitted on.
    """

    estimator: Any
    names: tuple[str, ...]
    categories: Categories
    rows: int


def fit(
    plan: Plan,
    first: Table,
    second: Table,
    *,
    vocabulary: Mapping[str, Sequence[str]] | None = None,
    estimator: Any = None,
    rows: int = ROWS,
    seed: int = 0,
    past: Table | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a copy of an estimator on one part of a table, with a later one for early stopping and calibration.

    Parameters
    ----------
    plan
        The compiled system.
    first, second
        Labelled events to fit on, and later ones.
    vocabulary, estimator, rows, seed, progress
        See `train`.
    past
        All events, for estimators that look back on them; each sees of it what was known when it came.
    """
    drawn, weight = thin(first, rows, seed)
    weight = _times(weight, drawn)
    categories = _categories(plan, drawn, weight, vocabulary or {})
    plain = (n for n in plan.names if n not in plan.categorical or n in categories.texts)
    names = (*(n for n in plain if n not in plan.asked), *plan.asked)
    inputs, held_out = drawn.features(names), second.features(names)
    model = copy.deepcopy(estimator_of(plan.system) if estimator is None else estimator)
    if plan.asked and past is not None:
        model = model.looking_back(past_of(plan, past, categories))
    ahead = {"known": known_before(drawn.ts, _microseconds(plan))} if isinstance(model, Stack) else {}
    model.fit(
        inputs.X.T,
        inputs.label,
        validation=(held_out.X.T, held_out.label, stands_for(second)),
        names=names,
        categories=categories,
        weight=weight,
        progress=progress,
        **ahead,
    )
    return Fitted(model, names, categories, len(drawn))


def past_of(plan: Plan, table: Table, categories: Categories | None) -> Past:
    """Return what an estimator may look back on.

    Parameters
    ----------
    plan
        The compiled system.
    table
        All events, those that were declined among them: whoever decides looks back on them as well.
    categories
        How texts become numbers.
    """
    secret = plan.stream(plan.decides).encoder.secret
    ids, seen = np.zeros(len(table), np.uint64), table.extra.get(SEEN)
    if table.ids.shape[0] and table.ids.dtype == object:
        ids = hash_texts(secret, TEXT_TAG, table.ids.tolist())
    stopped = table.stopped if table.stopped.shape[0] else np.zeros(len(table), np.bool_)
    stopped = stopped if seen is None else stopped | (seen == 0)
    known = table.label, table.known_at
    return Past(table.names, table.X, table.ts, *known, ids, _microseconds(plan), categories, stopped)


def estimator_of(system: System) -> Any:
    """Return the system's own model, and boosted trees where it names none."""
    return Trees() if system.model is None else system.model


def judge(plan: Plan, trained: Trained, *, settings: Settings | None = None) -> Evaluation:
    """Judge a trained system on its test part, beside rules alone, the logistic regression and, if any, an oracle.

    Parameters
    ----------
    plan
        The system it was trained for.
    trained
        The outcome of training.
    settings
        How to judge.
    """
    test = trained.parts.test
    p = probabilities(trained.scorer, test)
    rules = test.extra[RULES].astype(np.float64)
    beside = {} if trained.baseline is None else {"logistic regression": margins(trained.baseline, test)}
    if CHANCE in test.extra:  # a simulation knows what nobody can beat
        beside[ORACLE] = test.extra[CHANCE]
    return evaluate(
        test,
        rules=Verdict(rules > 0, rules),
        model=Verdict(alerts(plan.policy, test, p, trained.thresholds), p),
        baselines=beside,
        settings=settings,
    )


def alerts(policy: Policy, table: Table, p: FloatArray, thresholds: Mapping[str, float]) -> BoolArray:
    """Return which events rules and score together do not pass at once.

    Parameters
    ----------
    policy
        The system's.
    table
        Events with the column `BESIDE`.
    p
        Their probabilities.
    thresholds
        From training; the policy's own come first.

    Raises
    ------
    DefinitionError
        If nothing says from which probability on an event is not passed.
    """
    beside: BoolArray = table.extra[BESIDE] > 0
    if policy.by_cost:
        return beside | _dear(policy, table.amount, p)
    if policy.bands:
        return beside | (np.floor(p * 100.0 + 0.5) > min(cut for _, cut in policy.cuts))
    cuts = dict(policy.cuts) or dict(thresholds)
    if not cuts:
        message = "policy: neither bands nor thresholds nor costs say which probability raises an alert"
        raise DefinitionError(message)
    return beside | (ranked(policy, table.amount, p) > min(cuts.values()))


def ranked(policy: Policy, amount: FloatArray, p: FloatArray) -> FloatArray:
    """Return what a policy compares its thresholds with: the probability, or the loss to expect.

    Parameters
    ----------
    policy
        The system's.
    amount
        What each event is worth.
    p
        Its probability.

    Examples
    --------
    >>> ranked(Policy(compare="loss"), np.array([200.0]), np.array([0.1])).tolist()
    [20.0]
    """
    return p * np.nan_to_num(amount) if policy.compare == "loss" else p


def thresholds_for(policy: Policy, table: Table, p: FloatArray) -> dict[str, float]:
    """Return the thresholds that a policy leaves to training.

    With a capacity, the queue is filled to it and no further, what rules alert on beside the model
    included; else the costs decide. A ceiling on false positives holds beside either, the honest events that rules
    alert on included. Blocking begins where it costs less than having somebody look. Where no score is worth an alert,
    the threshold is one that nothing is above.

    Parameters
    ----------
    policy
        The system's.
    table
        Events that the model was not fitted on, with labels and the column `BESIDE`; where others were declined, each
        counts for those it stands for.
    p
        Their calibrated probabilities.
    """
    if policy.bands or policy.thresholds or policy.by_cost:
        return {}
    stop = policy.actions[-1]
    middle = policy.review[0] if policy.review else None
    y, amount, value = table.label, table.amount, ranked(policy, table.amount, p)
    most, weight = 1.0 if policy.compare == "probability" else UNREACHED, stands_for(table)
    if policy.capacity is not None:
        days = _days(table)
        busy = table.extra[BESIDE] > 0
        left = max(policy.capacity.alerts_per_day - _per_day(busy, table), 0.0)
        free = None if weight is None else weight[~busy]
        lowest = float("inf") if busy.all() else threshold_from_capacity(value[~busy], days, left, weight=free)
    else:
        above: Treatment = "review" if middle else "block"
        lowest = threshold_from_costs(y, value, amount, policy.costs, above=above, weight=weight)
    if policy.false_positives is not None:
        lowest = max(lowest, _within_ceiling(policy.false_positives, table, value))
    lowest = min(lowest, most)
    if middle is None or middle == stop:
        return {stop: lowest}
    block = threshold_from_costs(y, value, amount, policy.costs, above="block", below="review", weight=weight)
    return {middle: lowest, stop: min(max(lowest, block), most)}


def importance(scorer: Served, table: Table, *, events: int = 4000) -> tuple[tuple[str, float], ...]:
    """Return each feature's share of the mean size of all contributions, largest first.

    Parameters
    ----------
    scorer
        The served model.
    table
        Events to explain; frauds and others alike, evenly over time.
    events
        At most so many.
    """
    step = max(1, len(table) // events)
    part = table.select(np.arange(0, len(table), step)).features(scorer.names)
    contributions, _ = scorer.contributions(np.ascontiguousarray(part.X), np.arange(len(part.names)))
    size = np.abs(contributions).mean(axis=0)
    share = size / max(float(size.sum()), 1e-300)
    order = np.argsort(-share, kind="stable")
    return tuple((scorer.names[i], float(share[i])) for i in order)


def sample(scorer: Served, table: Table, *, events: int = 1000) -> tuple[FloatArray, IntArray]:
    """Return a feature matrix for a bundle's checks, and the row of each of the scorer's names in it.

    Parameters
    ----------
    scorer
        The served model.
    table
        Events to choose from, evenly over time.
    events
        At most so many.
    """
    step = max(1, len(table) // events)
    part = table.select(np.arange(0, len(table), step)[:events]).features(scorer.names)
    return np.ascontiguousarray(part.X), np.arange(len(scorer.names))


def probabilities(scorer: Served, table: Table) -> FloatArray:
    """Return the calibrated probability of each event of a table, shape (n,)."""
    return _scored(scorer, table, "p")


def margins(scorer: Served, table: Table) -> FloatArray:
    """Return the raw log-odds of each event of a table, shape (n,): a ranking without calibration's ties."""
    return _scored(scorer, table, "margin")


def thin(table: Table, rows: int, seed: int) -> tuple[Table, FloatArray]:
    """Return at most so many events, all positives among them, with the weights that make up for it.

    Parameters
    ----------
    table
        Labelled events.
    rows
        How many to keep at most; never fewer than the positives and as many negatives.
    seed
        Of the draw.

    Examples
    --------
    Two positives stay, four of eight negatives stay and count double:

    >>> y = np.array([1.0, 1.0, 0, 0, 0, 0, 0, 0, 0, 0])
    >>> table = Table((), np.zeros((0, 10)), np.arange(10), y, np.arange(10), y, np.arange(10))
    >>> kept, weight = thin(table, 6, seed=0)
    >>> kept.label.sum(), len(kept), weight.tolist()
    (np.float64(2.0), 6, [1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    """
    positive = table.label == 1.0
    room = max(rows - int(positive.sum()), int(positive.sum()))
    others = np.flatnonzero(~positive)
    if len(others) <= room:
        return table, np.ones(len(table))
    chosen = np.random.default_rng(seed).choice(others, room, replace=False)
    kept = np.sort(np.concatenate([np.flatnonzero(positive), chosen]))
    weight = np.where(positive[kept], 1.0, len(others) / room)
    return table.select(kept), weight


def vocabulary_of(plan: Plan, frames: Mapping[str, pl.DataFrame]) -> dict[str, list[str]]:
    """Return the texts that the categorical features of a system may hold.

    Parameters
    ----------
    plan
        The compiled system.
    frames
        Tables of events by stream.
    """
    import polars as pl

    texts: set[str] = set()
    for stream, frame in frames.items():
        for column in plan.schema(stream):
            if column.role == "category" and column.name in frame.columns:
                texts |= set(frame[column.name].cast(pl.String).drop_nulls().unique().to_list())
    return {name: sorted(texts) for name in plan.names if name in plan.categorical}


def _days(table: Table) -> float:
    """Return how many days a table spans, at least one."""
    return max(float(table.ts.max() - table.ts.min() + 1) / DAY_US, 1.0)


def _times(weight: FloatArray, table: Table) -> FloatArray:
    """Return weights of events times how many others each one stands for because they were declined."""
    more = stands_for(table)
    return weight if more is None else weight * more


def _per_day(which: BoolArray, table: Table) -> float:
    """Return how many events a day some events stand for."""
    return float(_times(which.astype(np.float64), table).sum()) / _days(table)


def _within_ceiling(ceiling: float, table: Table, value: FloatArray) -> float:
    """Return the lowest threshold at which at most a share of the honest events get an alert, rules' included."""
    busy, honest, weight = table.extra[BESIDE] > 0, _times(1.0 - table.label, table), stands_for(table)
    left = ceiling * float(honest.sum()) - float(honest[busy].sum())
    free = float(honest[~busy].sum())
    if left < 0 or free == 0:
        return float("inf")
    stand = None if weight is None else weight[~busy]
    return threshold_from_false_positives(table.label[~busy], value[~busy], left / free, weight=stand)


def _shared(policy: Policy, table: Table, share: float) -> Policy:
    """Return a policy whose capacity is a share of the alerts that rules alone raise on a table."""
    return replace(policy, capacity=Capacity(max(share * _per_day(table.extra[RULES] > 0, table), 1e-9)))


def _microseconds(plan: Plan) -> int:
    label = plan.system.label
    return 0 if label is None else round(label.delay.total_seconds() * 1e6)


def _check_both(name: str, y: FloatArray) -> None:
    positives = int(y.sum())
    if not 0 < positives < len(y):
        message = f"the {name} part has {positives} positives among {len(y)} labelled events"
        raise ShapeError(message)


def _categories(plan: Plan, table: Table, weight: FloatArray, vocabulary: Mapping[str, Sequence[str]]) -> Categories:
    """Fit the numbers that stand for texts; drawn negatives stand for themselves, which keeps the order."""
    secret = plan.stream(plan.decides).encoder.secret
    texts = {name: words for name, words in vocabulary.items() if name in table.names}
    part = table.features(tuple(texts))
    return Categories.fit(part.X.T, part.label, part.names, texts, secret=secret)


def _dear(policy: Policy, amount: FloatArray, p: FloatArray) -> BoolArray:
    """Return where passing an event is not the cheapest, by the same terms as the engine's."""
    costs = policy.costs
    passing = p * costs.fraud_share * amount
    stopping = (1.0 - p) * (costs.insult + costs.insult_share * amount)
    if policy.review:
        looking = p * costs.fraud_share * (1.0 - costs.review_catches) * amount + costs.review
        stopping = np.minimum(stopping, looking)
    dear: BoolArray = stopping < passing
    return dear


def _scored(scorer: Served, table: Table, what: str) -> FloatArray:
    rows = np.array([table.names.index(name) for name in scorer.names], dtype=np.int64)
    result = np.empty(len(table))
    for start in range(0, len(table), CHUNK):
        part = slice(start, start + CHUNK)
        X = np.ascontiguousarray(table.X[:, part])
        if isinstance(scorer, StackScorer) and SETTLED in table.extra:
            scores = scorer.score(X, rows, table.extra[SETTLED][part])
        else:
            scores = scorer.score(X, rows)
        result[part] = getattr(scores, what)
    return result


def _facts(parts: Parts, gap_us: int, until_us: int, fitted: int, thresholds: Mapping[str, float]) -> dict[str, str]:
    def words(part: Table) -> str:
        return f"{len(part):,} labelled events, {int(part.label.sum()):,} of them frauds known then"

    facts = {
        "Training part": f"{words(parts.train)}; {fitted:,} drawn to fit on",
        "Left out for labels": f"{gap_us / DAY_US:g} days before and after validation",
    }
    if parts.validation is not None:
        facts["Validation part"] = words(parts.validation)
        facts[FITTED_UNTIL] = datetime.fromtimestamp(until_us / 1e6, tz=UTC).isoformat()
    if thresholds:
        facts["Thresholds"] = ", ".join(f"{name} above {cut:.4f}" for name, cut in thresholds.items())
    return facts


def _chosen(model: Any) -> dict[str, str]:
    """Return which library's trees are served and what each reached, or what the members of a stack weigh."""
    if isinstance(model, Stack):
        return _weighed(model.served())
    if not isinstance(model, Trees):
        return {}
    reached = ", ".join(f"{one.library} {one.ap:.4f} with {one.rounds} trees" for one in model.trained_)
    return {"Boosted trees": f"{model.chosen_.library}; average precision on validation: {reached}"}


def _weighed(stack: StackScorer) -> dict[str, str]:
    """Return the members of each layer with their weights where all layers take part, and who is asked further."""
    weights = stack.mixes[max(stack.mixes)].weights.tolist()
    members = list(zip(stack.members, weights, strict=True))
    layers = [
        f"{layer}: " + ", ".join(f"{member.name} {weight:.2f}" for member, weight in members if member.layer == layer)
        for layer in stack.layers
    ]
    low, high = stack.needed
    facts = {"Stack": f"weights of margins with every layer; {'; '.join(layers)}"}
    if len(layers) > 1:
        facts["Layers after the first"] = f"asked where the probability so far is from {low:.4g} to {high:.4g}"
    return facts
