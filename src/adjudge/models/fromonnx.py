"""The estimator of a finished ONNX model: what is left to fit is the calibrator, and what it is explained against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import BundleError
from adjudge.models.estimator import Estimator, Progress, Task, positions
from adjudge.models.onnx import Gives, Onnx, Session
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import check_invariance

CHECKED_ROWS = 1_000
"""Training rows that are tried in batches of several sizes."""


class FromOnnx(Estimator):
    """A finished ONNX model among the estimators, so that it can be calibrated, stacked and bundled like them.

    Fitting changes nothing in the model: it takes the medians of the training rows, tries whether rows depend on
    their neighbours, and fits the calibrator on the validation rows. The model must not have seen those, nor the
    rows on which a stack is fitted.

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
        content = Path(self.path).read_bytes()
        session = Session(content, len(columns), self.output)
        known = [column[np.isfinite(column)] for column in task.X[:, columns].T]
        medians = np.array([float(np.median(column)) if len(column) else 0.0 for column in known])
        bytes_ = np.frombuffer(content, dtype=np.uint8)
        model = Onnx(names, columns, bytes_, medians, session.output, self.gives, self.fill)
        some = np.ascontiguousarray(task.X[:CHECKED_ROWS].T)
        try:
            check_invariance(ModelScorer(model, top=0), some, np.arange(len(names)))
        except BundleError:
            model = replace(model, single=True)
        report(1, 1)
        return model
