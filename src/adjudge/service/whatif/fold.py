"""The other world's fold: events, labels and corrections as the log has them, decisions and what those set its own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.engine.decision import Decisions
from adjudge.engine.layers import UNGUARDED, Guard, Replayed, lacking
from adjudge.engine.plan import Plan
from adjudge.learn.backfilled import bits_of
from adjudge.learn.past import words
from adjudge.learn.whatif.worlds import World
from adjudge.log.codec import Again, Block, Changes, Events, Table
from adjudge.service.activation import Activation, SystemActivation
from adjudge.service.card import Card
from adjudge.service.columns import action_of
from adjudge.service.fold import RUN, Folder
from adjudge.service.record import Recorded
from adjudge.service.watches import failed
from adjudge.service.workspace import Workspace
from adjudge.typing import CodeArray, FloatArray, HashArray, IntArray


@dataclass
class _Part:
    """What one plan decided about consecutive events."""

    plan: Plan
    card: Card
    first: int
    action: CodeArray
    p: FloatArray
    fired: HashArray


@dataclass
class Made:
    """What the other world has decided so far.

    Parameters
    ----------
    parts
        Stretches of events at consecutive positions, in order.
    degraded
        Events that were decided without a layer.
    """

    parts: list[_Part] = field(default_factory=list)
    degraded: int = 0

    def add(self, card: Card, first: int, decisions: Decisions) -> None:
        """Note what was decided about events from a position on."""
        plan = decisions.plan
        fired = bits_of(decisions.X[plan.rules_at : plan.rules_at + len(plan.rules)])
        action = decisions.combined.action.astype(np.uint8)
        self.parts.append(_Part(plan, card, first, action, np.array(decisions.probability), fired))
        self.degraded += int(np.count_nonzero(lacking(decisions.layers).any(axis=0)))

    def recorded(self, first: int, n: int, ids: Sequence[str]) -> Recorded:
        """Return so many decisions from a position on, as far as folding them again needs it.

        Parameters
        ----------
        first, n
            Which; one plan has decided all of them.
        ids
            The events' ids.
        """
        mine = [p for p in self.parts if p.first < first + n and p.first + len(p.action) > first]
        card = mine[0].card
        records = np.zeros(n, card.dtype)
        for part in mine:
            low, high = max(part.first, first), min(part.first + len(part.action), first + n)
            records["action"][low - first : high - first] = part.action[low - part.first : high - part.first]
        return Recorded(card, ids, range(first, first + n), records, np.empty((0, n)))

    def world(self, positions: IntArray) -> World:
        """Return what was decided about events at some positions, as the policy that decided last calls it.

        Parameters
        ----------
        positions
            In any order; all of them were decided.
        """
        policy = self.parts[-1].plan.policy
        rules = tuple(dict.fromkeys(rule.id for part in self.parts for rule in part.plan.rules))
        at = np.concatenate([np.arange(p.first, p.first + len(p.action)) for p in self.parts])
        order = np.argsort(at, kind="stable")
        place = order[np.searchsorted(at, positions, sorter=order)]
        assert np.array_equal(at[place], positions), "an event of the past was not decided again"
        action = np.concatenate(
            [np.array([action_of(a, p.card, policy) for a in p.card.actions])[p.action] for p in self.parts]
        )
        p = np.concatenate([part.p for part in self.parts])
        fired = np.concatenate([_among(part, rules) for part in self.parts], axis=1)
        return World(policy, action[place], p[place], rules, np.ascontiguousarray(fired[:, place]))


def _among(part: _Part, rules: tuple[str, ...]) -> HashArray:
    """Return which rules fired, in the order of all rules."""
    own = tuple(rule.id for rule in part.plan.rules)
    if own == rules:
        return part.fired
    bits = np.zeros((words(len(rules)), part.fired.shape[1]), np.uint64)
    for r, rule in enumerate(own):
        at = rules.index(rule)
        bits[at // 64] |= (part.fired[r // 64] >> np.uint64(r % 64) & np.uint64(1)) << np.uint64(at % 64)
    return bits


class One(Folder):
    """Folds what one system of a workspace reads; what only other systems read is passed over.

    Second decisions are passed over, too: they change nothing.
    """

    def block(self, first: int, block: Block, received_at: int) -> None:
        """Fold the entries of one block, if the system reads them."""
        unread = isinstance(block, Events | Table | Changes) and block.stream not in self.workspace.doors
        if unread or isinstance(block, Again):
            self.finish()  # what is folded together stands at consecutive positions
            return
        super().block(first, block, received_at)


class Lived(One):
    """Folds the log as the other world has lived it so far: decisions that it has made stand for the actual ones.

    Parameters
    ----------
    workspace
        The state before its first decision.
    system
        Name of the system.
    made
        What it has decided.
    start
        Position from which on it has.
    """

    def __init__(self, workspace: Workspace, system: str, made: Made, start: int) -> None:
        super().__init__(workspace)
        self._system, self._made, self._start = system, made, start

    def events(self, first: int, block: Events) -> None:
        """Fold events at consecutive positions."""
        workspace = self.workspace
        prepared = workspace.prepare_again(first, block)
        workspace.enter(prepared)
        then = workspace.made_of(first, block, prepared.ids)
        mine = {name: then[name] for name in (self._system,) if name in then}
        if mine and first >= self._start:
            mine = {self._system: self._made.recorded(first, len(block), prepared.ids)}
        workspace.refold(prepared, mine)


class Deciding(One):
    """Folds commits, and has every event that a system decided decided by another plan.

    Parameters
    ----------
    workspace
        The state before the first commit, of that system alone, with the plan that decides first.
    system
        Its name.
    plan_of
        Returns what decides in the other world where something was activated.
    anew
        Returns the state before a position as the other world has lived it, for a plan that the state does not fit.
    run
        Events that are folded at a time; never changes a result.
    """

    def __init__(
        self,
        workspace: Workspace,
        system: str,
        plan_of: Callable[[SystemActivation], Plan],
        anew: Callable[[Plan, Made, int], Workspace],
        *,
        run: int = RUN,
    ) -> None:
        super().__init__(workspace, run=run)
        self.made = Made()
        self._system, self._plan_of, self._anew = system, plan_of, anew

    def activated(self, position: int, activation: Activation) -> None:
        """Decide otherwise from here on, if what stays as it was has changed."""
        super().activated(position, activation)
        active = activation.systems.get(self._system)
        if active is None:
            return
        plan = self._plan_of(active)
        if self.workspace.fits([plan]):
            self.workspace.go_on_with([plan])
            return
        self.workspace = self._anew(plan, self.made, position)
        super().activated(position, activation)

    def events(self, first: int, block: Events) -> None:
        """Fold events at consecutive positions, and decide those that were decided then."""
        workspace = self.workspace
        prepared = workspace.prepare_again(first, block)
        workspace.enter(prepared)
        then = workspace.made_of(first, block, prepared.ids).get(self._system)
        if then is None:  # only kept, or from before the system was there
            workspace.refold(prepared, {})
            return
        running = workspace.systems[self._system]
        for start, _, decisions in workspace.decide(prepared, {self._system: self._guard(then, running.plan)}):
            (said,) = decisions[self._system]  # nobody sits beside the plan: it decides all of it
            self.made.add(running.card, first + start, said.decisions)

    def _guard(self, then: Recorded, plan: Plan) -> Guard:
        """Return what lets layers take part: where one was late or failed then, a layer of its name is, too."""
        codes = then.records["layers"]
        if [layer.name for layer in plan.layers] != then.card.layers or not lacking(codes).any():
            return UNGUARDED
        return Replayed(codes.T, functools.partial(failed, self._system))
