"""A scorer is a model, its calibrator and its categories, behind the engine's protocol."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from adjudge.engine.scorer import TOP, Scorer, Scores
from adjudge.errors import BundleError
from adjudge.models.averaged import Averaged
from adjudge.models.calibrate import Calibrator, Platt, calibrator_from
from adjudge.models.categories import Categories
from adjudge.models.dense import Dense
from adjudge.models.forest import Forest
from adjudge.models.graph.served import SageModel
from adjudge.models.mean import Mean
from adjudge.models.onnx import Onnx
from adjudge.models.raw import Arrays, Meta, Model, sub, under
from adjudge.models.reconstruction import Reconstruction
from adjudge.models.sequence import SequenceModel
from adjudge.models.steps import Steps
from adjudge.models.venn import VennAbers
from adjudge.typing import AnyArray, FloatArray, IntArray


class Served(Scorer, Protocol):
    """A scorer that can be saved."""

    def contributions(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, float]:
        """Return every contribution, shape (n, len(names)), and the bias; together they are the margin."""
        ...

    def meta(self) -> Meta:
        """Return the part to be written as JSON, with its ``kind``."""
        ...

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        ...


def version_of(meta: Meta, arrays: Arrays) -> str:
    """Return a short hash over everything that can change a score."""
    digest = hashlib.sha256(json.dumps(meta, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name}:{array.dtype.str}:{array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


class ModelScorer:
    """One model with its calibrator.

    Parameters
    ----------
    model
        A forest or another served model.
    calibrator
        From margins to probabilities; None takes the margins at their word.
    categories
        How texts become numbers; None where the model reads none.
    top
        How many contributions to return a row.
    """

    kind = "model"

    def __init__(
        self,
        model: Model,
        calibrator: Calibrator | None = None,
        categories: Categories | None = None,
        *,
        top: int = TOP,
    ) -> None:
        self.model = model
        self.calibrator: Calibrator = Platt() if calibrator is None else calibrator
        self.categories = categories if categories is not None and categories.texts else None
        self._top = top
        self._table = None if self.categories is None else self.categories.table(model.names)
        self._positions = np.arange(len(model.names))

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads."""
        return self.model.names

    @cached_property
    def version(self) -> str:
        """A short hash of everything that can change a score."""
        return version_of(self.meta(), self.arrays())

    @property
    def top(self) -> int:
        """How many contributions it returns a row."""
        return self._top

    @property
    def family_names(self) -> tuple[str, ...]:
        """Names of its score families: it has none."""
        return ()

    def _numbers(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, IntArray]:
        """Return a matrix without texts and where the features are in it."""
        if self.categories is None or self._table is None:
            return X, rows
        return self.categories.encode_with(X, rows, self._table), self._positions

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Score n events; see `adjudge.engine.scorer.Scorer`."""
        raw = self.model.raw(*self._numbers(X, rows), self._top)
        return Scores(raw.margin, self.calibrator.apply(raw.margin), raw.top, raw.top_value)

    def contributions(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, float]:
        """Return every contribution, shape (n, len(names)), and the bias; together they are the margin."""
        return self.model.contributions(*self._numbers(X, rows)), self.model.bias

    def interval(self, margin: FloatArray) -> tuple[FloatArray, FloatArray] | None:
        """Return between which probabilities each margin's lies; None where the calibrator gives no interval.

        A policy decides by the single probability; this says how sure that one is.
        """
        return self.calibrator.interval(margin) if isinstance(self.calibrator, VennAbers) else None

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {
            "kind": self.kind,
            "top": self._top,
            "model": self.model.meta(),
            "calibrator": self.calibrator.meta(),
            "categories": None if self.categories is None else self.categories.meta(),
        }

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return under(self.model.arrays(), "model") | under(self.calibrator.arrays(), "calibrator")

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray], secret: bytes) -> ModelScorer:
        """Build a scorer from what `meta` and `arrays` returned, for the workspace with this secret."""
        return cls(
            model_from(meta["model"], sub(arrays, "model")),
            calibrator_from(meta["calibrator"], sub(arrays, "calibrator")),
            None if meta["categories"] is None else Categories.from_meta(meta["categories"], secret),
            top=top_from(meta),
        )


def top_from(meta: Mapping[str, Any]) -> int:
    """Return how many contributions a saved scorer gives, refusing what is not a number."""
    top = meta["top"]
    if type(top) is not int or not 0 <= top <= 1000:
        msg = f"a scorer cannot return {top!r} contributions"
        raise BundleError(msg)
    return top


def model_from(meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Model:
    """Build a served model from what its `meta` and `arrays` returned."""
    kinds: dict[str, Callable[[Mapping[str, Any], Mapping[str, AnyArray]], Model]] = {
        "averaged": Averaged.from_arrays,
        "dense": Dense.from_arrays,
        "forest": Forest.from_arrays,
        "reconstruction": Reconstruction.from_arrays,
        "mean": lambda part, numbers: Mean.from_arrays(part, numbers, model_from),
        "onnx": Onnx.from_arrays,
        "sequence": SequenceModel.from_arrays,
        "sage": SageModel.from_arrays,
        "steps": Steps.from_arrays,
    }
    if meta["kind"] not in kinds:
        msg = f"a model of kind {meta['kind']!r} is not known"
        raise BundleError(msg)
    return kinds[meta["kind"]](meta, arrays)
