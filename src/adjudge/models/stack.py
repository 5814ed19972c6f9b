"""A stack: several models in layers, weighed by what each said of rows that came after those it was trained on.

In-sample margins would make the most overfitted member the heaviest. So the training rows, which are in order of time,
are cut into parts: members trained on all that was known before a part judge it, and a logistic regression without
negative weights is fitted on those judgements, one for every set of layers that may be there. Members are then trained
on all rows, and each mix is calibrated on the validation rows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, ShapeError, did_you_mean
from adjudge.models.calibrate import Platt, logistic_weights
from adjudge.models.categories import Categories
from adjudge.models.estimator import (
    Answering,
    Estimator,
    Parameters,
    Progress,
    Validation,
    fit_calibrator,
    later_rows,
    reading,
)
from adjudge.models.past import Past
from adjudge.models.search import Trial, search_inside
from adjudge.models.stacked import LAYERS, Member, Mix, StackScorer, layer_called
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.define import Schema

HELD_OUT = 5
"""One in so many of the positives before a fold, the latest, stops the fold's members early."""

NOTHING = 1e-5
"""A weight below it is none."""


@dataclass(frozen=True)
class Of:
    """A member that reads some features only, or has a name or layer of its own.

    Parameters
    ----------
    estimator
        What trains it.
    name
        Its stable name; of its class, if empty.
    layer
        Its layer; the class's ``layer``, else ``fast``, if empty.
    features
        What it reads; every feature, if empty. Fields that the estimator names itself, such as keys, come with it.
    """

    estimator: Estimator
    name: str = ""
    layer: str = ""
    features: Sequence[str] = ()


class Stack(Answering):
    """Several estimators in layers, and one calibrated score from those that took part.

    Parameters
    ----------
    members
        Estimators, pairs of a name and an estimator, or `Of`. A member's name is that of its class in lower case,
        ``trees``; a second one is ``trees_2``.
    layers
        The layer of a member by its name, where it is not what its class says: ``fast``, ``deep`` or ``graph``.
    folds
        Parts of the training rows that are judged by members trained on what came before. One, late, is as close to the
        members that will serve as can be: those of early parts were trained on little, and their margins are of
        another scale.
    before
        Share of the positives that come before the first part; None: three quarters before a single part, and before
        several as many as in each.
    needed
        Between which probabilities of the layers before, both included, the next one is asked; or the share of the
        positives in validation that may be passed without it: the lower bound is set so, and there is no upper one.
    calibration
        Of every mix, on the validation rows: a name as in `Trees`; None, or no validation rows: none.
    sure
        How sure it must be that a layer after the first pays: in this share of draws of the rows that were judged ahead
        the mix has to rank better with it than without. A layer that does not is off, and stands by for when the others
        fail; 0 leaves every layer on. ``helps_`` tells the shares.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    Training costs three quarters more than that of the members; with several parts, half as often more as there are.

    Examples
    --------
    >>> from adjudge.models.logistic import Logistic
    >>> from adjudge.models.trees import Trees
    >>> X = np.random.default_rng(0).normal(size=(600, 2))
    >>> stack = Stack(Trees(n_trees=5, depth=2, threads=1), Logistic(bins=4), layers={"logistic": "deep"}, folds=2)
    >>> served = stack.fit(X, X.sum(axis=1) > 1, names=["a", "b"]).served()
    >>> served.layers, served.family_names
    (('fast', 'deep'), ('trees', 'logistic'))
    """

    def __init__(
        self,
        *members: Estimator | tuple[str, Estimator] | Of,
        layers: Mapping[str, str] | None = None,
        folds: int = 1,
        before: float | None = None,
        needed: float | tuple[float, float] = 0.01,
        calibration: str | None = "isotonic",
        sure: float = 0.9,
        top: int = TOP,
    ) -> None:
        self.members = members
        self.layers = layers
        self.folds = folds
        self.before = before
        self.needed = needed
        self.calibration = calibration
        self.sure = sure
        self.top = top

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of the event that members read as they are, beside features."""
        return tuple(dict.fromkeys(name for of in self._of() for name in of.estimator.fields))

    def fields_of(self, schema: Schema) -> tuple[str, ...]:
        """Return `fields` after looking for them in the stream that is decided."""
        return tuple(dict.fromkeys(name for of in self._of() for name in of.estimator.fields_of(schema)))

    def looking_back(self, past: Past) -> Self:
        """Return a copy whose members may look back on a past when they are fitted."""
        copied = copy.deepcopy(self)
        copied.members = tuple(replace(of, estimator=of.estimator.looking_back(past)) for of in self._of())
        return copied

    def fit(
        self,
        X: FloatArray,
        y: FloatArray,
        *,
        validation: Validation | None = None,
        names: Sequence[str] | None = None,
        categories: Categories | None = None,
        weight: FloatArray | None = None,
        progress: Progress | None = None,
        known: IntArray | None = None,
    ) -> Self:
        """Train on rows X (n, F) in order of time with outcomes y (0 or 1), and return the estimator.

        Parameters
        ----------
        X, y
            The training rows, earliest first; NaN means missing.
        validation
            Later rows and outcomes: for early stopping, for calibration, and for the lower bound of `needed`.
        names
            The features; ``f0``, ``f1``, ... unless given.
        categories
            How texts become numbers; `X` then holds hashes in those columns.
        weight
            A weight for each training row.
        progress
            Called while members are trained, with what is done and what is planned.
        known
            For each row, of how many of the first rows the outcome was known when it came (`known_before`); of all rows
            before it, unless given. Members that judge a part are trained on those alone.

        Raises
        ------
        DefinitionError
            If members, layers or features do not fit together.
        ShapeError
            If there are too few positives for the folds.
        """
        X, y = np.asarray(X, dtype=np.float64), np.asarray(y, dtype=np.float64)
        self.names_ = tuple(names) if names is not None else tuple(f"f{i}" for i in range(X.shape[1]))
        self.categories_, self.classes_ = categories, np.array([0, 1])
        self.members_ = self._named()
        cuts = enough_known(fold_cuts(y, self.folds, self._first_share()), y, known)
        rounds = _Rounds(progress, len(self.members_) * len(cuts))
        ahead = np.concatenate(
            [self._judged(X, y, weight, known, (first, last), rounds) for first, last in pairwise(cuts)], axis=1
        )
        rest = slice(cuts[0], None)
        self.out_of_time_ = ahead
        self.fitted_ = {
            name: self._fit(of, X, y, weight, validation, rounds.next()) for name, of in self.members_.items()
        }
        rows = None if weight is None else np.asarray(weight)[rest]
        weights = self._paying(self._weights(ahead, y[rest], rows), ahead, y[rest], rows)
        self.scorer_ = self._served(weights, validation)
        return self

    def _of(self) -> list[Of]:
        """Return the members as they were given, each with what it reads."""
        pairs = [Of(one[1], one[0]) if isinstance(one, tuple) else one for one in self.members]
        return [one if isinstance(one, Of) else Of(one) for one in pairs]

    def _inside(self) -> dict[str, Parameters]:
        return {name: of.estimator for name, of in self._called().items()}

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings of the members to try, drawn from a trial: ``trees__depth`` is the depth of ``trees``."""
        return search_inside(self._inside(), trial)

    def _called(self) -> dict[str, Of]:
        """Return the members by name, in the order in which they were given."""
        found: dict[str, Of] = {}
        for of in self._of():
            own = of.name or type(of.estimator).__name__.lower()
            name, count = own, 1
            while name in found:
                if of.name:
                    message = f"two members of a stack are called {name!r}"
                    raise DefinitionError(message)
                count += 1
                name = f"{own}_{count}"
            found[name] = of
        return found

    def _named(self) -> dict[str, Of]:
        """Return the members by name, in the order of their layers, with all that they leave open."""
        found = self._called()
        plain = [name for name in self.names_ if name not in self.fields]
        for name, of in found.items():
            for feature in of.features:
                if feature not in self.names_:
                    message = f"member {name!r} reads {feature!r}, which is no feature"
                    raise DefinitionError(message + did_you_mean(feature, self.names_))
            layer = (self.layers or {}).get(name) or of.layer or of.estimator.layer
            fields = of.estimator.fields
            read = (*(feature for feature in of.features or plain if feature not in fields), *fields)
            found[name] = Of(of.estimator, name, layer_called(layer), read)
        for name in self.layers or {}:
            if name not in found:
                message = f"layers: a stack has no member {name!r}{did_you_mean(name, found)}"
                raise DefinitionError(message)
        if not found:
            message = "a stack needs a member"
            raise DefinitionError(message)
        return dict(sorted(found.items(), key=lambda item: LAYERS.index(item[1].layer)))

    def _fit(
        self,
        of: Of,
        X: FloatArray,
        y: FloatArray,
        weight: FloatArray | None,
        validation: Validation | None,
        progress: Progress,
        categories: Categories | None = None,
    ) -> Estimator:
        columns = [self.names_.index(name) for name in of.features]
        return copy.deepcopy(of.estimator).fit(
            X[:, columns],
            y,
            names=of.features,
            validation=reading(validation, columns),
            categories=self.categories_ if categories is None else categories,
            weight=weight,
            progress=progress,
        )

    def _judged(
        self,
        X: FloatArray,
        y: FloatArray,
        weight: FloatArray | None,
        known: IntArray | None,
        part: tuple[int, int],
        rounds: _Rounds,
    ) -> FloatArray:
        """Return what members trained on the rows known before a part say of it, shape (members, rows)."""
        first, last = part
        end = first if known is None else min(first, int(known[first]))
        held = fold_cuts(y[:end], HELD_OUT - 1)[-2]
        before = slice(0, held)
        some, rest = (None, None) if weight is None else np.split(np.asarray(weight)[:end], [held])
        later = X[held:end], y[held:end], rest
        # categories are ordered by outcomes: those of the rows judged here must not be among them
        own = None if self.categories_ is None else self.categories_.learnt(X[before], y[before], self.names_)
        judged = []
        for of in self.members_.values():
            fitted = self._fit(of, X[before], y[before], some, later, rounds.next(), own)
            judged.append(_margins(fitted, X[first:last], self.names_))
        return np.stack(judged)

    def _weights(
        self, ahead: FloatArray, y: FloatArray, rows: FloatArray | None
    ) -> dict[int, tuple[FloatArray, float]]:
        """Return for every set of layers the weight of each member, and the intercept."""
        bit = self._bits()
        found = {}
        for there in range(1, int(bit.max()) * 2):
            chosen = np.flatnonzero(bit & there)
            table = np.stack([*ahead[chosen], np.ones(len(y))], axis=1)
            start = np.append(np.full(len(chosen), 1.0 / len(chosen)), 0.0)
            fitted = logistic_weights(table, y, start, positive=len(chosen), rows=rows)
            weights = np.zeros(len(bit))
            weights[chosen] = np.where(fitted[:-1] < NOTHING, 0.0, fitted[:-1])
            found[there] = weights, float(fitted[-1])
        return found

    def _first_share(self) -> float | None:
        return 0.75 if self.before is None and self.folds == 1 else self.before

    def _paying(
        self,
        weights: Mapping[int, tuple[FloatArray, float]],
        ahead: FloatArray,
        y: FloatArray,
        rows: FloatArray | None,
    ) -> dict[int, tuple[FloatArray, float]]:
        """Return the weights with those layers off that do not pay: beside others they get none."""
        self.helps_: dict[str, float] = {}
        kept = 1
        for layer, bit in dict(
            zip((of.layer for of in self.members_.values()), self._bits().tolist(), strict=True)
        ).items():
            if bit == 1:
                continue
            with_it, without = (weights[there][0] @ ahead for there in (kept | bit, kept))
            self.helps_[layer] = helps(with_it, without, y, rows)
            if self.helps_[layer] >= self.sure:
                kept |= bit
        return {there: weights[there & kept or there] for there in weights}

    def _bits(self) -> IntArray:
        layers = list(dict.fromkeys(of.layer for of in self.members_.values()))
        return np.array([1 << layers.index(of.layer) for of in self.members_.values()], np.int64)

    def _served(self, weights: Mapping[int, tuple[FloatArray, float]], validation: Validation | None) -> StackScorer:
        members = [
            Member(name, self.members_[name].layer, one.model_, one.calibrator_ or Platt())
            for name, one in self.fitted_.items()
        ]
        own = (
            None
            if self.categories_ is None
            else self.categories_.only({name for of in self.members_.values() for name in of.features})
        )
        if validation is None:
            mixes = {there: Mix(w, intercept, Platt()) for there, (w, intercept) in weights.items()}
            bounds = self.needed if isinstance(self.needed, tuple) else (0.0, 1.0)
            return StackScorer(members, mixes, needed=bounds, categories=own, top=self.top)
        later, known, rows = later_rows(validation)
        X, y = np.asarray(later, dtype=np.float64), np.asarray(known, dtype=np.float64)
        said = np.stack([_margins(one, X, self.names_) for one in self.fitted_.values()])
        margins = {there: w @ said + intercept for there, (w, intercept) in weights.items()}
        fitted = {
            there: fit_calibrator(self.calibration, margin, y, rows) or Platt() for there, margin in margins.items()
        }
        mixes = {there: Mix(w, intercept, fitted[there]) for there, (w, intercept) in weights.items()}
        first = fitted[1].apply(margins[1])
        bounds = self.needed if isinstance(self.needed, tuple) else clear(first, y, self.needed, rows)
        return StackScorer(members, mixes, needed=bounds, categories=own, top=self.top)

    def served(self) -> StackScorer:
        """Return the scorer that the engine uses."""
        return self.scorer_


def fold_cuts(y: FloatArray, folds: int, before: float | None = None) -> list[int]:
    """Return where the parts of rows in order of time begin that are judged ahead, and the end of the last.

    Every part has as many positives as the others, or one more; so has what comes before the first, unless told.

    Parameters
    ----------
    y
        Outcomes, 0 or 1, earliest first.
    folds
        How many parts.
    before
        Share of the positives that come before the first part.

    Raises
    ------
    DefinitionError
        If there is no part, or the share lies not between 0 and 1.
    ShapeError
        If there are too few positives, or a part has nothing else.

    Examples
    --------
    >>> fold_cuts(np.array([1.0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0]), 2)
    [4, 8, 12]
    >>> fold_cuts(np.array([1.0, 0, 0, 1, 1, 0, 0, 1, 0, 1, 1, 0]), 1, before=0.7)
    [8, 12]
    """
    if folds < 1 or not (before is None or 0.0 < before < 1.0):
        message = (
            f"a stack judges at least one part, behind a share of the positives between 0 and 1, not {folds}, {before}"
        )
        raise DefinitionError(message)
    positive = np.flatnonzero(y == 1.0)
    parts = np.array_split(positive, folds + 1)
    if before is not None:
        first = int(before * len(positive))
        parts = [positive[:first], *np.array_split(positive[first:], folds)]
    if min(map(len, parts)) < 2:
        message = f"{len(positive)} positives in training are too few for {folds} folds: give more rows, or fewer folds"
        raise ShapeError(message)
    ends = np.array([part[-1] + 1 for part in parts])
    cuts: list[int] = [*ends[:-1].tolist(), len(y)]
    if any((y[first:last] == 1.0).all() for first, last in pairwise([0, *cuts])):
        message = f"a fold of {folds} holds nothing but positives: give more rows, or fewer folds"
        raise ShapeError(message)
    return cuts


def enough_known(cuts: Sequence[int], y: FloatArray, known: IntArray | None) -> list[int]:
    """Return the cuts without those of parts before which too few positives were known to train a member.

    Parameters
    ----------
    cuts
        Where parts begin, and the end of the last.
    y
        Outcomes, 0 or 1, earliest first.
    known
        See `Stack.fit`.

    Raises
    ------
    ShapeError
        If no part is left.

    Examples
    --------
    Every second row is positive; of the first 12 rows 4 are known when the first part begins, 40 before the second:

    >>> y = np.tile([1.0, 0.0], 40)
    >>> enough_known([12, 48, 80], y, np.arange(80) - 8)
    [48, 80]
    """
    if known is None:
        return list(cuts)
    least = 2 * HELD_OUT
    left = [cut for cut in cuts[:-1] if y[: min(cut, int(known[cut]))].sum() >= least]
    if not left:
        message = f"fewer than {least} positives were known before the last part of training began: give a longer time"
        raise ShapeError(message)
    return [*left, cuts[-1]]


def known_before(ts: IntArray, delay_us: int) -> IntArray:
    """Return for each row of how many of the first rows the outcome was known when it came.

    Parameters
    ----------
    ts
        Times of the rows in microseconds; a late one counts as if it had come with the row before it.
    delay_us
        How long an outcome takes.

    Examples
    --------
    >>> known_before(np.array([0, 4, 10, 14, 30]), 10).tolist()
    [0, 0, 1, 2, 4]
    """
    rising = np.maximum.accumulate(ts)
    return np.searchsorted(rising, rising - delay_us, side="right").astype(np.int64)


def helps(
    better: FloatArray, plain: FloatArray, y: FloatArray, rows: FloatArray | None = None, *, draws: int = 100
) -> float:
    """Return in what share of draws of the rows one ranking has a higher average precision than another.

    Parameters
    ----------
    better, plain
        Margins of the same rows, shape (n,).
    y
        Outcomes, 0 or 1.
    rows
        A weight for each row; 1 unless given.
    draws
        How often the rows are drawn anew, with replacement; always the same draws.

    Examples
    --------
    >>> y = np.array([0.0, 0, 1, 1] * 50)
    >>> helps(y, -y, y), helps(y, y, y)
    (1.0, 0.0)
    """
    random = np.random.default_rng(0)
    orders = [np.argsort(-margin, kind="stable") for margin in (better, plain)]
    weight = np.ones(len(y)) if rows is None else rows
    found = 0
    for _ in range(draws):
        drawn = weight * random.poisson(1.0, len(y))
        one, other = (_average_precision(y[order], drawn[order]) for order in orders)
        found += one > other
    return found / draws


def _average_precision(y: FloatArray, weight: FloatArray) -> float:
    """Return the average precision of rows in falling order of their margins."""
    hits = weight * y
    seen = np.cumsum(weight)
    precision = np.cumsum(hits) / np.maximum(seen, np.finfo(np.float64).tiny)
    return float(hits @ precision / max(float(hits.sum()), np.finfo(np.float64).tiny))


def clear(p: FloatArray, y: FloatArray, share: float, rows: FloatArray | None = None) -> tuple[float, float]:
    """Return between which probabilities a further look is needed, if a share of the positives may do without.

    Parameters
    ----------
    p, y
        Probabilities and outcomes, shape (n,).
    share
        Of the positives, at most so many lie strictly below the lower bound. The upper bound is 1.
    rows
        How many events each row stands for; 1 unless given.

    Examples
    --------
    >>> clear(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([0.0, 1, 0, 1, 1]), 0.4)
    (0.4, 1.0)
    >>> clear(np.array([0.2, 0.4, 0.5]), np.ones(3), 0.4, np.array([9.0, 1, 1]))
    (0.2, 1.0)
    """
    if not 0.0 <= share < 1.0:
        message = f"needed: a share of the positives lies from 0 to below 1, not {share}"
        raise DefinitionError(message)
    frauds = y == 1.0
    order = np.argsort(p[frauds], kind="stable")
    weight = np.ones(len(order)) if rows is None else np.asarray(rows, dtype=np.float64)[frauds][order]
    below = np.cumsum(weight) - weight
    allowed = np.flatnonzero(below <= share * weight.sum())
    return float(p[frauds][order][allowed[-1]]), 1.0


def _margins(fitted: Estimator, X: FloatArray, names: Sequence[str]) -> FloatArray:
    return fitted.decision_function(X[:, [names.index(name) for name in fitted.names_]])


class _Rounds:
    """Tells one hook how far many trainings are, each as one part of all."""

    def __init__(self, progress: Progress | None, trainings: int) -> None:
        self._progress = progress
        self._trainings = trainings
        self._done = -1

    def next(self) -> Callable[[int, int], None]:
        """Return the hook of the next training."""
        self._done += 1
        done, progress = self._done, self._progress
        if progress is None:
            return lambda rounds, planned: None
        return lambda rounds, planned: progress(done * planned + rounds, self._trainings * planned)
