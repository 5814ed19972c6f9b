"""The estimator of a finished ONNX model: what is left to fit is the calibrator, and what it is explained against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import BundleError
from adjudge.models.estimator import Estimator, Progress, Task, positions
from adjudge.models.onnx import EDGE, Gives, Onnx, Session
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import check_invariance
from adjudge.typing import FloatArray

CHECKED_ROWS = 1_000
"""Training rows that are tried in batches of several sizes."""


class FromOnnx(Estimator):
    """A finished ONNX model among the estimators, so that it can be calibrated, stacked and bundled like them.

    Fitting changes nothing in the model: it takes the medians of the training rows, tries whether rows depend on
    their neighbours and whether what comes out is what `gives` says, and fits the calibrator on the validation rows.
    The model must not have seen those, nor the rows on which a stack is fitted.

    Parameters
    ----------
    path
        The ONNX file.
    inputs
        The features in the order of the model's columns; None for all, in the order given to `fit`.
    output
        Name of the output to read; None where there is only one.
    gives
        Whether that is a ``probability`` or a ``margin`` (log-odds).
    fill
        Whether missing values are replaced by the training median; False where the model reads NaN itself.
    calibration
        ``isotonic``, ``platt``, ``beta`` or ``venn_abers``, fitted on the validation rows; None, or no validation
        rows: none.
    top
        How many contributions the served scorer returns a row; 0 is F times faster.
    """

    labelled = False

    def __init__(
        self,
        path: str | Path,
        *,
        inputs: tuple[str, ...] | None = None,
        output: str | None = None,
        gives: Gives = "probability",
        fill: bool = True,
        calibration: str | None = "isotonic",
        top: int = TOP,
    ) -> None:
        self.path = path
        self.inputs = inputs
        self.output = output
        self.gives = gives
        self.fill = fill
        self.calibration = calibration
        self.top = top

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Onnx:
        columns = np.arange(len(names)) if self.inputs is None else positions(self.inputs, names)
        content = _content(Path(self.path))
        session = Session(content, len(columns), self.output)
        known = [column[np.isfinite(column)] for column in task.X[:, columns].T]
        medians = np.array([float(np.median(column)) if len(column) else 0.0 for column in known])
        bytes_ = np.frombuffer(content, dtype=np.uint8)
        model = Onnx(names, columns, bytes_, medians, session.output, self.gives, self.fill)
        some = np.ascontiguousarray(task.X[:CHECKED_ROWS].T)
        every = np.arange(len(names))
        try:
            check_invariance(ModelScorer(model, top=0), some, every)
        except BundleError:  # a mean over the batch, a batch of fixed size: alone, a row may do
            model = replace(model, single=True)
            check_invariance(ModelScorer(model, top=0), some, every)
        _check_given(model, model.given(some, every))
        report(1, 1)
        return model


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"the ONNX model {path} cannot be read: {error.strerror}"
        raise BundleError(msg) from error


def _check_given(model: Onnx, given: FloatArray) -> None:
    """Refuse what is no number, and a probability that is none: its log-odds would be those of its nearest edge."""
    where = f"output {model.output!r} of the ONNX model"
    if np.isnan(given).any():
        msg = f"{where} is no number for {int(np.isnan(given).sum())} of {len(given)} training rows"
        raise BundleError(msg if model.fill else f"{msg}; fill=True replaces missing values")
    if model.gives == "probability" and not ((given >= -EDGE) & (given <= 1.0 + EDGE)).all():
        msg = (
            f"{where} is no probability: it goes from {given.min():.4g} to {given.max():.4g}; gives='margin' takes it "
        )
        raise BundleError(msg + "for log-odds")
