"""The served net: layers of weights and ReLU, each row computed alone, number by number in one fixed order.

A layer starts from its biases and adds, input by input, the input times its row of weights. The loop over a row of
weights is what the processor does eight at a time, and it adds nothing up across, so the order of every sum is that
of the source whatever the processor, the batch or the neighbours. Inputs that are 0 add nothing and are passed over:
behind a ReLU that is half of them.

Several rows are computed side by side instead, a lane for each (`adjudge.models.lanes`): the same numbers are added in
the same order, and a weight is fetched once for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError
from adjudge.kernel import lean_kernel
from adjudge.models.inputs import Inputs, SingleArray, fill
from adjudge.models.lanes import FEWEST, LANES, into_lane, lanes_forward, lanes_push, out_of_lane
from adjudge.models.pushes import note, settle
from adjudge.models.raw import Arrays, Kernelled, Meta, Raw, check_matrix, sub, take, under
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

WIDEST = 1 << 16
"""Most numbers that a layer may have; a saved model that names more is broken."""


@lean_kernel
def _alive(source: SingleArray, above: bool, place: IntArray, value: SingleArray) -> int:
    """Note what is not 0, or above 0 where `above` (a ReLU), in order; return how many."""
    zero = np.float32(0.0)
    count = 0
    for i in range(len(source)):
        number = source[i]
        if number > zero or (number < zero and not above):
            place[count] = i
            value[count] = number
            count += 1
    return count


@lean_kernel
def _add_rows(
    place: IntArray, value: SingleArray, count: int, weights: SingleArray, first: int, out: SingleArray
) -> None:
    """Add to `out` each value times its row of weights, in order; four rows a turn save three in four stores."""
    n = len(out)
    turns = count // 4
    for turn in range(turns):
        i = 4 * turn
        v0, v1, v2, v3 = value[i], value[i + 1], value[i + 2], value[i + 3]
        a, b = first + place[i] * n, first + place[i + 1] * n
        c, d = first + place[i + 2] * n, first + place[i + 3] * n
        w0, w1, w2, w3 = weights[a : a + n], weights[b : b + n], weights[c : c + n], weights[d : d + n]
        for o in range(n):
            out[o] = (((out[o] + v0 * w0[o]) + v1 * w1[o]) + v2 * w2[o]) + v3 * w3[o]
    for i in range(4 * turns, count):
        v = value[i]
        a = first + place[i] * n
        w = weights[a : a + n]
        for o in range(n):
            out[o] += v * w[o]


@lean_kernel
def forward(
    sizes: IntArray,
    weights: SingleArray,
    biases: SingleArray,
    numbers: SingleArray,
    place: IntArray,
    value: SingleArray,
) -> int:
    """Compute every layer behind the inputs, which stand first in `numbers`; return where the last one begins.

    Layers are kept as they are before their ReLU, one after the other.
    """
    at, w, b = 0, 0, 0
    for layer in range(len(sizes) - 1):
        m, n = sizes[layer], sizes[layer + 1]
        out = numbers[at + m : at + m + n]
        for o in range(n):
            out[o] = biases[b + o]
        count = _alive(numbers[at : at + m], layer > 0, place, value)
        _add_rows(place, value, count, weights, w, out)
        at, w, b = at + m, w + m * n, b + n
    return at


@lean_kernel
def _slope(number: np.float32, usual: np.float32) -> np.float32:
    """Return by how much of its change a unit passes on, between what it usually is and what it is now."""
    zero = np.float32(0.0)
    if number == usual:
        return np.float32(1.0) if number > zero else zero
    return (max(number, zero) - max(usual, zero)) / (number - usual)


@lean_kernel
def _push(
    sizes: IntArray,
    transposed: SingleArray,
    numbers: SingleArray,
    usual: SingleArray,
    owner: IntArray,
    place: IntArray,
    value: SingleArray,
    share: SingleArray,
    pushes: FloatArray,
) -> None:
    """Go back through the layers and book what each input changed on its feature."""
    share[0] = np.float32(1.0)
    w, at = len(transposed), len(numbers) - sizes[len(sizes) - 1]
    for turn in range(len(sizes) - 1):
        layer = len(sizes) - 2 - turn
        m, n = sizes[layer], sizes[layer + 1]
        w, at = w - m * n, at - m
        count = _alive(share[:n], False, place, value)
        for i in range(m):
            share[i] = np.float32(0.0)
        _add_rows(place, value, count, transposed, w, share[:m])
        if layer > 0:
            for i in range(m):
                share[i] *= _slope(numbers[at + i], usual[at + i])
    for f in range(len(pushes)):
        pushes[f] = 0.0
    for i in range(sizes[0]):
        pushes[owner[i]] += np.float64(share[i]) * (np.float64(numbers[i]) - np.float64(usual[i]))


@lean_kernel
def _score(
    X: FloatArray,
    rows: IntArray,
    middle: FloatArray,
    scale: FloatArray,
    gap: BoolArray,
    starts: IntArray,
    edges: FloatArray,
    width_of: IntArray,
    table: SingleArray,
    owner: IntArray,
    sizes: IntArray,
    weights: SingleArray,
    biases: SingleArray,
    transposed: SingleArray,
    usual: SingleArray,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
    numbers: SingleArray,
    place: IntArray,
    value: SingleArray,
    share: SingleArray,
    pushes: FloatArray,
    wide: SingleArray,
    wide_share: SingleArray,
    wide_pushes: FloatArray,
) -> None:
    """Score events, by lanes or one by one; `usual` holds all layers of the row that pushes are counted from."""
    last, n, inputs = len(numbers) - 1, X.shape[1], numbers[: sizes[0]]
    explain = k > 0 or len(every) > 0
    first = 0
    while n - first >= FEWEST and len(wide) > 0:
        width = min(LANES, n - first)
        for lane in range(width):
            fill(X, rows, first + lane, middle, scale, gap, starts, edges, width_of, table, inputs)
            into_lane(inputs, lane, wide)
        lanes_forward(sizes, weights, biases, wide, wide_share)
        if explain:
            lanes_push(sizes, transposed, wide, usual, owner, wide_share, wide_pushes)
        for lane in range(width):
            j = first + lane
            margin[j] = np.float64(wide[last * LANES + lane]) + 0.0
            if explain:
                out_of_lane(wide_pushes, lane, pushes)
                settle(pushes, margin[j] - np.float64(usual[last]))
                note(pushes, j, k, top, top_value, every)
        first += width
    for j in range(first, n):
        fill(X, rows, j, middle, scale, gap, starts, edges, width_of, table, numbers)
        forward(sizes, weights, biases, numbers, place, value)
        margin[j] = np.float64(numbers[last]) + 0.0
        if explain:
            _push(sizes, transposed, numbers, usual, owner, place, value, share, pushes)
            settle(pushes, margin[j] - np.float64(usual[last]))
            note(pushes, j, k, top, top_value, every)


@dataclass(frozen=True, eq=False)
class Layers:
    """Layers of a net, each fully connected to the next, with a ReLU between two.

    Parameters
    ----------
    sizes
        How many numbers each layer has, the inputs first.
    weights
        Layer by layer, for each of its inputs what the input adds to every output.
    biases
        Layer by layer, what each output starts from.

    Examples
    --------
    >>> net = Layers.of([(np.array([[1.0, -1.0]]), np.array([0.0, 0.5])), (np.array([[2.0], [3.0]]), np.array([1.0]))])
    >>> net.outputs(np.array([[4.0], [-4.0]], np.float32)).tolist()
    [[9.0], [14.5]]
    """

    sizes: AnyArray
    weights: AnyArray
    biases: AnyArray

    def __post_init__(self) -> None:
        sizes = self.sizes
        fits = len(sizes) > 1 and bool(np.all((sizes > 0) & (sizes <= WIDEST)))
        fits = fits and len(self.weights) == int(np.sum(sizes[:-1] * sizes[1:])) and len(self.biases) == sizes[1:].sum()
        if not (fits and np.isfinite(self.weights).all() and np.isfinite(self.biases).all()):
            msg = "these are not the layers of a net: sizes, weights and biases contradict each other"
            raise BundleError(msg)

    @classmethod
    def of(cls, parts: Sequence[tuple[FloatArray, FloatArray]]) -> Layers:
        """Return the layers with these weights (inputs, outputs) and biases (outputs,), in single precision."""
        sizes = [len(parts[0][0]), *(len(bias) for _, bias in parts)]
        flat = np.concatenate([weight.reshape(-1) for weight, _ in parts]).astype(np.float32)
        biases = np.concatenate([bias for _, bias in parts]).astype(np.float32)
        return cls(np.array(sizes, dtype=np.int64), flat, biases)

    @cached_property
    def transposed(self) -> SingleArray:
        """The weights of each layer by output: the way back reads them so."""
        flat = np.empty_like(self.weights)
        first = 0
        for m, n in zip(self.sizes[:-1], self.sizes[1:], strict=True):
            flat[first : first + m * n] = self.weights[first : first + m * n].reshape(m, n).T.reshape(-1)
            first += m * n
        return flat

    def room(self) -> tuple[SingleArray, IntArray, SingleArray]:
        """Return what `forward` works in: room for all layers, and twice for the widest."""
        widest = int(self.sizes.max())
        return np.empty(int(self.sizes.sum()), np.float32), np.empty(widest, np.int64), np.empty(widest, np.float32)

    def whole(self, inputs: SingleArray) -> SingleArray:
        """Return all layers of one row of inputs, one after the other, each before its ReLU."""
        numbers, place, value = self.room()
        numbers[: self.sizes[0]] = inputs
        forward(self.sizes, self.weights, self.biases, numbers, place, value)
        return numbers

    def outputs(self, inputs: SingleArray) -> SingleArray:
        """Return the last layer for rows of inputs, shape (n, outputs)."""
        return np.stack([self.whole(row)[-self.sizes[-1] :] for row in inputs])

    def arrays(self) -> Arrays:
        """Return what is written as arrays."""
        return {"sizes": self.sizes, "weights": self.weights, "biases": self.biases}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Layers:
        """Build the layers from what `arrays` returned."""
        return cls(
            take(arrays, "sizes", np.int64), take(arrays, "weights", np.float32), take(arrays, "biases", np.float32)
        )


@dataclass(frozen=True, eq=False)
class Dense(Kernelled):
    """A net with one output, the margin.

    Parameters
    ----------
    inputs
        How a row becomes numbers.
    layers
        What is computed from them.
    usual
        The inputs that pushes are counted from: the mean of the training rows.

    Notes
    -----
    Contributions are those of DeepLIFT's rescale rule: from the output back to the inputs, a unit passes on the share
    of its change that its ReLU let through, between the usual row and this one. They add up to the margin's distance
    from `bias`, the margin of the usual row; what rounding leaves (about 1e-6 of the margin) goes to the largest. One
    way back costs about as much as the way there.

    References
    ----------
    Shrikumar, Greenside and Kundaje (2017), Learning Important Features Through Propagating Activation Differences,
    section 3.5.1.
    """

    inputs: Inputs
    layers: Layers
    usual: AnyArray

    def __post_init__(self) -> None:
        sizes = self.layers.sizes
        fits = sizes[0] == len(self.inputs.owner) == len(self.usual) and sizes[-1] == 1
        if not (fits and np.isfinite(self.usual).all()):
            msg = "these are not the parts of a net: inputs, layers and usual row contradict each other"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.inputs.names

    @cached_property
    def _usual(self) -> SingleArray:
        return self.layers.whole(self.usual)

    @cached_property
    def bias(self) -> float:
        """The margin of the usual row."""
        return float(self._usual[-1])

    @cached_property
    def _packed(self) -> tuple[AnyArray, ...]:
        layers = self.layers
        parts = (layers.sizes, layers.weights, layers.biases, layers.transposed, self._usual)
        return (*self.inputs.packed, self.inputs.owner, *parts)

    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        check_matrix(X, rows, len(self.names))
        outputs = (result.margin, result.top, result.top_value, every)
        numbers, place, value = self.layers.room()
        lanes = LANES if X.shape[1] >= FEWEST else 0
        wide = (
            np.zeros(len(numbers) * lanes, np.float32),
            np.empty(2 * len(value) * lanes, np.float32),
            np.empty(len(self.names) * lanes),
        )
        room = (numbers, place, value, np.empty_like(value), np.empty(len(self.names)), *wide)
        arguments: tuple[Any, ...] = (X, rows, *self._packed, k, *outputs, *room)
        _score(*arguments)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kind": "dense", "inputs": self.inputs.meta()}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return under(self.inputs.arrays(), "inputs") | under(self.layers.arrays(), "layers") | {"usual": self.usual}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Dense:
        """Build the net from what `meta` and `arrays` returned."""
        return cls(
            Inputs.from_arrays(meta["inputs"], sub(arrays, "inputs")),
            Layers.from_arrays(sub(arrays, "layers")),
            take(arrays, "usual", np.float32),
        )
