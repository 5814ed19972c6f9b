"""Training of sequence models: torch for the descent, early stopping on later rows, served without torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.models.descended import OutcomeNet, torch_part
from adjudge.models.estimator import Progress, Task
from adjudge.models.search import Trial
from adjudge.models.sequence import CELLS, Cell, SequenceModel, find_steps, positions
from adjudge.models.served import check_model

if TYPE_CHECKING:
    from adjudge.models.sequence_torch import Net as SequenceTorch

CHECKED_ROWS = 5_000
"""Training rows on which the served form is held to torch."""


class SequenceNet(OutcomeNet):
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

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial; early stopping may keep fewer epochs."""
        return {
            "cell": trial.suggest_categorical("cell", list(CELLS)),
            "hidden": trial.suggest_int("hidden", 8, 64, log=True),
            "head": trial.suggest_int("head", 16, 128, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "rate": trial.suggest_float("rate", 3e-4, 1e-2, log=True),
            "batch": trial.suggest_categorical("batch", [256, 512, 1024, 2048]),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> SequenceModel:
        self._check()
        steps = find_steps(names) if self.steps is None else tuple(tuple(step) for step in self.steps)
        inside, beside = positions(names, steps)
        deep = torch_part("sequence_torch", "a sequence net")
        from adjudge.models.training_torch import seeded

        scaling = deep.Scaling.of(task.X, inside, beside)
        with seeded(self.threads, self.seed):
            net: SequenceTorch = deep.Net(
                self.cell,
                (*inside.shape, scaling.width),
                hidden=self.hidden,
                head=self.head,
                dropout=self.dropout,
            )
            kept = self._learn(net, scaling.inputs, task, held_out, report)
            model = SequenceModel(names, kept.weights(scaling))
            trained = kept.margins(scaling.inputs(task.X[:CHECKED_ROWS]))
        self.difference_ = check_model(model, task.X[:CHECKED_ROWS], trained)
        return model

    def _check(self) -> None:
        if self.cell not in CELLS:
            msg = f"no cell is called {self.cell!r}{did_you_mean(self.cell, CELLS)}"
            raise DefinitionError(msg)
        self._check_loss("a sequence net")
        self._check_descent("a sequence net", {"units": self.hidden, "a head": self.head})
