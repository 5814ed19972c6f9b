"""The step: a batch of events goes in, a batch of decisions comes out. Every way into the system ends here.

A feature is a function of the histories and the event; a decision is a function of the features. Batch, stream, HTTP,
backfill and replay differ in how they get a batch, never in what happens to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from adjudge.define import Outcome
from adjudge.engine.batch import Batch, Marks, State
from adjudge.engine.decision import Decisions
from adjudge.engine.fold import conditions_of, fold_batch, fold_marks
from adjudge.engine.layers import UNGUARDED, Guard, take_part
from adjudge.engine.policy import Combined
from adjudge.engine.scorer import Scores
from adjudge.typing import BoolArray, HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.plan import HistoryPlan, Plan


FEW = 3
"""Cuts of a batch from which on it is worth deciding ahead of what its own decisions set."""

AHEAD = 512
"""Most events that are decided ahead."""


def step(plan: Plan, state: State, batch: Batch, *, append: bool = True, guard: Guard = UNGUARDED) -> Decisions | None:
    """Fold a batch and decide it.

    Parameters
    ----------
    plan
        The compiled system.
    state
        What earlier entries built up; changed in place unless nothing is appended.
    batch
        Events of one stream in log order; its matrix is filled in place.
    append
        False decides without leaving a trace: each event as if it were the only one.
    guard
        Lets the plan's layers take part, or not; it has one entry an event where it has any.

    Returns
    -------
    Decisions | None
        None for streams that are kept but not decided.
    """
    if batch.stream != plan.decides:
        fold_batch(plan, state, batch, append=append)
        return None
    acting = acting_of(plan)
    if not append or not acting:
        fold_batch(plan, state, batch, append=append)
        return decide(plan, batch, guard)
    return _in_pieces(plan, state, batch, acting, guard)


def refold(plan: Plan, state: State, batch: Batch, acted: Mapping[str, BoolArray]) -> None:
    """Fold events that were decided before: the state becomes what deciding them once made of it.

    Parameters
    ----------
    plan
        The compiled system, which may have other rules and models than the one that decided.
    state
        What earlier entries built up; changed in place.
    batch
        Events of one stream in log order.
    acted
        For each outcome that decisions set, which events' decisions did, shape (n,).
    """
    acting = [(o, acted[o.name]) for o, _ in acting_of(plan) if o.name in acted and acted[o.name].any()]
    if batch.stream != plan.decides or not acting:
        plan.insert(state, batch)
        return
    rows = sorted({h.labelled[batch.stream] for _, histories in acting_of(plan) for h in histories})
    cuts = _cuts(batch.keys[rows], np.any([hit for _, hit in acting], axis=0))
    for first, last in pairwise(cuts):
        piece = batch if len(cuts) == 2 else batch.part(first, last)
        plan.insert(state, piece)
        for outcome, hit in acting:
            set_outcome(plan, state, piece, outcome, np.flatnonzero(hit[first:last]))


def decide(plan: Plan, batch: Batch, guard: Guard = UNGUARDED) -> Decisions:
    """Decide events whose histories have answered: derived features, rules, model, policy."""
    X = batch.matrix
    plan.program.run(X)
    if plan.layered is None:
        n = X.shape[1]
        return Decisions(plan, batch, X, None, plan.combine.run(X, np.full(n, np.nan)), np.empty((0, n), np.uint8))
    scores, codes = take_part(plan.layered, plan.layers, X, guard, settled=plan.combine.settled)
    return Decisions(plan, batch, X, scores, plan.combine.run(X, scores.p, modelled=True), codes)


def acting_of(plan: Plan) -> list[tuple[Outcome, list[HistoryPlan]]]:
    """Outcomes that the system's own decisions set, with the histories that count them."""
    found = []
    for outcome in plan.system.outcomes:
        histories = [h for h in plan.histories if outcome.name in h.labels]
        if outcome.decided and histories:
            found.append((outcome, histories))
    return found


def _in_pieces(
    plan: Plan, state: State, batch: Batch, acting: list[tuple[Outcome, list[HistoryPlan]]], guard: Guard
) -> Decisions:
    """Decide a batch whose decisions are themselves features: two events of one piece never share such a key."""
    cuts = own_cuts(batch, acting)
    linked = any(h.linked for _, counting in acting for h in counting)
    if len(cuts) > FEW and not linked and not state.held and guard is UNGUARDED:  # a guard is asked once
        return _ahead(plan, state, batch, acting)
    pieces = []
    for first, last in pairwise(cuts):
        whole = len(cuts) == 2
        piece = batch if whole else batch.part(first, last)
        fold_batch(plan, state, piece, append=True)
        decisions = decide(plan, piece, guard if whole else guard.part(first, last))
        for outcome, _ in acting:
            _act(plan, state, decisions, outcome)
        if piece is not batch:
            batch.matrix[:, first:last] = piece.matrix
        pieces.append(decisions)
    return pieces[0] if len(pieces) == 1 else _joined(plan, batch, pieces)


def _ahead(plan: Plan, state: State, batch: Batch, acting: list[tuple[Outcome, list[HistoryPlan]]]) -> Decisions:
    """Decide as `_in_pieces` does, in longer pieces: as if no decision acted, and again up to where one did.

    Few decisions act. So a piece is decided whole, and taken back where an event follows that shares such a key with
    one that turned out to act; it is then cut there, which is where it may be cut.
    """
    keys = batch.keys[sorted({h.key[batch.stream] for _, counting in acting for h in counting})]
    pieces, first = [], 0
    while first < len(batch):
        last = min(first + AHEAD, len(batch))
        state.hold()
        try:
            piece, decisions = _piece(plan, state, batch, first, last)
            acts = np.isin(decisions.combined.action, _acting_actions(plan, acting))
            stop = first + _cuts(keys[:, first:last], acts)[1]
        except BaseException:
            state.restore()
            raise
        if stop == last:
            state.release()
        else:
            state.restore()
            piece, decisions = _piece(plan, state, batch, first, stop)
        for outcome, _ in acting:
            _act(plan, state, decisions, outcome)
        batch.matrix[:, first:stop] = piece.matrix
        pieces.append(decisions)
        first = stop
    return pieces[0] if len(pieces) == 1 else _joined(plan, batch, pieces)


def _piece(plan: Plan, state: State, batch: Batch, first: int, last: int) -> tuple[Batch, Decisions]:
    """Fold and decide some events of a batch."""
    piece = batch.part(first, last)
    fold_batch(plan, state, piece, append=True)
    return piece, decide(plan, piece)


def _acting_actions(plan: Plan, acting: list[tuple[Outcome, list[HistoryPlan]]]) -> list[int]:
    """Return the positions of the actions that set an outcome."""
    actions = plan.policy.actions
    return sorted({actions.index(a) for outcome, _ in acting for a in outcome.decided if a in actions})


def own_cuts(batch: Batch, acting: list[tuple[Outcome, list[HistoryPlan]]]) -> list[int]:
    """Return where to cut a batch so that no event of a piece can see what the decision of another one sets."""
    histories = [h for _, counting in acting for h in counting]
    if len(batch) < 2:
        return [0, len(batch)]
    if any(h.linked for h in histories):
        return list(range(len(batch) + 1))  # whom an event is linked to through others only its histories know
    return _cuts(batch.keys[sorted({h.key[batch.stream] for h in histories})])


def _cuts(keys: HashArray, acts: BoolArray | None = None) -> list[int]:
    """Return where pieces begin, and the end: a piece ends before a key comes again whose event acts, or may."""
    cuts, seen = [0], set[tuple[int, int]]()
    for i, column in enumerate(keys.T.tolist()):
        named = {(row, key) for row, key in enumerate(column) if key}
        if seen & named:
            cuts.append(i)
            seen = set()
        if acts is None or acts[i]:
            seen |= named
    return [*cuts, keys.shape[1]]


def _act(plan: Plan, state: State, decisions: Decisions, outcome: Outcome) -> None:
    """Set an outcome on the events whose action means it."""
    actions = [plan.policy.actions.index(a) for a in outcome.decided if a in plan.policy.actions]
    set_outcome(plan, state, decisions.batch, outcome, np.flatnonzero(np.isin(decisions.combined.action, actions)))


def set_outcome(plan: Plan, state: State, batch: Batch, outcome: Outcome, hit: IntArray) -> None:
    """Set an outcome on some events of a batch."""
    if len(hit):
        fold_marks(
            plan,
            state,
            Marks(
                outcome.name,
                np.ascontiguousarray(batch.keys[:, hit]),
                batch.ts[hit],
                batch.seq[hit],
                np.full(len(hit), np.nan),
                np.ones(len(hit)),
                {row: batch.matrix[row, hit] for row in conditions_of(plan, outcome.name)},
            ),
        )


def _joined(plan: Plan, batch: Batch, pieces: list[Decisions]) -> Decisions:
    combined = Combined(
        np.concatenate([p.combined.action for p in pieces]),
        np.concatenate([p.combined.rule for p in pieces]),
        np.concatenate([p.combined.score for p in pieces]),
        np.concatenate([p.combined.method for p in pieces]),
    )
    scores = [p.scores for p in pieces if p.scores is not None]
    layers = np.concatenate([p.layers for p in pieces], axis=1)
    return Decisions(plan, batch, batch.matrix, Scores.join(scores) if scores else None, combined, layers)
