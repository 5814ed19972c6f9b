"""A hot spot of a log is found, and the next decision after its switch obeys it, until it is over."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.define import Category, Event, Id, Key, Label, Money, Policy, System, Time, days, feature
from adjudge.define import field as declared
from adjudge.engine import compile
from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.follow import active_at
from adjudge.service.home import LOG_FILE
from adjudge.service.hotspots import Switch, check, columns_of
from adjudge.service.resolver import Resolver
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.workspace import Change
from tests.service.shop import START, ManualClock, purchase, shop, shop_system
from tests.service.versions.test_second import Office


class Sale(Event):
    """A sale in one of many shops."""

    sale_id: Id
    at: Time
    buyer: Key
    place: Key
    kind: Category
    amount: Money = declared(minimum=0)


class Named(Sale):
    """The same, of a person."""

    email: Key | None = declared(personal=True)
    person: Key = declared(person=True)


def sales(decides: type[Event] = Sale) -> System:
    return System(
        "sales",
        decides=decides,
        label=Label("fraud", delay=days(1)),
        features=[decides.by("place").count(days(1)), feature("hour", "hour(at)")],
        policy=Policy(),
        amount="amount",
        card="buyer",
    )


def sale(number: int, at: datetime, place: str) -> dict[str, Any]:
    return {
        "sale_id": f"s{number}",
        "at": at.isoformat(),
        "buyer": f"b{number}",
        "place": place,
        "kind": "card",
        "amount": "10.00",
    }


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace with sixty days of sales, a report every day, and four of one place on the last day."""
    folder = tmp_path_factory.mktemp("sales")
    clock = ManualClock()
    plan = compile(sales())
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        decider = Decider([plan], log, clock=clock)
        number = 0
        for day in range(60):
            rows = []
            for _ in range(20):
                number += 1
                hot = day >= 55 and number % 20 == 3
                rows.append(sale(number, clock.at, "corner" if hot else f"place{number % 15}"))
            decider.decide("sale", decider.workspace.door("sale").rows(rows).events)
            told = [number - 7]
            told += [n for n in range(number - 80, number + 1) if n % 20 == 3] if day == 59 else []
            clock.advance(timedelta(hours=12))
            decider.change([Change.saying(Kind.LABEL, "sale", f"s{n}", "fraud", True) for n in told])
            clock.advance(timedelta(hours=12))
    return folder


def run(home: Path, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(
        app, ["hotspots", *words, "-w", str(home)], env={"COLUMNS": "120"}, catch_exceptions=False
    )
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_spot_is_found_told_and_switched_off_until_it_is_over(home: Path) -> None:
    end = (START + timedelta(days=60)).strftime("%Y-%m-%dT%H:%M")
    (found,) = json.loads(run(home, "find", "--as-of", end, "--json", "--alert", code=1))
    assert (found["id"], found["victims"], found["lat"]) == ("place=corner", 4, None)
    assert "place=corner" in run(home, "find", "--as-of", end, "--by", "place", code=1)
    listed = CliRunner().invoke(app, ["alerts", "list", "-w", str(home), "--json"]).stdout
    assert [one["key"] for one in json.loads(listed)["incidents"]] == ["hotspot:place=corner"]
    until = (START + timedelta(days=70)).date().isoformat()
    said = run(home, "block", found["id"], "--until", until, "--why", "five customers", "--who", "ada")
    assert "is active from position" in said
    clock = ManualClock(START + timedelta(days=61))
    with closing(SqliteLog(home / LOG_FILE)) as log:
        plan = Resolver([compile(sales())]).plan(active_at(log, None, len(log))["sales"])
        decider = Decider([plan], log, clock=clock)

        def decide(number: int, place: str) -> str:
            rows = [sale(number, clock.at, place)]
            (verdict,) = decider.decide("sale", decider.workspace.door("sale").rows(rows).events)
            return str(json.loads(verdict.record or b"{}")["decision"])

        assert (decide(9001, "corner"), decide(9002, "place1")) == ("block", "approve")
        clock.advance(timedelta(days=10))
        assert decide(9003, "corner") == "approve"


def test_the_next_decision_of_a_running_service_obeys_and_two_people_are_asked_where_rules_take_two(
    tmp_path: Path,
) -> None:
    office = Office(tmp_path)
    clock = office.shop.clock
    switch = Switch("user=u1", (clock.at + timedelta(days=2)).isoformat(), "block", "reported")
    revision = switch.revision("shop")
    assert office.shop.decide(purchase("a", clock.at))[0]["decision"] == "approve"
    number = office.propose("ada", **msgspec.to_builtins(revision))
    assert office.shop.decide(purchase("b", clock.at))[0]["decision"] == "approve"
    status, told = office.answer("bob", number)
    assert (status, told["status"]) == (200, "active")
    blocked, free = office.shop.decide(purchase("c", clock.at), purchase("d", clock.at, user="u2"))
    assert (blocked["decision"], free["decision"]) == ("block", "approve")
    clock.advance(timedelta(days=2))
    assert office.shop.decide(purchase("e", clock.at))[0]["decision"] == "approve"


@pytest.fixture
def desk() -> LiveDesk:
    return LiveDesk(Decider([shop()], clock=ManualClock()), background=False)


def test_a_second_switch_of_the_same_place_replaces_the_first(desk: LiveDesk) -> None:
    for until in ("2026-12-01", "2026-12-02"):
        desk.revise(Switch("user=u1", until, "review", "reported").revision(None), "ada")
    rules = desk._decider.workspace.systems["shop"].plan.system.rules.rules
    made = [rule for rule in rules if "hotspot" in rule.tags]
    assert [rule.expires for rule in made] == [datetime(2026, 12, 2, tzinfo=UTC)]
    assert {rule.id for rule in rules} >= {"listed", "busy"}


def test_a_list_takes_the_value_with_its_expiry(desk: LiveDesk) -> None:
    desk.revise(Switch("card=c9", "2026-12-01", "block", "reported", to_list="blocked").revision(None), "ada")
    held = {entry.value: entry for entry in desk.held("blocked").entries}
    assert held["c9"].expires == "2026-12-01"
    assert held["c9"].reason == "hot spot: reported"


def test_what_cannot_be_meant_is_refused(desk: LiveDesk) -> None:
    for id_ in ("merchant", "=x", "a b=c", "user="):
        with pytest.raises(InputError, match="field=value"):
            Switch(id_, "2026-12-01", "block", "x").revision(None)
    for number in ("noon", "nan", "inf", "9" * 400):
        with pytest.raises(InputError, match="is no number"):
            Switch(f"hour={number}", "2026-12-01", "block", "x", number=True).revision(None)
    with pytest.raises(InputError, match="did you mean 'block'"):
        desk.revise(Switch("user=u1", "2026-12-01", "blok", "x").revision(None), "ada")
    with pytest.raises(InputError, match="usr"):
        desk.revise(Switch("usr=u1", "2026-12-01", "block", "x").revision(None), "ada")
    with pytest.raises(InputError):
        desk.revise(Switch("user=u1", "never", "block", "x").revision(None), "ada")


def test_personal_fields_are_neither_looked_at_nor_switched() -> None:
    system = sales(Named)
    assert columns_of(system).places == ["place", "kind", "hour"]
    with pytest.raises(InputError, match="is personal"):
        check(system, Switch("email=a@b", "2026-12-01", "block", "x"))
    with pytest.raises(InputError, match="did you mean 'place'"):
        check(system, Switch("plce=a", "2026-12-01", "block", "x"))
    with pytest.raises(InputError, match="leave out --number"):
        check(system, Switch("place=3", "2026-12-01", "block", "x", number=True))
    with pytest.raises(InputError, match="give --number"):
        check(system, Switch("hour=3", "2026-12-01", "block", "x"))
    assert columns_of(shop_system()).places == ["user", "card", "method"]


def test_a_value_with_quotes_stays_a_value(desk: LiveDesk) -> None:
    value = 'x" or 1 == 1 or "'
    desk.revise(Switch(f"user={value}", "2026-12-01", "block", "x").revision(None), "ada")
    clock = desk._decider.clock
    assert isinstance(clock, ManualClock)
    door = desk._decider.workspace.door("purchase")
    rows = [purchase(1, clock.at), purchase(2, clock.at, user=value)]
    told = desk._decider.decide("purchase", door.rows(rows).events)
    assert [json.loads(one.record or b"{}")["decision"] for one in told] == ["approve", "block"]
