"""The layers of a trained GraphSAGE as numbers, and the kernels that apply them to one target in a fixed order.

An entity is what its newest events say (first layer), beside the mean of what the entities around it are (second
layer); each kind has its own weights, each vector has length one. A decision's margin comes from the event's own
numbers and its entities' vectors through one hidden layer.

References
----------
Hamilton, Ying, Leskovec (2017), Inductive Representation Learning on Large Graphs (mean aggregator, algorithm 1).
Shrikumar, Greenside, Kundaje (2017), Learning Important Features Through Propagating Activation Differences (rescale
rule, by which contributions are counted).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import asinh, sqrt
from typing import Any, Self

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.graph.sample import OWN, surround
from adjudge.models.raw import Arrays, take
from adjudge.typing import AnyArray, FloatArray, IntArray

CLIP = 6.0
"""Scaled numbers beyond so many deviations are cut: one absurd amount must not drown a neighbourhood."""

DIMENSIONS = {"mean": 1, "scale": 1, "w1": 3, "b1": 2, "w2": 3, "b2": 2, "wh": 2, "bh": 1, "wo": 1, "base": 1}


@dataclass(frozen=True, eq=False)
class Layers:
    """Weights, float64, inputs before outputs.

    Parameters
    ----------
    mean, scale
        What the inverse hyperbolic sine of each number is counted from, and in, shape (F,).
    w1, b1
        First layer of each kind, shapes (kinds, D, d1) and (kinds, d1).
    w2, b2
        Second layer of each kind, shapes (kinds, 2 d1, d2) and (kinds, d2).
    wh, bh, wo
        Hidden layer, shapes (2 F + kinds d2, H) and (H,), and what each unit adds to the margin.
    base
        The head's input of an ordinary event, from which contributions are counted, then the margin's constant.
    """

    mean: FloatArray
    scale: FloatArray
    w1: FloatArray
    b1: FloatArray
    w2: FloatArray
    b2: FloatArray
    wh: FloatArray
    bh: FloatArray
    wo: FloatArray
    base: FloatArray

    def __post_init__(self) -> None:
        features, kinds, d1, d2 = len(self.mean), len(self.b1), self.b1.shape[-1], self.b2.shape[-1]
        inputs, hidden = 2 * features + kinds * d2, len(self.wo)
        shapes = {
            "scale": (features,),
            "w1": (kinds, OWN + kinds + features + 2, d1),
            "w2": (kinds, 2 * d1, d2),
            "b2": (kinds, d2),
            "wh": (inputs, hidden),
            "bh": (hidden,),
            "base": (inputs + 1,),
        }
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                msg = f"these are not the layers of one net: {name} has shape {getattr(self, name).shape}, not {shape}"
                raise BundleError(msg)
        if not all(np.isfinite(getattr(self, f.name)).all() for f in fields(self)) or (self.scale <= 0).any():
            msg = "these are not the layers of one net: a weight is not finite, or a scale not positive"
            raise BundleError(msg)

    @property
    def graph(self) -> tuple[AnyArray, ...]:
        """What `embed` reads."""
        return self.w1, self.b1, self.w2, self.b2

    @property
    def head(self) -> tuple[AnyArray, ...]:
        """What `judge` reads."""
        return self.wh, self.bh, self.wo, self.base

    def scaled(self, x: AnyArray) -> AnyArray:
        """Return numbers (n, F) as the layers read them, float32; missing is the mean."""
        out = np.empty(x.shape, np.float32)
        _scale_all(np.ascontiguousarray(x, np.float64), self.mean, self.scale, out)
        return out

    def arrays(self) -> Arrays:
        """Return the weights by name."""
        return {f.name: getattr(self, f.name) for f in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Self:
        """Build the layers from what `arrays` returned."""
        return cls(**{name: take(arrays, name, np.float64, dimensions) for name, dimensions in DIMENSIONS.items()})


@kernel
def scale_one(value: float, mean: float, scale: float) -> float:
    """Return a number as the layers read it."""
    return 0.0 if np.isnan(value) else min(max((asinh(value) - mean) / scale, -CLIP), CLIP)


@kernel
def _scale_all(x: FloatArray, mean: FloatArray, scale: FloatArray, out: AnyArray) -> None:
    for i in range(x.shape[0]):
        for f in range(x.shape[1]):
            out[i, f] = scale_one(x[i, f], mean[f], scale[f])


@kernel
def _layer(w: FloatArray, b: FloatArray, x: FloatArray, out: FloatArray) -> None:
    """Apply one layer: weights, the positive part, length one."""
    out[:] = b
    for j in range(len(x)):
        for i in range(len(out)):
            out[i] += w[j, i] * x[j]
    square = 0.0
    for i in range(len(out)):
        out[i] = max(out[i], 0.0)
        square += out[i] * out[i]
    if square > 0.0:
        length = sqrt(square)
        for i in range(len(out)):
            out[i] /= length


@kernel
def room_for(columns: tuple[Any, ...], bounds: IntArray, d1: int) -> tuple[AnyArray, ...]:
    """Return the scratch space that `embed` needs."""
    kinds = columns[4].shape[1]
    width = OWN + kinds + columns[3].shape[1] + 2
    room = bounds[0] * kinds
    work = np.empty((3, room + bounds[0] + bounds[1]), np.int64)
    own, near = np.empty(width), np.empty((room, width))
    return work, own, near, np.empty(room, np.int64), np.empty(d1), np.empty(2 * d1)


@kernel
def embed(
    columns: tuple[Any, ...],
    layers: tuple[AnyArray, ...],
    place: tuple[int, int, int, int],
    bounds: IntArray,
    room: tuple[AnyArray, ...],
    size: IntArray,
    out: FloatArray,
) -> None:
    """Write the vector of one entity as of a moment; `place` is its node (-1: nobody saw it), kind, log and time."""
    w1, b1, w2, b2 = layers
    work, own, near, near_kind, one, both = room
    v, kind, cut, t = place
    around = 0
    if v >= 0:
        around = surround(columns, v, cut, t, bounds, work, own, near, near_kind, size)
    else:
        own[:] = 0.0
        size[:] = 1
    d1 = len(one)
    _layer(w1[kind], b1[kind], own, both[:d1])
    both[d1:] = 0.0
    for j in range(around):
        _layer(w1[near_kind[j]], b1[near_kind[j]], near[j], one)
        for i in range(d1):
            both[d1 + i] += one[i]
    for i in range(d1, 2 * d1):
        both[i] /= max(around, 1)
    _layer(w2[kind], b2[kind], both, out)


@kernel
def judge(head: tuple[AnyArray, ...], z: FloatArray, hidden: FloatArray, explain: bool, push: FloatArray) -> float:
    """Return the margin of one event, and write what each input of the head contributes where that is asked for.

    By the rescale rule: a hidden unit's difference from the ordinary event is shared among its inputs in proportion
    to what each changed. Shares add up to the margin less that of the ordinary event.
    """
    wh, bh, wo, base = head
    hidden[:] = bh
    for m in range(len(z)):
        for i in range(len(hidden)):
            hidden[i] += wh[m, i] * z[m]
    margin: float = base[len(z)]
    for i in range(len(hidden)):
        margin += wo[i] * max(hidden[i], 0.0)
    if explain:
        for i in range(len(hidden)):
            usual = bh[i]
            for m in range(len(z)):
                usual += wh[m, i] * base[m]
            change = hidden[i] - usual
            if abs(change) > 1e-9:
                hidden[i] = wo[i] * (max(hidden[i], 0.0) - max(usual, 0.0)) / change
            else:
                hidden[i] = wo[i] if usual > 0.0 else 0.0
        for m in range(len(z)):
            slope = 0.0
            for i in range(len(hidden)):
                slope += hidden[i] * wh[m, i]
            push[m] = slope * (z[m] - base[m])
    return margin
