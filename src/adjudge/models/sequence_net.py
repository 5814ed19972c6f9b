"""Training of sequence models: torch for the descent, early stopping on later rows, served without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, UnavailableError, did_you_mean
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.scorers import ModelScorer
from adjudge.models.sequence import CELLS, Cell, SequenceModel, find_steps, positions
from adjudge.models.served import check_equal_to_trained
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from adjudge.models.sequence_torch import Descent, Net, Scaling

CHECKED_ROWS = 5_000
"""Training rows on which the served form is held to torch."""


class SequenceNet(Estimator):
    """A net over the last events of a key, in the manner of scikit-learn.

    The steps are the columns of ``last_n`` and ``since_last_n``; all other features, the event's own among them, are
    beside them. The state after the newest step, or what attention pools with the event as its query, goes with them
    through one hidden layer. Values enter as signed logarithms, standardised; a missing one as the mean, with a mark
    beside the steps. The served model says what contributions mean.

    Parameters
    ----------
    steps
        Names of the features of each step, oldest step first; None finds them with `find_steps`.
    cell
        ``lstm``, ``gru`` or ``attention``.
    hidden, head
        Units of the state and of the hidden layer.
    dropout
        Share of either that is left out at random in training.
    focal
        Exponent of the focal loss, which weighs down what is already right; 0 is the logarithmic loss.
    rate, decay
        Step and weight decay of AdamW.
    epochs, batch
        How often the rows are gone through at most, and how many at a time.
    patience
        Stop after so many epochs without a better average precision on the validation rows, and keep the best; 0 goes
        on to the end and keeps the last.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same.
    calibration
        ``isotonic``, ``platt`` or ``beta``, fitted on the validation rows; None, or no validation rows: none.
    threads
        Training threads. The model is the same for the same number on one machine.
    seed
        Seed of all draws.
    top
        How many contributions the served scorer returns a row.

    Notes
    -----
    After `fit`, ``history_`` holds the average precision on the validation rows after each epoch, ``best_`` how many
    epochs the model that is kept was trained, ``difference_`` the largest one between torch and the served form.

    References
    ----------
    Lin et al. (2017), Focal Loss for Dense Object Detection, eq. 4.
    """

    def __init__(
        self,
        steps: Sequence[Sequence[str]] | None = None,
        *,
        cell: Cell = "lstm",
        hidden: int = 32,
        head: int = 64,
        dropout: float = 0.1,
        focal: float = 0.0,
        rate: float = 2e-3,
        decay: float = 1e-4,
        epochs: int = 20,
        batch: int = 512,
        patience: int = 4,
        positive_weight: float | Literal["balanced"] = 1.0,
        calibration: str | None = "isotonic",
        threads: int = 1,
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.steps = steps
        self.cell = cell
        self.hidden = hidden
        self.head = head
        self.dropout = dropout
        self.focal = focal
        self.rate = rate
        self.decay = decay
        self.epochs = epochs
        self.batch = batch
        self.patience = patience
        self.positive_weight = positive_weight
        self.calibration = calibration
        self.threads = threads
        self.seed = seed
        self.top = top

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> SequenceModel:
        self._check()
        steps = find_steps(names) if self.steps is None else tuple(tuple(step) for step in self.steps)
        inside, beside = positions(names, steps)
        try:
            from adjudge.models import sequence_torch as deep
        except ImportError as error:
            msg = f"sequence nets are trained with torch, which is not there ({error}): pip install 'adjudge[deep]'"
            raise UnavailableError(msg) from error
        scaling = deep.Scaling.of(task.X, inside, beside)
        weight = np.where(task.y > 0, task.positive_weight(self.positive_weight), 1.0)
        weight = weight if task.weight is None else weight * task.weight
        with deep.seeded(self.threads, self.seed):
            shape = (*inside.shape, scaling.width)
            net = deep.Net(self.cell, shape, hidden=self.hidden, head=self.head, dropout=self.dropout)
            inputs = scaling.inputs(task.X)
            settings = {"focal": self.focal, "rate": self.rate, "decay": self.decay}
            descent = deep.Descent(net, inputs, task.y, weight, batch=self.batch, **settings)
            kept = self._best(descent, scaling, held_out, report)
            model = SequenceModel(names, kept.weights(scaling))
            some = task.X[:CHECKED_ROWS]
            trained = kept.margins(scaling.inputs(some))
        slots, rows = np.ascontiguousarray(some.T), np.arange(len(names))
        self.difference_ = check_equal_to_trained(ModelScorer(model, top=0), slots, rows, trained)
        return model

    def _best(self, descent: Descent, scaling: Scaling, held_out: Task | None, report: Progress) -> Net:
        """Train, and return the net of the best epoch, or of the last where nothing says which is better."""
        self.history_: list[float] = []
        self.best_, kept = 0, descent.net
        later = scaling.inputs(held_out.X) if held_out is not None and self.patience else None
        for epoch in range(self.epochs):
            descent.epoch()
            report(epoch + 1, self.epochs)
            if held_out is None or later is None:
                self.best_ = epoch + 1
                continue
            self.history_.append(_average_precision(held_out, descent.net.margins(later)))
            if self.history_[-1] > max(self.history_[:-1], default=-1.0):
                self.best_, kept = epoch + 1, descent.copy()
            elif epoch + 1 - self.best_ >= self.patience:
                break
        return kept

    def _check(self) -> None:
        if self.cell not in CELLS:
            msg = f"no cell is called {self.cell!r}{did_you_mean(self.cell, CELLS)}"
            raise DefinitionError(msg)
        whole = min(self.hidden, self.head, self.epochs, self.batch, self.threads) >= 1
        if not (whole and 0.0 <= self.dropout < 1.0 and self.focal >= 0.0 and self.rate > 0.0 and self.decay >= 0.0):
            msg = "a sequence net needs units, epochs, threads and a batch, a dropout in [0, 1), a rate above 0, "
            msg += "and focal and decay of 0 or more"
            raise DefinitionError(msg)


def _average_precision(task: Task, margin: FloatArray) -> float:
    from sklearn.metrics import average_precision_score

    return float(average_precision_score(task.y, margin))
