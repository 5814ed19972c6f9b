"""A scorer in layers: members of each layer, and for every set of layers that may be there its own mix of them.

The margin of an event is a weighted sum of the margins of the members that took part, calibrated for just those; so a
decision without the deep layer is as well calibrated as one with it. A member's contributions count with its weight,
and are added up by feature; with the bias they are the margin.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.engine.layers import RAN, layers_of, take_part
from adjudge.engine.scorer import TOP, Part, Said, Scores
from adjudge.errors import BundleError, DefinitionError, ScoreError, did_you_mean
from adjudge.kernel import kernel
from adjudge.models.calibrate import Calibrator, calibrator_from
from adjudge.models.categories import Categories
from adjudge.models.raw import Arrays, Meta, Model, sub, take, under
from adjudge.models.scorers import model_from, top_from, version_of
from adjudge.models.venn import VennAbers
from adjudge.typing import AnyArray, BoolArray, CodeArray, FloatArray, IntArray

LAYERS = ("fast", "deep", "graph")
"""What layers may be called, in the order in which they are asked."""


@dataclass(frozen=True, slots=True)
class Member:
    """One model of a stack.

    Parameters
    ----------
    name
        Its stable name, such as ``trees``.
    layer
        The layer that it belongs to, one of `LAYERS`.
    model
        The served model.
    calibrator
        From its margins to its own probability.
    """

    name: str
    layer: str
    model: Model
    calibrator: Calibrator


@dataclass(frozen=True, slots=True)
class Mix:
    """How members make one score where just some layers took part.

    Parameters
    ----------
    weights
        Of each member's margin, not negative, 0 for members of other layers, shape (members,).
    intercept
        Added to them.
    calibrator
        From the sum to the probability.
    """

    weights: FloatArray
    intercept: float
    calibrator: Calibrator


class MembersPart:
    """The members of one layer. It says a row for each event: every margin, then the contributions that may count.

    Parameters
    ----------
    members
        The members, in order.
    weighs
        Which of them have a weight in some mix; the others' contributions are never asked for.
    categories
        How texts become numbers; None where no member reads any.
    """

    def __init__(self, members: Sequence[Member], weighs: Sequence[bool], categories: Categories | None) -> None:
        self.members, self.weighs = tuple(members), tuple(weighs)
        self.names = tuple(dict.fromkeys(name for member in members for name in member.model.names))
        place = {name: i for i, name in enumerate(self.names)}
        self._rows = [np.array([place[n] for n in member.model.names], np.int64) for member in members]
        self._width = len(self.members) + sum(len(rows) for rows, one in zip(self._rows, weighs, strict=True) if one)
        self._categories = categories
        self._table = None if categories is None else categories.table(self.names)
        self._every = np.arange(len(self.names))

    def score(self, X: FloatArray, rows: IntArray) -> Said:
        """Return margins and contributions of n events."""
        if self._categories is not None and self._table is not None:
            X, rows = self._categories.encode_with(X, rows, self._table), self._every
        said = np.empty((X.shape[1], self._width))
        at = len(self.members)
        for i, (member, own, weighs) in enumerate(zip(self.members, self._rows, self.weighs, strict=True)):
            if not weighs:
                said[:, i] = member.model.raw(X, rows[own], 0).margin
                continue
            said[:, i], said[:, at : at + len(own)] = member.model.explained(X, rows[own])
            at += len(own)
        return said

    def unusable(self, said: Said, n: int) -> BoolArray | None:
        """Return for which events some member gave no number; None if all did."""
        if said.shape != (n, self._width):
            message = f"{len(self.members)} models were asked for {n} margins and gave something else"
            raise ScoreError(message)
        bad: BoolArray = ~np.isfinite(said[:, : len(self.members)]).all(axis=1)
        return bad if bad.any() else None

    def missing(self, n: int) -> Said:
        """Return what stands for n events of which nothing was said."""
        return np.full((n, self._width), np.nan)

    def take(self, said: Said, events: IntArray) -> Said:
        """Return what was said of some events."""
        return said[events]

    def spread(self, said: Said, places: IntArray, n: int) -> Said:
        """Return what is said of n events: that at their places, and nothing elsewhere."""
        every = self.missing(n)
        every[places] = said
        return every

    def join(self, parts: Sequence[Said]) -> Said:
        """Return what was said of consecutive events as one."""
        return np.concatenate(parts)


class StackScorer:
    """Members in layers, mixed for every set of layers that took part.

    Parameters
    ----------
    members
        Every model, in the order of their layers.
    mixes
        For every set of layers that is not empty its mix; a set is a number with bit i for the i-th layer.
    needed
        Probabilities between which, both included, an event needs the next layer; below and above, what came before
        decides.
    categories
        How texts become numbers; None where no member reads any.
    top
        How many contributions to return a row.
    """

    kind = "stack"

    def __init__(
        self,
        members: Sequence[Member],
        mixes: Mapping[int, Mix],
        *,
        needed: tuple[float, float] = (0.0, 1.0),
        categories: Categories | None = None,
        top: int = TOP,
    ) -> None:
        self.members = tuple(members)
        self.layers = tuple(dict.fromkeys(member.layer for member in members))
        self.mixes = dict(mixes)
        self._check()
        self.needed = needed
        self.categories = categories if categories is not None and categories.texts else None
        self._top = top
        weighs = np.any([mix.weights > 0 for mix in self.mixes.values()], axis=0).tolist()
        self._parts = [self._part(layer, weighs) for layer in self.layers]
        self.names = tuple(dict.fromkeys(name for part in self._parts for name in part.names))
        place = {name: i for i, name in enumerate(self.names)}
        self.parts: tuple[tuple[Part, IntArray], ...] = tuple(
            (part, np.array([place[name] for name in part.names], np.int64)) for part in self._parts
        )
        self._shape = _shape(self._parts, place)
        self._weights = np.stack([np.zeros(len(members)), *(self.mixes[i].weights for i in sorted(self.mixes))])
        self._weighs = [self._counts(at) for at in range(len(self.layers))]
        self._intercepts = np.array([np.nan, *(self.mixes[i].intercept for i in sorted(self.mixes))])

    def _part(self, layer: str, weighs: Sequence[bool]) -> MembersPart:
        own = [i for i, member in enumerate(self.members) if member.layer == layer]
        return MembersPart([self.members[i] for i in own], [weighs[i] for i in own], self.categories)

    def _check(self) -> None:
        order = [LAYERS.index(member.layer) if member.layer in LAYERS else -1 for member in self.members]
        if not order or order != sorted(order) or min(order) < 0:
            message = f"a stack has members in the order of their layers: {', '.join(LAYERS)}"
            raise DefinitionError(message)
        names = [member.name for member in self.members]
        if len(set(names)) < len(names):
            message = f"two members of a stack have one name: {', '.join(names)}"
            raise DefinitionError(message)
        if set(self.mixes) != set(range(1, 2 ** len(self.layers))):
            message = f"a stack of {len(self.layers)} layers needs a mix for every set of them"
            raise DefinitionError(message)
        bit = np.array([1 << self.layers.index(member.layer) for member in self.members])
        for there, mix in self.mixes.items():
            fits = mix.weights.shape == (len(names),)
            if not fits or not (mix.weights >= 0).all() or mix.weights[bit & there == 0].any():
                message = f"a mix needs {len(names)} weights: none negative, and 0 for members of other layers"
                raise DefinitionError(message)

    def _counts(self, at: int) -> BoolArray:
        """Return beside which sets of earlier layers a layer has a weight; beside none at all it always counts."""
        own = np.array([member.layer == self.layers[at] for member in self.members])
        weights = [self.mixes[there | 1 << at].weights[own] for there in range(1, 1 << at)]
        return np.array([True, *(bool((weight > 0).any()) for weight in weights)])

    @property
    def top(self) -> int:
        """How many contributions it returns a row."""
        return self._top

    @property
    def family_names(self) -> tuple[str, ...]:
        """Names of its members: each has a probability of its own."""
        return tuple(member.name for member in self.members)

    @cached_property
    def version(self) -> str:
        """A short hash of everything that can change a score."""
        return version_of(self.meta(), self.arrays())

    def score(self, X: FloatArray, rows: IntArray, settled: BoolArray | None = None) -> Scores:
        """Score n events as a decision does: each layer is asked for the events that need it.

        Parameters
        ----------
        X, rows
            See `adjudge.engine.scorer.Scorer`.
        settled
            Which events the rules decide whatever the score, shape (n,); None for no such event.
        """
        known = None if settled is None else lambda _: settled
        return take_part(self, layers_of(self, rows), X, settled=known)[0]

    def needs(self, at: int, said: Sequence[Said], codes: CodeArray) -> BoolArray | None:
        """Return which events are in doubt after the layers before, and of which the layer has anything to say.

        Beside a set of layers in whose mix it has no weight it changes nothing; where those fail, it is asked.
        """
        low, high = self.needed
        there = sets_of(codes)
        needed: BoolArray = self._weighs[at][there]
        if low <= 0.0 and high >= 1.0:
            return None if needed.all() else needed
        margin, _, _ = self._mixed(said, there, 0)
        p = self._calibrated(margin, there)
        needed &= ~((p < low) | (p > high))
        return needed

    def combine(self, said: Sequence[Said], codes: CodeArray) -> Scores:
        """Return the scores that the layers which ran come to together; see `adjudge.engine.scorer.Layered`."""
        there = sets_of(codes)
        margin, top, value = self._mixed(said, there, self._top)
        return Scores(margin, self._calibrated(margin, there), top, value, self._families(said, codes))

    def _families(self, said: Sequence[Said], codes: CodeArray) -> dict[str, FloatArray]:
        """Return each member's own probability, NaN where its layer did not run."""
        found: dict[str, FloatArray] = {}
        for at, (part, row) in enumerate(zip(self._parts, said, strict=True)):
            ran = np.flatnonzero(codes[at] == RAN)
            for i, member in enumerate(part.members):
                margin = np.ascontiguousarray(row[:, i])
                if len(ran) == len(margin):
                    found[member.name] = member.calibrator.apply(margin)
                    continue
                found[member.name] = np.full(len(margin), np.nan)
                found[member.name][ran] = member.calibrator.apply(margin[ran])
        return found

    def _mixed(self, said: Sequence[Said], there: IntArray, k: int) -> tuple[FloatArray, NDArray[np.int32], FloatArray]:
        """Return margins and the k largest pushes of the sets of layers that are there."""
        n = len(there)
        margin, top, value = np.empty(n), np.empty((n, k), np.int32), np.empty((n, k))
        every = np.ascontiguousarray(said[0] if len(said) == 1 else np.concatenate(said, axis=1))
        _mix(every, there, self._weights, self._intercepts, *self._shape, len(self.names), margin, top, value)
        return margin, top, value

    def _calibrated(self, margin: FloatArray, there: IntArray) -> FloatArray:
        first = int(there[0]) if len(there) else 0
        if first and bool((there == first).all()):
            return self.mixes[first].calibrator.apply(margin)
        p = np.full(len(margin), np.nan)
        for one in np.unique(there[there > 0]).tolist():
            rows = np.flatnonzero(there == one)
            p[rows] = self.mixes[one].calibrator.apply(margin[rows])
        return p

    def interval(self, margin: FloatArray, there: int | None = None) -> tuple[FloatArray, FloatArray] | None:
        """Return between which probabilities each margin's lies; None where the mix's calibrator gives no interval.

        Parameters
        ----------
        margin
            What a set of layers came to, shape (n,).
        there
            The set, as in `mixes`; all layers unless given.
        """
        calibrator = self.mixes[2 ** len(self.layers) - 1 if there is None else there].calibrator
        return calibrator.interval(margin) if isinstance(calibrator, VennAbers) else None

    def margin_with(self, X: FloatArray, rows: IntArray, there: int) -> FloatArray:
        """Return the margins that one set of layers comes to, as a decision without the others has them."""
        n = X.shape[1]
        said = [
            part.score(X, rows[places]) if there >> at & 1 else part.missing(n)
            for at, (part, places) in enumerate(self.parts)
        ]
        margin, _, _ = self._mixed(said, np.full(n, there), 0)
        return margin

    def contributions(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, float]:
        """Return every contribution with all layers there, shape (n, len(names)), and the bias of that margin."""
        values, bias = self.contributions_with(X, rows, 2 ** len(self.layers) - 1)
        return values, bias

    def contributions_with(self, X: FloatArray, rows: IntArray, there: int) -> tuple[FloatArray, float]:
        """Return every contribution to the margin that one set of layers comes to, and its bias.

        Parameters
        ----------
        X, rows
            See `adjudge.engine.scorer.Scorer`.
        there
            The set, as in `mixes`.
        """
        mix, place = self.mixes[there], {name: i for i, name in enumerate(self.names)}
        values = np.zeros((X.shape[1], len(self.names)))
        for at, ((_, places), part) in enumerate(zip(self.parts, self._parts, strict=True)):
            if not there >> at & 1:
                continue
            said, column = part.score(X, rows[places]), len(part.members)
            for member, weighs in zip(part.members, part.weighs, strict=True):
                if not weighs:
                    continue
                weight = mix.weights[self.members.index(member)]
                for name in member.model.names:
                    values[:, place[name]] += weight * said[:, column]
                    column += 1
        bias = mix.intercept + sum(float(w) * m.model.bias for w, m in zip(mix.weights, self.members, strict=True))
        return values, bias

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {
            "kind": self.kind,
            "top": self._top,
            "needed": list(self.needed),
            "categories": None if self.categories is None else self.categories.meta(),
            "members": [
                {"name": m.name, "layer": m.layer, "model": m.model.meta(), "calibrator": m.calibrator.meta()}
                for m in self.members
            ],
            "mixes": [
                {"layers": there, "intercept": mix.intercept, "calibrator": mix.calibrator.meta()}
                for there, mix in sorted(self.mixes.items())
            ],
        }

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        result: Arrays = {}
        for i, member in enumerate(self.members):
            result |= under(member.model.arrays(), f"{i}/model")
            result |= under(member.calibrator.arrays(), f"{i}/calibrator")
        for there, mix in self.mixes.items():
            result[f"mix{there}/weights"] = mix.weights
            result |= under(mix.calibrator.arrays(), f"mix{there}/calibrator")
        return result

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray], secret: bytes) -> StackScorer:
        """Build a stack from what `meta` and `arrays` returned, for the workspace with this secret."""
        members = [
            Member(
                str(part["name"]),
                str(part["layer"]),
                model_from(part["model"], sub(arrays, f"{i}/model")),
                calibrator_from(part["calibrator"], sub(arrays, f"{i}/calibrator")),
            )
            for i, part in enumerate(meta["members"])
        ]
        mixes = {
            int(part["layers"]): Mix(
                take(arrays, f"mix{int(part['layers'])}/weights", np.float64),
                float(part["intercept"]),
                calibrator_from(part["calibrator"], sub(arrays, f"mix{int(part['layers'])}/calibrator")),
            )
            for part in meta["mixes"]
        }
        low, high = (float(bound) for bound in meta["needed"])
        categories = None if meta["categories"] is None else Categories.from_meta(meta["categories"], secret)
        try:
            return cls(members, mixes, needed=(low, high), categories=categories, top=top_from(meta))
        except DefinitionError as error:
            raise BundleError(str(error)) from error


def layer_called(name: str) -> str:
    """Return the name of a layer; `DefinitionError` for one that there is not."""
    if name not in LAYERS:
        message = f"a stack has no layer {name!r}{did_you_mean(name, LAYERS)}"
        raise DefinitionError(message)
    return name


def sets_of(codes: CodeArray) -> IntArray:
    """Return for each event which layers ran, as a number with a bit for each."""
    there = np.zeros(codes.shape[1], np.int64)
    for at, code in enumerate(codes):
        there |= (code == RAN).astype(np.int64) << at
    return there


def _shape(parts: Sequence[MembersPart], place: Mapping[str, int]) -> tuple[IntArray, IntArray, IntArray]:
    """Return the columns of each member's margin and contributions in what all layers say, and whose these are."""
    margins, first, columns, owners = list[int](), [0], list[int](), list[int]()
    width = 0
    for part in parts:
        at = width + len(part.members)
        for i, (member, weighs) in enumerate(zip(part.members, part.weighs, strict=True)):
            margins.append(width + i)
            if weighs:
                columns += range(at, at + len(member.model.names))
                owners += [place[name] for name in member.model.names]
                at += len(member.model.names)
            first.append(len(columns))
        width = at
    return np.array(margins, np.int64), np.array(first, np.int64), np.array([columns, owners], np.int64)


@kernel
def _mix(
    said: FloatArray,
    there: IntArray,
    weights: FloatArray,
    intercepts: FloatArray,
    margins: IntArray,
    first: IntArray,
    pushes: IntArray,
    features: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    value: FloatArray,
) -> None:
    """Add up weighted margins and contributions, member by member, and pick the largest pushes up."""
    k = top.shape[1]
    summed = np.zeros(features)
    for j in range(len(there)):
        one = there[j]
        total = intercepts[one]
        summed[:] = 0.0
        for m in range(weights.shape[1]):
            weight = weights[one, m]
            if weight > 0.0:
                total += weight * said[j, margins[m]]
                if k:
                    for i in range(first[m], first[m + 1]):
                        summed[pushes[1, i]] += weight * said[j, pushes[0, i]]
        margin[j] = total
        for i in range(k):
            top[j, i] = -1
            value[j, i] = 0.0
        for f in range(features):
            if k and summed[f] > value[j, k - 1]:
                at = k - 1
                while at > 0 and value[j, at - 1] < summed[f]:
                    top[j, at] = top[j, at - 1]
                    value[j, at] = value[j, at - 1]
                    at -= 1
                top[j, at] = f
                value[j, at] = summed[f]
