"""What the engine asks of a model: numbers in, numbers out, each row computed as if it were alone.

The engine holds a scorer by this protocol only; what implements it lives in `adjudge.models`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from adjudge.typing import BoolArray, CodeArray, FloatArray, IntArray

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

    @classmethod
    def missing(cls, n: int, top: int, families: Sequence[str] = ()) -> Scores:
        """Return what stands for the scores of n events without any."""
        none = {name: np.full(n, np.nan) for name in families}
        return cls(np.full(n, np.nan), np.full(n, np.nan), np.full((n, top), -1, np.int32), np.zeros((n, top)), none)

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


Said: TypeAlias = Any
"""What one layer says of n events. Only the layer's part and the scorer that it belongs to look inside."""


class Part(Protocol):
    """What computes one layer of a scorer: each row as if it were alone, as a `Scorer` does."""

    def score(self, X: FloatArray, rows: IntArray) -> Said:
        """Say something of n events; X and rows as in `Scorer.score`, rows for what this part reads."""
        ...

    def unusable(self, said: Said, n: int) -> BoolArray | None:
        """Return of which events nothing usable was said; None if all is sound.

        Raises
        ------
        ScoreError
            If what was said has not the promised shape.
        """
        ...

    def missing(self, n: int) -> Said:
        """Return what stands for n events of which nothing was said."""
        ...

    def take(self, said: Said, events: IntArray) -> Said:
        """Return what was said of some events."""
        ...

    def spread(self, said: Said, places: IntArray, n: int) -> Said:
        """Return what is said of n events: that at their places, and nothing elsewhere."""
        ...

    def join(self, parts: Sequence[Said]) -> Said:
        """Return what was said of consecutive events as one; at least one is needed."""
        ...


@runtime_checkable
class Layered(Scorer, Protocol):
    """A scorer in layers: a decision can be made from what some of them say."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of its layers, in the order in which they are asked."""
        ...

    @property
    def parts(self) -> tuple[tuple[Part, IntArray], ...]:
        """What computes each layer, and the positions in `names` of what it reads."""
        ...

    def needs(self, at: int, said: Sequence[Said], codes: CodeArray) -> BoolArray | None:
        """Return which events need a layer after what the layers before it have said; None for all.

        A function of the row alone, so that a replay needs no record of it.

        Parameters
        ----------
        at
            The layer's place, 1 or later: the first is always asked.
        said, codes
            What the earlier layers said, and how each took part in each event, shape (at, n).
        """
        ...

    def combine(self, said: Sequence[Said], codes: CodeArray) -> Scores:
        """Return the scores that the layers which ran come to together; NaN where none did.

        Parameters
        ----------
        said
            What each layer said.
        codes
            How each took part in each event, shape (layers, n), as positions in `layers.TAKEN`.
        """
        ...
