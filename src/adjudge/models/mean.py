"""A mean of models: their margins, and with them their contributions, averaged in a fixed order.

Forests need no such thing: `combine` joins the trees of all of them into one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.descent import SET_OUT
from adjudge.models.forest import Forest
from adjudge.models.pushes import largest
from adjudge.models.raw import Arrays, Meta, Model, Raw, sub, under
from adjudge.typing import AnyArray, FloatArray, IntArray


@kernel
def pushes(every: FloatArray, k: int, top: NDArray[np.int32], top_value: FloatArray) -> None:
    """Pick the k largest pushes of each row from all contributions, shape (n, F)."""
    for i in range(len(every)):
        largest(every[i], k, top[i], top_value[i])


def picked(margin: FloatArray, every: FloatArray, k: int) -> Raw:
    """Return margins with the k largest of all contributions, shape (n, F)."""
    result = Raw(margin, np.empty((len(margin), k), dtype=np.int32), np.empty((len(margin), k)))
    if k > 0:
        pushes(np.ascontiguousarray(every), k, result.top, result.top_value)
    return result


@dataclass(frozen=True, eq=False)
class Mean:
    """The mean of several models' margins, moved by a constant.

    Parameters
    ----------
    members
        The models; all read the same features in the same order.
    shift
        Added to every margin.
    """

    members: tuple[Model, ...]
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not self.members or len({member.names for member in self.members}) != 1 or not np.isfinite(self.shift):
            msg = "a mean needs models that read the same features in the same order, and a finite shift"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.members[0].names

    @property
    def bias(self) -> float:
        """The part of the margin that no feature contributes."""
        return sum(member.bias for member in self.members) / len(self.members) + self.shift

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes; `rows` says where in X each name is."""
        if k > 0:
            return picked(*self.explained(X, rows), k)
        margin = np.zeros(X.shape[1])
        for member in self.members:
            margin += member.raw(X, rows, 0).margin
        return picked(margin / len(self.members) + self.shift, np.empty((len(margin), 0)), k)

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)); with `bias` they add up to the margin."""
        return self.explained(X, rows)[1]

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together."""
        margin, every = np.zeros(X.shape[1]), np.zeros((X.shape[1], len(self.names)))
        for member in self.members:
            said, pushed = member.explained(X, rows)
            margin += said
            every += pushed
        return margin / len(self.members) + self.shift, every / len(self.members)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": "mean", "shift": self.shift, "members": [member.meta() for member in self.members]}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        result: Arrays = {}
        for i, member in enumerate(self.members):
            result |= under(member.arrays(), str(i))
        return result

    @classmethod
    def from_arrays(
        cls,
        meta: Mapping[str, Any],
        arrays: Mapping[str, AnyArray],
        read: Callable[[Mapping[str, Any], Mapping[str, AnyArray]], Model],
    ) -> Mean:
        """Build the mean from what `meta` and `arrays` returned; `read` does so for a member."""
        members = tuple(read(member, sub(arrays, str(i))) for i, member in enumerate(meta["members"]))
        return cls(members, float(meta["shift"]))


def combine(models: Sequence[Model], shift: float = 0.0) -> Model:
    """Return one model whose margin is the mean of those of several, moved by a constant.

    Forests that read numbers alike become one forest, which is as fast as its trees; anything else a `Mean`.

    Parameters
    ----------
    models
        At least one; all read the same features in the same order.
    shift
        Added to every margin.
    """
    forests = [model for model in models if isinstance(model, Forest)]
    alike = len(forests) == len(models) and len({(one.names, one.flush) for one in forests}) == 1
    return _joined(forests, shift) if alike else Mean(tuple(models), shift)


def _joined(forests: Sequence[Forest], shift: float) -> Forest:
    """Return one forest of all trees; leaves and bases are divided as their own forests divide them."""
    sets = np.cumsum([0] + [len(one.set_start) - 1 for one in forests])

    def joined(field: str) -> AnyArray:
        return np.concatenate([getattr(one, field) for one in forests])

    def starts(field: str) -> AnyArray:
        ends = np.cumsum([0] + [int(getattr(one, field)[-1]) for one in forests])
        parts = [getattr(one, field)[1:] + end for one, end in zip(forests, ends, strict=False)]
        return np.concatenate([np.zeros(1, dtype=np.int64), *parts])

    return replace(
        forests[0],
        node_start=starts("node_start"),
        leaf_start=starts("leaf_start"),
        feature=joined("feature"),
        kind=joined("kind"),
        # a node that asks for categories has the number of their set for a threshold
        threshold=np.concatenate(
            [np.where(one.kind >= SET_OUT, one.threshold + sets[i], one.threshold) for i, one in enumerate(forests)]
        ),
        left=joined("left"),
        right=joined("right"),
        leaf_value=np.concatenate([one.leaf_value / one.divisor for one in forests]),
        leaf_cover=joined("leaf_cover"),
        set_start=starts("set_start"),
        set_values=joined("set_values"),
        base=float(sum(one.base / one.divisor for one in forests) + shift * len(forests)),
        divisor=float(len(forests)),
    )
