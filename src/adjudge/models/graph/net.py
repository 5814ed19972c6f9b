"""GraphSAGE in torch: how the layers are learnt. Nothing that decides imports this."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, dropout, normalize

from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.layers import Layers
from adjudge.models.graph.sample import Fanout, Surroundings, surroundings, width
from adjudge.typing import AnyArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class Targets:
    """Events to be judged: their own numbers, their entities, their moment, and what came of them.

    Parameters
    ----------
    own
        Scaled numbers, then whether each is missing, shape (n, 2 F), float32.
    nodes
        Entities in the graph, -1 for none, shape (n, kinds).
    cut, ts
        How much of the log was there, and the time, shape (n,).
    y, weight
        Outcome and weight, shape (n,), float32.
    """

    own: AnyArray
    nodes: IntArray
    cut: IntArray
    ts: IntArray
    y: AnyArray
    weight: AnyArray

    def take(self, rows: IntArray) -> Targets:
        """Return some of them."""
        return Targets(*(getattr(self, name)[rows] for name in self.__slots__))


class Net(nn.Module):
    """Two layers of mean aggregation, each kind with its own weights, and one hidden layer above."""

    def __init__(self, features: int, kinds: int, told: int, sizes: tuple[int, int, int], drop: float) -> None:
        super().__init__()
        d1, d2, hidden = sizes
        self.first = nn.ModuleList([nn.Linear(told, d1) for _ in range(kinds)])
        self.second = nn.ModuleList([nn.Linear(2 * d1, d2) for _ in range(kinds)])
        self.hidden = nn.Linear(2 * features + kinds * d2, hidden)
        self.out = nn.Linear(hidden, 1)
        self.drop = drop

    def forward(self, own: Any, present: Any, found: Surroundings) -> Any:
        """Return margins, and the head's inputs."""
        at, kind = present.nonzero(as_tuple=True)
        alone = _by_kind(self.first, kind, torch.from_numpy(found.own))
        near = _by_kind(self.first, torch.from_numpy(found.near_kind), torch.from_numpy(found.near))
        count = torch.from_numpy(np.diff(found.starts))
        of = torch.repeat_interleave(torch.arange(len(count)), count)
        around = torch.zeros_like(alone).index_add(0, of, near) / count.clamp(min=1)[:, None]
        vectors = _by_kind(self.second, kind, torch.cat([alone, around], 1))
        every = vectors.new_zeros(len(own), present.shape[1], vectors.shape[1]).index_put((at, kind), vectors)
        z = torch.cat([own, every.flatten(1)], 1)
        inside = dropout(torch.relu(self.hidden(dropout(z, self.drop, self.training))), self.drop, self.training)
        return self.out(inside)[:, 0], z


def _by_kind(layers: nn.ModuleList, kind: Any, x: Any) -> Any:
    """Apply to each row the layer of its kind, the positive part, and length one."""
    out = x.new_zeros(len(x), layers[0].out_features)
    for k, layer in enumerate(layers):
        rows = (kind == k).nonzero()[:, 0]
        out = out.index_copy(0, rows, normalize(torch.relu(layer(x[rows])), dim=1))
    return out


def margins(net: Net, graph: EventGraph, fanout: Fanout, targets: Targets, size: int = 512) -> FloatArray:
    """Return the margins of some events as torch computes them."""
    net.eval()
    with torch.no_grad():
        parts = [_forward(net, graph, fanout, targets.take(rows))[0].numpy() for rows in _batches(targets, size)]
    return np.concatenate([np.empty(0), *parts]).astype(np.float64)


def _batches(targets: Targets, size: int) -> list[IntArray]:
    return [np.arange(a, min(a + size, len(targets.y))) for a in range(0, len(targets.y), size)]


def _forward(net: Net, graph: EventGraph, fanout: Fanout, batch: Targets) -> Any:
    present = batch.nodes >= 0
    times = present.sum(axis=1)
    found = surroundings(graph, batch.nodes[present], batch.cut.repeat(times), batch.ts.repeat(times), fanout)
    return net(torch.from_numpy(batch.own), torch.from_numpy(present), found)


@dataclass(frozen=True)
class Settings:
    """How a net is trained; see `adjudge.models.Sage`."""

    sizes: tuple[int, int, int]
    dropout: float
    epochs: int
    patience: int
    batch: int
    rate: float
    decay: float
    gamma: float
    negatives: int
    seed: int


def fit(
    graph: EventGraph,
    fanout: Fanout,
    targets: Targets,
    judged: Callable[[Callable[[Targets], FloatArray]], float] | None,
    settings: Settings,
    report: Callable[[int, int], None],
) -> Net:
    """Return a trained net: the one that `judged`, given what computes margins, likes best; the last without it.

    It draws from torch's generator, and its last bits follow the threads: call it inside `training_torch.seeded`.
    """
    net = Net(targets.own.shape[1] // 2, len(graph.kinds), width(graph), settings.sizes, settings.dropout)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.rate, weight_decay=settings.decay)
    best, kept, since = -np.inf, net.state_dict(), 0
    for epoch in range(settings.epochs):
        _epoch(net, optimiser, graph, fanout, _drawn(targets, settings, epoch), settings)
        report(epoch + 1, settings.epochs)
        if judged is None:
            continue
        figure = judged(lambda rows: margins(net, graph, fanout, rows))
        since += 1
        if figure > best:
            best, since = figure, 0
            kept = {name: value.clone() for name, value in net.state_dict().items()}
        if since >= settings.patience:
            break
    if judged is not None:
        net.load_state_dict(kept)
    return net.eval()


def _drawn(targets: Targets, settings: Settings, epoch: int) -> Targets:
    """Return all positives and as many negatives as are wanted for each, others in every epoch, in random order."""
    random = np.random.default_rng((settings.seed, epoch))
    positive, negative = np.flatnonzero(targets.y > 0), np.flatnonzero(targets.y <= 0)
    wanted = min(len(negative), settings.negatives * len(positive))
    return targets.take(random.permutation(np.concatenate([positive, random.choice(negative, wanted, replace=False)])))


def _epoch(net: Net, optimiser: Any, graph: EventGraph, fanout: Fanout, drawn: Targets, settings: Settings) -> None:
    net.train()
    for rows in _batches(drawn, settings.batch):
        batch = drawn.take(rows)
        y = torch.from_numpy(batch.y)
        margin, _ = _forward(net, graph, fanout, batch)
        loss = binary_cross_entropy_with_logits(margin, y, reduction="none")
        if settings.gamma > 0:
            p = torch.sigmoid(margin)
            loss = loss * torch.abs(y - p) ** settings.gamma
        optimiser.zero_grad()
        (loss * torch.from_numpy(batch.weight)).mean().backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def layers_of(
    net: Net, graph: EventGraph, fanout: Fanout, usual: Targets, scale: tuple[FloatArray, FloatArray], shift: float
) -> Layers:
    """Return the net's weights as numbers; `usual` events make the ordinary one, `shift` is added to the margin."""
    with torch.no_grad():
        _, z = _forward(net, graph, fanout, usual)

    def numbers(parameter: Any) -> FloatArray:
        return np.ascontiguousarray(parameter.detach().numpy().T, dtype=np.float64)

    def stacked(layers: nn.ModuleList, name: str) -> FloatArray:
        return np.stack([numbers(getattr(layer, name)) for layer in layers])

    constant = float(net.out.bias.detach()[0]) + shift
    return Layers(
        mean=scale[0],
        scale=scale[1],
        w1=stacked(net.first, "weight"),
        b1=stacked(net.first, "bias"),
        w2=stacked(net.second, "weight"),
        b2=stacked(net.second, "bias"),
        wh=numbers(net.hidden.weight),
        bh=numbers(net.hidden.bias),
        wo=numbers(net.out.weight)[:, 0],
        base=np.append(z.numpy().mean(axis=0, dtype=np.float64), constant),
    )
