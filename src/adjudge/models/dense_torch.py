"""Nets of full layers in torch, as they are trained: imported by nobody who only serves."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from adjudge.models.inputs import Inputs, SingleArray
from adjudge.typing import FloatArray, IntArray

MANY = 8192
"""Rows whose margins are computed together."""

START = 0.3
"""Deviation of the numbers that tables start from; with torch's own of 1 a net learns rows by heart (measured)."""

Module = TypeVar("Module", bound=nn.Module)


def body(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    """Return layers from inputs to outputs, each hidden one normalised over its batch, with a ReLU and dropout."""
    parts: list[nn.Module] = []
    width = inputs
    for units in hidden:
        parts += [nn.Linear(width, units), nn.BatchNorm1d(units), nn.ReLU(), nn.Dropout(dropout)]
        width = units
    return nn.Sequential(*parts, nn.Linear(width, outputs))


def folded(layers: nn.Sequential) -> list[tuple[FloatArray, FloatArray]]:
    """Return the weights (inputs, outputs) and biases of each layer of a `body`, its normalisation multiplied in."""
    parts: list[tuple[FloatArray, FloatArray]] = []
    for layer in layers:
        if isinstance(layer, nn.Linear):
            parts.append((_numbers(layer.weight).T, _numbers(layer.bias)))
        elif isinstance(layer, nn.BatchNorm1d):
            weight, bias = parts.pop()
            assert layer.running_mean is not None
            assert layer.running_var is not None
            stretch = _numbers(layer.weight) / np.sqrt(_numbers(layer.running_var) + layer.eps)
            parts.append((weight * stretch, (bias - _numbers(layer.running_mean)) * stretch + _numbers(layer.bias)))
    return parts


def _numbers(tensor: Tensor) -> FloatArray:
    return tensor.detach().numpy().astype(np.float64)


class Tabled(nn.Module):
    """A net on plain inputs and rows of tables.

    Parameters
    ----------
    inputs
        How rows are read; their tables are drawn here.
    hidden, dropout
        See `adjudge.models.net.Net`.
    """

    def __init__(self, inputs: Inputs, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        rows = np.diff(inputs.starts)[inputs.embedded] + 2
        width = inputs.width[inputs.embedded]
        self.tables = nn.ModuleList([nn.Embedding(int(n), int(d)) for n, d in zip(rows, width, strict=True)])
        for table in self.tables.parameters():
            nn.init.normal_(table, std=START)
        self.layers = body(len(inputs.owner), hidden, 1, dropout)

    def forward(self, plain: Tensor, bins: Tensor) -> Tensor:
        """Return the margins, (n,), of plain inputs (n, P) and places in tables (n, tables)."""
        picked = [table(bins[:, i]) for i, table in enumerate(self.tables)]
        margin: Tensor = self.layers(torch.cat([plain, *picked], dim=1))[:, 0]
        return margin

    def fill(self, counts: Sequence[IntArray]) -> None:
        """Give rows of tables that no training row picked the mean of those that were, by how often."""
        for table, count in zip(self.tables, counts, strict=True):
            assert isinstance(table, nn.Embedding)
            share = torch.from_numpy(count / count.sum()).to(table.weight.dtype)
            with torch.no_grad():
                table.weight[torch.from_numpy(count == 0)] = share @ table.weight

    def read(self) -> list[SingleArray]:
        """Return the tables as numbers."""
        return [table.weight.detach().numpy().copy() for table in self.tables if isinstance(table, nn.Embedding)]

    @torch.no_grad()
    def margins(self, plain: Tensor, bins: Tensor) -> FloatArray:
        """Return the margins as they will be served."""
        self.eval()
        parts = [self(plain[i : i + MANY], bins[i : i + MANY]) for i in range(0, len(plain), MANY)]
        return _numbers(torch.cat(parts))


class Losses:
    """The loss of a net on some of its training rows.

    Parameters
    ----------
    net
        What is trained; its margin starts at the share of positives.
    plain, bins
        The rows.
    y, weight
        Outcomes and weights, shape (n,).
    gamma, alpha
        The loss of a row is multiplied by (1 - p of its truth) ** gamma, and by alpha or 1 - alpha; None leaves the
        second out.
    """

    def __init__(
        self, net: Tabled, rows: tuple[Tensor, Tensor], y: FloatArray, weight: FloatArray, gamma: float,
        alpha: float | None,
    ) -> None:  # fmt: skip
        self.net, self.gamma = net, gamma
        self.plain, self.bins = rows
        if alpha is not None:
            weight = weight * np.where(y > 0, alpha, 1.0 - alpha)
        self.y, self.weight = (torch.from_numpy(column.astype(np.float32)) for column in (y, weight))
        share = float(np.average(y, weights=weight))
        last = net.layers[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.bias.fill_(math.log(share / (1.0 - share)))

    def __call__(self, some: Tensor) -> Tensor:
        """Return the mean loss of some rows."""
        margin = self.net(self.plain[some], self.bins[some])
        each = functional.binary_cross_entropy_with_logits(margin, self.y[some], reduction="none")
        if self.gamma:
            each = each * (1.0 - torch.exp(-each)) ** self.gamma
        weight = self.weight[some]
        return (each * weight).sum() / weight.sum()


class Rebuilding:
    """The loss of a net that rebuilds its inputs.

    Parameters
    ----------
    net
        A `body` with as many outputs as inputs.
    rows
        The inputs, shape (n, inputs).
    """

    def __init__(self, net: nn.Sequential, rows: SingleArray) -> None:
        self.net, self.rows = net, torch.from_numpy(rows)

    def __call__(self, some: Tensor) -> Tensor:
        """Return the mean squared error of some rows."""
        rows = self.rows[some]
        return functional.mse_loss(self.net(rows), rows)

    def judge(self) -> float:
        """Return the mean squared error of all rows with its sign turned: the more, the better."""
        return -float(squares(self.net, self.rows.numpy()).mean())


@torch.no_grad()
def squares(net: nn.Sequential, rows: SingleArray) -> FloatArray:
    """Return the squared error of every input, as the net will be served."""
    net.eval()
    every = torch.from_numpy(rows)
    parts = [_numbers((net(part) - part) ** 2) for part in torch.split(every, MANY)]
    return np.concatenate(parts)


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
