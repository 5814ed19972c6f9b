"""The kernels of sequence models: one row at a time, one step after the other, each sum in one fixed order.

A row is read as a person would read it: first what is known beside the steps, in the order of the names, then the
steps from the oldest to the newest. The margin after each reading is a number of its own, and how far it moved is
what the reading contributed; so contributions add up to the margin by construction, and cost little more than it.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from adjudge.kernel import lean_kernel
from adjudge.models.pushes import note
from adjudge.typing import BoolArray, FloatArray, IntArray

LSTM, GRU, ATTENTION = 0, 1, 2
"""The kinds of cell."""

CLIP = 10.0
"""Standardised values beyond this are cut, in training and in service."""


class Weights(NamedTuple):
    """A trained sequence model as arrays: T steps of D features, S features beside them, N = T D + S names.

    Parameters
    ----------
    cell
        `LSTM`, `GRU` or `ATTENTION`.
    steps
        Position of each step's features among the names, (T, D), oldest step first.
    beside
        Positions of the features beside the steps, (S,).
    flags
        For each of those its row of `from_beside` that counts where it is missing, or -1, (S,).
    centre, spread
        What is taken from the logarithm of a value, and what it is then divided by, (N,).
    from_step
        Of a step's features (D, G): the gates of a recurrent cell (4 H: input, forget, new, output; or 3 H: reset,
        update, new), or key and value of attention (2 H).
    from_state
        Of the state (H, G); of attention, of what is beside the steps, to the query: (S + flags, H).
    bias, bias_state
        Of both, (G,), the query's (H,).
    age
        What attention adds to the score of each step, (T,).
    from_beside, from_pooled
        To the head, (S + flags, W) and (H, W).
    bias_head, to_margin, bias_margin
        The head's own (W,), and from it to the margin.
    """

    cell: int
    steps: IntArray
    beside: IntArray
    flags: IntArray
    centre: FloatArray
    spread: FloatArray
    from_step: FloatArray
    from_state: FloatArray
    bias: FloatArray
    bias_state: FloatArray
    age: FloatArray
    from_beside: FloatArray
    from_pooled: FloatArray
    bias_head: FloatArray
    to_margin: FloatArray
    bias_margin: float


class Room(NamedTuple):
    """What a kernel works in: a kernel that allocates nothing need not count references."""

    value: FloatArray
    known: BoolArray
    step: FloatArray
    state: FloatArray
    trial: FloatArray
    gates: FloatArray
    carried: FloatArray
    query: FloatArray
    head: FloatArray
    layer: FloatArray
    pushes: FloatArray


def room(weights: Weights) -> Room:
    """Return the arrays that `score` works in."""
    names, depth = len(weights.centre), weights.steps.shape[1]
    hidden, wide = weights.from_pooled.shape
    gates = weights.from_step.shape[1]
    return Room(
        value=np.empty(names),
        known=np.empty(names, dtype=np.bool_),
        step=np.empty(depth),
        state=np.empty(2 * hidden + 2),
        trial=np.empty(2 * hidden + 2),
        gates=np.empty(gates),
        carried=np.empty(gates),
        query=np.empty(2 * hidden),
        head=np.empty(wide),
        layer=np.empty(wide),
        pushes=np.empty(names),
    )


@lean_kernel
def _standardise(X: FloatArray, rows: IntArray, j: int, w: Weights, r: Room) -> None:
    """Take each value's signed logarithm to zero mean and unit deviation; missing is the mean."""
    for f in range(len(rows)):
        x = X[rows[f], j]
        r.known[f] = x == x
        if x == x:
            level = math.copysign(math.log1p(abs(x)), x)
            r.value[f] = min(max((level - w.centre[f]) / w.spread[f], -CLIP), CLIP)
        else:
            r.value[f] = 0.0


@lean_kernel
def _add(total: FloatArray, factor: float, row: FloatArray) -> None:
    """Add a multiple of a row of weights."""
    for k in range(len(total)):
        total[k] += factor * row[k]


@lean_kernel
def _add_rows(total: FloatArray, factors: FloatArray, rows: FloatArray) -> None:
    """Add each factor times its row of weights, in order; four rows a turn save three in four stores."""
    n, m = len(total), rows.shape[0]
    whole = m - m % 4
    for i in range(0, whole, 4):
        v0, v1, v2, v3 = factors[i], factors[i + 1], factors[i + 2], factors[i + 3]
        w0, w1, w2, w3 = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for k in range(n):
            total[k] = (((total[k] + v0 * w0[k]) + v1 * w1[k]) + v2 * w2[k]) + v3 * w3[k]
    for i in range(whole, m):
        _add(total, factors[i], rows[i])


@lean_kernel
def grown(x: float) -> float:
    """Return exp(x) - 1 of x between -40 and 40, which is as far as a sigmoid can tell.

    A polynomial near 0, and squares from there: plain arithmetic, which the processor does for several numbers at
    once, where the library's exp is called for one after the other. Relative errors are below 1e-12 where it matters.
    """
    y = min(max(x, -40.0), 40.0) * (1.0 / 256.0)
    p = 1.0 / 720.0 + y * (1.0 / 5040.0)
    p = 1.0 / 24.0 + y * (1.0 / 120.0 + y * p)
    q = y * (1.0 + y * (0.5 + y * (1.0 / 6.0 + y * p)))
    for _ in range(8):
        q = q * (q + 2.0)
    return q


@lean_kernel
def sigmoids(x: FloatArray) -> None:
    """Replace each number by its sigmoid."""
    for i in range(len(x)):
        x[i] = 1.0 / (2.0 + grown(-x[i]))


@lean_kernel
def tangents(x: FloatArray) -> None:
    """Replace each number by its hyperbolic tangent."""
    for i in range(len(x)):
        q = grown(2.0 * x[i])
        x[i] = q / (q + 2.0)


@lean_kernel
def _margin(layer: FloatArray, w: Weights) -> float:
    """Return the margin from the head before its rectifier: four sums side by side, so that none waits for the last."""
    a, b, c, d = w.bias_margin, 0.0, 0.0, 0.0
    n = len(layer)
    whole = n - n % 4
    for k in range(0, whole, 4):
        a += max(layer[k], 0.0) * w.to_margin[k]
        b += max(layer[k + 1], 0.0) * w.to_margin[k + 1]
        c += max(layer[k + 2], 0.0) * w.to_margin[k + 2]
        d += max(layer[k + 3], 0.0) * w.to_margin[k + 3]
    for k in range(whole, n):
        a += max(layer[k], 0.0) * w.to_margin[k]
    return (a + b) + (c + d)


@lean_kernel
def _read_out(state: FloatArray, w: Weights, r: Room) -> float:
    """Return the margin of what is beside the steps and the state so far."""
    hidden = w.from_pooled.shape[0]
    for k in range(len(r.layer)):
        r.layer[k] = r.head[k]
    pooled = state[:hidden]
    if w.cell == ATTENTION and state[2 * hidden + 1] > 0.0:
        pooled = r.query[hidden:]
        for i in range(hidden):
            pooled[i] = state[i] / state[2 * hidden + 1]
    _add_rows(r.layer, pooled, w.from_pooled)
    return _margin(r.layer, w)


@lean_kernel
def _carry(old: FloatArray, w: Weights, r: Room) -> None:
    """Add up what the state gives to the gates of a step, which is the same whatever of the step has been read."""
    hidden = w.from_pooled.shape[0]
    start = w.bias if w.cell == LSTM else w.bias_state
    for g in range(len(r.carried)):
        r.carried[g] = start[g]
    _add_rows(r.carried, old[:hidden], w.from_state)


@lean_kernel
def _lstm(old: FloatArray, new: FloatArray, w: Weights, r: Room) -> None:
    """Update (output, cell) by a step, as torch does; Hochreiter & Schmidhuber (1997) with Gers' forget gate."""
    hidden = w.from_pooled.shape[0]
    gates, output = r.gates, new[:hidden]
    for g in range(len(gates)):
        gates[g] = r.carried[g]
    _add_rows(gates, r.step, w.from_step)
    sigmoids(gates[: 2 * hidden])
    tangents(gates[2 * hidden : 3 * hidden])
    sigmoids(gates[3 * hidden :])
    for i in range(hidden):
        cell = gates[hidden + i] * old[hidden + i] + gates[i] * gates[2 * hidden + i]
        new[hidden + i] = cell
        output[i] = cell
    tangents(output)
    for i in range(hidden):
        output[i] *= gates[3 * hidden + i]


@lean_kernel
def _gru(old: FloatArray, new: FloatArray, w: Weights, r: Room) -> None:
    """Update the output by a step, as torch does; Cho et al. (2014), reset applied after the product."""
    hidden = w.from_pooled.shape[0]
    gates, fresh = r.gates, r.gates[2 * hidden :]
    for g in range(len(gates)):
        gates[g] = w.bias[g]
    _add_rows(gates, r.step, w.from_step)
    for g in range(2 * hidden):
        gates[g] += r.carried[g]
    sigmoids(gates[: 2 * hidden])
    for i in range(hidden):
        fresh[i] += gates[i] * r.carried[2 * hidden + i]
    tangents(fresh)
    for i in range(hidden):
        new[i] = fresh[i] + gates[hidden + i] * (old[i] - fresh[i])


@lean_kernel
def _attend(old: FloatArray, new: FloatArray, t: int, w: Weights, r: Room) -> None:
    """Add a step's value by its weight: a softmax that is kept running, with the largest score taken out."""
    hidden = w.from_pooled.shape[0]
    peak, total = 2 * hidden, 2 * hidden + 1
    for g in range(len(r.gates)):
        r.gates[g] = w.bias[g]
    _add_rows(r.gates, r.step, w.from_step)
    score = 0.0
    for i in range(hidden):
        score += r.query[i] * r.gates[i]
    score = score / math.sqrt(hidden) + w.age[t]
    most = max(old[peak], score)
    shrink, weight = math.exp(old[peak] - most), math.exp(score - most)
    for i in range(hidden):
        new[i] = old[i] * shrink + weight * max(r.gates[hidden + i], 0.0)
    new[peak] = most
    new[total] = old[total] * shrink + weight


@lean_kernel
def _update(old: FloatArray, new: FloatArray, t: int, w: Weights, r: Room) -> None:
    """Bring the state on by the step at hand."""
    if w.cell == LSTM:
        _lstm(old, new, w, r)
    elif w.cell == GRU:
        _gru(old, new, w, r)
    else:
        _attend(old, new, t, w, r)


@lean_kernel
def _read_beside(w: Weights, r: Room, explain: bool) -> float:
    """Read what is beside the steps into the head; return the margin without steps, where it is asked for."""
    for k in range(len(r.head)):
        r.head[k] = w.bias_head[k]
    before = _margin(r.head, w) if explain else 0.0
    for s in range(len(w.beside)):
        f = w.beside[s]
        if r.known[f]:
            _add(r.head, r.value[f], w.from_beside[s])
        elif w.flags[s] >= 0:
            _add(r.head, 1.0, w.from_beside[w.flags[s]])
        if explain:
            after = _margin(r.head, w)
            r.pushes[f] = after - before
            before = after
    return before


@lean_kernel
def _ask(w: Weights, r: Room) -> None:
    """Make the query of attention from what is beside the steps."""
    query = r.query[: w.from_pooled.shape[0]]
    for i in range(len(query)):
        query[i] = w.bias_state[i]
    for s in range(len(w.beside)):
        f = w.beside[s]
        if r.known[f]:
            _add(query, r.value[f], w.from_state[s])
        elif w.flags[s] >= 0:
            _add(query, 1.0, w.from_state[w.flags[s]])


@lean_kernel
def _read_step(t: int, before: float, w: Weights, r: Room, explain: bool) -> float:
    """Read one step into the state, feature by feature where that is asked for; a step without values is none.

    Feature by feature means that those not yet read stand at their mean; the first one also carries that there was
    a step. The last reading is the whole step, so the state is the same either way.
    """
    left = 0
    for d in range(len(r.step)):
        left += r.known[w.steps[t, d]]
        r.step[d] = 0.0
    if left == 0:
        return before
    if w.cell != ATTENTION:
        _carry(r.state, w, r)
    for d in range(len(r.step)):
        f = w.steps[t, d]
        if not r.known[f]:
            continue
        r.step[d] = r.value[f]
        left -= 1
        if explain or left == 0:
            _update(r.state, r.trial, t, w, r)
        if explain:
            after = _read_out(r.trial, w, r)
            r.pushes[f] = after - before
            before = after
    for i in range(len(r.state)):
        r.state[i] = r.trial[i]
    return before


@lean_kernel
def score(
    X: FloatArray,
    rows: IntArray,
    w: Weights,
    r: Room,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
) -> None:
    """Score all events; with k > 0 also the k largest contributions, with room in `every` (n, N) all."""
    explain = k > 0 or len(every) > 0
    hidden = w.from_pooled.shape[0]
    for j in range(X.shape[1]):
        _standardise(X, rows, j, w, r)
        for f in range(len(rows)):
            r.pushes[f] = 0.0
        before = _read_beside(w, r, explain)
        if w.cell == ATTENTION:
            _ask(w, r)
        for i in range(len(r.state)):
            r.state[i] = 0.0
            r.trial[i] = 0.0
        r.state[2 * hidden] = -math.inf
        for t in range(w.steps.shape[0]):
            before = _read_step(t, before, w, r, explain)
        margin[j] = _read_out(r.state, w, r)
        note(r.pushes, j, k, top, top_value, every)
