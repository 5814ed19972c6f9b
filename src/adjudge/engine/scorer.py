"""What the engine asks of a model: numbers in, numbers out, each row computed as if it were alone.

The engine holds a scorer by this protocol only; what implements it lives in `adjudge.models`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from adjudge.typing import FloatArray, IntArray

TOP = 5
"""How many contributions a scorer returns per row unless it is built with another number."""


@dataclass(frozen=True, slots=True)
class Scores:
    """The result of scoring a batch, column by column.

    Parameters
    ----------
    margin
        Raw log-odds before calibration, shape (n,); the contributions explain this number.
    p
        Calibrated probability of the positive class, shape (n,), in [0, 1].
    top
        The features that pushed the margin up most, shape (n, k): positions in the scorer's `names`, largest
        push first, -1 where fewer than k features pushed it up.
    top_value
        What each of those features added to the margin, shape (n, k); 0 where `top` is -1.
    families
        Calibrated probability of each score family, by name; empty for a scorer without families.
    """

    margin: FloatArray
    p: FloatArray
    top: NDArray[np.int32]
    top_value: FloatArray
    families: Mapping[str, FloatArray] = field(default_factory=dict)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.margin)

    def take(self, rows: IntArray) -> Scores:
        """Return the scores of some rows."""
        families = {name: p[rows] for name, p in self.families.items()}
        return Scores(self.margin[rows], self.p[rows], self.top[rows], self.top_value[rows], families)

    @staticmethod
    def join(parts: Sequence[Scores]) -> Scores:
        """Return the scores of consecutive batches as one; at least one part is needed."""
        return Scores(
            np.concatenate([s.margin for s in parts]),
            np.concatenate([s.p for s in parts]),
            np.concatenate([s.top for s in parts]),
            np.concatenate([s.top_value for s in parts]),
            {name: np.concatenate([s.families[name] for s in parts]) for name in parts[0].families},
        )


@runtime_checkable
class Scorer(Protocol):
    """A served model.

    A scorer computes every row in a fixed order of operations, whatever n and whatever its neighbours,
    so that batches of any size give the same bits.
    """

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads, in the order in which `score` expects their rows."""
        ...

    @property
    def version(self) -> str:
        """A short hash of everything that can change a score."""
        ...

    @property
    def top(self) -> int:
        """How many contributions it returns a row."""
        ...

    @property
    def family_names(self) -> tuple[str, ...]:
        """Names of its score families, in the order of `Scores.families`; empty without any."""
        ...

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Score n events.

        Parameters
        ----------
        X
            The feature matrix, shape (C, n), one slot a row, C-contiguous; NaN means missing.
        rows
            For each name the row of `X` that holds it, shape (len(names),).
        """
        ...
