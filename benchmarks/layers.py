"""What each layer of a stack is worth on Sparkov's generated cards: quality, money and time of every part and of all.

Everything is trained by one `Stack`: its members are judged by themselves, its mixes for every set of layers, and the
whole as it is served, with later layers asked only where the first leaves a doubt. Nothing was chosen on the test part.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import micros
from adjudge.engine import compile
from adjudge.engine.layers import NOT_NEEDED, RAN, layers_of, take_part
from adjudge.errors import UnavailableError
from adjudge.learn.backfill import backfill
from adjudge.learn.bootstrap import intervals
from adjudge.learn.datasets import sparkov
from adjudge.learn.ranking import Ranking
from adjudge.learn.split import Parts, split_by_share
from adjudge.learn.train import SETTLED, thin, vocabulary_of
from adjudge.models import Categories, Isolation, Logistic, Net, SequenceNet, Stack, StackScorer, Trees
from adjudge.models.stack import Of
from adjudge.typing import AnyArray, CodeArray, FloatArray

STEPS = 8
"""Events of a customer that the sequence net reads."""

FPR = 0.01
"""Share of honest events that may be bothered."""

LOOKED_AT = 0.01
"""Share of events that somebody looks at, for the share of the frauds' money among them."""

QUICK_CUSTOMERS = 150
"""Customers of the quick run; the full one has all."""

ROWS = {True: 20_000, False: 120_000}
"""Most training rows, by whether it is quick; frauds are all among them, and others weigh more."""

TIMED_ROWS = 512
"""Rows of a timed batch."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return a row for every member, every set of layers and the stack as served, and which layer pays."""
    data = _data(quick, progress)
    X, y, names = data.drawn.T, data.label, data.names
    plain = tuple(n for n in names if "_last_" not in n)
    epochs = 4 if quick else 12
    stack = Stack(
        Of(Trees(n_trees=100 if quick else 400, depth=6, threads=1), features=plain),
        Of(Logistic(), features=plain),
        Of(Isolation(), features=plain),
        Of(Net(epochs=epochs), features=plain),
        SequenceNet(epochs=epochs),
        folds=2 if quick else 4,
    )
    began, told = time.perf_counter(), 0.0

    def hook(done: int, planned: int) -> None:
        nonlocal told
        if done / planned >= told:
            told += 0.1
            progress(f"trained {done / planned:.0%}")

    stack.fit(
        X, y, validation=data.validation, names=names, categories=data.categories, weight=data.weight, progress=hook
    )
    trained_s = time.perf_counter() - began
    result: dict[str, Any] = {
        "train_rows": len(y),
        "train_frauds": int(y.sum()),
        "test_rows": len(data.truth),
        "test_frauds": int(data.truth.sum()),
        "trained_s": round(trained_s, 1),
        "needed": list(stack.served().needed),
        "weights": {str(there): mix.weights.tolist() for there, mix in stack.served().mixes.items()},
    }
    result |= judged(data, stack, rounds=50 if quick else 200)
    progress("\n" + table(result))
    return result


@dataclass(frozen=True)
class Data:
    """What is trained on and what is judged.

    Parameters
    ----------
    names
        The features.
    drawn, label, weight
        Training rows (F, n), outcomes and weights.
    validation
        Rows (n, F) and outcomes.
    categories
        How texts become numbers.
    X, truth, amount, customer, settled
        The test: rows (F, n), outcomes, amounts, customers, and what rules settle.
    """

    names: tuple[str, ...]
    drawn: FloatArray
    label: FloatArray
    weight: FloatArray
    validation: tuple[FloatArray, FloatArray]
    categories: Categories
    X: FloatArray
    truth: FloatArray
    amount: FloatArray
    customer: AnyArray
    settled: AnyArray


def _data(quick: bool, progress: Callable[[str], None]) -> Data:
    folder = Path(os.environ.get("ADJUDGE_DATA", "")) / "fraud" / "sparkov_generated"
    if not os.environ.get("ADJUDGE_DATA") or not folder.is_dir():
        message = "Sparkov's transactions are not there: ADJUDGE_DATA must name a folder with fraud/sparkov_generated"
        raise UnavailableError(message)
    source = sparkov.DATASET.read(folder)
    frames, labels = dict(source.frames), dict(source.labels)
    if quick:
        few = frames["transaction"]["customer"].unique().sort().head(QUICK_CUSTOMERS)
        frames = {"transaction": frames["transaction"].filter(pl.col("customer").is_in(few.implode()))}
    customer, base = sparkov.Transaction.by("customer"), sparkov.system()
    deep = [customer.last_n("amount", STEPS), customer.since_last_n(STEPS)]
    plan = compile(replace(base, features=[*base.features, *deep]))
    made = backfill(plan, frames, labels).table
    progress(f"{len(made):,} events of {len(set(made.entity.tolist())):,} customers backfilled")
    gap = micros(base.label.delay) if base.label is not None else 0
    parts: Parts = split_by_share(int(made.ts.min()), int(made.ts.max()) + 1, gap_us=gap).parts(made, matures_us=gap)
    assert parts.validation is not None  # the split has one
    drawn, weight = thin(parts.train, ROWS[quick], 0)
    texts = {n: words for n, words in vocabulary_of(plan, frames).items() if words}
    names = tuple(n for n in made.names if n not in plan.categorical or n in texts)
    part = drawn.features(tuple(texts))
    secret = plan.stream(plan.decides).encoder.secret
    categories = Categories.fit(part.X.T, part.label, part.names, texts, secret=secret)
    later, test = parts.validation.features(names), parts.test
    return Data(
        names,
        drawn.features(names).X,
        drawn.label,
        weight,
        (later.X.T, later.label),
        categories,
        np.ascontiguousarray(test.features(names).X),
        test.label,
        test.amount,
        test.entity,
        test.extra[SETTLED],
    )


def judged(data: Data, stack: Stack, *, rounds: int) -> dict[str, Any]:
    """Return every part's figures with intervals over customers, and what each layer adds to the others."""
    served, rows = stack.served(), np.array([data.names.index(n) for n in stack.served().names])
    scores: dict[str, FloatArray] = {name: _alone(data, stack, name) for name in served.family_names}
    codes = {"every layer": np.full((len(served.layers), data.X.shape[1]), RAN, np.uint8)}
    for at, layer in enumerate(served.layers):
        codes[f"without {layer}"] = codes["every layer"].copy()
        codes[f"without {layer}"][at] = NOT_NEEDED
    said = [layer.part.score(data.X, layer.rows) for layer in layers_of(served, rows)]
    scores |= {name: served.combine(said, one).margin for name, one in codes.items()}
    scores["stack"], asked = _as_served(data, served, rows)
    figures = _Judge(data, {name: Ranking.of(data.truth, score) for name, score in scores.items()})
    found = intervals(figures, len(data.truth), entity=data.customer, rounds=rounds)
    times = _times(data, stack)
    lines = {
        name: {figure: _rounded(found[f"{name}/{figure}"]) for figure in ("ap", "recall", "value")}
        | {"us_a_row": times.get(name)}
        for name in scores
    }
    gains = {
        layer: {figure: _rounded(found[f"+{layer}/{figure}"]) for figure in ("ap", "value")} for layer in served.layers
    }
    return {
        "lines": lines,
        "gains": gains,
        "pays": {layer: gain["ap"][1] > 0 or gain["value"][1] > 0 for layer, gain in gains.items()},
        "asked": {layer: float((asked[at] == RAN).mean()) for at, layer in enumerate(served.layers)},
        "single_us": times["single"],
    }


@dataclass(frozen=True)
class _Judge:
    """The figures of all rankings as a function of weights, with what each layer adds to the others."""

    data: Data
    rankings: dict[str, Ranking]

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        result: dict[str, float] = {}
        for name, ranking in self.rankings.items():
            curve, money = ranking.curve(weight), ranking.curve(weight * self.data.amount)
            result[f"{name}/ap"] = curve.average_precision()
            result[f"{name}/recall"] = curve.recall_at_fpr(FPR)
            result[f"{name}/value"] = money.share_within(curve, LOOKED_AT * float(weight.sum()))
        for name in self.rankings:
            if name.startswith("without "):
                for figure in ("ap", "value"):
                    gain = result[f"every layer/{figure}"] - result[f"{name}/{figure}"]
                    result[f"+{name.removeprefix('without ')}/{figure}"] = gain
        return result


def _alone(data: Data, stack: Stack, name: str) -> FloatArray:
    fitted = stack.fitted_[name]
    columns = [data.names.index(n) for n in fitted.names_]
    return fitted.decision_function(data.X[columns].T)


def _as_served(data: Data, served: StackScorer, rows: AnyArray) -> tuple[FloatArray, CodeArray]:
    scores, codes = take_part(served, layers_of(served, rows), data.X, settled=lambda _: data.settled)
    return scores.p + 1e-9 * scores.margin, codes  # calibrated, so that sets of layers compare; ties by the margin


def _times(data: Data, stack: Stack) -> dict[str, float]:
    """Return microseconds a row in batches, and of a row alone through every layer; with contributions."""
    served, rows = stack.served(), np.array([data.names.index(n) for n in stack.served().names])
    some = np.ascontiguousarray(data.X[:, :TIMED_ROWS])
    one = np.ascontiguousarray(data.X[:, :1])
    found: dict[str, float] = {}
    for name, fitted in stack.fitted_.items():
        scorer, own = fitted.served(), np.array([data.names.index(n) for n in fitted.names_])
        found[name] = _fastest(lambda s=scorer, r=own: s.score(some, r)) / TIMED_ROWS  # type: ignore[misc]
    found["stack"] = _fastest(lambda: served.score(some, rows)) / TIMED_ROWS
    layers = layers_of(served, rows)
    codes = np.full((len(layers), TIMED_ROWS), RAN, np.uint8)

    def every(X: FloatArray) -> None:
        served.combine([layer.part.score(X, layer.rows) for layer in layers], codes[:, : X.shape[1]])

    found["every layer"] = _fastest(lambda: every(some)) / TIMED_ROWS
    found["single"] = _fastest(lambda: every(one))
    return {name: round(us, 1) for name, us in found.items()}


def _fastest(call: Callable[[], Any]) -> float:
    """Return microseconds of the fastest of some calls, the first of which may compile."""
    call()
    best = float("inf")
    for _ in range(7):
        began = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - began)
    return best * 1e6


def _rounded(interval: Any) -> list[float]:
    return [round(float(x), 4) for x in (interval.value, interval.low, interval.high)]


def table(result: dict[str, Any]) -> str:
    """Return the benefit of every part as a table in Markdown, and a sentence for each layer."""
    head = ["part", "average precision", f"recall at {FPR:.0%} false positives", f"value at {LOOKED_AT:.0%} looked at"]
    lines = ["| " + " | ".join([*head, "µs a row"]) + " |", "|---|---|---|---|---|"]
    for name, line in result["lines"].items():
        cells = ["{:.3f} ({:.3f} to {:.3f})".format(*line[figure]) for figure in ("ap", "recall", "value")]
        lines.append(
            "| " + " | ".join([name, *cells, "" if line["us_a_row"] is None else str(line["us_a_row"])]) + " |"
        )
    for layer, gain in result["gains"].items():
        verdict = "pays" if result["pays"][layer] else "does not pay here, and is better left out"
        ap, value = ("{:+.3f} ({:+.3f} to {:+.3f})".format(*gain[figure]) for figure in ("ap", "value"))
        lines.append(f"\nLayer {layer}: average precision {ap}, value {value}; {verdict}.")
    return "\n".join(lines)
