"""Layers: the parts that a decision can be made without, each of which may come late, be out of order, or fail.

What a layer says depends on the row alone. Whether it took part may depend on a clock or a failure; that stands as a
code beside each decision, and goes into a replay as the event itself does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from adjudge.engine.scorer import Layered, Part, Said, Scorer, Scores
from adjudge.errors import ScoreError
from adjudge.kernel import kernel
from adjudge.typing import BoolArray, CodeArray, FloatArray, IntArray

MODEL = "model"
"""Name of the only layer of a scorer without layers."""

TAKEN = ("ran", "skipped_late", "skipped_open", "failed", "not_needed")
"""How a layer may have taken part: its result counts; there was no time left; its breaker was open; it gave no result;
what came before it decides already. Records hold the position, so the order never changes."""

RAN, SKIPPED_LATE, SKIPPED_OPEN, FAILED, NOT_NEEDED = range(5)

LACKING = frozenset({SKIPPED_LATE, SKIPPED_OPEN, FAILED})
"""Codes of a layer that should have taken part and did not: the decision is degraded, and is made again later."""

Taken: TypeAlias = tuple[Said, CodeArray]
"""What a layer said, with nothing for the events it did not take part in, and how it took part in each."""

OnFailure: TypeAlias = Callable[[str, Exception], None]
"""Is told the layer and what it raised; the decision is made without it."""


def lacking(codes: CodeArray) -> BoolArray:
    """Return where a layer should have taken part and did not.

    Examples
    --------
    >>> lacking(np.array([RAN, SKIPPED_LATE, NOT_NEEDED], np.uint8)).tolist()
    [False, True, False]
    """
    found: BoolArray = (codes != RAN) & (codes != NOT_NEEDED)
    return found


@dataclass(frozen=True)
class Layer:
    """A part that a decision can be made without.

    Parameters
    ----------
    name
        What budgets, metrics and records call it.
    at
        Its place among the plan's layers.
    part
        What computes it.
    rows
        Rows of the feature matrix that it reads.
    """

    name: str
    at: int
    part: Part
    rows: IntArray

    def attempt(self, X: FloatArray) -> tuple[Said, BoolArray | None]:
        """Say something of n events, and of which of them it is of no use; None if all is sound.

        Raises
        ------
        ScoreError
            If the result is not of the promised shape. The part may raise anything else.
        """
        said = self.part.score(X, self.rows)
        return said, self.part.unusable(said, X.shape[1])


class Whole:
    """A scorer without layers of its own, as one layer: what that says is the score.

    Parameters
    ----------
    scorer
        The model.
    """

    layers = (MODEL,)

    def __init__(self, scorer: Scorer) -> None:
        self.scorer = scorer
        self.parts: tuple[tuple[Part, IntArray], ...] = ((self, np.arange(len(scorer.names))),)

    @property
    def names(self) -> tuple[str, ...]:
        """The features that the scorer reads."""
        return self.scorer.names

    @property
    def version(self) -> str:
        """The scorer's."""
        return self.scorer.version

    @property
    def top(self) -> int:
        """How many contributions the scorer returns a row."""
        return self.scorer.top

    @property
    def family_names(self) -> tuple[str, ...]:
        """Names of the scorer's families."""
        return self.scorer.family_names

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Score n events."""
        return self.scorer.score(X, rows)

    def needs(self, at: int, said: Sequence[Said], codes: CodeArray) -> BoolArray | None:
        """Return None: the only layer is always asked."""
        return None

    def combine(self, said: Sequence[Said], codes: CodeArray) -> Scores:
        """Return what the scorer said."""
        (scores,) = said
        assert isinstance(scores, Scores)  # this one's own part gave them
        return scores

    def unusable(self, said: Said, n: int) -> BoolArray | None:
        """Return which rows hold what is no probability, or no position of a feature; None if none does."""
        scores: Scores = said
        families, features, top = scores.families, len(self.scorer.names), self.scorer.top
        fits = scores.margin.shape == scores.p.shape == (n,)
        fits = fits and scores.top.shape == scores.top_value.shape == (n, top)
        if not fits or tuple(families) != self.scorer.family_names:
            message = f"the model was asked for {n} scores and gave something else"
            raise ScoreError(message)
        if _sound(scores.p, scores.top, features) and (not families or _all_sound(families)):
            return None
        bad: BoolArray = np.any((scores.top < -1) | (scores.top >= features), axis=1)
        for p in (scores.p, *families.values()):
            bad |= ~((p >= 0.0) & (p <= 1.0))
        return bad

    def missing(self, n: int) -> Scores:
        """Return what stands for the scores of n events that the model took no part in."""
        return Scores.missing(n, self.scorer.top, self.scorer.family_names)

    def take(self, said: Said, events: IntArray) -> Scores:
        """Return the scores of some events."""
        scores: Scores = said
        return scores.take(events)

    def spread(self, said: Said, places: IntArray, n: int) -> Scores:
        """Return scores of n events: those given at their places, and nothing elsewhere."""
        every, scores = self.missing(n), said
        every.margin[places], every.p[places] = scores.margin, scores.p
        every.top[places], every.top_value[places] = scores.top, scores.top_value
        for name, p in scores.families.items():
            every.families[name][places] = p
        return every

    def join(self, parts: Sequence[Said]) -> Scores:
        """Return the scores of consecutive events as one."""
        return Scores.join(parts)


def layered(scorer: Scorer) -> Layered:
    """Return a scorer in layers: itself, or as one layer if it has none of its own."""
    return scorer if isinstance(scorer, Layered) else Whole(scorer)


def layers_of(scorer: Layered, rows: IntArray) -> tuple[Layer, ...]:
    """Return the layers of a scorer.

    Parameters
    ----------
    scorer
        The model.
    rows
        Where in the feature matrix each of its names is.
    """
    parts = zip(scorer.layers, scorer.parts, strict=True)
    return tuple(Layer(name, at, part, rows[places]) for at, (name, (part, places)) in enumerate(parts))


class Guard(Protocol):
    """Lets the layers of a plan take part in one step, or not."""

    def part(self, first: int, last: int) -> Guard:
        """Return the guard of some of the step's events: from the first to one before the last."""
        ...

    def some(self, places: IntArray) -> Guard:
        """Return the guard of some of the step's events, by their places among them."""
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

    def some(self, places: IntArray) -> Guard:
        """Return this one, which is the same for all events."""
        return self

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what the layer says; what is of no use counts as failed."""
        said, bad = layer.attempt(X)
        return (said, everyone(RAN, X.shape[1])) if bad is None else _without(layer, said, bad)


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

    def some(self, places: IntArray) -> Guard:
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
            return layer.part.missing(n), everyone(skipped, n)
        found = self._attempt(layer, X)
        if found is None:
            if n > 1:
                return self._one_by_one(layer, X)
            self.ended(layer, sound=False)
            return layer.part.missing(1), everyone(FAILED, 1)
        said, bad = found
        if bad is None:
            self.ended(layer, sound=True)
            return said, everyone(RAN, n)
        message = f"the {layer.name} gave no usable score for {np.count_nonzero(bad)} of {n} events"
        self._on_failure(layer.name, ScoreError(message))
        self.ended(layer, sound=not bad.all())
        return _without(layer, said, bad)

    def _attempt(self, layer: Layer, X: FloatArray) -> tuple[Said, BoolArray | None] | None:
        try:
            return layer.attempt(X)
        except Exception as error:
            self._on_failure(layer.name, error)
            return None

    def _one_by_one(self, layer: Layer, X: FloatArray) -> Taken:
        found = [self.run(layer, np.ascontiguousarray(X[:, i : i + 1])) for i in range(X.shape[1])]
        return layer.part.join([said for said, _ in found]), np.concatenate([codes for _, codes in found])


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

    def some(self, places: IntArray) -> Guard:
        """Return the guard of some of the events, by their places."""
        return Replayed(self.codes[:, places], self.on_failure)

    def run(self, layer: Layer, X: FloatArray) -> Taken:
        """Return what the layer says of the events in which it took part then.

        Whoever asks it of an event that did not need it then has come to another result already: it runs, and the
        difference is seen.
        """
        then = self.codes[layer.at]
        ran = np.flatnonzero(~lacking(then))
        guarded = Guarded(self.on_failure)
        if len(ran) == len(then):
            return guarded.run(layer, X)
        if not len(ran):
            return layer.part.missing(len(then)), then
        said, now = guarded.run(layer, np.ascontiguousarray(X[:, ran]))
        codes = then.copy()
        codes[ran] = now
        return layer.part.spread(said, ran, len(then)), codes


def take_part(
    scorer: Layered,
    layers: Sequence[Layer],
    X: FloatArray,
    guard: Guard = UNGUARDED,
    *,
    settled: Callable[[FloatArray], BoolArray] | None = None,
) -> tuple[Scores, CodeArray]:
    """Ask the layers of a scorer one after the other, each for the events that need it.

    Parameters
    ----------
    scorer
        The model.
    layers
        Its layers, see `layers_of`.
    X
        The feature matrix.
    guard
        Lets each take part, or not.
    settled
        Returns which events are decided whatever a score may be; no layer after the first is asked about them. The
        first always is: every decision should have a probability, for those who monitor, compare and review.

    Returns
    -------
    tuple
        What they come to together, and how each took part in each event, shape (layers, n).
    """
    said, codes = guard.run(layers[0], X)
    if len(layers) == 1:
        codes = codes.reshape(1, -1)
        return scorer.combine((said,), codes), codes
    n = X.shape[1]
    every, told = np.full((len(layers), n), NOT_NEEDED, np.uint8), [said]
    every[0] = codes
    undecided = np.ones(n, np.bool_) if settled is None else ~settled(X)
    for layer in layers[1:]:
        needed = scorer.needs(layer.at, told, every[: layer.at])
        said, every[layer.at] = _asked(layer, X, undecided if needed is None else undecided & needed, guard)
        told.append(said)
    return scorer.combine(told, every), every


def _asked(layer: Layer, X: FloatArray, needed: BoolArray, guard: Guard) -> Taken:
    """Return what a layer says of the events that need it, and how it took part in each."""
    n, places = X.shape[1], np.flatnonzero(needed)
    if len(places) == n:
        return guard.run(layer, X)
    if not len(places):
        return layer.part.missing(n), everyone(NOT_NEEDED, n)
    said, some = guard.some(places).run(layer, np.ascontiguousarray(X[:, places]))
    codes = np.full(n, NOT_NEEDED, np.uint8)
    codes[places] = some
    return layer.part.spread(said, places, n), codes


@functools.lru_cache(maxsize=4096)
def everyone(code: int, n: int) -> CodeArray:
    """Return one code for each of n events; not to be written to."""
    codes = np.full(n, code, np.uint8)
    codes.flags.writeable = False
    return codes


_NO_TOP = np.empty((0, 0), np.int32)


def _all_sound(families: Mapping[str, FloatArray]) -> bool:
    return all(_sound(p, _NO_TOP, 0) for p in families.values())


def _without(layer: Layer, said: Said, bad: BoolArray) -> Taken:
    """Return what was said without what is of no use, which counts as failed."""
    good = np.flatnonzero(~bad)
    usable = layer.part.spread(layer.part.take(said, good), good, len(bad))
    return usable, np.where(bad, FAILED, RAN).astype(np.uint8)


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
