"""Nets of full layers in torch, as they are trained: imported by nobody who only serves."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from adjudge.models.inputs import Inputs, SingleArray
from adjudge.models.training_torch import MANY, MarginNet, numbers
from adjudge.typing import FloatArray, IntArray

START = 0.3
"""Deviation of the numbers that tables start from; with torch's own of 1 a net learns rows by heart (measured)."""


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
            parts.append((numbers(layer.weight).T, numbers(layer.bias)))
        elif isinstance(layer, nn.BatchNorm1d):
            weight, bias = parts.pop()
            assert layer.running_mean is not None
            assert layer.running_var is not None
            stretch = numbers(layer.weight) / np.sqrt(numbers(layer.running_var) + layer.eps)
            parts.append((weight * stretch, (bias - numbers(layer.running_mean)) * stretch + numbers(layer.bias)))
    return parts


class Tabled(MarginNet):
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

    @property
    def last(self) -> nn.Linear:
        """The layer whose only output is the margin."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        return last

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
    parts = [numbers((net(part) - part) ** 2) for part in torch.split(every, MANY)]
    return np.concatenate(parts)
