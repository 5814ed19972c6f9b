"""What all nets have in common in torch: a seed, the loss of outcomes, and the descent that keeps the best epoch.

Imported by nobody who only serves.
"""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from adjudge.typing import FloatArray

MANY = 8192
"""Rows whose margins are computed together."""

Rows = Sequence[Tensor]
"""Rows as a net reads them: tensors that have a row for each."""

Module = TypeVar("Module", bound=nn.Module)

Judged = TypeVar("Judged", bound="MarginNet")


@contextmanager
def seeded(threads: int, seed: int) -> Iterator[None]:
    """Have torch draw from a seed on so many threads, and leave its state as it was."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)


def numbers(tensor: Tensor) -> FloatArray:
    """Return a tensor as doubles."""
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float64))


class MarginNet(nn.Module, ABC):
    """A net that gives every row a margin."""

    @property
    @abstractmethod
    def last(self) -> nn.Linear:
        """The layer whose only output is the margin."""

    @torch.no_grad()
    def margins(self, rows: Rows) -> FloatArray:
        """Return the margins as they will be served."""
        self.eval()
        parts = [self(*part) for part in zip(*(torch.split(column, MANY) for column in rows), strict=True)]
        return numbers(torch.cat(parts))


def loss(margin: Tensor, y: Tensor, weight: Tensor, gamma: float) -> Tensor:
    """Return the mean logarithmic loss, each row's weighed down by (1 - p of its truth) ** gamma."""
    each = functional.binary_cross_entropy_with_logits(margin, y, reduction="none")
    if gamma:
        each = each * (1.0 - torch.exp(-each)) ** gamma
    return (each * weight).sum() / weight.sum()


class Losses:
    """The loss of a net on some of its training rows.

    Parameters
    ----------
    net
        What is trained; its margin starts at the share of positives.
    rows
        The training rows.
    y, weight
        Outcomes and weights, shape (n,).
    gamma, alpha
        Of the focal loss: exponent, and weight of a positive row beside one less it of a negative; None leaves it out.
    """

    def __init__(
        self, net: MarginNet, rows: Rows, y: FloatArray, weight: FloatArray, gamma: float, alpha: float | None
    ) -> None:
        self.net, self.rows, self.gamma = net, rows, gamma
        if alpha is not None:
            weight = weight * np.where(y > 0, alpha, 1.0 - alpha)
        self.y, self.weight = (torch.from_numpy(column.astype(np.float32)) for column in (y, weight))
        share = float(np.average(y, weights=weight))
        with torch.no_grad():
            net.last.bias.fill_(math.log(share / (1.0 - share)))

    def __call__(self, some: Tensor) -> Tensor:
        """Return the mean loss of some rows, by their places."""
        margin = self.net(*(column[some] for column in self.rows))
        return loss(margin, self.y[some], self.weight[some], self.gamma)


class Descent(Generic[Module]):
    """Training by Adam, an epoch at a time, with the best epoch kept.

    Parameters
    ----------
    net
        What is trained.
    loss
        The loss of some rows, by their places.
    rows
        How many rows there are.
    rate, batch
        Step size, and rows of a step; those beyond the last full batch have their turn in another epoch.
    """

    def __init__(self, net: Module, loss: Callable[[Tensor], Tensor], rows: int, *, rate: float, batch: int) -> None:
        self.net, self.loss, self.rows, self.batch = net, loss, rows, min(batch, rows)
        self.optimiser = torch.optim.Adam(net.parameters(), lr=rate)
        self.history: list[float] = []
        self.best = 0

    def epoch(self) -> None:
        """Go through the rows once, in an order of its own."""
        self.net.train()
        order = torch.randperm(self.rows)
        for some in torch.split(order[: self.rows // self.batch * self.batch], self.batch):
            self.optimiser.zero_grad()
            torch.autograd.backward([self.loss(some)])
            self.optimiser.step()

    def run(
        self, epochs: int, patience: int, judge: Callable[[], float] | None, report: Callable[[int, int], None]
    ) -> Module:
        """Train, and return the net of the epoch that `judge` calls best, or of the last where there is no judge."""
        kept = self.net
        for epoch in range(1, epochs + 1):
            self.epoch()
            report(epoch, epochs)
            if judge is None:
                self.best = epoch
                continue
            self.history.append(judge())
            if self.history[-1] > max(self.history[:-1], default=-math.inf):
                self.best, kept = epoch, copy.deepcopy(self.net)
            elif patience and epoch - self.best >= patience:
                break
        return kept
