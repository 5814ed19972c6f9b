"""The sequence net in torch, as it is trained: imported by nobody who only serves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from adjudge.models import recurrent
from adjudge.models.sequence import CELLS, Cell
from adjudge.models.training_torch import MarginNet, numbers
from adjudge.typing import BoolArray, FloatArray, IntArray


class Inputs(NamedTuple):
    """Rows as the net reads them: steps (n, T, D), which of them there are (n, T), what is beside (n, S + flags)."""

    steps: Tensor
    there: Tensor
    beside: Tensor


@dataclass(frozen=True)
class Scaling:
    """How features become inputs; the fields are those of `adjudge.models.recurrent.Weights`."""

    steps: IntArray
    beside: IntArray
    flags: IntArray
    centre: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, X: FloatArray, steps: IntArray, beside: IntArray) -> Scaling:
        """Take means and deviations from training rows; a step's feature has those of all steps together."""
        level = _level(X)
        centre, spread = np.zeros(X.shape[1]), np.ones(X.shape[1])
        for columns in [*steps.T, *beside[:, None]]:
            known = level[:, columns][~np.isnan(X[:, columns])]
            if len(known):
                centre[columns] = known.mean()
                deviation = float(known.std())
                spread[columns] = deviation if deviation > 1e-9 else 1.0
        gaps = np.isnan(X[:, beside]).any(axis=0)
        flags = np.where(gaps, len(beside) + np.cumsum(gaps) - 1, -1)
        return cls(steps, beside, flags, centre, spread)

    @property
    def width(self) -> int:
        """How many inputs are beside the steps, marks of what is missing included."""
        return len(self.beside) + int((self.flags >= 0).sum())

    def inputs(self, X: FloatArray) -> Inputs:
        """Return rows (n, F) as the net reads them."""
        missing: BoolArray = np.isnan(X)
        value = np.clip((_level(X) - self.centre) / self.spread, -recurrent.CLIP, recurrent.CLIP)
        value[missing] = 0.0
        marks = missing[:, self.beside[self.flags >= 0]]
        beside = np.concatenate([value[:, self.beside], marks], axis=1)
        return Inputs(
            torch.from_numpy(value[:, self.steps].astype(np.float32)),
            torch.from_numpy(~missing[:, self.steps].all(axis=2)),
            torch.from_numpy(beside.astype(np.float32)),
        )


def _level(X: FloatArray) -> FloatArray:
    """Return signed logarithms."""
    result: FloatArray = np.copysign(np.log1p(np.abs(X)), X)
    return result


class Net(MarginNet):
    """Steps through a cell, what comes out with what is beside them through one hidden layer.

    Parameters
    ----------
    cell
        ``lstm``, ``gru`` or ``attention``.
    shape
        Number of steps, features of each, and inputs beside them.
    hidden, head
        Units of the state and of the hidden layer.
    dropout
        Share of either that is left out at random in training.
    """

    def __init__(self, cell: Cell, shape: tuple[int, int, int], *, hidden: int, head: int, dropout: float) -> None:
        super().__init__()
        steps, depth, beside = shape
        self.kind, self.hidden = cell, hidden
        self.lstm = nn.LSTMCell(depth, hidden) if cell == "lstm" else None
        self.gru = nn.GRUCell(depth, hidden) if cell == "gru" else None
        self.key_value = nn.Linear(depth, 2 * hidden) if cell == "attention" else None
        self.query = nn.Linear(beside, hidden) if cell == "attention" else None
        self.age = nn.Parameter(torch.zeros(steps))
        self.head = nn.Linear(beside + hidden, head)
        self.margin = nn.Linear(head, 1)
        self.dropout = nn.Dropout(dropout)

    @property
    def last(self) -> nn.Linear:
        """The layer whose only output is the margin."""
        return self.margin

    def forward(self, steps: Tensor, there: Tensor, beside: Tensor) -> Tensor:
        """Return the margins, (n,)."""
        inputs = Inputs(steps, there, beside)
        pooled = self.dropout(self.pooled(inputs))
        layer = torch.relu(self.head(torch.cat([inputs.beside, pooled], dim=1)))
        margin: Tensor = self.margin(self.dropout(layer))[:, 0]
        return margin

    def pooled(self, inputs: Inputs) -> Tensor:
        """Return what the steps come to, (n, H); 0 where there are none."""
        if self.key_value is not None and self.query is not None:
            return self._attended(inputs, self.key_value, self.query)
        state = cell = inputs.steps.new_zeros(len(inputs.steps), self.hidden)
        for t in range(inputs.steps.shape[1]):
            step, there = inputs.steps[:, t], inputs.there[:, t, None]
            if self.lstm is not None:
                new, new_cell = self.lstm(step, (state, cell))
                cell = torch.where(there, new_cell, cell)
            else:
                assert self.gru is not None
                new = self.gru(step, state)
            state = torch.where(there, new, state)
        return state

    def _attended(self, inputs: Inputs, key_value: nn.Linear, query: nn.Linear) -> Tensor:
        key, value = key_value(inputs.steps).split(self.hidden, dim=2)
        some = inputs.there.any(dim=1, keepdim=True)
        seen = inputs.there | ~some  # a softmax over nothing is no number; what it gives is taken out again below
        scores = self.age.masked_fill(~seen, -math.inf)[:, None, :]
        asked = query(inputs.beside)[:, None, :]
        found = functional.scaled_dot_product_attention(asked, key, torch.relu(value), attn_mask=scores)
        return found[:, 0] * some

    def weights(self, scaling: Scaling) -> recurrent.Weights:
        """Return the trained arrays as the kernels read them."""
        if self.key_value is not None and self.query is not None:
            from_step, bias = _transposed(self.key_value)
            from_state, bias_state = _transposed(self.query)
        else:
            cell = self.lstm if self.lstm is not None else self.gru
            assert cell is not None
            from_step, from_state = numbers(cell.weight_ih.T), numbers(cell.weight_hh.T)
            bias, bias_state = numbers(cell.bias_ih), numbers(cell.bias_hh)
            if self.lstm is not None:
                bias, bias_state = bias + bias_state, np.zeros_like(bias)
        from_head, bias_head = _transposed(self.head)
        to_margin, bias_margin = _transposed(self.margin)
        return recurrent.Weights(
            cell=CELLS[self.kind],
            steps=scaling.steps,
            beside=scaling.beside,
            flags=scaling.flags,
            centre=scaling.centre,
            spread=scaling.spread,
            from_step=from_step,
            from_state=from_state,
            bias=bias,
            bias_state=bias_state,
            age=numbers(self.age),
            from_beside=np.ascontiguousarray(from_head[: scaling.width]),
            from_pooled=np.ascontiguousarray(from_head[scaling.width :]),
            bias_head=bias_head,
            to_margin=np.ascontiguousarray(to_margin[:, 0]),
            bias_margin=float(bias_margin[0]),
        )


def _transposed(layer: nn.Linear) -> tuple[FloatArray, FloatArray]:
    return numbers(layer.weight.T), numbers(layer.bias)
