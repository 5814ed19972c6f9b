"""Deciding again what lacked a part of its system, once that works; both decisions are kept."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict

import numpy as np

from adjudge.engine.layers import FAILED, lacking
from adjudge.errors import DefinitionError
from adjudge.service.again import First, Tries, again_of
from adjudge.service.decider.post import Post
from adjudge.service.workspace import Running

logger = logging.getLogger(__name__)

AGAIN = 256
"""Events that are decided again at a time: a few milliseconds for which the others wait."""


class DecidingAgain(Post):
    """Decides again what was decided without a part that works now.

    Attributes
    ----------
    again
        How many decisions of each system were made a second time.
    """

    again: Counter[str]
    _tries: defaultdict[str, Tries]

    def decide_again(self, most: int = AGAIN) -> int:
        """Decide events again whose decision lacks a part of a system that works now, the oldest first.

        While a layer's breaker is not closed one event is tried alone, which is a trial for the breaker too.

        Parameters
        ----------
        most
            Events of each system at a time: others wait meanwhile.

        Returns
        -------
        int
            How many second decisions were logged.

        Raises
        ------
        UnavailableError
            If the log cannot be written now.
        """
        done = 0
        for name, running in self.workspace.systems.items():
            if running.degraded.pending:
                with self._alone():
                    self._settle()
                    done += self._decide_again(name, running, most)
        return done

    def _decide_again(self, name: str, running: Running, most: int) -> int:
        tries, well = self._tries[name], self.watches.well(name)
        positions = running.degraded.owed(most if well else 1, tries.aside)
        archived = positions[positions < self.log.begin().position]
        if len(archived):  # there is nothing left to decide from
            tries.give_up(archived)
            positions = running.degraded.owed(most if well else 1, tries.aside)
        if not len(positions):
            return 0
        owed = First.read(self.workspace, running, positions)
        (guard,) = self.watches.over([name], [self.watches.timer()] * len(positions)).values()
        try:
            decisions = owed.decide(running, guard)
        except DefinitionError as error:  # the system reads more by now than what was kept then
            logger.warning("%d decisions cannot be made again: %s", len(positions), error)
            tries.give_up(positions)
            return 0
        if well:
            tries.failed(positions[(decisions.layers == FAILED).any(axis=0)])
        received = self.clock()
        waited_ms = ((received - owed.received_at) / 1e3).tolist()
        recorded = running.recorder.record(decisions, waited_ms, positions.tolist())
        recorded = recorded.some(np.flatnonzero(~lacking(decisions.layers).any(axis=0)))
        if len(recorded.records):
            with self._undone_on_failure():
                block = again_of(running.plan.decides, recorded)
                self.workspace.decided_again(self.writer.position, block)
                self.writer.append([block], received)
            self.again[name] += len(block)
        return len(recorded.records)
