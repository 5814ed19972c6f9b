"""What each layer of a stack is worth on Sparkov's generated cards: quality, money and time of every part and of all.

Everything is trained by one `Stack`: its members are judged by themselves, its mixes for every set of layers, and the
whole as it is served, with later layers asked only where the first leaves a doubt. Nothing was chosen on the test part.

In this edition frauds do not run through the categories of the calendar, which makes them easy to tell. So everything
is done twice: with all features, and with none that knows a category or a merchant, where parts can show what they add.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from adjudge.engine import compile
from adjudge.engine.layers import NOT_NEEDED, RAN, layers_of, take_part
from adjudge.learn.backfill import backfill
from adjudge.learn.bootstrap import intervals
from adjudge.learn.datasets import sparkov
from adjudge.learn.ranking import Ranking
from adjudge.learn.train import SETTLED, thin, vocabulary_of
from adjudge.models import Categories, Isolation, Logistic, Net, SequenceNet, Stack, StackScorer, Trees
from adjudge.models.calibrate import logistic_weights
from adjudge.models.sequence import find_steps
from adjudge.models.stack import Of, known_before
from adjudge.typing import AnyArray, FloatArray, IntArray
from benchmarks.sparkov import WEEK_US, folder, split_of

STEPS = 8
"""Events of a customer that the sequence net reads."""

FPR = 0.01
"""Share of honest events that may be bothered."""

FIGURES = ("ap", "recall", "value")
"""What is told of every part: average precision, recall at few false positives, and money among what is seen."""

LOOKED_AT = 0.01
"""Share of events that somebody looks at, for the share of the frauds' money among them."""

QUICK_CUSTOMERS = 100
"""Customers of the quick run; the full one has all."""

ROWS = {True: 15_000, False: 120_000}
"""Most training rows, by whether it is quick; frauds are all among them, and others weigh more."""

TIMED_ROWS = 512
"""Rows of a timed batch."""

CHUNK = 32_768
"""Rows judged at a time; never changes a result."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return a row for every member, every set of layers and the stack as served, and which layer pays."""
    data = _data(quick, progress)
    variants = {}
    for name, one in (("all", data), ("plain", data.without(of_categories))):
        began = time.process_time()
        stack = _trained(one, quick, lambda text, name=name: progress(f"{name}: {text}"))  # type: ignore[misc]
        trained_s = time.process_time() - began
        variants[name] = {
            "features": len(one.names),
            "trained_s": round(trained_s, 1),
            **judged(one, stack, rounds=30 if quick else 100),
        }
        progress(f"{name}:\n" + table(variants[name]))
    return {
        "train_rows": len(data.label),
        "train_frauds": int(data.label.sum()),
        "test_rows": len(data.truth),
        "test_frauds": int(data.truth.sum()),
        "variants": variants,
    }


def _trained(data: Data, quick: bool, progress: Callable[[str], None]) -> Stack:
    """Return the stack; each of its members is trained on what was known a week before the part it judges."""
    steps = set(chain.from_iterable(find_steps(data.names)))
    plain = tuple(n for n in data.names if n not in steps)
    epochs = 2 if quick else 8
    stack = Stack(
        Of(Trees(n_trees=60 if quick else 400, depth=6, threads=1), features=plain),
        Of(Logistic(), features=plain),
        Of(Isolation(), features=plain),
        Of(Net(epochs=epochs), features=plain),
        SequenceNet(epochs=epochs),
        sure=0.0,  # what a layer adds can be told only where it is on
    )
    told = 0.0

    def hook(done: int, planned: int) -> None:
        nonlocal told
        if done / planned >= told:
            told += 0.2
            progress(f"trained {done / planned:.0%}")

    return stack.fit(
        data.drawn.T,
        data.label,
        validation=data.validation,
        names=data.names,
        categories=data.categories,
        weight=data.weight,
        progress=hook,
        known=data.known,
    )


@dataclass(frozen=True)
class Data:
    """What is trained on and what is judged.

    Parameters
    ----------
    names
        The features.
    drawn, label, weight
        Training rows (F, n), outcomes and weights.
    known
        For each of them how many of the first ones had a known outcome when it came.
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
    known: IntArray
    validation: tuple[FloatArray, FloatArray]
    categories: Categories
    X: FloatArray
    truth: FloatArray
    amount: FloatArray
    customer: AnyArray
    settled: AnyArray

    def without(self, left_out: Callable[[str], bool]) -> Data:
        """Return the same without the features whose name is left out."""
        kept = [place for place, name in enumerate(self.names) if not left_out(name)]
        names = tuple(self.names[place] for place in kept)
        texts = {name: words for name, words in self.categories.texts.items() if name in names}
        return replace(
            self,
            names=names,
            drawn=np.ascontiguousarray(self.drawn[kept]),
            validation=(np.ascontiguousarray(self.validation[0][:, kept]), self.validation[1]),
            categories=Categories(texts, self.categories.secret),
            X=np.ascontiguousarray(self.X[kept]),
        )


def of_categories(name: str) -> bool:
    """Return whether a feature compares categories, or a merchant, who has one."""
    return "category" in name or name.startswith(("usual_", "merchant_"))


def _data(quick: bool, progress: Callable[[str], None]) -> Data:
    source, base = sparkov.read(folder()), sparkov.system()
    frames, labels = dict(source.frames), dict(source.labels)
    if quick:
        few = frames["transaction"]["customer"].unique().sort().head(QUICK_CUSTOMERS)
        frames = {"transaction": frames["transaction"].filter(pl.col("customer").is_in(few.implode()))}
    customer = sparkov.Transaction.by("customer")
    last = [customer.last_n("amount", STEPS), customer.since_last_n(STEPS)]
    plan = compile(replace(base, features=[*base.features, *last]))
    made = backfill(plan, frames, labels).table
    progress(f"{len(made):,} events of {len(set(made.entity.tolist())):,} customers backfilled")
    parts = split_of(made).parts(made, matures_us=WEEK_US)
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
        known_before(drawn.ts, WEEK_US),
        (later.X.T, later.label),
        categories,
        np.ascontiguousarray(test.features(names).X),
        test.label,
        test.amount,
        test.entity,
        test.extra[SETTLED],
    )


def judged(data: Data, stack: Stack, *, rounds: int) -> dict[str, Any]:
    """Return every part's figures with intervals over customers, and what each layer and member adds to the others."""
    served = stack.served()
    scores, asked = _scores(data, stack)
    judge = _Judge(data, {name: Ranking.of(data.truth, score) for name, score in scores.items()}, served.family_names)
    found = intervals(judge, len(data.truth), entity=data.customer, rounds=rounds)
    times = _times(data, stack)
    lines = {
        name: {figure: _rounded(found[f"{name}/{figure}"]) for figure in FIGURES} | {"us_a_row": times.get(name)}
        for name in scores
    }
    gains = {
        part: {figure: _rounded(found[f"+{part}/{figure}"]) for figure in FIGURES}
        for part in (*served.layers, *served.family_names)
    }
    return {
        "lines": lines,
        "gains": {layer: gains[layer] for layer in served.layers},
        "members": {name: gains[name] | said for name, said in _ahead(data, stack).items()},
        "over": {
            name: {figure: _rounded(found[f"stack-{name}/{figure}"]) for figure in FIGURES}
            for name in served.family_names
        },
        "pays": {part: gain["ap"][1] > 0 or gain["value"][1] > 0 for part, gain in gains.items()},
        "asked": asked,
        "needed": list(served.needed),
        "helps": stack.helps_,
        "single_us": times["single"],
    }


def _scores(data: Data, stack: Stack) -> tuple[dict[str, FloatArray], dict[str, float]]:
    """Return the rankings of all members, mixes and the stack as served, and how often each layer was asked."""
    served, rows = stack.served(), np.array([data.names.index(n) for n in stack.served().names])
    layers, fewer = layers_of(served, rows), _without_member(data, stack)
    parts: dict[str, list[FloatArray]] = {name: [] for name in served.family_names}
    ran = np.zeros(len(layers))
    for start in range(0, data.X.shape[1], CHUNK):
        X = np.ascontiguousarray(data.X[:, start : start + CHUNK])
        said = [layer.part.score(X, layer.rows) for layer in layers]
        margins = np.concatenate(
            [one[:, : _members(served, layer.name)] for one, layer in zip(said, layers, strict=True)], axis=1
        )
        for name, margin in zip(served.family_names, margins.T, strict=True):
            parts[name].append(margin)
        codes = np.full((len(layers), X.shape[1]), RAN, np.uint8)
        parts.setdefault("every layer", []).append(served.combine(said, codes).margin)
        for at, layer in enumerate(layers):
            some = codes.copy()
            some[at] = NOT_NEEDED
            parts.setdefault(f"without {layer.name}", []).append(served.combine(said, some).margin)
        for name, weights in fewer.items():
            parts.setdefault(f"without {name}", []).append(margins @ weights)
        settled = data.settled[start : start + CHUNK]
        scores, took = take_part(served, layers, X, settled=lambda _, known=settled: known)  # type: ignore[misc]
        # calibrated, so that sets of layers compare; ties by the margin
        parts.setdefault("stack", []).append(scores.p + 1e-9 * scores.margin)
        ran += (took == RAN).sum(axis=1)
    asked = {layer.name: float(count / data.X.shape[1]) for layer, count in zip(layers, ran, strict=True)}
    return {name: np.concatenate(several) for name, several in parts.items()}, asked


def _members(served: StackScorer, layer: str) -> int:
    return sum(member.layer == layer for member in served.members)


def _without_member(data: Data, stack: Stack) -> dict[str, FloatArray]:
    """Return for each member the weights that the others have without it, 0 for itself."""
    ahead, count = stack.out_of_time_, stack.out_of_time_.shape[1]
    found = {}
    for i, name in enumerate(stack.fitted_):
        rest = np.flatnonzero(np.arange(len(ahead)) != i)
        columns = np.stack([*ahead[rest], np.ones(count)], axis=1)
        start = np.append(np.full(len(rest), 1.0 / len(rest)), 0.0)
        fitted = logistic_weights(columns, data.label[-count:], start, positive=len(rest), rows=data.weight[-count:])
        found[name] = np.zeros(len(ahead))
        found[name][rest] = fitted[:-1]
    return found


def _ahead(data: Data, stack: Stack) -> dict[str, dict[str, float]]:
    """Return for each member its weight, how far its margins ahead of time spread, and how well they rank.

    A margin of one kind spreads more than that of another, so a weight alone says little: what moves the score is
    weight times spread.
    """
    served, ahead, count = stack.served(), stack.out_of_time_, stack.out_of_time_.shape[1]
    label, weight = data.label[-count:], data.weight[-count:]
    whole = served.mixes[2 ** len(served.layers) - 1].weights
    found = {}
    for name, mine, margin in zip(served.family_names, whole, ahead, strict=True):
        mean = np.average(margin, weights=weight)
        spread = float(np.sqrt(np.average((margin - mean) ** 2, weights=weight)))
        ap = Ranking.of(label, margin).curve(weight).average_precision()
        found[name] = {
            "weight": round(float(mine), 4),
            "spread": round(spread, 4),
            "moves": round(float(mine) * spread, 4),
            "ap_ahead": round(float(ap), 4),
        }
    return found


@dataclass(frozen=True)
class _Judge:
    """The figures of all rankings as a function of weights, with what each part adds to the others."""

    data: Data
    rankings: dict[str, Ranking]
    members: tuple[str, ...]

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        result: dict[str, float] = {}
        for name, ranking in self.rankings.items():
            curve, money = ranking.curve(weight), ranking.curve(weight * self.data.amount)
            result[f"{name}/ap"] = curve.average_precision()
            result[f"{name}/recall"] = curve.recall_at_fpr(FPR)
            result[f"{name}/value"] = money.share_within(curve, LOOKED_AT * float(weight.sum()))
        for figure in FIGURES:
            every, served = result[f"every layer/{figure}"], result[f"stack/{figure}"]
            for name in self.rankings:
                if name.startswith("without "):
                    result[f"+{name.removeprefix('without ')}/{figure}"] = every - result[f"{name}/{figure}"]
            for name in self.members:
                result[f"stack-{name}/{figure}"] = served - result[f"{name}/{figure}"]
        return result


def _times(data: Data, stack: Stack) -> dict[str, float]:
    """Return microseconds of the processor a row in batches, and of a row alone through every layer; with reasons."""
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
    """Return microseconds of the processor of the fastest of some calls, the first of which may compile."""
    call()
    best = float("inf")
    for _ in range(15):
        began = time.process_time()
        call()
        best = min(best, time.process_time() - began)
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
        verdict = "pays" if result["pays"][layer] else "does not pay here, and a stack has it off"
        ap, value = ("{:+.3f} ({:+.3f} to {:+.3f})".format(*gain[figure]) for figure in ("ap", "value"))
        lines.append(f"\nLayer {layer}: average precision {ap}, value {value}; {verdict}.")
    return "\n".join(lines)
