"""The served autoencoder: how badly a net that learned ordinary rows rebuilds this one, and which features it misses.

A row goes through a net that is narrow in the middle and has its own inputs as outputs. The error of a feature is that
of its inputs, in units of what is usual for them; the margin is a rising line in the logarithm of their sum. What the
logarithm is above its mean is shared out among the features as the error is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError
from adjudge.kernel import lean_kernel
from adjudge.models.dense import Layers, forward
from adjudge.models.inputs import Inputs, SingleArray, fill
from adjudge.models.pushes import note, settle
from adjudge.models.raw import Arrays, Kernelled, Meta, Raw, check_matrix, sub, take, under
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

FLOOR = 1e-3
"""Added to every error: one that is rebuilt exactly has no logarithm, and below this rounding would decide."""


@lean_kernel
def _rebuild(
    X: FloatArray,
    rows: IntArray,
    middle: FloatArray,
    scale: FloatArray,
    gap: BoolArray,
    starts: IntArray,
    edges: FloatArray,
    width: IntArray,
    table: SingleArray,
    owner: IntArray,
    sizes: IntArray,
    weights: SingleArray,
    biases: SingleArray,
    strictness: FloatArray,
    usual: float,
    slope: float,
    shift: float,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
    numbers: SingleArray,
    place: IntArray,
    value: SingleArray,
    errors: FloatArray,
) -> None:
    """Score events one by one."""
    for j in range(X.shape[1]):
        fill(X, rows, j, middle, scale, gap, starts, edges, width, table, numbers)
        last = forward(sizes, weights, biases, numbers, place, value)
        for f in range(len(errors)):
            errors[f] = 0.0
        for i in range(sizes[0]):
            away = np.float64(numbers[i]) - np.float64(numbers[last + i])
            errors[owner[i]] += strictness[i] * away * away
        total = 0.0
        for f in range(len(errors)):
            total += errors[f]
        above = slope * (np.log(total + FLOOR) - usual)
        margin[j] = shift + above
        if k > 0 or len(every) > 0:
            for f in range(len(errors)):
                errors[f] = above * (errors[f] / total) if total > 0.0 else 0.0
            settle(errors, margin[j] - shift)
        note(errors, j, k, top, top_value, every)


@dataclass(frozen=True, eq=False)
class Reconstruction(Kernelled):
    """A net that rebuilds its inputs, and what its error is worth.

    Parameters
    ----------
    inputs
        How a row becomes numbers.
    layers
        The net; it has as many outputs as inputs.
    strictness
        What a squared error of each input counts.
    usual
        Mean logarithm of the training rows' errors.
    slope, shift
        The margin is `shift` and `slope` times what the logarithm is above `usual`.

    Notes
    -----
    Each feature contributes its share of the error, of what the margin is above or below `bias`; what rounding leaves
    goes to the largest. A row that is rebuilt better than usual has no positive contribution.
    """

    inputs: Inputs
    layers: Layers
    strictness: AnyArray
    usual: float
    slope: float
    shift: float

    def __post_init__(self) -> None:
        sizes = self.layers.sizes
        fits = sizes[0] == sizes[-1] == len(self.inputs.owner) == len(self.strictness)
        finite = np.isfinite(self.strictness).all() and np.isfinite([self.usual, self.slope, self.shift]).all()
        if not (fits and finite and np.all(self.strictness >= 0) and self.slope > 0):
            msg = "these are not the parts of an autoencoder: inputs, layers and strictness contradict each other"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.inputs.names

    @property
    def bias(self) -> float:
        """The margin of a row with the usual error."""
        return self.shift

    @cached_property
    def _packed(self) -> tuple[AnyArray, ...]:
        layers = self.layers
        return (*self.inputs.packed, self.inputs.owner, layers.sizes, layers.weights, layers.biases, self.strictness)

    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        check_matrix(X, rows, len(self.names))
        outputs = (result.margin, result.top, result.top_value, every)
        line = (float(self.usual), float(self.slope), float(self.shift))
        room = (*self.layers.room(), np.empty(len(self.names)))
        arguments: tuple[Any, ...] = (X, rows, *self._packed, *line, k, *outputs, *room)
        _rebuild(*arguments)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        line = {"usual": self.usual, "slope": self.slope, "shift": self.shift}
        return {"kind": "reconstruction", "inputs": self.inputs.meta(), **line}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        parts = under(self.inputs.arrays(), "inputs") | under(self.layers.arrays(), "layers")
        return parts | {"strictness": self.strictness}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Reconstruction:
        """Build the autoencoder from what `meta` and `arrays` returned."""
        return cls(
            Inputs.from_arrays(meta["inputs"], sub(arrays, "inputs")),
            Layers.from_arrays(sub(arrays, "layers")),
            take(arrays, "strictness", np.float64),
            float(meta["usual"]),
            float(meta["slope"]),
            float(meta["shift"]),
        )
