"""Estimators that torch trains step by step: what they share, whatever the shape of the net."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np

from adjudge.errors import DefinitionError, UnavailableError, did_you_mean
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from torch import Tensor

    from adjudge.models.training_torch import Judged, MarginNet, Module, Rows

LOSSES = ("log", "focal")
"""What a net may be trained to make small."""


def torch_part(module: str, what: str) -> ModuleType:
    """Return a module beside this one that trains with torch.

    Parameters
    ----------
    module
        Its name.
    what
        What it trains.

    Raises
    ------
    UnavailableError
        If torch is not installed.
    """
    try:
        return importlib.import_module(f"adjudge.models.{module}")
    except ImportError as error:
        msg = f"{what} is trained with torch, which is not there ({error}): pip install 'adjudge[deep]'"
        raise UnavailableError(msg) from error


class Descended(Estimator):
    """An estimator whose net is trained by Adam, an epoch at a time; it stands in the deep layer.

    After `fit`, ``history_`` holds what the validation rows said after each epoch, ``best_`` how many epochs the net
    that is kept was trained, ``difference_`` the largest one between torch and the served form.
    """

    layer = "deep"

    rate: float
    batch: int
    epochs: int
    patience: int
    threads: int
    seed: int
    history_: list[float]
    best_: int
    difference_: float

    def _descend(
        self,
        net: Module,
        loss: Callable[[Tensor], Tensor],
        rows: int,
        judge: Callable[[], float] | None,
        report: Progress,
    ) -> Module:
        """Train, and return the net of the best epoch, or of the last where nothing says which is better."""
        from adjudge.models.training_torch import Descent

        descent = Descent(net, loss, rows, rate=self.rate, batch=self.batch)
        kept = descent.run(self.epochs, self.patience, judge, report)
        self.history_, self.best_ = descent.history, descent.best
        return kept

    def _check_descent(self, who: str, least_one: Mapping[str, int]) -> None:
        """Refuse settings that nothing can be trained with; `least_one` are those of the net that must be 1 or more."""
        whole = min(*least_one.values(), self.epochs, self.batch, self.threads) >= 1
        if not (whole and self.rate > 0.0 and self.patience >= 0):
            msg = f"{who} needs {', '.join(least_one)}, epochs, threads and a batch of at least 1, a rate above 0 and "
            msg += "a patience of 0 or more"
            raise DefinitionError(msg)


class OutcomeNet(Descended):
    """A net that learns outcomes: the logarithmic or focal loss, early stopping by average precision."""

    dropout: float
    loss: Literal["log", "focal"]
    gamma: float
    alpha: float | None
    positive_weight: float | Literal["balanced"]

    def _learn(
        self,
        net: Judged,
        read: Callable[[FloatArray], Rows],
        task: Task,
        held_out: Task | None,
        report: Progress,
    ) -> Judged:
        """Return the net, trained; `read` gives rows (n, F) as it takes them."""
        from adjudge.models.training_torch import Losses

        weight = task.weights(self.positive_weight)
        weight = np.ones(len(task.y)) if weight is None else weight
        gamma, alpha = (self.gamma, self.alpha) if self.loss == "focal" else (0.0, None)
        losses = Losses(net, read(task.X), task.y, weight, gamma, alpha)
        judge = None if held_out is None or not self.patience else _judge(net, read(held_out.X), held_out)
        return self._descend(net, losses, len(task.y), judge, report)

    def _check_loss(self, who: str) -> None:
        """Refuse what is no loss, and shares that are none."""
        if self.loss not in LOSSES:
            msg = f"no loss is called {self.loss!r}{did_you_mean(self.loss, LOSSES)}"
            raise DefinitionError(msg)
        shares = 0.0 <= self.dropout < 1.0 and (self.alpha is None or 0.0 < self.alpha < 1.0)
        if not (shares and self.gamma >= 0.0):
            msg = f"{who} needs a dropout in [0, 1), an alpha in (0, 1) and a gamma of 0 or more"
            raise DefinitionError(msg)


def _judge(net: MarginNet, rows: Rows, held_out: Task) -> Callable[[], float]:
    """Return what says how good the net is by now: average precision on later rows."""
    from sklearn.metrics import average_precision_score

    y, weight = held_out.y, held_out.weight
    return lambda: float(average_precision_score(y, net.margins(rows), sample_weight=weight))
