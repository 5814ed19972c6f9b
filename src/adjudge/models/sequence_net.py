"""Training of sequence models: torch for the descent, early stopping on later rows, served without torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, UnavailableError, did_you_mean
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.net import LOSSES
from adjudge.models.scorers import ModelScorer
from adjudge.models.sequence import CELLS, Cell, SequenceModel, find_steps, positions
from adjudge.models.served import check_equal_to_trained

if TYPE_CHECKING:
    from adjudge.models.sequence_torch import Net, Scaling

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
    loss
        ``log``, the negative log-likelihood, or ``focal``, which weighs down the rows that are clear already.
    gamma, alpha
        Of the focal loss: how much clear rows are weighed down, and the weight of a positive row beside one less it
        of a negative one; None weighs both alike.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same.
    rate, batch, epochs
        Step size of Adam, rows of a step, and most times that every row is seen.
    patience
        Stop after so many epochs without a better average precision on the validation rows; 0 sees all epochs. The
        best is kept.
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
    Lin et al. (2017), Focal Loss for Dense Object Detection, eq. 5.
    """

    layer = "deep"

    def __init__(
        self,
        steps: Sequence[Sequence[str]] | None = None,
        *,
        cell: Cell = "lstm",
        hidden: int = 32,
        head: int = 64,
        dropout: float = 0.1,
        loss: Literal["log", "focal"] = "log",
        gamma: float = 2.0,
        alpha: float | None = None,
        positive_weight: float | Literal["balanced"] = 1.0,
        rate: float = 2e-3,
        batch: int = 512,
        epochs: int = 20,
        patience: int = 5,
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
        self.loss = loss
        self.gamma = gamma
        self.alpha = alpha
        self.positive_weight = positive_weight
        self.rate = rate
        self.batch = batch
        self.epochs = epochs
        self.patience = patience
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
        with deep.seeded(self.threads, self.seed):
            net = deep.Net(
                self.cell,
                (*inside.shape, scaling.width),
                hidden=self.hidden,
                head=self.head,
                dropout=self.dropout,
            )
            kept = self._descended(deep, net, scaling, task, held_out, report)
            model = SequenceModel(names, kept.weights(scaling))
            some = task.X[:CHECKED_ROWS]
            trained = kept.margins(scaling.inputs(some))
        slots, rows = np.ascontiguousarray(some.T), np.arange(len(names))
        self.difference_ = check_equal_to_trained(ModelScorer(model, top=0), slots, rows, trained)
        return model

    def _descended(
        self, deep: ModuleType, net: Net, scaling: Scaling, task: Task, held_out: Task | None, report: Progress
    ) -> Net:
        """Train, and return the net of the best epoch, or of the last where nothing says which is better."""
        from adjudge.models.dense_torch import Descent

        weight = task.weights(self.positive_weight)
        weight = np.ones(len(task.y)) if weight is None else weight
        focal = (self.gamma, self.alpha) if self.loss == "focal" else (0.0, None)
        losses = deep.losses(net, scaling.inputs(task.X), task.y, weight, *focal)
        descent = Descent(net, losses, len(task.y), rate=self.rate, batch=self.batch)
        judge = None if held_out is None or not self.patience else _judge(net, scaling, held_out)
        kept = descent.run(self.epochs, self.patience, judge, report)
        self.history_, self.best_ = descent.history, descent.best
        return kept

    def _check(self) -> None:
        if self.cell not in CELLS:
            msg = f"no cell is called {self.cell!r}{did_you_mean(self.cell, CELLS)}"
            raise DefinitionError(msg)
        if self.loss not in LOSSES:
            msg = f"no loss is called {self.loss!r}{did_you_mean(self.loss, LOSSES)}"
            raise DefinitionError(msg)
        whole = min(self.hidden, self.head, self.epochs, self.batch, self.threads) >= 1
        shares = 0.0 <= self.dropout < 1.0 and (self.alpha is None or 0.0 < self.alpha < 1.0)
        if not (whole and shares and self.gamma >= 0.0 and self.rate > 0.0 and self.patience >= 0):
            msg = "a sequence net needs units, epochs, threads and a batch of at least 1, a dropout in [0, 1), "
            msg += "an alpha in (0, 1), a rate above 0, and gamma and patience of 0 or more"
            raise DefinitionError(msg)


def _judge(net: Net, scaling: Scaling, held_out: Task) -> Callable[[], float]:
    """Return what says how good the net is by now: average precision on the validation rows."""
    from sklearn.metrics import average_precision_score

    later = scaling.inputs(held_out.X)
    return lambda: float(average_precision_score(held_out.y, net.margins(later)))
