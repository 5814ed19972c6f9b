"""The proof that ends the crash benchmark can fail: whatever is lost, doubled or changed is seen and counted."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from adjudge.log import Commit
from adjudge.log.codec import Block, Events, blocks_of, pack
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE, open_log
from adjudge.service.run import plans_of
from benchmarks._crash import model
from benchmarks._crash.clients import Accounts
from benchmarks._crash.proof import Findings, examine
from benchmarks._crash.site import Site
from benchmarks._crash.workload import Clients, Request


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the bundle that the service decides with."""
    return model.write(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def site(tmp_path: Path, bundle: Path) -> Site:
    """Return a workspace in which nothing has happened."""
    return Site(tmp_path / "workspace", bundle)


@pytest.fixture
def accounts(site: Site) -> Accounts:
    """Decide orders on the workspace, in this process, and return what was acknowledged."""
    accounts = Accounts()
    with closing(open_log(site.settings, new=True)) as log:
        decider = Decider(plans_of([model.SYSTEM], [site.bundle]), log)
        for request in islice(orders(), 40):
            door = decider.workspace.door("order")
            many = request.path.endswith("many")
            events = door.many(request.body, None).events if many else [door.one(request.body)]
            answers = [msgspec.Raw(verdict.answer("orders")) for verdict in decider.decide("order", events)]
            body = msgspec.json.encode({"decisions": answers}) if many else bytes(answers[0])
            accounts.enter(request, 200, body)
    return accounts


def orders() -> Iterator[Request]:
    """Draw requests for decisions without end."""
    return (request for request in Clients(7) if request.path.startswith("/v1/decide"))


def wrong(found: Findings) -> tuple[int, int, int]:
    """Return the counts."""
    return found.lost, found.decided_twice, found.differences


def rewrite(site: Site, change: Callable[[Events], list[Block]]) -> int:
    """Put other blocks in the place of the last one of the log, and return how many entries that one had."""
    with closing(open_log(site.settings)) as log:
        commits = list(log.read())
    (site.folder / LOG_FILE).unlink()
    ((_, block),) = blocks_of(commits[-1])
    assert isinstance(block, Events)
    with closing(open_log(site.settings, new=True)) as log:
        for commit in commits[:-1]:
            log.append(commit)
        link, first = log.end().link, log.end().position
        blocks = change(block)
        count = sum(map(len, blocks))
        log.append(Commit.after(link, first, count=count, received_at=commits[-1].received_at, payload=pack(blocks)))
    return len(block)


def test_where_nothing_is_wrong_nothing_is_found(site: Site, accounts: Accounts) -> None:
    assert accounts.acknowledged > 100
    assert not accounts.wrong
    assert wrong(examine(site, accounts)) == (0, 0, 0)


def test_what_was_acknowledged_and_is_not_in_the_log_is_lost(site: Site, accounts: Accounts) -> None:
    """An order that is not there, one that was answered otherwise, a label, a login."""
    accounts.decisions["never"] = b"{}"
    known = next(iter(accounts.decisions))
    accounts.decisions[known] = accounts.decisions[known].replace(b'"seq":1,', b'"seq":0,')
    accounts.told["/v1/labels", known] = "fraud=True"
    accounts.kept["login1"] = 4
    assert wrong(examine(site, accounts)) == (4, 0, 0)


def test_an_order_that_is_decided_twice_is_counted(site: Site, accounts: Accounts) -> None:
    doubled = rewrite(site, lambda block: [block, block])
    assert examine(site, accounts).decided_twice == doubled


def test_a_decision_that_an_uninterrupted_run_would_not_make_is_a_difference(site: Site, accounts: Accounts) -> None:
    """One bit of one feature, which no client was told: replay sees it, and so does deciding anew."""

    def flip(block: Events) -> list[Block]:
        (made,) = block.made
        return [replace(block, made=[replace(made, features=bytes([made.features[0] ^ 1]) + made.features[1:])])]

    rewrite(site, flip)
    assert wrong(examine(site, accounts)) == (0, 0, 2)


def test_another_answer_than_before_is_noticed() -> None:
    """However the order came again."""
    accounts = Accounts()
    request = Request("/v1/decide", b"", ("o1",))
    accounts.enter(request, 200, b'{"id":"o1"}')
    accounts.enter(request, 200, b'{"id":"o1","repeated":true}')
    assert (accounts.wrong, accounts.answered) == ([], [request])
    accounts.enter(dataclasses.replace(request, path="/v1/decide/many"), 200, b'{"decisions":[{"id":"o2"}]}')
    accounts.enter(request, 500, b"")
    assert len(accounts.wrong) == 2
