"""Categories: texts become ordinal numbers, ordered by how often training rows with them were positive.

The engine hands a text over as a keyed hash, which means nothing in another workspace. So the categories are
saved as the texts themselves and hashed again with the secret of the workspace that loads them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.kernel import kernel
from adjudge.models.raw import Meta
from adjudge.typing import FloatArray, HashArray, IntArray


@kernel
def _encode(
    X: FloatArray,
    bits: HashArray,
    rows: IntArray,
    table: IntArray,
    start: IntArray,
    hashes: HashArray,
    codes: FloatArray,
    out: FloatArray,
) -> None:
    """Copy the rows of X, texts replaced by their codes; `table` is -1 for what is not a text."""
    for f in range(len(rows)):
        slot = rows[f]
        column = table[f]
        if column < 0:
            for j in range(X.shape[1]):
                out[f, j] = X[slot, j]
            continue
        first, last = start[column], start[column + 1]
        for j in range(X.shape[1]):
            low, high = first, last
            while low < high:
                middle = (low + high) // 2
                if hashes[middle] < bits[slot, j]:
                    low = middle + 1
                else:
                    high = middle
            known = low < last and hashes[low] == bits[slot, j]
            out[f, j] = codes[low] if known else np.nan


@dataclass(frozen=True, eq=False)
class Categories:
    """The numbers that stand for texts, for some of a model's features.

    Parameters
    ----------
    texts
        For each text feature its categories, rarest positives first: the number of a text is its place.
    secret
        The workspace's 16 bytes with which the engine hashed the texts.

    Notes
    -----
    A missing text, one that training never saw and one that it saw too rarely are all missing to the model.

    Examples
    --------
    >>> categories = Categories({"method": ("card", "wallet")}, secret=bytes(16))
    >>> X = hash_texts(bytes(16), TEXT_TAG, ["wallet", "cash", None, "card"]).view(np.float64)[None, :]
    >>> categories.encode(X, np.array([0]), ("method",))
    array([[ 1., nan, nan,  0.]])
    """

    texts: Mapping[str, Sequence[str]]
    secret: bytes

    @classmethod
    def fit(
        cls,
        X: FloatArray,
        y: FloatArray,
        names: Sequence[str],
        vocabulary: Mapping[str, Sequence[str]],
        *,
        secret: bytes,
        smoothing: float = 20.0,
        least: int = 10,
    ) -> Categories:
        """Order the categories of each text feature by their smoothed share of positives.

        Parameters
        ----------
        X
            Training rows, shape (n, F); text features hold bit-cast hashes.
        y
            Outcomes, 0 or 1.
        names
            The features, shape (F,).
        vocabulary
            For each text feature the texts that occur (each once or more often).
        secret
            What the texts were hashed with.
        smoothing
            The share is pulled towards the overall one as by so many rows.
        least
            Texts on fewer rows are left out.
        """
        if len(X) != len(y) or (len(X) and X.shape[1] != len(names)):
            msg = f"X of shape {X.shape}, {len(y)} outcomes and {len(names)} names do not belong together"
            raise ShapeError(msg)
        unknown = [name for name in vocabulary if name not in names]
        if unknown:
            msg = f"the vocabulary names {unknown[0]!r}, which is not among the features"
            raise DefinitionError(msg)
        outcome = np.asarray(y, dtype=np.float64)
        prior = float(outcome.mean()) if len(outcome) else 0.0
        texts: dict[str, Sequence[str]] = {}
        for name, words in vocabulary.items():
            column = np.ascontiguousarray(X[:, list(names).index(name)], dtype=np.float64).view(np.uint64)
            found, inverse = np.unique(column, return_inverse=True)
            count = np.bincount(inverse, minlength=len(found))
            positive = np.bincount(inverse, weights=outcome, minlength=len(found))
            share = (positive + smoothing * prior) / (count + smoothing)
            distinct = sorted(set(words))
            place = np.searchsorted(found, hash_texts(secret, TEXT_TAG, distinct))
            hashes = hash_texts(secret, TEXT_TAG, distinct)
            kept = [
                (float(share[at]), word)
                for word, mark, at in zip(distinct, hashes, place, strict=True)
                if at < len(found) and found[at] == mark and count[at] >= least
            ]
            texts[name] = tuple(word for _, word in sorted(kept))
        return cls(texts, secret)

    def only(self, names: Collection[str]) -> Categories:
        """Return those of some features."""
        return Categories({name: words for name, words in self.texts.items() if name in names}, self.secret)

    def learnt(self, X: FloatArray, y: FloatArray, names: Sequence[str]) -> Categories:
        """Return the same texts in the order that other rows give them; those too rare among them are left out.

        Parameters
        ----------
        X, y, names
            See `fit`; text features hold bit-cast hashes.
        """
        here = {name: words for name, words in self.texts.items() if name in names}
        return Categories.fit(X, y, names, here, secret=self.secret)

    def rehashed(self, secret: bytes) -> Categories:
        """Return the same categories for a workspace with another secret."""
        return Categories(self.texts, secret)

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {name: column for column, name in enumerate(self.texts)}

    @cached_property
    def _lookup(self) -> tuple[IntArray, HashArray, FloatArray]:
        """Each feature's hashes in rising order, with the numbers of their texts."""
        start, hashes, codes = [0], [np.empty(0, np.uint64)], [np.empty(0)]
        for words in self.texts.values():
            marks = hash_texts(self.secret, TEXT_TAG, list(words))
            order = np.argsort(marks)
            start.append(start[-1] + len(words))
            hashes.append(marks[order])
            codes.append(order.astype(np.float64))
        return np.array(start, dtype=np.int64), np.concatenate(hashes), np.concatenate(codes)

    def table(self, names: Sequence[str]) -> IntArray:
        """Return for each name the number of its text column, -1 for what is not a text."""
        return np.array([self._columns.get(name, -1) for name in names], dtype=np.int64)

    def encode(self, X: FloatArray, rows: IntArray, names: Sequence[str]) -> FloatArray:
        """Return a matrix (len(names), n) of numbers only; `rows` says where in X each name is."""
        return self.encode_with(X, rows, self.table(names))

    def encode_with(self, X: FloatArray, rows: IntArray, table: IntArray) -> FloatArray:
        """Do what `encode` does, with the `table` of the names made before."""
        out = np.empty((len(rows), X.shape[1]))
        _encode(X, X.view(np.uint64), rows, table, *self._lookup, out)
        return out

    def encode_table(self, X: FloatArray, names: Sequence[str]) -> FloatArray:
        """Return training rows (n, F) with numbers for texts."""
        if not self.texts:
            return np.asarray(X, dtype=np.float64)
        slots = np.ascontiguousarray(np.asarray(X, dtype=np.float64).T)
        return np.ascontiguousarray(self.encode(slots, np.arange(len(names)), names).T)

    def meta(self) -> Meta:
        """Return the part to be written as JSON: the texts, never their hashes or the secret."""
        return {"texts": {name: list(words) for name, words in self.texts.items()}}

    @classmethod
    def from_meta(cls, meta: Mapping[str, Any], secret: bytes) -> Categories:
        """Build categories from what `meta` returned, for the workspace with this secret."""
        texts = {str(name): tuple(words) for name, words in meta["texts"].items()}
        if any(len(set(words)) != len(words) or not all(map(_is_text, words)) for words in texts.values()):
            msg = "a category of the saved model is not a text or is there twice"
            raise BundleError(msg)
        return cls(texts, secret)


def _is_text(word: object) -> bool:
    return isinstance(word, str)
