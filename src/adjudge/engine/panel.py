"""A panel decides one batch by several plans over the same histories: each event by the plan that is chosen for it.

The histories are folded once, by the champion. What they answered is carried over into the matrix of whoever decides an
event, and what decisions set is set by the decision that was made, whoever made it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.batch import Batch, State
from adjudge.engine.decision import Decisions
from adjudge.engine.fold import fold_batch
from adjudge.engine.layers import Guard
from adjudge.engine.step import acting_of, decide, own_cuts, set_outcome
from adjudge.typing import HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.plan import Plan

CHAMPION = 0
"""Place of the champion among the plans of a panel."""

UNITS = 2**53
"""How many units `unit_of` tells apart."""


@dataclass(frozen=True)
class Panel:
    """Who decides which events.

    Parameters
    ----------
    plans
        The champion, then the challengers; all over the same histories.
    choose
        Returns for each event of a batch its place in `plans`, shape (n,): a function of the events alone.
    """

    plans: tuple[Plan, ...]
    choose: Callable[[Batch], IntArray]


@dataclass(frozen=True)
class Part:
    """What one plan of a panel has decided.

    Parameters
    ----------
    by
        Its place in the panel.
    events
        Which events of the batch, rising, shape (m,).
    decisions
        What it came to.
    """

    by: int
    events: IntArray
    decisions: Decisions


def unit_of(keys: HashArray, salt: int) -> IntArray:
    """Return 53 well-mixed bits for each key, other ones for each salt: by them shares are told apart.

    Parameters
    ----------
    keys
        Keyed hashes, shape (n,).
    salt
        An unsigned number of 64 bits.

    Returns
    -------
    IntArray
        Numbers from 0 up to `UNITS`, shape (n,).

    References
    ----------
    Steele, Lea and Flood (2014), Fast Splittable Pseudorandom Number Generators: the finaliser of SplitMix64.

    Examples
    --------
    About a tenth of all keys lies in the first tenth of the units, and other ones for another salt:

    >>> keys = np.arange(1, 10_001, dtype=np.uint64)
    >>> first, second = (unit_of(keys, salt) < UNITS // 10 for salt in (7, 8))
    >>> abs(float(first.mean()) - 0.1) < 0.01, abs(float((first & second).mean()) - 0.01) < 0.005
    (True, True)
    """
    z = keys ^ np.uint64(salt)
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: IntArray = ((z ^ (z >> np.uint64(31))) >> np.uint64(11)).astype(np.int64)
    return mixed


def carried(of: Plan, to: Plan, batch: Batch) -> Batch:
    """Return a batch whose histories have answered as another plan over the same histories has it.

    Parameters
    ----------
    of
        The plan that `batch` was made by.
    to
        The other one; its `state_version` must be the same.
    batch
        Events of the decided stream; only read.
    """
    stream, X = to.stream(batch.stream), batch.matrix
    matrix = np.empty((stream.height, len(batch)))
    matrix[: stream.encoder.width] = X[: stream.encoder.width]
    if stream.conditions is not None:
        stream.conditions.run(matrix)
    stream.gather.run(matrix)
    for (first, last), (start, stop) in zip(of.answered, to.answered, strict=True):
        matrix[start:stop] = X[first:last]
    return Batch(batch.stream, batch.ids, batch.ts, batch.seq, matrix, batch.keys)


def step_panel(panel: Panel, state: State, batch: Batch, guards: Sequence[Guard]) -> list[Part]:
    """Fold a batch of the decided stream and have each event decided by whoever is chosen for it.

    Parameters
    ----------
    panel
        Who decides.
    state
        What earlier entries built up; changed in place.
    batch
        Encoded by the champion.
    guards
        How the layers of each plan take part, in the order of the plans, for all events of the batch.

    Returns
    -------
    list[Part]
        What each plan decided, piece by piece.
    """
    champion, who = panel.plans[CHAMPION], panel.choose(batch)
    acting = acting_of(champion)
    cuts = own_cuts(batch, acting) if acting else [0, len(batch)]
    parts: list[Part] = []
    for first, last in pairwise(cuts):
        piece = batch if len(cuts) == 2 else batch.part(first, last)
        fold_batch(champion, state, piece, append=True)
        made = _decided(panel, piece, who[first:last], first, guards)
        for outcome, _ in acting:
            hit = [part.events[_does(part.decisions, outcome.decided)] - first for part in made]
            set_outcome(champion, state, piece, outcome, np.sort(np.concatenate(hit)))
        parts += made
    return parts


def _decided(panel: Panel, piece: Batch, who: IntArray, at: int, guards: Sequence[Guard]) -> list[Part]:
    """Return what each plan decides about its own events of a piece, the first of which stands at a place."""
    parts = []
    for k in np.unique(who).tolist():
        places = np.flatnonzero(who == k)
        own = piece if len(places) == len(who) else _some(piece, places)
        if k != CHAMPION:
            own = carried(panel.plans[CHAMPION], panel.plans[k], own)
        parts.append(Part(k, at + places, decide(panel.plans[k], own, guards[k].some(at + places))))
    return parts


def _some(batch: Batch, places: IntArray) -> Batch:
    ids = [batch.ids[i] for i in places.tolist()] if batch.ids else ()
    return Batch(
        batch.stream,
        ids,
        batch.ts[places],
        batch.seq[places],
        np.ascontiguousarray(batch.matrix[:, places]),
        np.ascontiguousarray(batch.keys[:, places]),
    )


def _does(decisions: Decisions, wanted: Sequence[str]) -> IntArray:
    """Return which decisions have one of some actions, by name."""
    actions = [i for i, action in enumerate(decisions.plan.combine.actions) if action in wanted]
    return np.flatnonzero(np.isin(decisions.combined.action, actions))
