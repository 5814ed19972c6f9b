"""Which decisions are drawn for review although nothing asked for it: by a hash of the event's id, salted by an entry.

Drawing with a known chance is what makes an estimate from the drawn cases unbiased (Horvitz and Thompson, 1952), and
labels by uncertainty usable for training with weights (Beygelzimer, Dasgupta and Langford, 2009).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.typing import FloatArray

RANDOM, LEARN = 1, 2
"""Codes of the draws; 0 is none."""


def uniform(salt: bytes, ids: Sequence[str]) -> FloatArray:
    """Return a number in [0, 1) for each id, the same for the same salt.

    Parameters
    ----------
    salt
        16 bytes.
    ids
        Of the events.
    """
    hashes = hash_texts(salt, TEXT_TAG, list(ids))
    return np.asarray((hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def drawn(u: FloatArray, p: FloatArray, random: float, learn: float) -> tuple[np.ndarray, FloatArray]:
    """Return by which draw each decision becomes a case, and the chance that it had of that draw.

    Parameters
    ----------
    u
        From `uniform`, shape (n,).
    p
        Probabilities, shape (n,); NaN is never drawn to learn from.
    random, learn
        See `Routine`.

    Examples
    --------
    A tenth at random; then, where the model is least sure, half of the rest of the line:

    >>> code, chance = drawn(np.array([0.05, 0.3, 0.3]), np.array([0.5, 0.5, 0.0]), 0.1, 0.5)
    >>> code.tolist(), chance.tolist()
    ([1, 2, 0], [0.1, 0.5, 0.0])
    """
    doubt = np.nan_to_num(4.0 * p * (1.0 - p))
    wanted = np.minimum(learn * doubt, 1.0 - random)
    code = np.where(u < random, RANDOM, np.where(u < random + wanted, LEARN, 0))
    return code, np.where(code == RANDOM, random, np.where(code == LEARN, wanted, 0.0))
