"""Layers: the parts that a decision can be made without, each of which may come late, be out of order, or fail.

What a layer says depends on the row alone. Whether it took part may depend on a clock or a failure; that stands as a
code beside each decision, and goes into a replay as the event itself does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adjudge.engine.scorer import Scorer, Scores
from adjudge.errors import ScoreError
from adjudge.kernel import kernel
from adjudge.typing import BoolArray, CodeArray, FloatArray, IntArray

TAKEN = ("ran", "skipped_late", "skipped_open", "failed")
"""How a layer may have taken part: its result counts; there was no time left; its breaker was open; it gave no result.
Records hold the position, so the order never changes."""

RAN, SKIPPED_LATE, SKIPPED_OPEN, FAILED = range(4)

Taken: TypeAlias = tuple[Scores, CodeArray]
"""What a layer said, with nothing for the events it did not take part in, and how it took part in each."""

OnFailure: TypeAlias = Callable[[str, Exception], None]
"""Is told the layer and what it raised; the decision is made without it."""


@dataclass(frozen=True)
class Layer:
    """A part that a decision can be made without: a served model.

    Parameters
    ----------
    name
        What budgets, metrics and records call it.
    at
        Its place among the plan's layers.
    scorer
        The model.
    rows
        Rows of the feature matrix that it reads.
    """

    name: str
    at: int
    scorer: Scorer
    rows: IntArray

    def score(self, X: FloatArray) -> Scores:
        """Score n events.

        Raises
        ------
        ScoreError
            If the result is not of the promised shape. The scorer may raise anything else.
        """
        scorer, n = self.scorer, X.shape[1]
        scores = scorer.score(X, self.rows)
        fits = scores.margin.shape == scores.p.shape == (n,)
        fits = fits and scores.top.shape == scores.top_value.shape == (n, scorer.top)
        if not fits or tuple(scores.families) != scorer.family_names:
            message = f"the {self.name} was asked for {n} scores and gave something else"
            raise ScoreError(message)
        return scores

    def attempt(self, X: FloatArray) -> tuple[Scores, BoolArray | None]:
        """Score n events, and say which results are of no use; None if all are sound."""
        scores = self.score(X)
        features, families = len(self.scorer.names), scores.families
        if _sound(scores.p, scores.top, features) and (not families or _all_sound(families)):
            return scores, None
        bad: BoolArray = np.any((scores.top < -1) | (scores.top >= features), axis=1)
        for p in (scores.p, *families.values()):
            bad |= ~((p >= 0.0) & (p <= 1.0))
        return scores, bad

    def missing(self, n: int) -> Scores:
        """Return what stands for the scores of n events that the layer took no part in."""
        k = self.scorer.top
        families = {name: np.full(n, np.nan) for name in self.scorer.family_names}
        return Scores(np.full(n, np.nan), np.full(n, np.nan), np.full((n, k), -1, np.int32), np.zeros((n, k)), families)

    def spread(self, scores: Scores, places: IntArray, n: int) -> Scores:
        """Return scores of n events: those given at their places, and nothing elsewhere."""
        every = self.missing(n)
        every.margin[places], every.p[places] = scores.margin, scores.p
        every.top[places], every.top_value[places] = scores.top, scores.top_value
        for name, p in scores.families.items():
            every.families[name][places] = p
        return every


class Guard(Protocol):
    """Lets the layers of a plan take part in one step, or not."""

    def part(self, first: int, last: int) -> Guard:
        """Return the guard of some of the step's events: from the first to one before the last."""
        ...

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what a layer says of all events, and how it took part in each.

        Parameters
        ----------
        layer
            The layer whose turn it is.
        X
            The feature matrix with everything in it that stands before the layer.
        """
        ...


class Unguarded:
    """Runs every layer and lets through what it raises: where nobody waits, an error should stop the work."""

    def part(self, first: int, last: int) -> Guard:
        """Return this one, which is the same for all events."""
        return self

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what the layer says; what is no probability counts as failed."""
        scores, bad = layer.attempt(X)
        return (scores, everyone(RAN, len(scores))) if bad is None else _without(layer, scores, bad)


UNGUARDED = Unguarded()
"""The guard of a step that is given none."""


class Guarded:
    """Runs layers and goes on without one that fails, event by event: a batch that raises is run again one by one.

    Parameters
    ----------
    on_failure
        Is told of everything that a layer raised, and of results that are of no use.
    """

    def __init__(self, on_failure: OnFailure) -> None:
        self._on_failure = on_failure

    def part(self, first: int, last: int) -> Guard:
        """Return this one, which is the same for all events."""
        return self

    def begin(self, layer: Layer) -> int:
        """Return `RAN` if a layer may run now, else why it may not."""
        return RAN

    def ended(self, layer: Layer, *, sound: bool) -> None:
        """Learn that a layer has run, and whether anything of what it said can be used."""

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what the layer says of every event that it can say something of."""
        n = X.shape[1]
        skipped = self.begin(layer)
        if skipped:
            return layer.missing(n), everyone(skipped, n)
        found = self._attempt(layer, X)
        if found is None:
            if n > 1:
                return self._one_by_one(layer, X)
            self.ended(layer, sound=False)
            return layer.missing(1), everyone(FAILED, 1)
        scores, bad = found
        if bad is None:
            self.ended(layer, sound=True)
            return scores, everyone(RAN, n)
        message = f"the {layer.name} gave no usable score for {np.count_nonzero(bad)} of {n} events"
        self._on_failure(layer.name, ScoreError(message))
        self.ended(layer, sound=not bad.all())
        return _without(layer, scores, bad)

    def _attempt(self, layer: Layer, X: FloatArray) -> tuple[Scores, BoolArray | None] | None:
        try:
            return layer.attempt(X)
        except Exception as error:
            self._on_failure(layer.name, error)
            return None

    def _one_by_one(self, layer: Layer, X: FloatArray) -> Taken:
        found = [self.run(layer, np.ascontiguousarray(X[:, i : i + 1])) for i in range(X.shape[1])]
        return Scores.join([scores for scores, _ in found]), np.concatenate([codes for _, codes in found])


@dataclass(frozen=True)
class Replayed:
    """Lets each layer take part in each event as it did before; neither a clock nor a breaker is asked.

    Parameters
    ----------
    codes
        How each layer took part then, shape (layers, n).
    on_failure
        Is told of layers that ran then and fail now.
    """

    codes: CodeArray
    on_failure: OnFailure

    def part(self, first: int, last: int) -> Guard:
        """Return the guard of some of the events."""
        return Replayed(self.codes[:, first:last], self.on_failure)

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what the layer says of the events in which it took part then."""
        then = self.codes[layer.at]
        ran = np.flatnonzero(then == RAN)
        guarded = Guarded(self.on_failure)
        if len(ran) == len(then):
            return guarded.run(layer, X)
        if not len(ran):
            return layer.missing(len(then)), then
        scores, now = guarded.run(layer, np.ascontiguousarray(X[:, ran]))
        codes = then.copy()
        codes[ran] = now
        return layer.spread(scores, ran, len(then)), codes


@functools.lru_cache(maxsize=4096)
def everyone(code: int, n: int) -> CodeArray:
    """Return one code for each of n events; not to be written to."""
    codes = np.full(n, code, np.uint8)
    codes.flags.writeable = False
    return codes


_NO_TOP = np.empty((0, 0), np.int32)


def _all_sound(families: Mapping[str, FloatArray]) -> bool:
    return all(_sound(p, _NO_TOP, 0) for p in families.values())


def _without(layer: Layer, scores: Scores, bad: BoolArray) -> Taken:
    """Return scores without the bad ones, which count as failed."""
    good = np.flatnonzero(~bad)
    return layer.spread(scores.take(good), good, len(bad)), np.where(bad, FAILED, RAN).astype(np.uint8)


@kernel
def _sound(p: FloatArray, top: NDArray[np.int32], features: int) -> bool:
    """Return whether every value is a probability and every position that of a feature, or -1."""
    for i in range(p.shape[0]):
        if not 0.0 <= p[i] <= 1.0:
            return False
    for i in range(top.shape[0]):
        for k in range(top.shape[1]):
            if not -1 <= top[i, k] < features:
                return False
    return True
