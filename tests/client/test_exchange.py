"""Sending again: what is lost, late or refused for now leads to one decision, in time, or to one clear error."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest

from adjudge.client import AsyncClient, Options
from adjudge.errors import AccessError, DeadlineError, InputError, OverloadedError, UnavailableError
from adjudge.service.app import Service
from adjudge.service.settings import Settings
from tests.client.desk import DROPPED, PASSES, RESET, SLOW, UNREACHABLE, URL, Desk, Fault, Line, told
from tests.service.shop import Shop, purchase, shop

Made = Callable[..., Desk]

BUSY = told(429, retry_after="2")
STOPPED = told(503, b"<h1>Service Unavailable</h1>", content_type="text/html")


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture(params=["Client", "AsyncClient"])
def made(request: pytest.FixtureRequest, plan: Any) -> Made:
    """Return what makes a client of either kind whose line has these faults."""

    def make(*faults: Fault, key: Any = "", **options: Any) -> Desk:
        line = Line(Service(Shop(plan).decider, Settings(max_waiting_labels=1, auth="off")), faults)
        return Desk(request.param, line, key, Options(**options))

    return make


@pytest.mark.parametrize("fault", [UNREACHABLE, DROPPED, BUSY, STOPPED, told(500), told(502), told(504)])
def test_what_did_not_arrive_is_sent_again(made: Made, fault: Fault) -> None:
    desk = made(fault, fault)
    assert desk("decide_one", purchase(1)).repeated is False
    assert len(desk.line.seen) == 3


@pytest.mark.parametrize("fault", [RESET, SLOW])
def test_what_was_decided_and_not_heard_is_the_first_decision(made: Made, fault: Fault) -> None:
    """The event is in the log once, and the answer to the second attempt is the answer to the first."""
    desk = made(fault)
    decided = desk("decide_one", purchase(1))
    assert decided.repeated
    assert [entry.id for entry in desk("read_log").entries] == ["", "p1"]
    assert desk("decision", "p1").decision.seq == decided.seq


def test_the_same_bytes_are_sent_again(made: Made) -> None:
    desk = made(UNREACHABLE, RESET, SLOW)
    desk("decide_one", purchase(1))
    sent = {(r.method, str(r.url), r.content, tuple(r.headers.items())) for r in desk.line.seen}
    assert len(desk.line.seen) == 4
    assert len(sent) == 1


def test_a_batch_goes_on_where_it_broke(made: Made) -> None:
    """A reset in the second of three requests: its rows come back as repeated, the others do not."""
    desk = made(PASSES, RESET, max_rows=2)
    answers = desk("decide_many", [purchase(i) for i in range(5)])
    assert [d.repeated for d in answers.all()] == [False, False, True, True, False]


def test_waits_double_up_to_the_longest_and_are_drawn(made: Made) -> None:
    """By a chance of 0.5: half of 100 ms, 200 ms, 400 ms and then of no more than 500 ms."""
    desk = made(*[UNREACHABLE] * 5, longest_wait=timedelta(milliseconds=500))
    desk("decide_one", purchase(1))
    assert desk.line.waits == [0.05, 0.1, 0.2, 0.25, 0.25]


@pytest.mark.parametrize(
    ("headers", "least"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT", "date": "Sun, 01 Mar 2026 12:00:00 GMT"}, 7.0),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:07 GMT"}, 0.0),
        ({"retry-after": "soon"}, 0.0),
        ({}, 0.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_the_wait_that_is_asked_for_is_kept(made: Made, status: int, headers: dict[str, str], least: float) -> None:
    desk = made(Fault(status=status, headers=headers))
    desk("decide_one", purchase(1))
    assert desk.line.waits == [least + 0.05]


def test_attempts_come_to_an_end(made: Made) -> None:
    desk = made(*[UNREACHABLE] * 9, attempts=3)
    with pytest.raises(
        UnavailableError, match=r"decide_one: no connection to the service: .* \(tried 3 times"
    ) as caught:
        desk("decide_one", purchase(1))
    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert len(desk.line.seen) == 3


def test_the_deadline_is_for_the_whole_call(made: Made) -> None:
    """Slow attempts of 10 s: the third may take the 4.85 s that are left of 25 s after two waits, and no more."""
    desk = made(SLOW, SLOW, Fault(takes_s=4.85, error=httpx.ReadTimeout), deadline=timedelta(seconds=25))
    with pytest.raises(DeadlineError, match=r"decide_one: no answer in time \(tried 3 times in 25.0 s\)"):
        desk("decide_one", purchase(1))
    assert desk.line.now == 1025.0


def test_no_wait_goes_beyond_the_deadline(made: Made) -> None:
    """Who is asked to come again in a minute and has half of it says so at once."""
    desk = made(told(429, retry_after="60"))
    with pytest.raises(OverloadedError, match="answered 429 Too Many Requests"):
        desk("decide_one", purchase(1))
    assert desk.line.waits == []
    patient = Desk(type(desk.client).__name__, Line(desk.line._inner.app, [told(429, retry_after="60")]))
    patient.client = patient.client.within(None)
    assert patient("decide_one", purchase(1)).id == "p1"
    assert patient.line.waits == [60.05]


def test_a_deadline_may_be_set_for_one_call(made: Made) -> None:
    desk = made(*[Fault(takes_s=1.0, error=httpx.ReadTimeout)] * 9)
    desk.client = desk.client.within(timedelta(seconds=2))
    with pytest.raises(DeadlineError):
        desk("decide_one", purchase(1))
    assert desk.line.now < 1003.0


def test_later_requests_of_a_call_share_its_deadline(made: Made) -> None:
    takes = Fault(takes_s=5.0, status=200, body=b'{"decisions":[null]}')
    desk = made(takes, takes, takes, max_rows=1, deadline=timedelta(seconds=10))
    with pytest.raises(DeadlineError, match="decide_many: the deadline has passed"):
        desk("decide_many", [purchase(i) for i in range(3)])
    assert len(desk.line.seen) == 2


def test_time_limits_reach_the_transport(made: Made) -> None:
    """An attempt may take what the options say, the last one what is left."""
    desk = made(SLOW, SLOW, deadline=timedelta(seconds=21), attempt_timeout=timedelta(seconds=10))
    desk("decide_one", purchase(1))
    limits = [request.extensions["timeout"]["read"] for request in desk.line.seen]
    expected = [10.0, 10.0, 0.85]
    assert limits == ([None] * 3 if isinstance(desk.client, AsyncClient) else pytest.approx(expected))


def test_an_awaited_attempt_is_cut_off_in_time() -> None:
    """Whatever the transport does: here it never answers."""

    class Silent(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    async def ask() -> None:
        options = Options(attempts=2, attempt_timeout=timedelta(milliseconds=5), first_wait=timedelta(milliseconds=1))
        async with AsyncClient(URL, options=options, transport=Silent()) as client:
            await client.decide_one(purchase(1))

    with pytest.raises(DeadlineError, match="tried 2 times"):
        asyncio.run(ask())


def test_an_answer_that_drips_is_cut_off_in_time(plan: Any) -> None:
    """A byte now and then keeps every single wait short, and the attempt does not go on for ever."""
    line = Line(Service(Shop(plan).decider, Settings(auth="off")))

    class Drips(httpx.SyncByteStream):
        def __iter__(self) -> Any:
            while True:
                line.now += 4.0
                yield b" "

    class Dripping(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            return httpx.Response(200, stream=Drips())

    desk = Desk("Client", line, options=Options(attempts=1))
    desk.client._http = httpx.Client(base_url=URL, transport=Dripping())
    with pytest.raises(DeadlineError):
        desk("decide_one", purchase(1))
    assert line.now == 1012.0


def test_refusals_are_not_sent_again(made: Made) -> None:
    desk = made()
    with pytest.raises(InputError):
        desk("decide_one", {})
    with pytest.raises(InputError):
        desk("decide_one", purchase(1), system="nothing")
    assert len(desk.line.seen) == 2


def test_labels_that_have_no_room_are_sent_again(made: Made) -> None:
    """The service asks for patience; in a batch of which other rows were taken, the refused ones are named."""
    desk = made(attempts=2)
    desk("decide_one", purchase(1))
    assert desk("label_one", "later", True).status == "waiting"
    with pytest.raises(OverloadedError):
        desk("label_one", "much-later", True)
    assert desk.line.waits == [1.05]
    many = desk("label_many", [{"id": "p1", "value": True}, {"id": "much-later", "value": True}])
    assert [(e.row, e.code) for e in many.errors] == [(1, "too_many_waiting")]


@pytest.mark.parametrize("fault", [UNREACHABLE, STOPPED, SLOW])
def test_questions_about_the_service_are_asked_once(made: Made, fault: Fault) -> None:
    desk = made(fault, fault)
    assert desk("healthy") is False
    found = desk("ready")
    assert (found.ready, found.systems) == (False, [])
    assert found.detail
    assert len(desk.line.seen) == 2
    assert desk("healthy") is True


@pytest.mark.parametrize("status", [401, 403, 421])
def test_a_key_that_is_not_good_is_an_error_of_its_own(made: Made, status: int) -> None:
    body = b'{"type":"about:blank","title":"no","status":401,"detail":"the key has expired"}'
    desk = made(told(status, body, content_type="application/problem+json"))
    with pytest.raises(AccessError, match="the key has expired"):
        desk("decide_one", purchase(1))
    assert len(desk.line.seen) == 1


def test_the_key_is_in_the_header_and_nowhere_else(made: Made, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    keys = iter(["first-secret", "second-secret", "third-secret"])
    desk = made(UNREACHABLE, UNREACHABLE, key=lambda: next(keys), attempts=2)
    with pytest.raises(UnavailableError) as caught:
        desk("decide_one", purchase(1))
    sent = [request.headers["authorization"] for request in desk.line.seen]
    assert sent == ["Bearer first-secret", "Bearer second-secret"]  # asked for anew every time
    shown = f"{desk.client!r} {desk.client._address!r} {caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "decide_one: attempt 1 failed" in shown
    assert "secret" not in shown


@pytest.mark.parametrize("key", ["with space", "with\nline", "schlüssel"])
def test_a_key_that_no_header_can_hold_is_refused_and_not_shown(made: Made, key: str) -> None:
    for given in (key, lambda: key):
        with pytest.raises(InputError, match="the key must be") as caught:
            made(key=given)("healthy")
        assert key not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["", "shop", "ftp://shop", "http://", "http://ada:secret@shop", "http://shop?a=b", "http://shop:port"]
)
def test_an_address_that_is_none_is_refused(url: str, plan: Any) -> None:
    with pytest.raises(InputError) as caught:
        AsyncClient(url)
    assert caught.value.field == "url"
    assert "secret" not in str(caught.value)


def test_a_service_may_live_below_a_path(made: Made) -> None:
    desk = made()
    client = type(desk.client)(URL + "/adjudge/", transport=desk.line)
    desk.client = client
    assert desk("ready").ready is False  # there is nothing at that path in this service
    assert str(desk.line.seen[-1].url) == f"{URL}/adjudge/readyz"


@pytest.mark.parametrize("name", ["attempts", "max_rows", "deadline", "first_wait"])
def test_options_that_make_no_sense_are_refused(name: str) -> None:
    value: Any = timedelta(0) if name in ("deadline", "first_wait") else 0
    with pytest.raises(InputError, match=name):
        Options(**{name: value})
