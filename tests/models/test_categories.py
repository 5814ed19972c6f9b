"""Categories: ordered by risk, missing where unknown, and at home in any workspace."""

from __future__ import annotations

import numpy as np
import pytest

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.models.categories import Categories
from adjudge.typing import FloatArray

SECRET = bytes(range(16))


def column(texts: list[str | None], secret: bytes = SECRET) -> FloatArray:
    return hash_texts(secret, TEXT_TAG, texts).view(np.float64)


def fitted(**settings: float) -> Categories:
    """Fit on 20 safe, 20 mixed, 20 risky rows and 3 rows of a rare text."""
    texts: list[str | None] = [*["safe"] * 20, *["mixed"] * 20, *["risky"] * 20, *["rare"] * 3, None]
    y = np.array([*[0] * 20, *[0, 1] * 10, *[1] * 20, 1, 1, 1, 0], dtype=np.float64)
    X = np.stack([np.arange(64.0), column(texts)], axis=1)
    words = ["risky", "safe", "mixed", "rare", "never", "safe"]
    return Categories.fit(X, y, ("n", "kind"), {"kind": words}, secret=SECRET, **settings)  # type: ignore[arg-type]


def test_texts_are_ordered_by_their_share_of_positives() -> None:
    assert fitted().texts == {"kind": ("safe", "mixed", "risky")}
    assert fitted(least=3).texts == {"kind": ("safe", "mixed", "rare", "risky")}
    # without smoothing the three positive rows of three are as sure as twenty of twenty; the name decides
    assert fitted(least=1, smoothing=0.0).texts == {"kind": ("safe", "mixed", "rare", "risky")}


def test_unknown_and_missing_texts_are_missing() -> None:
    X = np.stack([column(["risky", "never", None, "rare", "safe"]), np.arange(5.0)])
    encoded = fitted().encode(X, np.array([1, 0]), ("n", "kind"))
    assert encoded[0].tolist() == [0, 1, 2, 3, 4]
    expected = np.array([2, np.nan, np.nan, np.nan, 0])
    assert np.array_equal(encoded[1], expected, equal_nan=True)


def test_training_rows_and_slots_are_encoded_alike() -> None:
    categories = fitted()
    X = np.stack([np.arange(3.0), column(["mixed", "safe", None])], axis=1)
    table = categories.encode_table(X, ("n", "kind"))
    assert np.array_equal(table, np.array([[0, 1], [1, 0], [2, np.nan]]), equal_nan=True)


def test_another_workspace_hashes_the_same_texts_with_its_own_secret() -> None:
    other = bytes(16)
    moved = Categories.from_meta(fitted().meta(), other)
    X = column(["risky", "safe"], other)[None, :]
    assert moved.encode(X, np.array([0]), ("kind",)).tolist() == [[2, 0]]
    assert np.isnan(fitted().encode(X, np.array([0]), ("kind",))).all()
    assert np.array_equal(fitted().rehashed(other).encode(X, np.array([0]), ("kind",)), [[2, 0]])


def test_neither_hashes_nor_secret_are_saved() -> None:
    assert fitted().meta() == {"texts": {"kind": ["safe", "mixed", "risky"]}}


def test_many_categories() -> None:
    words = [f"word{i}" for i in range(5000)]
    categories = Categories({"kind": words}, SECRET)
    encoded = categories.encode(column([*words, "other"])[None, :], np.array([0]), ("kind",))
    assert encoded[0, :-1].tolist() == list(range(5000))
    assert np.isnan(encoded[0, -1])


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(DefinitionError, match="'kindd'"):
        Categories.fit(np.zeros((1, 1)), np.zeros(1), ("kind",), {"kindd": []}, secret=SECRET)
    with pytest.raises(ShapeError, match="belong together"):
        Categories.fit(np.zeros((2, 1)), np.zeros(1), ("kind",), {}, secret=SECRET)
    for texts in (["a", "a"], ["a", 1]):
        with pytest.raises(BundleError, match="not a text or is there twice"):
            Categories.from_meta({"texts": {"kind": texts}}, SECRET)
