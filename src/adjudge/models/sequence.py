"""The served form of a sequence model: the last events of a key as steps, what is known beside them, one margin.

Steps come from the columns that ``last_n`` and ``since_last_n`` make, such as ``user_amount_last_8_1`` (the newest) to
``user_amount_last_8_8``. A step without any value is none: short histories are read for as long as they are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any, Literal

import numpy as np

from adjudge.errors import BundleError, DefinitionError, did_you_mean
from adjudge.models import recurrent
from adjudge.models.raw import Arrays, Kernelled, Meta, Raw, check_matrix, take
from adjudge.typing import AnyArray, FloatArray, IntArray

Cell = Literal["lstm", "gru", "attention"]
"""How steps become one state."""

CELLS: dict[str, int] = {"lstm": recurrent.LSTM, "gru": recurrent.GRU, "attention": recurrent.ATTENTION}
"""The kernel's number of each cell."""

GATES: dict[str, int] = {"lstm": 4, "gru": 3, "attention": 2}
"""How many outputs a step has for each unit of the state."""

_COLUMN = re.compile(r"(?P<stem>.+_(?P<n>\d+))_(?P<place>\d+)")

Steps = tuple[tuple[str, ...], ...]
"""Names of the features of each step, oldest step first."""


def find_steps(names: Sequence[str], stems: Sequence[str] | None = None) -> Steps:
    """Return the features of each step by their names, the oldest step first.

    Parameters
    ----------
    names
        The features.
    stems
        What their names begin with, such as ``user_amount_last_8``, in the order in which a step is read; None takes
        all that number their columns from 1 to n as ``last_n`` does.

    Raises
    ------
    DefinitionError
        If there are none, a column is missing, or they are of different lengths.

    Examples
    --------
    >>> columns = ["amount", *(f"card_{what}_2_{k}" for what in ("amount_last", "since_last_s") for k in (1, 2))]
    >>> find_steps(columns)
    (('card_amount_last_2_2', 'card_since_last_s_2_2'), ('card_amount_last_2_1', 'card_since_last_s_2_1'))
    """
    places: dict[str, set[int]] = {}
    lengths: dict[str, int] = {}
    for name in names:
        if found := _COLUMN.fullmatch(name):
            places.setdefault(found["stem"], set()).add(int(found["place"]))
            lengths[found["stem"]] = int(found["n"])
    whole = [stem for stem, n in lengths.items() if places[stem] == set(range(1, n + 1))]
    wanted = whole if stems is None else list(stems)
    for stem in wanted:
        if stem not in whole:
            msg = f"no features are numbered {stem}_1 and so on{did_you_mean(stem, whole)}"
            raise DefinitionError(msg)
    if len({lengths[stem] for stem in wanted}) != 1:
        said = ", ".join(f"{stem} ({lengths[stem]})" for stem in wanted) or "there are none"
        msg = f"steps are made of the columns of last_n and since_last_n, all of one length: {said}"
        raise DefinitionError(msg)
    return tuple(tuple(f"{stem}_{k}" for stem in wanted) for k in range(lengths[wanted[0]], 0, -1))


def positions(names: Sequence[str], steps: Steps) -> tuple[IntArray, IntArray]:
    """Return where each step's features are among the names, and where the others.

    Raises
    ------
    DefinitionError
        If a step names what is no feature, or a feature twice, or steps differ in width.
    """
    if not steps or len({len(step) for step in steps}) != 1 or not steps[0]:
        msg = "a sequence model needs at least one step, and all of them as many features"
        raise DefinitionError(msg)
    named = list(chain.from_iterable(steps))
    for name in named:
        if name not in names:
            msg = f"a step names {name!r}, which is no feature{did_you_mean(name, names)}"
            raise DefinitionError(msg)
    if len(set(named)) != len(named):
        msg = "a feature belongs to one step, and once"
        raise DefinitionError(msg)
    place = {name: i for i, name in enumerate(names)}
    inside = np.array([[place[name] for name in step] for step in steps], dtype=np.int64)
    return inside, np.setdiff1d(np.arange(len(names)), inside)


_ARRAYS: dict[str, tuple[type[np.generic], int]] = {
    "steps": (np.int64, 2),
    "beside": (np.int64, 1),
    "flags": (np.int64, 1),
    "centre": (np.float64, 1),
    "spread": (np.float64, 1),
    "from_step": (np.float64, 2),
    "from_state": (np.float64, 2),
    "bias": (np.float64, 1),
    "bias_state": (np.float64, 1),
    "age": (np.float64, 1),
    "from_beside": (np.float64, 2),
    "from_pooled": (np.float64, 2),
    "bias_head": (np.float64, 1),
    "to_margin": (np.float64, 1),
}
"""Type and dimensions of each array that is saved."""


@dataclass(frozen=True, eq=False)
class SequenceModel(Kernelled):
    """A recurrent net, or attention, over the last events; one hidden layer joins it with what is beside them.

    A contribution is how far the margin moves when its value is read: first the features beside the steps, in the
    order of the names, then the steps from the oldest to the newest, each feature by feature, the first one of a step
    together with there being a step. `bias` is the margin before anything is read: all at their means, no steps. So
    they add up to the margin exactly as far as floating point does, and depend on that order.

    Parameters
    ----------
    names
        The features.
    weights
        The trained arrays.
    """

    names: tuple[str, ...]
    weights: recurrent.Weights

    def __post_init__(self) -> None:
        if not _fits(self.names, self.weights):
            msg = "these are not the arrays of a sequence model: shapes, positions or numbers contradict each other"
            raise BundleError(msg)

    @cached_property
    def bias(self) -> float:
        """The margin where everything beside is at its mean and there are no steps."""
        w = self.weights
        total = w.bias_margin
        for unit, weight in zip(w.bias_head.tolist(), w.to_margin.tolist(), strict=True):
            total += unit * weight if unit > 0.0 else 0.0
        return float(total)

    def _write(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> None:
        check_matrix(X, rows, len(self.names))
        # Room is made for each call: two threads may score at the same time.
        w = self.weights
        recurrent.score(X, rows, w, recurrent.room(w), k, result.margin, result.top, result.top_value, every)

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        cell = next(name for name, number in CELLS.items() if number == self.weights.cell)
        return {"kind": "sequence", "names": list(self.names), "cell": cell, "bias_margin": self.weights.bias_margin}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {name: getattr(self.weights, name) for name in _ARRAYS}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> SequenceModel:
        """Build the model from what `meta` and `arrays` returned."""
        if meta["cell"] not in CELLS:
            msg = f"a sequence model has no cell {meta['cell']!r}"
            raise BundleError(msg)
        taken = {name: take(arrays, name, dtype, dimensions) for name, (dtype, dimensions) in _ARRAYS.items()}
        weights = recurrent.Weights(cell=CELLS[meta["cell"]], bias_margin=float(meta["bias_margin"]), **taken)
        return cls(tuple(meta["names"]), weights)


def _fits(names: Sequence[str], w: recurrent.Weights) -> bool:
    """Tell whether a kernel may read the arrays without a look at their bounds."""
    cell = next((name for name, number in CELLS.items() if number == w.cell), None)
    if cell is None or w.steps.size == 0:
        return False
    (count, depth), (hidden, wide), n = w.steps.shape, w.from_pooled.shape, len(names)
    gates, inputs = GATES[cell] * hidden, len(w.beside) + int((w.flags >= 0).sum())
    query = cell == "attention"
    shapes = {
        "flags": w.beside.shape,
        "centre": (n,),
        "spread": (n,),
        "from_step": (depth, gates),
        "from_state": (inputs, hidden) if query else (hidden, gates),
        "bias": (gates,),
        "bias_state": (hidden if query else gates,),
        "age": (count,),
        "from_beside": (inputs, wide),
        "bias_head": (wide,),
        "to_margin": (wide,),
    }
    if any(getattr(w, name).shape != shape for name, shape in shapes.items()) or hidden == 0 or wide == 0:
        return False
    flagged = w.flags[w.flags >= 0]
    return (
        np.array_equal(np.sort(np.concatenate([w.steps.ravel(), w.beside])), np.arange(n))
        and np.array_equal(np.sort(flagged), np.arange(len(w.beside), inputs))
        and all(np.isfinite(getattr(w, name)).all() for name, (dtype, _) in _ARRAYS.items() if dtype is np.float64)
        and bool(np.isfinite(w.bias_margin))
        and bool((w.spread > 0.0).all())
    )
