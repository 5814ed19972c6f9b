"""Any ONNX model with a declared input, wherever it was trained, as a served model.

The model's bytes are kept as they are and run by ONNX Runtime on one thread. What the runtime does with a row may
depend on how many there are beside it (matrices of doubles do, of floats do not, here); a model that fails the test
of batches is run row by row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np

from adjudge.errors import BundleError, UnavailableError
from adjudge.models.mean import picked
from adjudge.models.raw import Arrays, Meta, Raw, check_matrix, take
from adjudge.typing import AnyArray, FloatArray, IntArray

Gives = Literal["probability", "margin"]

EDGE = 1e-7
"""Probabilities keep this distance from 0 and 1, so that their log-odds exist; floats near 1 are no finer."""

TYPES: dict[str, type[np.generic]] = {"tensor(float)": np.float32, "tensor(double)": np.float64}
"""What a model may read and give."""

_ELSEWHERE = "session.model_external_initializers_file_folder_path"
"""Where the runtime looks for weights outside of the model: nowhere, a bundle holds everything."""

ROWS_AT_ONCE = 4_096
"""Rows, replaced ones included, that are run at once at most."""


@dataclass(frozen=True, eq=False)
class Onnx:
    """A model in ONNX form, in the place of one of ours.

    Parameters
    ----------
    names
        The features.
    columns
        For each column of the model's input the position of its feature, shape (I,).
    model
        The bytes of the ONNX file.
    reference
        The training median of each column, shape (I,): what a feature is replaced by to see what it contributes.
    output
        Name of the output that is read.
    gives
        Whether that is a probability or a margin (log-odds).
    fill
        Whether missing values are replaced by the reference too; a model that reads them itself is given them.
    single
        Whether rows are run one by one.

    Notes
    -----
    A contribution is what the margin loses when the feature alone is replaced by its training median. These do not
    add up where features act together; what is left over is shared out in proportion to their sizes, evenly where
    none moves anything. With the margin of the row of medians they then add up to the margin. One row with
    contributions costs as much as 1 + I rows without.

    An output of two columns is read as (negative, positive).
    """

    names: tuple[str, ...]
    columns: AnyArray
    model: AnyArray
    reference: AnyArray
    output: str
    gives: Gives = "probability"
    fill: bool = True
    single: bool = False

    def __post_init__(self) -> None:
        fits = len(self.reference) == len(self.columns) > 0 and np.isfinite(self.reference).all()
        known = fits and np.all((self.columns >= 0) & (self.columns < len(self.names)))
        once = known and len(np.unique(self.columns)) == len(self.columns)
        if not once or len(self.model) == 0 or self.gives not in ("probability", "margin"):
            msg = "an ONNX model needs its bytes, a feature and a finite reference for each column, and what it gives"
            raise BundleError(msg)

    @cached_property
    def _run(self) -> Session:
        return Session(self.model.tobytes(), len(self.columns), self.output)

    @cached_property
    def bias(self) -> float:
        """The margin of the row of training medians."""
        return float(self._margin(self.reference[None, :])[0])

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes; `rows` says where in X each name is."""
        inputs = self._inputs(X, rows)
        margin = self._margin(inputs)
        return picked(margin, self._shares(inputs, margin) if k > 0 else np.empty((len(margin), 0)), k)

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)); with `bias` they add up to the margin."""
        return self.explained(X, rows)[1]

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together."""
        inputs = self._inputs(X, rows)
        margin = self._margin(inputs)
        return margin, self._shares(inputs, margin)

    def _inputs(self, X: FloatArray, rows: IntArray) -> FloatArray:
        check_matrix(X, rows, len(self.names))
        inputs = X[rows[self.columns]].T
        return np.ascontiguousarray(np.where(np.isnan(inputs), self.reference, inputs) if self.fill else inputs)

    def given(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return what the model itself gives, probabilities or margins; `rows` says where in X each name is."""
        return self._given(self._inputs(X, rows))

    def _given(self, inputs: FloatArray) -> FloatArray:
        size = 1 if self.single else ROWS_AT_ONCE
        parts = [self._run(inputs[start : start + size]) for start in range(0, len(inputs), size)]
        return np.concatenate([np.empty(0), *parts])

    def _margin(self, inputs: FloatArray) -> FloatArray:
        """Return the log-odds of rows (n, F)."""
        given = self._given(inputs)
        if self.gives == "margin":
            return given
        p = np.clip(given, EDGE, 1.0 - EDGE)
        return np.array([np.log(one / (1.0 - one)) for one in p])

    def _shares(self, inputs: FloatArray, margin: FloatArray) -> FloatArray:
        """Return contributions, shape (n, len(names)): one feature replaced at a time, the rest shared out."""
        n, features = inputs.shape
        result = np.zeros((n, len(self.names)))
        replaced = np.repeat(inputs, features, axis=0)
        every = np.arange(n * features)
        replaced[every, every % features] = np.tile(self.reference, n)
        lost = margin[:, None] - self._margin(replaced).reshape(n, features)
        size = np.abs(lost)
        total, summed = np.zeros(n), np.zeros(n)
        for f in range(features):
            total += size[:, f]
            summed += lost[:, f]
        rest = margin - self.bias - summed
        still = total == 0.0
        share = np.where(still[:, None], 1.0 / features, size / np.where(still, 1.0, total)[:, None])
        result[:, self.columns] = lost + rest[:, None] * share
        return result

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {
            "kind": "onnx",
            "names": list(self.names),
            "output": self.output,
            "gives": self.gives,
            "fill": self.fill,
            "single": self.single,
        }

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {"columns": self.columns, "model": self.model, "reference": self.reference}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Onnx:
        """Build the model from what `meta` and `arrays` returned."""
        return cls(
            tuple(meta["names"]),
            take(arrays, "columns", np.int64),
            take(arrays, "model", np.uint8),
            take(arrays, "reference", np.float64),
            str(meta["output"]),
            meta["gives"],
            bool(meta["fill"]),
            bool(meta["single"]),
        )


class Session:
    """ONNX Runtime on one thread, from rows (n, I) to one number a row.

    Parameters
    ----------
    model
        The bytes of the ONNX file.
    features
        How many columns it is given.
    output
        Name of the output to read; None where there is only one.

    Raises
    ------
    BundleError
        If it is not such a model.
    UnavailableError
        If ONNX Runtime is not installed.
    """

    def __init__(self, model: bytes, features: int, output: str | None) -> None:
        onnxruntime = _runtime()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 4  # what is wrong is raised
        options.add_session_config_entry(_ELSEWHERE, "/nonexistent")
        try:
            self._session = onnxruntime.InferenceSession(model, options, ["CPUExecutionProvider"])
        except Exception as error:  # the runtime's errors share no root of their own
            msg = f"the ONNX model cannot be read: {error}"
            raise BundleError(msg) from error
        inputs = self._session.get_inputs()
        if len(inputs) != 1 or inputs[0].type not in TYPES or len(inputs[0].shape) != 2:
            found = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs)
            msg = f"an ONNX model must have one input of floats or doubles of shape (n, features), not {found}"
            raise BundleError(msg)
        if inputs[0].shape[1] not in (features, None) and not isinstance(inputs[0].shape[1], str):
            msg = f"the ONNX model reads {inputs[0].shape[1]} columns, and {features} features are declared"
            raise BundleError(msg)
        self._input, self._type = inputs[0].name, TYPES[inputs[0].type]
        known = {one.name: one.type for one in self._session.get_outputs()}
        if output is None and len(known) == 1:
            (output,) = known
        if output is None or output not in known:
            msg = f"the ONNX model has no output {output!r}, but {', '.join(known)}"
            raise BundleError(msg)
        if known[output] not in TYPES:
            msg = f"output {output!r} of the ONNX model must be a tensor of floats or doubles, not {known[output]}"
            raise BundleError(msg)
        self.output: str = output

    def __call__(self, rows: FloatArray) -> FloatArray:
        """Return the output of rows (n, I)."""
        with np.errstate(over="ignore"):
            inputs = rows.astype(self._type)
        try:
            (found,) = self._session.run([self.output], {self._input: inputs})
        except Exception as error:  # the runtime's errors share no root of their own
            msg = f"the ONNX model does not run on {len(rows)} rows: {error}"
            raise BundleError(msg) from error
        given = np.asarray(found, dtype=np.float64)
        if given.shape == (len(rows),):
            return given
        if given.shape in ((len(rows), 1), (len(rows), 2)):
            return np.ascontiguousarray(given[:, -1])
        msg = f"output {self.output!r} of the ONNX model has shape {given.shape} for {len(rows)} rows"
        raise BundleError(msg)


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        msg = "a model in ONNX form needs ONNX Runtime: install the extra 'onnx'"
        raise UnavailableError(msg) from error
    return onnxruntime
