"""What a system would have done on events it has never seen: rules alone beside rules and model.

Definitions that the figures rest on:

- An *alert* is an event that is not passed at once, whatever then happens to it (verified, stepped up, reviewed,
  blocked). The *queue* is the number of alerts a day.
- The *loss* is the amount of the frauds without an alert.
- Both queues, both losses and both false positive rates are those of one operating point each: what the rules alone
  alert on, and what rules and model together alert on with thresholds set before the test began.
- *Precision at k* ranks all events of the test; k is the smaller of 1000 and half its frauds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
import numpy as np

from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import Interval, intervals
from adjudge.learn.curves import Curves, curves_of
from adjudge.learn.metrics import CardDays, brier, expected_calibration_error
from adjudge.learn.ranking import Ranking
from adjudge.learn.table import Table
from adjudge.typing import BoolArray, FloatArray, IntArray

DAY_US = 86_400_000_000
"""Microseconds of a day."""


@dataclass(frozen=True)
class Verdict:
    """What one way of deciding said about each event of the test.

    Parameters
    ----------
    alert
        Whether the event was not passed at once, shape (n,).
    rank
        Higher is more suspicious, shape (n,): a probability, or the confidence of the rule that fired, else
        0.
    """

    alert: BoolArray
    rank: FloatArray


@dataclass(frozen=True)
class Targets:
    """What somebody hoped for; the report says of each whether it was met.

    Parameters
    ----------
    loss, queue
        Change against rules alone, so -0.4 is forty percent less.
    false_positives
        Largest share of honest events with an alert.
    precision
        Least precision at k.
    p99_ms
        Longest 99th percentile of the time to answer.
    """

    loss: float = -0.40
    queue: float = -0.80
    false_positives: float = 0.02
    precision: float = 0.90
    p99_ms: float = 50.0


@dataclass(frozen=True)
class Settings:
    """How to judge.

    Parameters
    ----------
    targets
        What to hold the figures against.
    fpr
        False positive rate at which recall is read off.
    per_day
        Events and cards looked at a day, for the precision of daily lists.
    rounds
        Resamples behind the intervals; 0 for none.
    seed
        Same seed, same intervals.
    """

    targets: Targets = field(default_factory=Targets)
    fpr: float = 0.01
    per_day: int = 100
    rounds: int = 100
    seed: int = 0


class Line(msgspec.Struct, frozen=True):
    """One row of the headline table.

    Parameters
    ----------
    id
        Stable name.
    label
        What a person reads.
    unit
        ``share``, ``per_day``, ``money_per_day`` or ``ms``: of `rules` and `model`.
    rules, model
        The figure with rules alone and with rules and model.
    compared
        What is held against the target: the model's figure, or its change against rules alone.
    change
        Whether `compared` is that change.
    target
        None where nobody set one.
    better
        Which direction is good.
    definition
        One sentence.
    """

    id: str
    label: str
    unit: Literal["share", "per_day", "money_per_day", "ms"]
    rules: float | None
    model: float | None
    compared: Interval
    change: bool
    target: float | None
    better: Literal["lower", "higher"]
    definition: str

    @property
    def met(self) -> bool | None:
        """Whether the target was reached; None without a target or a figure."""
        if self.target is None or self.compared.value is None:
            return None
        if self.better == "lower":
            return self.compared.value <= self.target
        return self.compared.value >= self.target


class Ranker(msgspec.Struct, frozen=True):
    """How well one way of ranking orders the test.

    Parameters
    ----------
    name
        Such as ``rules``, ``logistic regression``, ``model``.
    figures
        Metric to interval: ``auc``, ``average_precision``, ``recall_at_fpr``, ``precision_at_k``,
        ``precision_per_day``, ``card_precision``, ``value_at_queue``.
    """

    name: str
    figures: dict[str, Interval]


class PatternRecall(msgspec.Struct, frozen=True):
    """How much of one kind of fraud gets an alert.

    Parameters
    ----------
    name
        The pattern.
    frauds, value
        How many, worth how much.
    rules, model
        Share of them with an alert, with Wilson intervals.
    """

    name: str
    frauds: int
    value: float
    rules: Interval
    model: Interval


class Evaluation(msgspec.Struct, frozen=True):
    """All figures of one test; goes to JSON and back with `msgspec.json`.

    Parameters
    ----------
    events, frauds, fraud_value, days, start_us, end_us
        What was judged.
    k
        The k of precision at k.
    fpr, per_day, rounds
        See `Settings`.
    lines
        The headline table.
    rankers
        Rules, baselines and model side by side.
    patterns
        By kind of fraud, most valuable first; empty where kinds are unknown.
    calibration_error, brier
        Of the model's probability.
    curves
        What the plots draw.
    """

    events: int
    frauds: int
    fraud_value: float
    days: float
    start_us: int
    end_us: int
    k: int
    fpr: float
    per_day: int
    rounds: int
    lines: tuple[Line, ...]
    rankers: tuple[Ranker, ...]
    patterns: tuple[PatternRecall, ...]
    calibration_error: float
    brier: float
    curves: Curves

    def line(self, id: str) -> Line:
        """Return one row of the headline table by its id; an unknown id raises `KeyError`."""
        for line in self.lines:
            if line.id == id:
                return line
        raise KeyError(id)

    def ranker(self, name: str) -> Ranker:
        """Return one ranking by its name; an unknown name raises `KeyError`."""
        for ranker in self.rankers:
            if ranker.name == name:
                return ranker
        raise KeyError(name)


def evaluate(
    test: Table,
    *,
    rules: Verdict,
    model: Verdict,
    baselines: Mapping[str, FloatArray] | None = None,
    pattern: str = "pattern",
    settings: Settings | None = None,
) -> Evaluation:
    """Judge rules alone against rules and model on the test part.

    Parameters
    ----------
    test
        Events with the labels as finally known; no label may be missing. What has no amount is worth nothing.
    rules, model
        What rules alone, and rules and model together, said. The model's rank is its calibrated probability.
    baselines
        Further rankings by name, such as a logistic regression.
    pattern
        Column of `Table.extra` with the kind of each fraud; ignored where the table has none.
    settings
        How to judge.

    Raises
    ------
    ShapeError
        If a verdict has another length than the test, or the test holds no fraud or nothing but fraud.
    """
    how = settings or Settings()
    test = replace(test, amount=np.nan_to_num(test.amount))
    y = test.label
    rows = len(test)
    for name, column in [("rules", rules.rank), ("model", model.rank), *(baselines or {}).items()]:
        if column.shape != (rows,):
            message = f"evaluate: {name} has {column.shape} ranks for {rows} events"
            raise ShapeError(message)
    frauds = int(y.sum())
    if not 0 < frauds < rows:
        message = f"evaluate: {frauds} frauds among {rows} events, nothing to judge"
        raise ShapeError(message)
    days = float(test.ts.max() - test.ts.min() + 1) / DAY_US
    k = max(1, min(1000, frauds // 2))
    scores = {"rules": rules.rank, **(baselines or {}), "model": model.rank}
    judge = _Judge(test, rules, model, scores, days, k, how)
    found = intervals(judge.figures, rows, entity=test.entity, rounds=how.rounds, seed=how.seed)
    return Evaluation(
        events=rows,
        frauds=frauds,
        fraud_value=float((y * test.amount).sum()),
        days=days,
        start_us=int(test.ts.min()),
        end_us=int(test.ts.max()) + 1,
        k=k,
        fpr=how.fpr,
        per_day=how.per_day,
        rounds=how.rounds,
        lines=_lines(found, how.targets, k),
        rankers=tuple(Ranker(name, _prefixed(found, name)) for name in scores),
        patterns=_patterns(test, rules, model, pattern),
        calibration_error=expected_calibration_error(y, model.rank, bins=20, equal="count"),
        brier=brier(y, model.rank),
        curves=curves_of(y, test.amount, scores, days),
    )


@dataclass(frozen=True)
class _Judge:
    """Everything about the test that does not change when its events are weighted anew."""

    test: Table
    rules: Verdict
    model: Verdict
    scores: Mapping[str, FloatArray]
    days: float
    k: int
    how: Settings
    rankings: dict[str, Ranking] = field(default_factory=dict)
    lists: dict[str, tuple[CardDays, CardDays]] = field(default_factory=dict)
    cards: IntArray = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def __post_init__(self) -> None:
        y, day = self.test.label, self.test.ts // DAY_US
        own = np.arange(len(self.test))
        for name, score in self.scores.items():
            self.rankings[name] = Ranking.of(y, score)
            single = CardDays.of(y, score, day, own)
            self.lists[name] = (single, CardDays.of(y, score, day, self.test.entity))
        first = np.unique(self.test.entity, return_index=True)[1]
        object.__setattr__(self, "cards", first.astype(np.int64))

    def figures(self, weight: FloatArray) -> dict[str, float]:
        """Return every metric for one weighting of the events."""
        result = self._operating("rules", self.rules.alert, weight)
        result |= self._operating("model", self.model.alert, weight)
        for name in ("loss", "queue"):
            before = result[f"rules.{name}"]
            result[f"change.{name}"] = result[f"model.{name}"] / before - 1 if before > 0 else np.nan
        queue = result["model.queue"] * self.days
        money = weight * self.test.amount
        for name, ranking in self.rankings.items():
            curve, worth = ranking.curve(weight), ranking.curve(money)
            single, cards = self.lists[name]
            result |= {
                f"{name}:auc": curve.auc(),
                f"{name}:average_precision": curve.average_precision(),
                f"{name}:recall_at_fpr": curve.recall_at_fpr(self.how.fpr),
                f"{name}:precision_at_k": curve.precision_at(self.k),
                f"{name}:precision_per_day": single.precision(self.how.per_day, weight),
                f"{name}:card_precision": cards.precision(self.how.per_day, weight[self.cards]),
                f"{name}:value_at_queue": worth.share_within(curve, queue),
            }
        return result

    def _operating(self, name: str, alert: BoolArray, weight: FloatArray) -> dict[str, float]:
        y, amount = self.test.label, self.test.amount
        fraud, honest = weight * y, weight * (1.0 - y)
        missed, at_stake = float((fraud * amount)[~alert].sum()), float((fraud * amount).sum())
        return {
            f"{name}.loss": missed / self.days,
            f"{name}.queue": float(weight[alert].sum()) / self.days,
            f"{name}.false_positives": float(honest[alert].sum()) / max(float(honest.sum()), 1.0),
            f"{name}.recall": float(fraud[alert].sum()) / max(float(fraud.sum()), 1.0),
            f"{name}.value": 1 - missed / at_stake if at_stake > 0 else np.nan,
        }


def _prefixed(found: Mapping[str, Interval], name: str) -> dict[str, Interval]:
    return {key.split(":")[1]: value for key, value in found.items() if key.startswith(f"{name}:")}


def _lines(found: Mapping[str, Interval], targets: Targets, k: int) -> tuple[Line, ...]:
    def line(
        id: str,
        label: str,
        unit: Literal["share", "per_day", "money_per_day"],
        better: Literal["lower", "higher"],
        definition: str,
        *,
        target: float | None = None,
        change: bool = False,
        key: str = "",
    ) -> Line:
        rules, model = (found[f"{who}:{key}" if key else f"{who}.{id}"] for who in ("rules", "model"))
        compared = found[f"change.{id}"] if change else model
        return Line(id, label, unit, rules.value, model.value, compared, change, target, better, definition)

    return (
        line(
            "loss", "Fraud loss", "money_per_day", "lower",
            "Amount of the frauds that pass without an alert, per day.",
            target=targets.loss, change=True,
        ),
        line(
            "false_positives", "False positives", "share", "lower",
            "Share of the honest events that get an alert.",
            target=targets.false_positives,
        ),
        line(
            "precision_at_k", f"Precision at the top {k}", "share", "higher",
            f"Share of frauds among the {k} most suspicious events of the whole test; "
            "k is the smaller of 1000 and half its frauds.",
            target=targets.precision, key="precision_at_k",
        ),
        line(
            "queue", "Review queue", "per_day", "lower",
            "Events per day that are not passed at once: verified, stepped up, reviewed or blocked.",
            target=targets.queue, change=True,
        ),
        line("recall", "Recall at the queue", "share", "higher", "Share of the frauds that get an alert."),
        line(
            "value", "Value caught at the queue", "share", "higher",
            "Share of the frauds' amount that gets an alert.",
        ),
    )  # fmt: skip


def _patterns(test: Table, rules: Verdict, model: Verdict, column: str) -> tuple[PatternRecall, ...]:
    if column not in test.extra:
        return ()
    kinds = test.extra[column]
    result = []
    for kind in np.unique(kinds[test.label == 1]):
        rows = (kinds == kind) & (test.label == 1)
        total = int(rows.sum())
        result.append(
            PatternRecall(
                str(kind) or "no pattern",
                total,
                float(test.amount[rows].sum()),
                wilson(int(rules.alert[rows].sum()), total),
                wilson(int(model.alert[rows].sum()), total),
            )
        )
    return tuple(sorted(result, key=lambda pattern: -pattern.value))


def wilson(hits: int, total: int, z: float = 1.96) -> Interval:
    """Return a share with Wilson's interval, which stays honest for small counts.

    Parameters
    ----------
    hits, total
        How many of how many.
    z
        Standard deviations to either side.

    References
    ----------
    Wilson (1927), Probable Inference, the Law of Succession, and Statistical Inference.

    Examples
    --------
    >>> found = wilson(5, 10)
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.5, 0.237, 0.763)
    """
    if total == 0:
        return Interval(None)
    share, spread = hits / total, z * z / total
    centre = (share + spread / 2) / (1 + spread)
    reach = z * ((share * (1 - share) / total + spread / (4 * total)) ** 0.5) / (1 + spread)
    return Interval(share, max(0.0, centre - reach), min(1.0, centre + reach))
