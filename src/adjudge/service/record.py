"""Recording: the decisions of a batch become fixed-width records and feature columns; answers are read from these.

What a client gets is computed from the very numbers that the log keeps, so an answer given again a year later is,
byte for byte, the first one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from adjudge.engine.decision import Decisions
from adjudge.engine.layers import TAKEN, lacking
from adjudge.engine.plan import Plan
from adjudge.log.codec import Again, Made
from adjudge.service.card import Card
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


@dataclass(frozen=True)
class Recorded:
    """What one system decided about some events of the log or of a score, ready to be read.

    Parameters
    ----------
    card
        How to read it.
    ids
        The events' ids.
    positions
        Position of each.
    records
        One record an event, of the card's layout.
    features
        Feature values, shape (names, n).
    """

    card: Card
    ids: Sequence[str]
    positions: Sequence[int]
    records: AnyArray
    features: FloatArray

    def degraded(self) -> Iterator[tuple[str, str, int]]:
        """Yield how many events lacked each layer, by layer and by how that came."""
        if np.count_nonzero(self.records["layers"]):
            for layer, codes in zip(self.card.layers, self.records["layers"].T, strict=True):
                for code, count in zip(*np.unique(codes[lacking(codes)], return_counts=True), strict=True):
                    yield layer, TAKEN[code], int(count)

    @functools.cached_property
    def answers(self) -> list[bytes]:
        """The answer to each event as JSON, written when first asked for."""
        return self.card.answers(self.ids, self.positions, self.records, self.features)

    def made(self) -> Made:
        """Return the form that the log keeps."""
        return Made(self.card.digest, self.records.tobytes(), self.features.tobytes())

    @classmethod
    def read(cls, card: Card, ids: Sequence[str], first: int, made: Made) -> Recorded:
        """Return what `made` wrote, for events from a position on; features may have been left out."""
        records = card.records(made.records)
        n = len(records)
        features = card.matrix(made.features, n) if made.features else np.empty((0, n))
        return cls(card, ids, range(first, first + n), records, features)

    @classmethod
    def read_again(cls, card: Card, block: Again) -> Recorded:
        """Return the second decisions of a block of the log, at the positions of their events."""
        features = card.matrix(block.made.features, len(block))
        return cls(card, block.ids.texts(), block.events().tolist(), card.records(block.made.records), features)

    @classmethod
    def join(cls, parts: Sequence[Recorded]) -> Recorded:
        """Return what was decided about consecutive events by one system as one."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            parts[0].card,
            [id_ for part in parts for id_ in part.ids],
            [position for part in parts for position in part.positions],
            np.concatenate([part.records for part in parts]),
            np.hstack([part.features for part in parts]),
        )

    def some(self, places: IntArray) -> Recorded:
        """Return the part of some events."""
        ids, positions = ([column[i] for i in places.tolist()] for column in (self.ids, self.positions))
        return Recorded(self.card, ids, positions, self.records[places], self.features[:, places])

    def rehashed(self, move: Callable[[HashArray], HashArray]) -> Recorded:
        """Return the same with the features that are texts inside hashed otherwise, as `move` says."""
        rows = [i for i, name in enumerate(self.card.names) if name in self.card.hidden]
        if not rows or len(self.features) != len(self.card.names):  # nothing is text, or features were left out
            return self
        features = np.array(self.features)
        hashes = features.view(np.uint64)
        hashes[rows] = move(hashes[rows])
        return Recorded(self.card, self.ids, self.positions, self.records, features)

    def one(self, i: int) -> Recorded:
        """Return the part of one event."""
        return self.part(i, i + 1)

    def part(self, start: int, stop: int) -> Recorded:
        """Return the part of neighbours."""
        if (start, stop) == (0, len(self.records)):
            return self
        part = slice(start, stop)
        return Recorded(self.card, self.ids[part], self.positions[part], self.records[part], self.features[:, part])


class Recorder:
    """Writes one system's decisions down.

    Parameters
    ----------
    plan
        The system.
    variant
        The challenger that it is; empty for the champion.
    """

    def __init__(self, plan: Plan, variant: str = "") -> None:
        self.card = Card.of(plan, variant)
        self._rules = slice(plan.rules_at, plan.rules_at + len(plan.rules))
        self._rows = np.array([plan.row(n) for n in self.card.names], np.int64)

    @property
    def names(self) -> list[str]:
        """The features that are kept with each decision."""
        return self.card.names

    def record(self, decisions: Decisions, latencies_ms: Sequence[float], positions: Sequence[int]) -> Recorded:
        """Return what is kept of a batch.

        Parameters
        ----------
        decisions
            What the step came to.
        latencies_ms
            For each event how long its sender has waited.
        positions
            Position of each.
        """
        card, combined, scores = self.card, decisions.combined, decisions.scores
        records = np.frombuffer(bytearray(len(decisions) * card.dtype.itemsize), card.dtype)  # zeros, and cheaper
        records["action"], records["score"], records["rule"] = combined.action, combined.score, combined.rule
        records["method"] = decisions.method_codes
        records["layers"] = decisions.layers.T
        records["latency_ms"] = latencies_ms
        records["p"] = decisions.probability
        if card.rules:
            fired = decisions.X[self._rules].T == 1.0
            records["fired"] = np.packbits(fired, axis=1, bitorder="little")
        if scores is None or scores.top.shape[1] < card.top:
            records["top"] = -1
        if scores is not None:
            width = min(scores.top.shape[1], card.top)
            records["top"][:, :width], records["push"][:, :width] = scores.top[:, :width], scores.top_value[:, :width]
            for i, name in enumerate(card.families):
                records["families"][:, i] = scores.families[name]
        return Recorded(card, decisions.batch.ids, positions, records, decisions.X.take(self._rows, axis=0))
