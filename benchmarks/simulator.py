"""The payments system on its simulated world: how much of what is reported can be found, and what nobody could find.

Trained by the product's own path on the first part of three months, with the labels that were known then; chosen and
calibrated on the second; judged on the last by what was reported in the end. Beside the models stands an oracle that
knows the generator's rates (`adjudge.systems.payments.simulate.oracle`), and beside the ask what nobody could reach.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import micros
from adjudge.engine import Plan, compile
from adjudge.learn.aligned import beside, table_of
from adjudge.learn.bootstrap import Interval, intervals
from adjudge.learn.ranking import Curve, Ranking
from adjudge.learn.split import split_by_share
from adjudge.learn.table import Table
from adjudge.learn.train import Fitted, fit, margins, probabilities, vocabulary_of
from adjudge.models import Isolation, Logistic, Net, SequenceNet, Stack, Trees
from adjudge.models.stack import Of
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Payment, payments
from adjudge.systems.payments.simulate import World, simulate
from adjudge.systems.payments.simulate.oracle import HIDDEN, chances
from adjudge.typing import AnyArray, BoolArray, FloatArray
from benchmarks._rings import recall_at

EVENTS, QUICK_EVENTS, SEED = 1_500_000, 40_000, 7
"""The simulator's default world, and a small one whose figures say that the benchmark runs and no more."""

PRECISION, RECALL, OF_ORACLE = 0.95, 0.90, 0.90
"""The ask: so precise at such a recall of what is reported; and the share of the oracle's average precision."""

POINTS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
"""Recalls at which precision is told."""

STEPS = 8
"""Payments of a customer that the sequence net reads."""

ROWS = {True: 6_000, False: 50_000}
"""Most training rows, by whether it is quick; frauds are all among them, and others weigh more."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return every model's figures, the oracle's, and what noise makes impossible.

    Parameters
    ----------
    quick
        A small world with more fraud; its figures say that the benchmark runs and no more.
    progress
        Where to say what is being done.
    """
    world = simulate(QUICK_EVENTS if quick else EVENTS, seed=SEED, fraud_share=0.02 if quick else 0.005)
    progress(f"{world.payments.height:,} payments simulated")
    data = data_of(world, progress)
    first, second, test = data.parts
    fitted = fit(
        data.plan, first, second, vocabulary=data.vocabulary, estimator=stack(data, quick=quick), rows=ROWS[quick],
        progress=_tenths(progress),
    )  # fmt: skip
    ahead = {name: Ranking.of(second.label, score) for name, score in scores_of(fitted, second).items()}
    result: dict[str, Any] = {
        "events": world.payments.height,
        "seed": SEED,
        "features": len(fitted.names),
        "train_rows": fitted.rows,
        "train_known_frauds": int(first.label.sum()),
        "validation_ap": {name: round(one.curve().average_precision(), 4) for name, one in ahead.items()},
    }
    result |= judged(test, scores_of(fitted, test), rounds=40 if quick else 200)
    progress("\n" + table_of_points(result))
    return result


@dataclass(frozen=True)
class Data:
    """What is trained on and what is judged.

    Parameters
    ----------
    plan
        The payments system with the steps that the sequence net reads.
    plain
        The features without those steps.
    parts
        Training, validation and test, each with the labels that were known at its time; the test has the oracle's
        probability (``chance``), the pattern and the truth beside its features.
    vocabulary
        The texts of the features that are texts.
    """

    plan: Plan
    plain: tuple[str, ...]
    parts: tuple[Table, Table, Table]
    vocabulary: Mapping[str, list[str]]


def data_of(world: World, progress: Callable[[str], None]) -> Data:
    """Fold a world through the payments system and cut it by time."""
    source, user = of_world(world), Payment.by("user")
    base = payments(lists=source.lists)
    plan = compile(replace(base, features=[*base.features, user.last_n("amount", STEPS), user.since_last_n(STEPS)]))
    made = table_of(plan, source, lambda what, done, of: None)
    chance = pl.DataFrame({"payment_id": world.truth["payment_id"], "chance": chances(world)})
    extra = {
        "chance": beside(plan, chance, "chance", made),
        "fraud": beside(plan, world.truth, "fraud", made),
        "kind": beside(plan, world.truth, "pattern", made, otherwise=""),
    }
    made = replace(made, extra={**made.extra, **extra})
    assert base.label is not None  # the payments system has one
    gap = micros(base.label.delay)
    parts = split_by_share(int(made.ts.min()), int(made.ts.max()) + 1, gap_us=gap).parts(made, matures_us=gap)
    assert parts.validation is not None  # the split has one
    progress(f"{len(plan.names)} features of every payment backfilled")
    texts = vocabulary_of(plan, source.frames)
    return Data(plan, compile(base).names, (parts.train, parts.validation, parts.test), texts)


def stack(data: Data, *, quick: bool) -> Stack:
    """Return the payments system's own model among others; all but the sequence net read what the system computes."""
    own, epochs = data.plan.system.model, 2 if quick else 6
    assert isinstance(own, Trees)
    trees = copy.copy(own)
    trees.threads, trees.n_trees = 1, 60 if quick else own.n_trees
    return Stack(
        Of(trees, features=data.plain),
        Of(Logistic(), features=data.plain),
        Of(Isolation(), features=data.plain),
        Of(Net(epochs=epochs), features=data.plain),
        SequenceNet(epochs=epochs),
        folds=2,
    )


def scores_of(fitted: Fitted, part: Table) -> dict[str, FloatArray]:
    """Return the ranking of every member and of the stack as it is served; ties of its calibration by the margin."""
    whole: Stack = fitted.estimator
    found = {}
    for name, member in whole.fitted_.items():
        found[name] = margins(member.served(), part)
    served = whole.served()
    return found | {"stack": probabilities(served, part) + 1e-9 * margins(served, part)}


def judged(test: Table, scores: Mapping[str, FloatArray], *, rounds: int) -> dict[str, Any]:
    """Return figures with intervals over customers, curves, recall by pattern, and what noise makes impossible.

    Parameters
    ----------
    test
        Labelled by what was reported in the end, with ``chance``, ``fraud`` and ``kind`` beside the features.
    scores
        Of every ranking.
    rounds
        Resamples behind the intervals.
    """
    y, every = test.label, {**scores, "oracle": test.extra["chance"]}
    rankings = {name: Ranking.of(y, score) for name, score in every.items()}
    found = intervals(lambda weight: _figures(rankings, weight), len(test), entity=test.entity, rounds=rounds)
    truth = test.extra["fraud"].astype(np.float64)
    kind, reported = test.extra["kind"], y == 1.0
    return {
        "test_payments": len(test),
        "reported": int(reported.sum()),
        "noise": noise_of(kind, reported),
        "ask": {"precision": PRECISION, "recall": RECALL, "of_oracle": OF_ORACLE},
        "lines": {
            name: {figure: _rounded(found[f"{name}/{figure}"]) for figure in _FIGURES}
            | {"ap_on_truth": round(Ranking.of(truth, every[name]).curve().average_precision(), 4)}
            for name in every
        },
        "points": {name: [round(precision_at(one.curve(), r), 4) for r in POINTS] for name, one in rankings.items()},
        "recalls": list(POINTS),
        "patterns": patterns_of(kind, reported, {n: s for n, s in every.items() if n in ("trees", "stack")}),
    }


_FIGURES = ("ap", "recall", "precision", "of_oracle")


def _figures(rankings: Mapping[str, Ranking], weight: FloatArray) -> dict[str, float]:
    found: dict[str, float] = {}
    curves = {name: ranking.curve(weight) for name, ranking in rankings.items()}
    best = curves["oracle"].average_precision()
    for name, curve in curves.items():
        ap = curve.average_precision()
        found |= {
            f"{name}/ap": ap,
            f"{name}/recall": recall_at(curve, PRECISION),
            f"{name}/precision": precision_at(curve, RECALL),
            f"{name}/of_oracle": ap / best,
        }
    return found


def precision_at(curve: Curve, recall: float) -> float:
    """Return the precision of the first cut that catches such a share of the positives.

    A cut in the middle of a tie takes its expected share of both.

    Examples
    --------
    The second of two positives stands fourth:

    >>> curve = Ranking.of([1, 0, 0, 1], [4, 3, 2, 1]).curve()
    >>> precision_at(curve, 0.5), precision_at(curve, 0.9)
    (1.0, 0.47368421052631576)
    """
    caught, seen = (np.concatenate([[0.0], one]) for one in (curve.caught, curve.caught + curve.bothered))
    wanted = recall * caught[-1]
    at = int(np.searchsorted(caught, wanted))
    share = (wanted - caught[at - 1]) / (caught[at] - caught[at - 1])
    return float(wanted / (seen[at - 1] + share * (seen[at] - seen[at - 1])))


def noise_of(kind: AnyArray, reported: BoolArray) -> dict[str, int]:
    """Return what stands between labels and truth: what looks honest, what is wrongly reported, what is never told.

    Parameters
    ----------
    kind
        The pattern of each payment, empty for honest ones.
    reported
        Whether it was reported.

    Examples
    --------
    >>> kind = np.array(["quiet", "quiet", "", "device_farm", "device_farm"])
    >>> set(noise_of(kind, np.array([True, False, True, True, False])).values())
    {1}
    """
    quiet, honest = kind == HIDDEN, kind == ""
    visible = ~quiet & ~honest
    return {
        "visible_reported": int((visible & reported).sum()),
        "looks_honest_reported": int((quiet & reported).sum()),
        "honest_reported": int((honest & reported).sum()),
        "visible_unreported": int((visible & ~reported).sum()),
        "looks_honest_unreported": int((quiet & ~reported).sum()),
    }


def patterns_of(kind: AnyArray, reported: BoolArray, scores: Mapping[str, FloatArray]) -> dict[str, dict[str, float]]:
    """Return by pattern how many were reported, and the share of those among as many at the top as were reported."""
    found: dict[str, dict[str, float]] = {}
    tops = {}
    for name, score in scores.items():
        tops[name] = np.zeros(len(score), np.bool_)
        tops[name][np.argsort(-score, kind="stable")[: int(reported.sum())]] = True
    for pattern in sorted({*kind[reported].tolist()}):
        mine = reported & (kind == pattern)
        found[pattern or "honest"] = {
            "reported": int(mine.sum()),
            **{name: round(float(top[mine].mean()), 4) for name, top in tops.items()},
        }
    return found


def table_of_points(result: Mapping[str, Any]) -> str:
    """Return the curves as a table in Markdown, a row for each ranking."""
    heads = ["ranking", "average precision", *(f"{r:.0%}" for r in result["recalls"])]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, points in result["points"].items():
        ap = "{:.3f} ({:.3f} to {:.3f})".format(*result["lines"][name]["ap"])
        lines.append("| " + " | ".join([name, ap, *(f"{p:.3f}" for p in points)]) + " |")
    return "\n".join(lines)


def _rounded(interval: Interval) -> list[float | None]:
    return [None if x is None else round(x, 4) for x in (interval.value, interval.low, interval.high)]


def _tenths(progress: Callable[[str], None]) -> Callable[[int, int], None]:
    """Return a hook that tells every tenth of what is done."""
    told = [0.0]

    def hook(done: int, planned: int) -> None:
        if done / planned >= told[0]:
            told[0] += 0.1
            progress(f"trained {done / planned:.0%}")

    return hook
