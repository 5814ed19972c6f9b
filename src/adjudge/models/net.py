"""Feed-forward nets: trained with torch, served by the kernel of `adjudge.models.dense` without it."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError
from adjudge.models.dense import Dense, Layers
from adjudge.models.descended import OutcomeNet, torch_part
from adjudge.models.estimator import Progress, Task
from adjudge.models.inputs import Inputs, SingleArray
from adjudge.models.search import Trial
from adjudge.models.served import check_model
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.models.dense_torch import Tabled

CHECKED_ROWS = 20_000
"""Training rows on which the served form is held to torch."""

TOLERANCE = 1e-4
"""Largest difference of margins between torch and the served form, relative above 1; single precision leaves 1e-6."""


class Net(OutcomeNet):
    """A feed-forward net for a binary outcome, in the manner of scikit-learn.

    Every hidden layer is normalised over its batch and followed by a ReLU and dropout. Numbers are brought to one
    scale; categories become rows of learned numbers (`adjudge.models.inputs`).

    Parameters
    ----------
    hidden
        Units of each hidden layer.
    embedding
        Numbers in a category's row of its table, and in that of a bin.
    bins
        Quantile bins by which every number picks a row of a table beside its own value; 0 for none.
    dropout
        Share of the hidden units that is left out at random in training.
    loss
        ``log``, the negative log-likelihood, or ``focal``, which weighs down the rows that are clear already.
    gamma, alpha
        Of the focal loss: how much clear rows are weighed down, and the weight of a positive row beside one less it
        of a negative one; None weighs both alike.
    positive_weight
        What one positive row weighs; ``balanced`` makes both classes weigh the same. Calibration undoes the shift.
    rate, batch, epochs
        Step size of Adam, rows of a step, and most times that every row is seen.
    patience
        Stop after so many epochs without a better average precision on the validation rows; 0 sees all epochs. The
        best is kept.
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
    After `fit`, ``history_`` holds the average precision on the validation rows after each epoch, ``best_`` how many
    epochs the model that is kept was trained, ``difference_`` the largest one between torch and the served form, which
    `TOLERANCE` limits.

    References
    ----------
    Guo and Berkhahn (2016), Entity Embeddings of Categorical Variables. Lin et al. (2017), Focal Loss for Dense Object
    Detection, eq. 5.
    """

    def __init__(
        self,
        hidden: tuple[int, ...] = (256, 128, 64),
        *,
        embedding: int = 4,
        bins: int = 16,
        dropout: float = 0.2,
        loss: Literal["log", "focal"] = "log",
        gamma: float = 2.0,
        alpha: float | None = None,
        positive_weight: float | Literal["balanced"] = 1.0,
        rate: float = 1e-3,
        batch: int = 1024,
        epochs: int = 20,
        patience: int = 5,
        calibration: str | None = "isotonic",
        threads: int = 1,
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.hidden = hidden
        self.embedding = embedding
        self.bins = bins
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
            "embedding": trial.suggest_int("embedding", 2, 16, log=True),
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "rate": trial.suggest_float("rate", 1e-4, 1e-2, log=True),
            "batch": trial.suggest_categorical("batch", [256, 1024, 4096]),
            "loss": trial.suggest_categorical("loss", ["log", "focal"]),
        }

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> Dense:
        self._check()
        deep = torch_part("dense_torch", "a net")
        from adjudge.models.training_torch import seeded

        inputs = Inputs.fit(task.X, names, texts=self._texts(names), bins=self.bins, width=self.embedding)
        with seeded(self.threads, self.seed):
            net = deep.Tabled(inputs, self.hidden, self.dropout)
            kept = self._learn(net, functools.partial(_tensors, inputs), task, held_out, report)
            kept.fill(_counts(inputs, task.X))
            trained = kept.margins(_tensors(inputs, task.X[:CHECKED_ROWS]))
        model = _served(deep, kept, inputs, task.X)
        self.difference_ = check_model(model, task.X[:CHECKED_ROWS], trained, tolerance=TOLERANCE)
        return model

    def _texts(self, names: tuple[str, ...]) -> dict[str, int]:
        texts = {} if self.categories_ is None else self.categories_.texts
        return {name: len(texts[name]) for name in names if name in texts}

    def _check(self) -> None:
        self._check_loss("a net")
        self._check_descent("a net", {"units": min(self.hidden, default=1), "an embedding": self.embedding})
        if self.bins < 0:
            msg = f"a net needs bins, or 0 for none, and not {self.bins}"
            raise DefinitionError(msg)


def _tensors(inputs: Inputs, X: FloatArray) -> tuple[Any, Any]:
    """Return rows (n, F) as torch takes them: plain inputs and places in tables."""
    import torch

    return torch.from_numpy(_plain(inputs, X)), torch.from_numpy(inputs.bins(X))


def _plain(inputs: Inputs, X: FloatArray) -> SingleArray:
    return inputs.plain.encode(np.ascontiguousarray(X.T), np.arange(X.shape[1]))


def _counts(inputs: Inputs, X: FloatArray) -> list[IntArray]:
    """Return for each table how often the rows pick each of its rows."""
    rows = np.diff(inputs.starts)[inputs.embedded] + 2
    return [np.bincount(column, minlength=int(n)) for column, n in zip(inputs.bins(X).T, rows, strict=True)]


def _served(deep: ModuleType, net: Tabled, inputs: Inputs, X: FloatArray) -> Dense:
    """Return the served form; torch has plain inputs first, the kernel has feature by feature."""
    tables = net.read()
    parts = deep.folded(net.layers)
    order = np.argsort(inputs.learned, kind="stable")
    first = np.empty_like(parts[0][0])
    first[order] = parts[0][0]
    usual = np.empty(len(order))
    picked = [count @ table / len(X) for count, table in zip(_counts(inputs, X), tables, strict=True)]
    usual[order] = np.concatenate([_plain(inputs, X).mean(axis=0, dtype=np.float64), *picked])
    layers = Layers.of([(first, parts[0][1]), *parts[1:]])
    return Dense(inputs.with_tables(tables), layers, usual.astype(np.float32))
