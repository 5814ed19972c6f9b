"""GraphSAGE: who an event's users, devices and addresses have been seen with, learnt for entities never seen before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.engine.scorer import TOP
from adjudge.errors import DefinitionError, ShapeError, did_you_mean
from adjudge.models.descended import torch_part
from adjudge.models.estimator import Estimator, Progress, Task
from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.layers import CLIP
from adjudge.models.graph.sample import Fanout
from adjudge.models.graph.served import SageModel
from adjudge.models.graph.table import Embeddings
from adjudge.models.search import Trial
from adjudge.typing import AnyArray, FloatArray

if TYPE_CHECKING:
    from adjudge.define import Schema
    from adjudge.models.graph.net import Targets

DAY_US, HOUR_US = 86_400_000_000, 3_600_000_000

REACH = Fanout()
"""How far a neighbourhood reaches unless said otherwise."""

JUDGED = 10_000
"""Negatives of the validation rows that early stopping looks at."""


class Sage(Estimator):
    """An inductive GraphSAGE net over events and the entities they share, in the manner of scikit-learn.

    Rows are the numbers, the keys of the entities as hashes in float slots, and the event's time in microseconds. As
    the model of a system, or of a member of its stack, it gets keys and time beside the numbers by naming them here.

    Parameters
    ----------
    entities
        Key fields; each is a kind of node.
    time
        The field that holds the event's time.
    graph
        The history that events look back on, with the numbers as its columns and labels with the times at which they
        became known. None: the past that training gives, which is every event of the table; without one, the training
        rows and then the validation rows, in order of time, their labels known after `delay_days`.
    delay_days
        See `graph`.
    refresh_hours
        How often the vectors of entities are computed anew where the model decides. Training and judging see every
        entity as of the last refresh, as decisions will; 0 sees everything up to the event.
    fanout
        How far a neighbourhood reaches.
    sizes
        Units of the first and second layer, and of the hidden layer above.
    dropout, epochs, patience, batch, learning_rate, decay
        Of training; it stops after `patience` epochs in which the average precision on the validation rows did not
        rise, and keeps the best.
    gamma
        Focus of the loss on what is hard; 0 is the log loss.
    negatives
        Negative rows for each positive one in an epoch; the margin is put right afterwards.
    calibration
        ``isotonic``, ``platt`` or ``beta``, fitted on the validation rows; None, or no validation rows: none.
    seed
        Seed of the weights and of what is drawn.
    top
        How many contributions the served scorer returns a row.
    """

    layer = "graph"

    def __init__(
        self,
        *,
        entities: Sequence[str] = ("user", "device"),
        time: str = "at",
        graph: EventGraph | None = None,
        delay_days: float = 7.0,
        refresh_hours: float = 24.0,
        fanout: Fanout = REACH,
        sizes: tuple[int, int, int] = (32, 16, 32),
        dropout: float = 0.1,
        epochs: int = 12,
        patience: int = 3,
        batch: int = 256,
        learning_rate: float = 3e-3,
        decay: float = 1e-4,
        gamma: float = 0.0,
        negatives: int = 20,
        calibration: str | None = "isotonic",
        seed: int = 0,
        top: int = TOP,
    ) -> None:
        self.entities = entities
        self.time = time
        self.graph = graph
        self.delay_days = delay_days
        self.refresh_hours = refresh_hours
        self.fanout = fanout
        self.sizes = sizes
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.batch = batch
        self.learning_rate = learning_rate
        self.decay = decay
        self.gamma = gamma
        self.negatives = negatives
        self.calibration = calibration
        self.seed = seed
        self.top = top

    def search(self, trial: Trial) -> dict[str, Any]:
        """Return settings to try, drawn from a trial; early stopping may keep fewer epochs."""
        return {
            "dropout": trial.suggest_float("dropout", 0.0, 0.5),
            "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
            "decay": trial.suggest_float("decay", 1e-6, 1e-2, log=True),
            "gamma": trial.suggest_float("gamma", 0.0, 2.0),
            "negatives": trial.suggest_int("negatives", 5, 50, log=True),
        }

    @property
    def fields(self) -> tuple[str, ...]:
        """The keys, then the time."""
        return (*self.entities, self.time)

    def fields_of(self, schema: Schema) -> tuple[str, ...]:
        """Return the keys and the time after looking for them in the stream that is decided."""
        keys = [f.name for f in schema if f.role == "key"]
        for name in self.entities:
            if name not in schema.names:
                msg = f"entities: {schema.name!r} has no field {name!r}{did_you_mean(name, keys)}"
                raise DefinitionError(msg)
            if name not in keys:
                msg = f"entities: {name!r} is a {schema[name].role}, and only keys tie events together: "
                raise DefinitionError(msg + ", ".join(keys))
        if not self.entities or len(set(self.entities)) < len(self.entities):
            msg = f"entities: name each key once, and one at least: {', '.join(keys)}"
            raise DefinitionError(msg)
        if self.time != schema.time_field:
            msg = f"time: the time of {schema.name!r} is {schema.time_field!r}, not {self.time!r}"
            raise DefinitionError(msg)
        if self.refresh_hours < 0:
            msg = f"refresh_hours: hours between two refreshes, or 0, not {self.refresh_hours:g}"
            raise DefinitionError(msg)
        self.fanout.bounds(len(self.entities))
        return self.fields

    def _train(self, task: Task, held_out: Task | None, names: tuple[str, ...], report: Progress) -> SageModel:
        self._check()
        nets = torch_part("graph.net", "a graph net")
        from adjudge.models.training_torch import seeded

        numbers = self._numbers(names)
        if names != (*numbers, *self.entities, self.time):
            msg = "rows hold numbers first, then the entities as named, then the time"
            raise DefinitionError(msg)
        scale = _scale(task.X[:, : len(numbers)])
        raw = self._history(task, held_out, numbers)
        graph = raw.with_columns(numbers, _scaled(raw.x, *scale))
        targets = self._targets(graph, task, scale)
        settings = nets.Settings(
            self.sizes,
            self.dropout,
            self.epochs,
            self.patience,
            self.batch,
            self.learning_rate,
            self.decay,
            self.gamma,
            self.negatives,
            self.seed,
        )
        judged = None if held_out is None else self._judge(self._targets(graph, held_out, scale))
        usual = targets.take(np.random.default_rng(self.seed).permutation(len(targets.y))[:2000])
        with seeded(1, self.seed):
            net = nets.fit(graph, self.fanout, targets, judged, settings, report)
            layers = nets.layers_of(net, graph, self.fanout, usual, scale, self._shift(task))
        self.net_ = net
        return SageModel(layers, graph, self.time, self.fanout, Embeddings.empty(layers), self._refresh_us)

    @property
    def _refresh_us(self) -> int:
        return round(self.refresh_hours * HOUR_US)

    def _numbers(self, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in (*self.entities, self.time):
            if name not in names:
                msg = (
                    f"Sage reads keys and the time as columns, and the rows have no {name!r}{did_you_mean(name, names)}"
                )
                raise DefinitionError(msg)
        return tuple(name for name in names if name not in {*self.entities, self.time})

    def _history(self, task: Task, held_out: Task | None, numbers: tuple[str, ...]) -> EventGraph:
        """Return the graph that was given, or one of the rows."""
        if self.graph is not None:
            if self.graph.names != numbers or self.graph.kinds != tuple(self.entities):
                msg = f"a graph of {self.graph.kinds} with {self.graph.names} is not one of these rows"
                raise ShapeError(msg)
            return self.graph
        if self.past is not None:
            return self.past.graph(self.entities, numbers)
        parts = [task] if held_out is None else [task, held_out]
        X, y = np.concatenate([part.X for part in parts]), np.concatenate([part.y for part in parts])
        keys, ts = _keys(X, len(numbers), len(self.entities)), _times(X)
        if (np.diff(ts) < 0).any():
            msg = "rows that make their own graph must be in order of time"
            raise ShapeError(msg)
        known_at = ts + np.int64(self.delay_days * DAY_US)
        x = X[:, : len(numbers)]
        return EventGraph.build(tuple(self.entities), keys, ts, x=x, names=numbers, labels=(y, known_at))

    def _targets(self, graph: EventGraph, task: Task, scale: tuple[FloatArray, FloatArray]) -> Targets:
        nets = torch_part("graph.net", "a graph net")
        x, ts = task.X[:, : len(graph.names)], _times(task.X)
        ts = ts - ts % self._refresh_us if self._refresh_us else ts
        weight = np.ones(len(ts)) if task.weight is None else task.weight
        targets: Targets = nets.Targets(
            np.concatenate([_scaled(x, *scale), np.isnan(x)], axis=1).astype(np.float32),
            np.ascontiguousarray(graph.nodes_of(_keys(task.X, len(graph.names), len(graph.kinds))).T),
            graph.cut(ts),
            ts,
            task.y.astype(np.float32),
            weight.astype(np.float32),
        )
        return targets

    def _check(self) -> None:
        """Refuse settings that nothing can be trained with."""
        whole = min(*self.sizes, self.epochs, self.batch, self.patience, self.negatives) >= 1
        shares = 0.0 <= self.dropout < 1.0 and self.gamma >= 0.0 and self.decay >= 0.0
        if not (whole and shares and self.learning_rate > 0.0):
            msg = (
                "a graph net needs sizes, epochs, patience, negatives and a batch of at least 1, a dropout in [0, 1), "
            )
            msg += "a learning_rate above 0, and a gamma and a decay of 0 or more"
            raise DefinitionError(msg)

    def _judge(self, held_out: Targets) -> Callable[[Callable[[Targets], FloatArray]], float]:
        """Return what gives the average precision on all positives and some negatives, which weigh for all."""
        from adjudge.learn.ranking import Ranking

        positive, negative = np.flatnonzero(held_out.y > 0), np.flatnonzero(held_out.y <= 0)
        some = np.random.default_rng(self.seed).permutation(negative)[:JUDGED]
        rows = np.sort(np.concatenate([positive, some]))
        thin = held_out.take(rows)
        weight = thin.weight * np.where(thin.y > 0, 1.0, len(negative) / max(len(some), 1))

        def judged(margins: Callable[[Targets], FloatArray]) -> float:
            return Ranking.of(thin.y, margins(thin)).curve(weight).average_precision()

        return judged

    def _shift(self, task: Task) -> float:
        """Return what thinning the negatives added to the log-odds, to be taken back."""
        positive = int((task.y > 0).sum())
        negative = len(task.y) - positive
        return float(np.log(min(negative, self.negatives * positive) / negative))


def _keys(X: FloatArray, first: int, kinds: int) -> AnyArray:
    """Return the hashes that float slots hold, shape (kinds, n)."""
    return np.ascontiguousarray(X[:, first : first + kinds].T).view(np.uint64)


def _times(X: FloatArray) -> AnyArray:
    return np.rint(X[:, -1]).astype(np.int64)


def _scale(x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return centre and spread of each column's inverse hyperbolic sine; a constant column has spread 1."""
    mean, scale = np.zeros(x.shape[1]), np.ones(x.shape[1])
    for f, column in enumerate(x.T):
        known = np.arcsinh(column[np.isfinite(column)])
        if len(known):
            mean[f] = known.mean()
            spread = float(known.std())
            scale[f] = spread if spread > 1e-9 else 1.0
    return mean, scale


def _scaled(x: AnyArray, mean: FloatArray, scale: FloatArray) -> AnyArray:
    """Do what `Layers.scaled` does before there are layers."""
    values = (np.arcsinh(np.asarray(x, np.float64)) - mean) / scale
    return np.nan_to_num(np.clip(values, -CLIP, CLIP), nan=0.0).astype(np.float32)
