"""What the workspace looks up: the position of an id, and what has become known about the event at a position."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError
from adjudge.history.table import Table
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

ABSENT = -1
"""What stands for the position of an id that is not there."""


class Ids:
    """The ids of one stream and the position of each: a few bytes an id, whatever its length.

    A table holds a keyed 64-bit hash of each id. Two ids that share one are told apart by whoever reads the log: the
    later one is entered as a twin, by its text.

    Parameters
    ----------
    secret
        The workspace's secret.

    Examples
    --------
    >>> ids = Ids(bytes(16))
    >>> ids.add(["a", "b"], 7)
    >>> ids.find(["b", "c"]).tolist(), ids.get("a"), "c" in ids, len(ids)
    ([8, -1], 7, False, 2)
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._table = Table()
        self._twins: dict[str, int] = {}

    def find(self, ids: Sequence[str]) -> IntArray:
        """Return the position of each id, -1 where it is not there."""
        found = self._table.find_many(self._hashes(ids))
        for i, id_ in enumerate(ids) if self._twins else ():
            found[i] = self._twins.get(id_, found[i])
        return found

    def get(self, id_: str) -> int | None:
        """Return the position of an id, None where it is not there."""
        position = int(self.find([id_])[0])
        return None if position == ABSENT else position

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self.get(id_) is not None

    def __len__(self) -> int:
        return len(self._table) + len(self._twins)

    def add(self, ids: Sequence[str], first: int, hashes: HashArray | None = None) -> None:
        """Enter new ids at consecutive positions.

        Parameters
        ----------
        ids
            The ids.
        first
            Position of the first.
        hashes
            Their hashes, where they are at hand: an encoded event holds that of its id.
        """
        hashes = self._hashes(ids) if hashes is None else hashes
        self._table.put_many(hashes, np.arange(first, first + len(ids)))

    def add_twin(self, id_: str, position: int) -> None:
        """Enter an id whose hash belongs to another one."""
        self._twins[id_] = position

    def remove(self, ids: Sequence[str]) -> None:
        """Forget ids."""
        single = [id_ for id_ in ids if self._twins.pop(id_, None) is None]
        self._table.remove_many(self._hashes(single))

    def arrays(self) -> dict[str, AnyArray]:
        """Return the table as arrays, in the order of hashes."""
        return self._table.arrays()

    @property
    def twins(self) -> Mapping[str, int]:
        """The ids that are entered by their text."""
        return self._twins

    @classmethod
    def from_arrays(cls, secret: bytes, arrays: Mapping[str, AnyArray], twins: Mapping[str, int]) -> Ids:
        """Return the ids that `arrays` and `twins` described."""
        self = cls(secret)
        self._table = Table.from_arrays(arrays)
        self._twins = dict(twins)
        return self

    def _hashes(self, ids: Sequence[str]) -> AnyArray:
        return hash_texts(self._secret, TEXT_TAG, ids)


class Known:
    """What was set on events, by their position: for each name nothing, 0 or 1.

    Parameters
    ----------
    names
        The names, at most 31; their order is part of the arrays.

    Examples
    --------
    >>> known = Known(["fraud", "declined"])
    >>> known.set("fraud", [3, 4], [1.0, 0.0])
    >>> known.get("fraud", [3, 4, 5]).tolist(), known.of(3)
    ([1.0, 0.0, nan], {'fraud': True})
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        if len(self.names) > 31:
            message = f"a stream can have 31 labels and outcomes, not {len(self.names)}"
            raise DefinitionError(message)
        self._table = Table()

    def get(self, name: str, positions: Sequence[int] | IntArray) -> FloatArray:
        """Return what a name is set to at each position, NaN where it is not."""
        bits = (self._bits(positions) >> self._shift(name)) & 3
        return np.where(bits & 1, (bits >> 1).astype(float), np.nan)

    def set(self, name: str, positions: Sequence[int] | IntArray, values: Sequence[float] | FloatArray) -> None:
        """Set a name at distinct positions to 0 or 1, or to nothing where the value is NaN."""
        new = np.asarray(values, float)
        bits = np.where(np.isnan(new), 0, 1 | ((new == 1.0).astype(np.int64) << 1))
        shift = self._shift(name)
        self.put(positions, (self._bits(positions) & ~(3 << shift)) | (bits << shift))

    def of(self, position: int) -> dict[str, bool]:
        """Return everything that is set at a position, by name."""
        found = {name: float(self.get(name, [position])[0]) for name in self.names}
        return {name: value == 1.0 for name, value in found.items() if value == value}

    def put(self, positions: Sequence[int] | IntArray, bits: IntArray) -> None:
        """Set everything at distinct positions, as `take` returned it."""
        keys = np.asarray(positions, np.uint64)
        if (bits != 0).any():
            self._table.put_many(keys[bits != 0], bits[bits != 0])
        if (bits == 0).any():
            self._table.remove_many(keys[bits == 0])

    def take(self, positions: Sequence[int] | IntArray) -> IntArray:
        """Return everything that is set at some positions, one number each."""
        return self._bits(positions)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the table as arrays, in the order of positions."""
        return self._table.arrays()

    @classmethod
    def from_arrays(cls, names: Iterable[str], arrays: Mapping[str, AnyArray]) -> Known:
        """Return what `arrays` described."""
        self = cls(names)
        self._table = Table.from_arrays(arrays)
        return self

    def _bits(self, positions: Sequence[int] | IntArray) -> IntArray:
        found = self._table.find_many(np.asarray(positions, np.uint64))
        return np.where(found < 0, 0, found)

    def _shift(self, name: str) -> int:
        return 2 * self.names.index(name)
