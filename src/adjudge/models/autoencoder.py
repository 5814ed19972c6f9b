"""Autoencoder: what a net that learned ordinary rows cannot rebuild is unusual, whether a label has named it or not."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import ShapeError
from adjudge.models.calibrate import Platt
from adjudge.models.dense import Layers
from adjudge.models.descended import Descended, torch_part
from adjudge.models.estimator import Progress, Task, margins, positions
from adjudge.models.inputs import Inputs, SingleArray
from adjudge.models.net import CHECKED_ROWS
from adjudge.models.reconstruction import FLOOR, Reconstruction
from adjudge.models.search import Trial
from adjudge.models.served import check_model
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from torch.nn import Sequential

LEAST = 1e-3
"""No input's usual squared error is taken for less, so that one which is always the same does not drown the others."""

TOLERANCE = 1e-3
"""Largest difference of margins between torch and the served form: what single precision leaves of a small error."""


class Autoencoder(Descended):
    """A net that rebuilds ordinary rows from fewer numbers, fitted without labels, in the manner of scikit-learn.

    Rows that are known to be positive are left out of the training; nothing else is learned from outcomes but what
    an error is worth, on the validation rows.

    Parameters
    ----------
    hidden
        Units of the hidden layers; the narrowest decides how much of a row has to be guessed from the rest.
    features
        The features to look at; None for all. What is hard to guess in any row only hides what is unusual.
    rate, batch, epochs
        Step size of Adam, rows of a step, and most times that every row is seen.
    patience
        Stop after so many epochs without a smaller error on the validation rows that are not positive; 0 sees all
        epochs. The best is kept.
    calibration
        ``isotonic``, ``platt`` or ``beta``, fitted on the validation rows; None, or no validation rows: none.
    threads
        Training threads; another number may change the last bits of the model.
    seed
        Seed of all draws.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    An error is the sum over inputs of (input - rebuilt) ** 2, each over its mean on the training rows. The margin is a
    rising line in its logarithm: the log-odds that Platt's method finds on the validation rows, or without any (or
    without positives among them) the logarithm less its mean. Categories are inputs of 0 and 1.

    After `fit`, ``history_`` holds the negative mean error of the validation rows after each epoch, ``best_`` how many
    epochs the model that is kept was trained, ``difference_`` the largest difference of margins between torch and the
    served form, which `TOLERANCE` limits.

    References
    ----------
    Hawkins, He, Williams and Baxter (2002), Outlier Detection Using Replicator Neural Networks.
    """

    labelled = False

    def __init__(
        self,
        hidden: tuple[int, ...] = (16, 2, 16),
        *,
        features: tuple[str, ...] | None = None,
        rate: float = 2e-3,
        batch: int = 512,
        epochs: int = 8,
        patience: int = 0,
        calibration: str | None = "isotonic",
        threads: int = 1,
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.hidden = hidden
        self.features = features
        self.rate = rate
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
        self.calibration = calibration
        self.threads = threads
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial."""
        return {
            "rate": trial.suggest_float("rate", 3e-4, 1e-2, log=True),
            "batch": trial.suggest_categorical("batch", [128, 512, 2048]),
            "epochs": trial.suggest_int("epochs", 2, 32, log=True),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Reconstruction:
        self._check_descent("an autoencoder", {"units": min(self.hidden, default=0)})
        deep = torch_part("dense_torch", "an autoencoder")
        from adjudge.models.training_torch import seeded

        ordinary = task.X[task.y == 0]
        if len(ordinary) < 2:
            msg = f"an autoencoder learns from rows that are not positive, and there are {len(ordinary)}"
            raise ShapeError(msg)
        inputs = self._inputs(ordinary, names)
        seen = _encoded(inputs, ordinary)
        later = None if held_out is None else _encoded(inputs, held_out.X[held_out.y == 0])
        with seeded(self.threads, self.seed):
            net = self._descended(deep, seen, later, report)
            squares = deep.squares(net, seen)
        strictness = 1.0 / np.maximum(squares.mean(axis=0), LEAST)
        usual = float(np.log(squares @ strictness + FLOOR).mean())
        model = Reconstruction(inputs, Layers.of(deep.folded(net)), strictness, usual, 1.0, 0.0)
        model = _placed(model, held_out)
        self.difference_ = _verified(model, ordinary[:CHECKED_ROWS], squares[:CHECKED_ROWS])
        return model

    def _inputs(self, ordinary: FloatArray, names: tuple[str, ...]) -> Inputs:
        """Return how rows are read: numbers and gaps as a net does, a category as one input for each of its texts."""
        texts = {} if self.categories_ is None else self.categories_.texts
        counts = {name: len(texts[name]) for name in names if name in texts}
        read = np.arange(len(names)) if self.features is None else positions(self.features, names)
        inputs = Inputs.fit(ordinary, names, texts=counts, width=1).reading(read)
        rows = np.diff(inputs.starts)[inputs.embedded] + 2
        return inputs.with_tables([np.eye(int(n), dtype=np.float32)[:, 1:] for n in rows])

    def _descended(
        self, deep: ModuleType, seen: SingleArray, later: SingleArray | None, report: Progress
    ) -> Sequential:
        """Return the trained net."""
        net: Sequential = deep.body(seen.shape[1], self.hidden, seen.shape[1], 0.0)
        judge = None
        if later is not None and len(later) and self.patience:
            judge = deep.Rebuilding(net, later).judge
        return self._descend(net, deep.Rebuilding(net, seen), len(seen), judge, report)


def _encoded(inputs: Inputs, X: FloatArray) -> SingleArray:
    return inputs.encode(np.ascontiguousarray(X.T), np.arange(X.shape[1]))


def _placed(model: Reconstruction, held_out: Task | None) -> Reconstruction:
    """Return the model with the line that makes log-odds of its errors."""
    if held_out is None or len(np.unique(held_out.y)) < 2:
        return model
    line = Platt.fit(margins(model, held_out.X), held_out.y, held_out.weight)
    return replace(model, slope=line.a, shift=line.b)


def _verified(model: Reconstruction, X: FloatArray, squares: FloatArray) -> float:
    """Hold the served form to torch's errors on the same rows."""
    trained = model.shift + model.slope * (np.log(squares @ model.strictness + FLOOR) - model.usual)
    return check_model(model, X, trained, tolerance=TOLERANCE)
