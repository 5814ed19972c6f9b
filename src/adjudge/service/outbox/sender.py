"""The sender: takes what an endpoint is owed to it, in order for each key, again and again until it is confirmed.

Whatever happens, a decision is struck out only after its receiver has answered with 2xx. So it may arrive twice, and
never not at all; receivers tell by ``seq`` and ``system``. The one exception is a person who was erased: what is still
owed about that person is struck out unsent, and holds up nothing behind it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from adjudge.errors import NotFoundError
from adjudge.log import Log, LogUnavailableError
from adjudge.service.outbox.carrier import LONGEST_PAUSE_S, Carrier, Reader, Reply, Webhook
from adjudge.service.outbox.endpoint import Endpoint
from adjudge.service.outbox.ledger import Ledger, Owed

logger = logging.getLogger(__name__)

LOOK_AHEAD = 1_000
"""Decisions that are looked through for the next ones to send."""

MOST_OWED = 10_000
"""Decisions that an endpoint is owed beyond which its cursor waits: the log holds the rest."""

ENTRIES = 20_000
"""Most entries of the log that are read in one round."""

FIRST_PAUSE_S = 1.0
"""Pause after the first failure; it doubles each time, up to `LONGEST_PAUSE_S`."""


@dataclass
class Sent:
    """How many decisions were confirmed, put aside and withheld, and how many attempts failed, since the sender began.

    Withheld is what was owed about a person who was erased before it arrived.
    """

    confirmed: int = 0
    failed: int = 0
    dead: int = 0
    withheld: int = 0


@dataclass
class Sender:
    """Sends one endpoint what it is owed.

    Parameters
    ----------
    endpoint
        Who.
    secret
        Signs the messages.
    log
        Only read.
    ledger
        What is owed.
    reader
        Reads what is sent.
    client
        Sends webhooks.
    clock
        Returns microseconds since 1970 UTC.
    carrier
        Takes messages to where they go; signed webhooks to the endpoint's address where absent.
    """

    endpoint: Endpoint
    secret: bytes
    log: Log
    ledger: Ledger
    reader: Reader
    client: httpx.Client
    clock: Callable[[], int]
    carrier: Carrier | None = None
    sent: Sent = field(default_factory=Sent)
    _away: int = 0
    _paused_until_us: int = 0
    _keys_destroyed: int = 0

    def __post_init__(self) -> None:
        self._carry = self.carrier or Webhook(self.endpoint, self.secret, self.client, self.clock)

    def start(self, position: int | None = None) -> None:
        """Begin at a position of the log if the endpoint is new; where it ends now if none is given."""
        if self.ledger.position(self.endpoint.id) is None:
            self.ledger.advance(self.endpoint.id, len(self.log) if position is None else position)

    @property
    def behind(self) -> int:
        """Entries of the log that were not looked at for this endpoint."""
        return len(self.log) - (self.ledger.position(self.endpoint.id) or 0)

    def round(self) -> int:
        """Enter what is new in the log, send what is due, and return how many decisions were tried."""
        self._withhold()
        self._pull()
        if self.clock() < self._paused_until_us:
            return 0
        messages = list(self._due())
        with ThreadPoolExecutor(self.endpoint.parallel) as pool:
            replies = list(pool.map(lambda m: self._carry(*m), [self._message(m) for m in messages]))
        for message, reply in zip(messages, replies, strict=True):
            self._settle(message, reply)
        if messages:
            self._pause(replies)
        return sum(map(len, messages))

    def _withhold(self) -> None:
        """Strike out what is owed about persons who were erased, given up or not, whenever somebody was."""
        destroyed = self.reader.catch_up_erased()
        if destroyed == self._keys_destroyed:
            return
        gone = [owed for owed in self.ledger.owed(self.endpoint.id) if self.reader.withholds_at(owed.seq)]
        self.ledger.strike_out(gone)
        self._count_withheld(len(gone))
        self._keys_destroyed = destroyed

    def _count_withheld(self, count: int) -> None:
        if not count:
            return
        self.sent.withheld += count
        logger.info(
            "endpoint %s: %d decisions about erased persons are not sent",
            *(self.endpoint.id, count),
            extra={"event": "outbox_withheld", "facts": {"endpoint": self.endpoint.id, "decisions": count}},
        )

    def _pull(self) -> None:
        endpoint = self.endpoint
        position = self.ledger.position(endpoint.id)
        if position is None or self.ledger.counts(endpoint.id)[0] >= MOST_OWED:
            return
        end, withheld = position, 0
        owed: list[Owed] = []
        for commit in self.log.read(position, position + ENTRIES):
            if self.reader.is_rekey(commit) and (owed or self.ledger.counts(endpoint.id)[0]):
                break  # the hashes of keys are others after it, so what is owed goes first
            for d in self.reader.read(commit):
                if d.seq < position or not endpoint.wants(d.system, d.stream, d.action):
                    continue
                if self.reader.withholds(d):
                    withheld += 1
                else:
                    key = self.reader.key(d, endpoint.key, self.secret)
                    owed.append(Owed(endpoint.id, d.seq, d.system, key))
            end = commit.stop
        if end > position:
            self.ledger.advance(endpoint.id, end, owed)
            self._count_withheld(withheld)

    def _due(self) -> Iterator[list[Owed]]:
        """Yield what may be sent at once: no key is in two messages, and none is overtaken by its own later decisions.

        What has failed before goes by itself, so that it takes nothing down with it.
        """
        now, most = self.clock(), self.endpoint.batch
        groups: list[list[Owed]] = []
        group_of: dict[bytes, list[Owed]] = {}
        closed: set[bytes] = set()
        for owed in self.ledger.living(self.endpoint.id, LOOK_AHEAD):
            if owed.key in closed:
                continue
            group = group_of.get(owed.key)
            if owed.due_us > now or (owed.attempts and group is not None):
                closed.add(owed.key)
                continue
            if group is None:
                open_ = (
                    None if owed.attempts else next((g for g in groups if len(g) < most and not g[0].attempts), None)
                )
                if open_ is None and len(groups) == self.endpoint.parallel:
                    closed.add(owed.key)
                    continue
                group = open_ if open_ is not None else []
                if open_ is None:
                    groups.append(group)
            elif len(group) >= most or group[0].attempts:
                closed.add(owed.key)
                continue
            group.append(owed)
            group_of[owed.key] = group
        yield from groups

    def _message(self, owed: Sequence[Owed]) -> tuple[str, bytes]:
        """Return id and body of a message."""
        answers = [self._answer(o) for o in owed]
        named = dict.fromkeys(self.reader.name(o.seq, o.system) for o in (owed[0], owed[-1]))
        id_ = "-".join([self.endpoint.id, *named])
        what = self.reader.what.encode()
        return id_, b'{"type":"%b","%b":[%b]}' % (what, what, b",".join(answers))

    def _answer(self, owed: Owed) -> bytes:
        try:
            return self.reader.answer(owed.seq, owed.system)
        except NotFoundError as error:  # archived before it left; the receiver learns that there was one
            logger.warning("endpoint %s: %s", self.endpoint.id, error)
            return b'{"seq":%d,"system":"%b","decision":null}' % (owed.seq, owed.system.encode())

    def _settle(self, owed: Sequence[Owed], reply: Reply) -> None:
        """Write down what became of a message."""
        if reply.outcome == "confirmed":
            self.ledger.strike_out(owed)
            self.sent.confirmed += len(owed)
            return
        self.sent.failed += 1
        tried = []
        for o in owed:
            attempts = o.attempts + reply.counts
            dead = attempts >= self.endpoint.attempts
            due = self.clock() + round(1e6 * _pause_s(attempts)) if reply.counts else o.due_us
            tried.append(o._replace(attempts=attempts, due_us=due, dead=dead, error=reply.error))
            if dead:
                self.sent.dead += 1
                logger.error(
                    "endpoint %s: what was owed of position %d, %s, was given up after %d attempts: %s",
                    *(self.endpoint.id, o.seq, o.system, attempts, reply.error),
                    extra={"event": "outbox_dead_letter", "facts": {"endpoint": self.endpoint.id, "seq": o.seq}},
                )
        self.ledger.failed(tried)

    def _pause(self, replies: Sequence[Reply]) -> None:
        """Leave an endpoint alone that is away, longer each time."""
        if all(reply.outcome != "away" for reply in replies):
            self._away = 0
            return
        self._away += 1
        pause = max([_pause_s(self._away), *(reply.retry_after_s for reply in replies)])
        self._paused_until_us = self.clock() + round(1e6 * pause)
        if self._away == 1:
            why = next(reply.error for reply in replies if reply.outcome == "away")
            logger.warning(
                "endpoint %s %s; trying again", self.endpoint.id, why, extra={"event": "outbox_endpoint_away"}
            )


def _pause_s(failures: int) -> float:
    """Return the pause after so many failures.

    >>> [_pause_s(n) for n in (1, 2, 3, 20)]
    [1.0, 2.0, 4.0, 300.0]
    """
    return float(min(FIRST_PAUSE_S * 2 ** (failures - 1), LONGEST_PAUSE_S))


def run_round(senders: Sequence[Sender]) -> int:
    """Let every endpoint have one round; a log that cannot be read now is read in a later one."""
    tried = 0
    for sender in senders:
        try:
            tried += sender.round()
        except LogUnavailableError as error:
            logger.warning("the log cannot be read: %s", error, extra={"event": "log_unreadable"})
    return tried
