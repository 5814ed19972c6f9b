"""The decider: the one place where a log, the state that it has built, and a clock meet.

It admits or refuses, gives every accepted entry its position, folds it, and appends it to the log before
anybody gets an answer. What cannot be appended is taken back: it has never been. Apart from `received_at`, which is
logged, all it does is a function of the log and the request.
"""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence

from adjudge.engine.plan import Plan
from adjudge.log import Log, MemoryLog
from adjudge.service.again import Tries
from adjudge.service.decider.again import DecidingAgain
from adjudge.service.decider.changes import Changing
from adjudge.service.decider.deciding import Deciding
from adjudge.service.decider.history import Importing
from adjudge.service.decider.persons import Persons
from adjudge.service.follow import Follower, Told, nobody
from adjudge.service.resolver import Resolver
from adjudge.service.verdict import Clock, wall_clock
from adjudge.service.watches import Watches

logger = logging.getLogger(__name__)


class Decider(Deciding, DecidingAgain, Changing, Importing, Persons):
    """Decide, label, correct and read, over one log.

    One thread at a time is inside; others wait. The state belongs to this object alone.

    Parameters
    ----------
    plans
        The systems of the workspace.
    log
        Where everything goes; what is in it already is folded first. None makes a new one in memory.
    clock
        Stamps `received_at`.
    holder
        Who decides, for people: shown to others that would like to decide on the same log.
    follower
        What has folded the log already, as far as it went; None folds it from its beginning.
    told
        Is told how far folding has come.
    watches
        Watch over the systems' layers; None lets them take as long as they want.
    resolver
        Makes the plans that were activated while an earlier process decided; None has the models of `plans` alone.

    Raises
    ------
    UnavailableError
        If another process decides on the log.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        log: Log | None = None,
        *,
        clock: Clock = wall_clock,
        holder: str = "adjudge",
        follower: Follower | None = None,
        told: Told = nobody,
        watches: Watches | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        log = MemoryLog() if log is None else log
        self.labelled = lambda changes: None
        self.shadows = None
        self.made, self.methods, self.challenged = Counter(), Counter(), Counter()
        self.degraded, self.again = Counter(), Counter()
        self._tries = defaultdict(Tries)
        self.repeated = self.failures = 0
        super().__init__(
            log,
            clock=clock,
            holder=holder,
            follower=follower or Follower(plans, log, say=logger.warning),
            told=told,
            watches=Watches() if watches is None else watches,
            resolver=Resolver(plans) if resolver is None else resolver,
        )
