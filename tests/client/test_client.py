"""Every verb of both clients against the real service."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import msgspec
import pytest

from adjudge import client as public
from adjudge.client import AsyncClient, Client, Options
from adjudge.client.problems import Problem, Reply, RowError, error_of
from adjudge.define import Event, Id, Key, Money, Time
from adjudge.engine import decision as engine
from adjudge.engine import read
from adjudge.errors import AdjudgeError, ConflictError, ErasedError, InputError, NotFoundError, UnavailableError
from adjudge.log import codec
from adjudge.service import app, describe, marks, problem
from adjudge.service.settings import Settings
from tests.client.desk import BOTH, Desk, Line
from tests.service.shop import START, Shop, purchase, shop

Made = Callable[..., Desk]


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture(params=["Client", "AsyncClient"])
def made(request: pytest.FixtureRequest, plan: Any) -> Made:
    """Return what makes a client of either kind with a fresh service."""

    def make(settings: Settings | None = None, **options: Any) -> Desk:
        line = Line(app.Service(Shop(plan).decider, replace(settings or Settings(), auth="off")))
        return Desk(request.param, line, options=Options(**options))

    return make


@pytest.fixture
def desk(made: Made) -> Desk:
    """Return a client with a fresh service."""
    return made()


def test_one_decision_is_typed(desk: Desk) -> None:
    decided = desk("decide_one", purchase(1, card="stolen"))
    assert isinstance(decided, public.Decision)
    assert (decided.id, decided.decision, decided.seq, decided.repeated) == ("p1", "block", 1, False)
    assert decided.reasons[0] == public.Reason("listed", "rule", 1.0)
    assert decided.versions["system"]
    assert decided.features is None
    again = desk("decide_one", purchase(1, card="stolen"), features=True, system="shop")
    assert again.repeated
    assert again.features["user_count_1h"] == 0.0
    assert msgspec.structs.replace(again, repeated=False, features=None) == decided


def test_many_are_split_and_stay_in_order(made: Made) -> None:
    """Whatever the size of the requests: later events see earlier ones, across requests too."""
    rows = [purchase(i, START + timedelta(seconds=i)) for i in range(7)]
    whole = made()("decide_many", rows, features=True).all()
    for options in ({"max_rows": 1}, {"max_rows": 3}, {"max_body_bytes": 300}):
        desk = made(**options)
        split = desk("decide_many", iter(rows), features=True).all()
        assert len(desk.line.seen) > 1
        assert [(d.id, d.decision, d.features) for d in split] == [(d.id, d.decision, d.features) for d in whole]
    assert [d.features["user_count_1h"] for d in whole] == [float(i) for i in range(7)]
    assert desk("decide_many", []) == public.Answers([], [])


def test_refused_rows_are_named_and_the_others_decided(made: Made) -> None:
    desk = made(max_rows=2)
    bad = purchase(3, amount="-1") | {"colour": "red"}
    rows = [purchase(0), purchase(1), purchase(0, amount="11.00"), purchase(2), bad, purchase(4, amount=float("nan"))]
    answers = desk("decide_many", rows)
    assert [d and d.id for d in answers.results] == ["p0", "p1", None, "p2", None, None]
    assert answers.refused == [2, 4, 5]
    assert [(e.row, e.field, e.code) for e in answers.errors] == [
        (2, "purchase_id", "conflict"),
        (4, "amount", "out_of_range"),
        (4, "colour", "unknown_field"),
        (5, "amount", "not_finite"),
    ]
    assert isinstance(answers.errors[0], ConflictError)
    with pytest.raises(ConflictError):
        answers.all()


def test_a_row_without_a_reason_has_one_all_the_same(made: Made) -> None:
    """The service tells a thousand errors of a batch and no more."""
    answers = made(max_rows=2_000)("decide_many", [{"purchase_id": f"p{i}"} for i in range(300)])
    assert answers.refused == list(range(300))
    assert {e.row for e in answers.errors} == set(range(300))
    assert answers.errors[-1].code == "refused_rows"


def test_scoring_leaves_no_trace(desk: Desk) -> None:
    rows = [purchase(1), purchase(2)]
    one = desk("score_one", rows[0], features=True)
    assert desk("score_many", rows, features=True).all()[0].features == one.features
    assert desk("decide_one", rows[0]).repeated is False


def test_what_is_said_about_events(desk: Desk) -> None:
    for number in range(4):
        desk("decide_one", purchase(number, card="c1"))
    assert desk("label_one", "p0", True) == public.Done("p0", "set")
    assert desk("label_one", "p0", True, label="fraud", stream="purchase").status == "unchanged"
    many = desk("label_many", [{"id": "p1", "value": False}, {"id": "p9", "value": True}, {"id": "p2"}])
    assert [done and done.status for done in many.results] == ["set", "waiting", None]
    assert [(e.row, e.field, e.code) for e in many.errors] == [(2, "value", "missing_field")]
    assert desk("outcome_one", "p1", True).status == "set"
    assert desk("outcome_many", [{"id": "p2", "outcome": "declined", "value": True}]).all()[0].status == "set"
    assert desk("retract_one", "p2").status == "set"
    assert [done.id for done in desk("retract_many", [{"id": "p3"}, {"id": "p2", "stream": "purchase"}]).all()] == [
        "p3",
        "p2",
    ]
    stored = desk("decision", "p1")
    assert (stored.labels, stored.retracted) == ({"fraud": False, "declined": True}, False)
    assert desk("decision", "p3").retracted


def test_a_single_refusal_is_raised_with_everything_that_is_wrong(desk: Desk) -> None:
    with pytest.raises(InputError) as caught:
        desk("decide_one", purchase(1, amount="-1", user=7))
    assert (caught.value.field, caught.value.row, caught.value.code) == ("user", None, "wrong_type")
    assert [e.field for e in caught.value.others] == ["amount"]
    with pytest.raises(InputError, match="did you mean 'fraud'") as caught:
        desk("label_one", "p1", True, label="frod")
    assert (caught.value.field, caught.value.row, caught.value.code) == ("label", None, "unknown_label")
    with pytest.raises(InputError) as caught:
        desk("send_one", "purchase", purchase(1))
    assert caught.value.code == "decided_stream"
    desk("decide_one", purchase(1))
    with pytest.raises(ConflictError):
        desk("decide_one", purchase(1, amount="11.00"))


def test_events_that_are_not_decided(desk: Desk) -> None:
    login = {"login_id": "l1", "at": START, "user": "u1"}
    assert desk("send_one", "login", login) == public.Done("l1", "accepted", 1)
    assert desk("send_one", "login", login) == public.Done("l1", "repeated", 1)
    accounts = [{"change_id": f"a{i}", "at": START, "user": "u1", "verified": True} for i in range(2)]
    assert [done.seq for done in desk("send_many", "account", accounts).all()] == [2, 3]


def test_reading(desk: Desk) -> None:
    desk("decide_one", purchase("a/../b?c", amount="25.00", card="stolen"))
    stored = desk("decision", "pa/../b?c")
    assert (stored.decision.decision, stored.words[0]) == ("block", "The card is listed.")
    assert stored.event["amount"] == "25.00"
    assert stored.received_at == START
    found = desk("features", "user", {"user": "u1"}, as_of=START + timedelta(minutes=1))
    assert (found.entity, found.key, found.as_of) == ("user", {"user": "u1"}, START + timedelta(minutes=1))
    assert found.features["user_amount_sum_1d"] == 25.0
    assert desk("features", "user", {"user": "u1"}, system="shop").as_of == START
    rows = {row.name: row for row in desk("catalogue")}
    assert (rows["user_amount_sum_1d"].owner, rows["user_amount_sum_1d"].window) == ("risk team", "1d")
    for id_ in ("..", "", "p9"):
        with pytest.raises((NotFoundError, InputError)):
            desk("decision", id_)
    with pytest.raises(InputError, match="must carry its offset"):
        desk("features", "user", {"user": "u1"}, as_of=datetime(2026, 3, 1))  # noqa: DTZ001  # what is refused
    with pytest.raises(InputError) as caught:
        desk("features", "user", {"usr": "u1"})
    assert caught.value.code == "unknown_parameter"


def test_the_log_is_read_page_by_page(desk: Desk) -> None:
    desk("decide_many", [purchase(i) for i in range(3)])
    desk("label_one", "p1", True)
    first = desk("read_log", 1, 3)  # the first entry says which systems decide
    events = [(e.seq, e.kind, e.stream, e.id, e.content["amount"]) for e in first.entries]
    assert events == [(i + 1, 1, "purchase", f"p{i}", "10.00") for i in range(3)]
    last = desk("read_log", first.next)
    assert (last.entries[-1].kind, last.entries[-1].id, last.next) == (2, "p1", None)
    assert first.entries[0].received_at_us == round(START.timestamp() * 1e6)


def test_whether_it_lives_and_decides(desk: Desk) -> None:
    assert desk("healthy") is True
    assert desk("ready") == public.Readiness(True, ["shop"])


@dataclass(frozen=True, kw_only=True)
class Paid(Event):
    """A payment as a shop's own code has it."""

    purchase_id: Id
    at: Time
    user: Key
    amount: Money
    method: str
    place: tuple[float, float] | None = None


class Struct(msgspec.Struct):
    """The same as a struct."""

    purchase_id: str
    at: datetime
    user: str
    amount: Decimal
    method: str
    place: tuple[float, float] | None = None


def test_an_event_may_be_any_object_with_its_fields(desk: Desk) -> None:
    """They are the same event to the byte: the second is a repetition of the first."""
    at = START + timedelta(microseconds=1)
    values: dict[str, Any] = {
        "purchase_id": "p1",
        "at": at,
        "user": "u1",
        "amount": Decimal("1234567890.10"),
        "method": "card",
        "place": (48.2, 16.4),
    }
    plain = Event()
    vars(plain).update(values)
    forms = [values, Paid(**values), Struct(**values), plain]
    forms += [msgspec.Raw(msgspec.json.encode(values | {"place": {"lat": 48.2, "lon": 16.4}}))]
    decided = desk("decide_many", forms).all()
    assert [d.repeated for d in decided] == [False, True, True, True, True]
    event = desk("decision", "p1").event
    assert (event["amount"], event["at"]) == ("1234567890.10", "2026-03-01T12:00:00.000001Z")


def test_what_cannot_be_written_is_refused_before_it_is_sent(desk: Desk) -> None:
    rows = [purchase(0), purchase(1) | {"user": object()}]
    with pytest.raises(InputError, match="user is a object that cannot be written as JSON") as caught:
        desk("decide_many", rows)
    assert (caught.value.field, caught.value.row) == ("user", 1)
    with pytest.raises(InputError, match="must be a mapping or an object with fields, not list"):
        desk("decide_one", [])
    assert desk.line.seen == []


def test_what_the_service_finds_too_large_is_halved(made: Made) -> None:
    """Its limits may be below those of the client; a row that is beyond them by itself is refused."""
    rows = [purchase(i, START + timedelta(seconds=i)) for i in range(9)]
    whole = made()("decide_many", rows, features=True).all()
    for settings in (Settings(max_rows=2), Settings(max_body_bytes=300)):
        desk = made(settings)
        halved = desk("decide_many", rows, features=True).all()
        assert [(d.id, d.features) for d in halved] == [(d.id, d.features) for d in whole]
        assert len(desk.line.seen) > 5
    answers = desk("decide_many", [purchase(10), purchase(11, method="x" * 300), purchase(12)])
    assert answers.refused == [1]
    assert [(e.row, e.code, e.message) for e in answers.errors] == [(1, "too_large", "a body may have 300 bytes")]


def test_a_request_that_is_refused_as_a_whole_is_raised(made: Made) -> None:
    desk = made()
    for verb in ("decide_one", "decide_many"):
        with pytest.raises(InputError) as caught:
            desk(verb, [purchase(1)] if verb == "decide_many" else purchase(1), system="shp")
        assert (caught.value.field, caught.value.code) == ("system", "unknown_system")


@BOTH
def test_answers_of_something_else_are_no_decisions(kind: str) -> None:
    """A wrong address often answers, too."""

    async def website(scope: Any, receive: Any, send: Any) -> None:
        status = {"/v1/decide": 200, "/v1/decide/many": 200, "/v1/labels": 301}.get(scope["path"], 404)
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"text/html")]})
        await send({"type": "http.response.body", "body": b'{"decisions":[]}'})

    desk = Desk(kind, Line(website))
    calls: list[tuple[str, list[Any], str]] = [
        ("decide_one", [purchase(1)], "the answer is none of adjudge's"),
        ("decide_many", [[purchase(1)]], "0 answers to 1 rows"),
        ("label_one", ["p1", True], "answered 301 Moved Permanently"),
        ("catalogue", [], "answered 404 Not Found"),
    ]
    for verb, arguments, message in calls:
        with pytest.raises(UnavailableError, match=message):
            desk(verb, *arguments)


def test_both_clients_have_the_same_verbs() -> None:
    """With the same parameters, and each says what it does."""

    def verbs(kind: type) -> dict[str, Any]:
        return {n: f for n, f in vars(kind).items() if inspect.isfunction(f) and not n.startswith("_")}

    waiting, awaited = verbs(Client), verbs(AsyncClient)
    assert list(waiting) == [{"aclose": "close"}.get(name, name) for name in awaited]
    for name in waiting.keys() & awaited.keys():
        assert inspect.signature(waiting[name]).parameters == inspect.signature(awaited[name]).parameters
        first = (inspect.getdoc(waiting[name]) or "").partition("\n")[0]
        assert first
        assert first == (inspect.getdoc(awaited[name]) or "").partition("\n")[0]


SHAPES: list[tuple[type, type]] = [
    (public.Decision, describe.Answered),
    (public.Reason, engine.Reason),
    (public.Done, describe.Done),
    (public.CatalogueRow, read.CatalogueRow),
    (public.LogEntry, codec.Entry),
    (public.LogPage, app.Page),
    (public.Waiting, marks.Waiting),
    (public.WaitingChange, marks.WaitingChange),
    (RowError, problem.RowError),
]


@pytest.mark.parametrize(("ours", "theirs"), SHAPES, ids=lambda shape: shape.__name__)
def test_shapes_are_those_that_the_service_writes(ours: type, theirs: type) -> None:
    def names(shape: type) -> set[str]:
        return {field.encode_name for field in msgspec.structs.fields(shape)}

    assert names(ours) == names(theirs)
    assert names(problem.Problem) <= names(Problem)


def test_every_error_of_the_tree_that_can_cross_the_wire_does() -> None:
    """What the service raises and tells is what the client raises."""
    raised: list[AdjudgeError] = [
        InputError("wrong", field="amount", code="wrong_type"),
        ConflictError("used", field="id", code="conflict"),
        NotFoundError("there is none"),
        ErasedError("it can no longer be read"),
        UnavailableError("deciding has stopped"),
    ]
    failed = problem.failure()
    reply = Reply(500, httpx.Headers({"content-type": problem.CONTENT_TYPE}), msgspec.json.encode(failed))
    assert failed.instance in str(error_of(reply))
    for error in raised:
        document = problem.problem_of(error)
        headers = httpx.Headers({"content-type": problem.CONTENT_TYPE})
        found = error_of(Reply(document.status, headers, msgspec.json.encode(document)))
        assert (type(found), str(found)) == (type(error), str(error))
        if isinstance(error, InputError) and isinstance(found, InputError):
            assert (found.field, found.code) == (error.field, error.code)
