"""What is proved in the end, from the log that is left and nothing else that the killed processes have left behind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from adjudge.engine import Plan
from adjudge.log import Kind, Log
from adjudge.log.codec import Block, Changes, Events, blocks_of
from adjudge.service.card import Card
from adjudge.service.decider import Decider
from adjudge.service.fold import changes_of
from adjudge.service.follow import Follower
from adjudge.service.home import open_log
from adjudge.service.index import Ids, Known
from adjudge.service.replay import replay
from adjudge.service.run import plans_of
from adjudge.service.workspace import Change, Workspace
from benchmarks._crash.clients import Accounts
from benchmarks._crash.model import SYSTEM
from benchmarks._crash.site import Site

KINDS = {"/v1/labels": Kind.LABEL, "/v1/outcomes": Kind.OUTCOME, "/v1/retractions": Kind.RETRACTION}
"""What an address says about an order."""


@dataclass
class Findings:
    """What is wrong with a log and with what was acknowledged; nothing, if all is well.

    Parameters
    ----------
    lost
        Acknowledged entries that the log does not hold, or holds otherwise.
    decided_twice
        Ids that occur in the log more than once.
    differences
        Bits of features and decisions, and states, that are not those of an uninterrupted run.
    words
        What each of them is.
    """

    lost: int = 0
    decided_twice: int = 0
    differences: int = 0
    words: list[str] = field(default_factory=list)

    @property
    def none(self) -> bool:
        """Whether nothing is wrong."""
        return not (self.lost or self.decided_twice or self.differences)


def examine(site: Site, accounts: Accounts) -> Findings:
    """Compare a log with what clients were told, and with what comes of it without any interruption."""
    plans = plans_of([SYSTEM], [site.bundle])
    found = Findings()
    with closing(open_log(site.settings)) as log:
        whole = Follower(plans, log, say=found.words.append)
        whole.catch_up()
        _compare_accounts(found, log, whole.workspace, accounts)
        _compare_snapshots(found, plans, log, whole.workspace, site.snapshots)
        again = replay(plans, log)
        found.differences += again.features_differing + again.scores_differing + again.other_versions
        found.words += again.differences
        _compare_uninterrupted(found, plans, log, whole.workspace)
    return found


def _compare_accounts(found: Findings, log: Log, workspace: Workspace, accounts: Accounts) -> None:
    """Look for what was acknowledged and is not there, and for what is there twice."""
    times: Counter[tuple[str, str]] = Counter()
    decisions: dict[str, bytes] = {}
    for first, block in _blocks(log):
        if isinstance(block, Events):
            ids = [id_.decode() for id_ in block.ids.all()]
            times.update((block.stream, id_) for id_ in ids)
            for recorded in workspace.made_of(first, block, ids).values():
                decisions |= zip(ids, recorded.answers, strict=True)
        elif isinstance(block, Changes):
            times.update((Kind(block.kind).name, change.id) for change in changes_of(block))
    found.decided_twice = sum(n > 1 for n in times.values())
    found.words += [f"{what[1]} is in the log {n} times" for what, n in times.items() if n > 1]
    lost = [id_ for id_, answer in accounts.decisions.items() if decisions.get(id_) != answer]
    lost += [id_ for id_ in accounts.kept if not any((stream, id_) in times for stream in ("login", "account"))]
    lost += [id_ for (path, id_), said in accounts.told.items() if not _holds(workspace, path, id_, said)]
    found.lost = len(lost)
    found.words += [f"{id_} was acknowledged and is lost" for id_ in lost]


def _holds(workspace: Workspace, path: str, id_: str, said: str) -> bool:
    """Whether what was said of an order is known."""
    if path == "/v1/retractions":
        return workspace.is_retracted("order", id_)
    name, _, value = said.partition("=")
    change = Change(KINDS[path], "order", id_, name)
    (position,) = workspace.positions_of([change])
    return workspace.value(change, position) == float(value == "True")


def _compare_snapshots(found: Findings, plans: Sequence[Plan], log: Log, whole: Workspace, folder: Path) -> None:
    """Fold the newest snapshot and what the log has more; it must come to the same."""
    follower = Follower(plans, log, folder, say=found.words.append)
    follower.catch_up()
    if _facts(follower.workspace) != _facts(whole):
        found.differences += 1
        found.words.append(f"the state from the snapshot at {follower.restored} on is another")


def _facts(workspace: Workspace) -> tuple[object, ...]:
    held: list[Ids | Known] = [*workspace.ids.values(), *workspace.retracted.values()]
    held += [s.marks for s in workspace.systems.values()]
    tables = [{name: array.tobytes() for name, array in each.arrays().items()} for each in held]
    waiting = workspace.waiting_changes
    return workspace.digest(), workspace.newest_us, workspace.decided, waiting, workspace.active, tables


def _compare_uninterrupted(found: Findings, plans: Sequence[Plan], log: Log, whole: Workspace) -> None:
    """Decide the events of the log in its order in one process that is never interrupted, and compare the logs."""
    now = 0
    decider = Decider(plans, clock=lambda: now)
    for commit in log.read():
        now = commit.received_at
        blocks = [block for _, block in blocks_of(commit)]
        for block in blocks:
            if isinstance(block, Events):
                door = decider.workspace.door(block.stream)
                decider.decide(block.stream, [door.one(body) for body in block.bodies.all()])
        if changes := [change for block in blocks if isinstance(block, Changes) for change in changes_of(block)]:
            decider.change(changes)
    if _facts(decider.workspace) != _facts(whole):
        found.differences += 1
        found.words.append("the state of an uninterrupted run is another")
    there, here = (list(_blocks(each)) for each in (log, decider.log))
    found.differences += abs(len(there) - len(here))
    for (first, a), (_, b) in zip(there, here, strict=False):
        if _timeless(a, whole.cards) != _timeless(b, whole.cards):
            found.differences += 1
            found.words.append(f"the entries from {first} on are other ones in an uninterrupted run")


def _timeless(block: Block, cards: dict[str, Card]) -> object:
    """Return what a block holds but for how long somebody waited, which is no part of a decision."""
    if not isinstance(block, Events):
        return block
    made = []
    for one in block.made:
        records = cards[one.card].records(one.records).copy()
        records["latency_ms"] = 0
        made.append((one.card, records.tobytes(), one.features))
    return block.stream, block.schema, block.ids, block.bodies, block.fields, made


def _blocks(log: Log) -> Iterator[tuple[int, Block]]:
    """Yield what a log holds of events and of what became known, with the position of each block."""
    for commit in log.read():
        yield from ((first, block) for first, block in blocks_of(commit) if isinstance(block, (Events, Changes)))
