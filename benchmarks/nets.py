"""Nets, sequence nets, and what needs no labels on the handbook's cards, and whether they add anything to trees.

By the book's protocol: seven training days, four prequential test folds; settings are chosen on validation folds alone.
What learns without outcomes has its anchor in validation and is judged there too. The stack is trained on the same
seven days, its weights on what its members said of later ones of them; what it gains over trees is paired: the same
customers are drawn for both.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from adjudge.learn.ranking import Ranking
from adjudge.models import ModelScorer, Stack, StackScorer
from adjudge.models.calibrate import logistic_weights
from adjudge.models.raw import Model
from adjudge.models.sequence import CELLS
from adjudge.models.stack import Of
from adjudge.typing import FloatArray
from benchmarks import _handbook as hb
from benchmarks._lines import Ranked, judged
from benchmarks._nets import CONTENDERS, NAMES, Contender, Progress, Setting, choose, inputs
from benchmarks.layers import TIMED_ROWS, table

CHOOSING = (80, 59)
"""First days of the validation folds on which settings are chosen: two, for the sake of time."""

PUBLISHED = {"trees": 0.687, "net": 0.675, "lstm": 0.665, "isolation": 0.164, "autoencoder": 0.18}
"""The book's average precision of models of the kind: on its test folds, of the last two in validation."""

ANCHORS = ("isolation", "autoencoder")
"""What has its published figure in validation."""

MEMBERS = ("trees", "logistic", "isolation", "autoencoder", "net")
"""What the stack holds, beside the sequence net whose cell did best in validation."""

STACK_FOLDS = 2
"""Parts of the training week that the stack's members are judged on before its weights are fitted."""


@dataclass(frozen=True)
class Size:
    """How much a run takes.

    Parameters
    ----------
    tests, validations, choosing
        First days of the folds of each kind.
    seeds
        What every model is trained with.
    setting
        What every model is set to beside what was chosen.
    rounds
        Resamples behind an interval.
    """

    tests: Sequence[int] = hb.TESTS
    validations: Sequence[int] = hb.VALIDATIONS[:4]
    choosing: Sequence[int] = CHOOSING
    seeds: Sequence[int] = (0, 1, 2)
    setting: Mapping[str, Setting] | None = None
    rounds: int = 100


QUICK = Size(
    tests=hb.TESTS[-1:],
    validations=hb.VALIDATIONS[-1:],
    choosing=(),
    seeds=(0, 1),
    setting={
        "trees": {"n_trees": 50},
        "isolation": {"n_trees": 20},
        "autoencoder": {"epochs": 1},
        "net": {"hidden": (16,), "epochs": 2},
        **{cell: {"hidden": 4, "epochs": 1} for cell in CELLS},
    },
    rounds=20,
)
"""A minute's run: one fold, nothing chosen, small nets of few epochs."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the figures of every model and of the stack; `quick` takes one fold and trains little."""
    size = QUICK if quick else Size()
    data = hb.read(max(size.tests) + 3 * hb.WEEK - 1)
    progress(f"{len(data.day):,} transactions read")
    X = inputs(data)
    progress(f"{X.shape[1]} features of every transaction backfilled")
    return figures(data, X, progress, size)


def figures(data: hb.Cards, X: FloatArray, progress: Progress, size: Size) -> dict[str, Any]:
    """Return detection, time and worth of every model.

    Parameters
    ----------
    data, X
        The transactions, and what `benchmarks._nets.inputs` returned for them.
    progress
        Told of everything that is done.
    size
        How much is done.
    """
    settings, chosen = _settings(data, X, progress, size)
    folds = [hb.fold(data, start) for start in size.tests]
    best = max(CELLS, key=lambda cell: float(chosen[cell]["ap"]) if cell in chosen else 0.0)
    members = {name: {**settings[name], "seed": size.seeds[0]} for name in (*MEMBERS, best)}
    stacked = _stacked(data, X, members, folds, progress)
    ranked: Ranked = {}
    facts: dict[str, dict[str, Any]] = {"stack": stacked.facts}
    for name, contender in CONTENDERS.items():
        first = [[one] for one in stacked.alone.get(name, ())]  # with the first seed it was trained as a member
        seeds = size.seeds[1:] if first else size.seeds
        found, facts[name] = _ranked(data, X, contender, settings[name], folds, seeds)
        ranked[name] = [[*one, *more] for one, more in zip(first or [[]] * len(folds), found, strict=True)]
        ap = np.mean([[precision(data, fold, one) for one in of] for fold, of in zip(folds, ranked[name], strict=True)])
        took = f"trained in {facts[name]['train_cpu_s']:.1f} s, {facts[name]['us_a_row']} µs a row"
        progress(f"{name}: AP {ap:.3f}, {took}")
    ranked |= stacked.ranked
    result: dict[str, Any] = {"cell": best, "chosen": chosen, "weights": stacked.weights}
    result |= judged(data, ranked, folds, rounds=size.rounds)
    for name, line in result["lines"].items():
        line |= {"us_a_row": None, "published": None if name in ANCHORS else PUBLISHED.get(name)} | facts.get(name, {})
    result["validation"] = {
        name: _validated(data, X, CONTENDERS[name], settings[name], size) | {"published": PUBLISHED[name]}
        for name in ANCHORS
    }
    for name, one in result["validation"].items():
        progress(f"{name} in validation: AP {one['ap']:.3f} (published {one['published']})")
    progress("\n" + table(result))
    return result


def _settings(
    data: hb.Cards, X: FloatArray, progress: Progress, size: Size
) -> tuple[dict[str, Setting], dict[str, dict[str, Any]]]:
    """Return how every model is set, and what was tried to choose that."""
    folds = [hb.fold(data, start) for start in size.choosing]
    settings = {name: {**one.chosen, **(size.setting or {}).get(name, {})} for name, one in CONTENDERS.items()}
    chosen: dict[str, dict[str, Any]] = {}
    for name, one in CONTENDERS.items():
        if folds and one.tried:
            chosen[name] = choose(data, X, one, folds, progress)
            settings[name] = chosen[name]["setting"]
            progress(f"{name}: {chosen[name]['setting']} chosen")
    return dict(settings), chosen


def _ranked(
    data: hb.Cards,
    X: FloatArray,
    contender: Contender,
    setting: Setting,
    folds: Sequence[hb.Fold],
    seeds: Sequence[int],
) -> tuple[list[list[FloatArray]], dict[str, Any]]:
    """Train on every fold with every seed, and return the rankings of the tests, and what training and serving took."""
    found: list[list[FloatArray]] = []
    seconds: list[float] = []
    times: dict[str, float] = {}
    for fold in folds:
        margins = []
        for seed in seeds:
            began = time.process_time()
            fitted = contender.fit(X[fold.train], data.fraud[fold.train], {**setting, "seed": seed})
            seconds.append(time.process_time() - began)
            margins.append(contender.scores(fitted, X[fold.test]))
            times = times or _times(fitted.model_, X[:, contender.columns])
        found.append(margins)
    return found, {"setting": dict(setting), "train_cpu_s": round(float(np.mean(seconds)), 2), **times}


def _times(model: Model, X: FloatArray) -> dict[str, float]:
    """Return microseconds a row with its contributions, in a batch and alone, and in a batch without."""
    slots, places = np.ascontiguousarray(X[-TIMED_ROWS:].T), np.arange(X.shape[1])
    one = np.ascontiguousarray(slots[:, -1:])
    told, plain = ModelScorer(model), ModelScorer(model, top=0)
    found = {
        "us_a_row": fastest(lambda: told.score(slots, places)) / TIMED_ROWS,
        "us_plain": fastest(lambda: plain.score(slots, places)) / TIMED_ROWS,
        "us_single": fastest(lambda: told.score(one, places)),
    }
    return {name: round(us, 1) for name, us in found.items()}


def fastest(call: Callable[[], Any], turns: int = 15) -> float:
    """Return processor microseconds of the fastest of some calls, the first of which may compile."""
    call()
    took = []
    for _ in range(turns):
        began = time.thread_time()
        call()
        took.append(time.thread_time() - began)
    return min(took) * 1e6


@dataclass(frozen=True)
class Stacked:
    """What the stack came to on every fold.

    Parameters
    ----------
    ranked
        Rankings of the whole, without each layer, and without each member.
    alone
        Each member's ranking of the tests of every fold.
    weights
        Of each member on each fold.
    facts
        What training and serving took.
    """

    ranked: Ranked
    alone: dict[str, list[FloatArray]]
    weights: dict[str, list[float]]
    facts: dict[str, Any]


def _stacked(
    data: hb.Cards, X: FloatArray, settings: Mapping[str, Setting], folds: Sequence[hb.Fold], progress: Progress
) -> Stacked:
    """Train the stack on every fold, and rank the tests with all of it and without each part."""
    ranked: Ranked = {}
    alone: dict[str, list[FloatArray]] = {name: [] for name in settings}
    weights: dict[str, list[float]] = {name: [] for name in settings}
    seconds: list[float] = []
    times: dict[str, float] = {}
    for fold in folds:
        stack = Stack(
            *(Of(CONTENDERS[name].make(**one), name, "", CONTENDERS[name].features) for name, one in settings.items()),
            folds=STACK_FOLDS,
            calibration=None,
            sure=0.0,
        )
        train, y = X[fold.train], data.fraud[fold.train]
        began = time.process_time()
        stack.fit(train, y, names=NAMES)
        seconds.append(time.process_time() - began)
        said = np.stack([CONTENDERS[name].scores(one, X[fold.test]) for name, one in stack.fitted_.items()])
        for name, scores in zip(stack.fitted_, said, strict=True):
            alone[name].append(scores)
        for name, scores in _mixed(stack, said, y).items():
            ranked.setdefault(name, []).append([scores])
        whole = stack.served().mixes[2 ** len(stack.served().layers) - 1]
        for name, weight in zip(stack.fitted_, whole.weights.tolist(), strict=True):
            weights[name].append(round(weight, 4))
        times = times or _stack_times(stack.served(), X)
        ap = precision(data, fold, ranked["stack"][-1][0])
        progress(f"stack: AP {ap:.3f}, weights {', '.join(f'{name} {one[-1]:.2f}' for name, one in weights.items())}")
    return Stacked(ranked, alone, weights, {"train_cpu_s": round(float(np.mean(seconds)), 2), **times})


def _mixed(stack: Stack, said: FloatArray, y: FloatArray) -> dict[str, FloatArray]:
    """Return the margins of the stack, without each layer, and with weights as they would be without each member."""
    served = stack.served()
    full = 2 ** len(served.layers) - 1
    left = {"stack": full} | {f"without {layer}": full ^ 1 << at for at, layer in enumerate(served.layers)}
    mixes = {name: served.mixes[there] for name, there in left.items()}
    mixed = {name: mix.weights @ said + mix.intercept for name, mix in mixes.items()}
    ahead = stack.out_of_time_
    truth = y[len(y) - ahead.shape[1] :]
    for i, name in enumerate(stack.fitted_):
        rest = [at for at in range(len(ahead)) if at != i]
        start = np.append(np.full(len(rest), 1.0 / len(rest)), 0.0)
        of = logistic_weights(np.stack([*ahead[rest], np.ones(len(truth))], axis=1), truth, start, positive=len(rest))
        mixed[f"without {name}"] = of[:-1] @ said[rest] + of[-1]
    return mixed


def _stack_times(served: StackScorer, X: FloatArray) -> dict[str, float]:
    rows = np.array([NAMES.index(name) for name in served.names])
    slots = np.ascontiguousarray(X[-TIMED_ROWS:].T)
    one = np.ascontiguousarray(slots[:, -1:])
    batch = fastest(lambda: served.score(slots, rows)) / TIMED_ROWS
    return {"us_a_row": round(batch, 1), "us_single": round(fastest(lambda: served.score(one, rows)), 1)}


def precision(data: hb.Cards, fold: hb.Fold, score: FloatArray) -> float:
    """Return the average precision of a ranking of a fold's test rows."""
    return Ranking.of(data.fraud[fold.test], score).curve().average_precision()


def _validated(data: hb.Cards, X: FloatArray, contender: Contender, setting: Setting, size: Size) -> dict[str, Any]:
    """Return the figures on the validation folds, means over folds and seeds, and the AP of each seed."""
    folds = [hb.fold(data, start) for start in size.validations]
    found = _ranked(data, X, contender, setting, folds, size.seeds)[0]
    figures = [
        [hb.Figures.of(data, fold.test, one)(np.ones(len(fold.test))) for one in seeds]
        for fold, seeds in zip(folds, found, strict=True)
    ]
    mean = {name: float(np.mean([one[name] for seeds in figures for one in seeds])) for name in ("auc", "ap", "cp100")}
    by_seed = [float(np.mean([one["ap"] for one in seeds])) for seeds in zip(*figures, strict=True)]
    return {name: round(value, 4) for name, value in mean.items()} | {"seeds": [round(one, 4) for one in by_seed]}
