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
from adjudge.log import Kind
from adjudge.log.codec import Again, Block, Changes, Events, Table
from adjudge.service import logged
from adjudge.service.activation import Activation, SystemActivation
from adjudge.service.card import Card
from adjudge.service.columns import action_of
from adjudge.service.fold import RUN, Folder, changes_of
from adjudge.service.record import Recorded
from adjudge.service.running import Prepared, Running
from adjudge.service.watches import failed
from adjudge.service.whatif.kept import Kept
from adjudge.service.whatif.later import Later
from adjudge.service.workspace import Workspace
from adjudge.typing import CodeArray, FloatArray, HashArray, IntArray


@dataclass
class _Part:
    """What one plan decided about events at rising positions."""

    plan: Plan
    card: Card
    at: IntArray
    action: CodeArray
    p: FloatArray
    fired: HashArray


@dataclass
class Made:
    """What the other world has decided so far.

    Parameters
    ----------
    parts
        Stretches of events at rising positions, in order.
    degraded
        Events that were decided without a layer.
    """

    parts: list[_Part] = field(default_factory=list)
    degraded: int = 0

    def add(self, card: Card, positions: IntArray, decisions: Decisions) -> None:
        """Note what was decided about events at rising positions."""
        plan = decisions.plan
        fired = bits_of(decisions.X[plan.rules_at : plan.rules_at + len(plan.rules)])
        action = decisions.combined.action.astype(np.uint8)
        self.parts.append(_Part(plan, card, positions, action, np.array(decisions.probability), fired))
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
        mine = [p for p in self.parts if p.at[0] < first + n and p.at[-1] >= first]
        card = mine[0].card
        records = np.zeros(n, card.dtype)
        for part in mine:
            low, high = np.searchsorted(part.at, (first, first + n))
            records["action"][part.at[low:high] - first] = part.action[low:high]
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
        at = np.concatenate([p.at for p in self.parts])
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

    What is said of an event is folded where it stands, unless no event that is collected after it could tell: then
    these are decided together with those before. So labels between events do not cut what is decided in one go.

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
    kept
        Fields of events that something is said of.
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
        kept: Kept | None = None,
        run: int = RUN,
    ) -> None:
        super().__init__(workspace, run=run)
        self.made = Made()
        self._system, self._plan_of, self._anew = system, plan_of, anew
        self._kept = kept or Kept(())
        self._together: list[Prepared] = []
        self._many = 0
        self._later = Later()

    def block(self, first: int, block: Block, received_at: int) -> None:
        """Fold the entries of one block, if the system reads them."""
        if isinstance(block, Events) and self._collect(first, block):
            return
        if isinstance(block, Changes) and self._together and self._wait(block):
            return
        if self._together:
            self.finish()
        super().block(first, block, received_at)

    def finish(self) -> None:
        """Decide what is collected, then fold what waits for that."""
        super().finish()
        together, self._together, self._many = self._together, [], 0
        if together:
            positions, decided = self.workspace.decide_together(together)
            (said,) = decided[self._system]  # nobody sits beside the plan: it decides all of it
            self.made.add(self._running.card, positions, said.decisions)
        self._later.fold(self.workspace)

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
        self._kept.note(first, prepared.ids, prepared.fields)
        then = workspace.made_of(first, block, prepared.ids).get(self._system)
        if then is None:  # only kept, or from before the system was there
            workspace.refold(prepared, {})
            return
        for start, stop, decisions in workspace.decide(prepared, {self._system: self._guard(then, self._running.plan)}):
            (said,) = decisions[self._system]  # nobody sits beside the plan: it decides all of it
            self.made.add(self._running.card, np.arange(first + start, first + stop), said.decisions)

    @property
    def _running(self) -> Running:
        return self.workspace.systems[self._system]

    def _collect(self, first: int, block: Events) -> bool:
        """Put decided events to those that are decided together; False if they have to be folded by themselves."""
        workspace, running = self.workspace, self._running
        if block.stream != running.plan.decides:
            return False
        ids = block.ids.texts()
        if any((block.stream, id_) in workspace.waits for id_ in ids if workspace.waits):
            return False
        then = workspace.made_of(first, block, ids).get(self._system)
        if then is None or self._guard(then, running.plan) is not UNGUARDED:
            return False
        super().finish()  # of what could not be collected
        fields, start = logged.fields_of(workspace, first, block), 0
        while start < len(ids):
            stop = start + self._later.clear(fields[:, start:])
            if stop > start:
                self._gather(workspace.fields_only(first + start, block.stream, ids[start:stop], fields[:, start:stop]))
            if stop < len(ids) or self._many >= self._most:
                self.finish()
            start = stop
        return True

    def _gather(self, prepared: Prepared) -> None:
        self.workspace.enter(prepared)
        self._kept.note(prepared.first, prepared.ids, prepared.fields)
        self._together.append(prepared)
        self._many += len(prepared.ids)

    def _wait(self, block: Changes) -> bool:
        """Let what is said of events wait until what is collected is decided; False if it cannot."""
        workspace, changes = self.workspace, changes_of(block)
        if block.stream != self._running.plan.decides or block.kind == Kind.RETRACTION:
            return False
        positions = [at for at in workspace.positions_of(changes) if at is not None]
        if len(positions) < len(changes):
            return False
        fields = self._kept.take(positions)
        if fields is None:
            fields = logged.fields_at(workspace, block.stream, positions)
        return self._later.add(self._running, changes, positions, fields)

    def _guard(self, then: Recorded, plan: Plan) -> Guard:
        """Return what lets layers take part: where one was late or failed then, a layer of its name is, too."""
        codes = then.records["layers"]
        if [layer.name for layer in plan.layers] != then.card.layers or not lacking(codes).any():
            return UNGUARDED
        return Replayed(codes.T, functools.partial(failed, self._system))
