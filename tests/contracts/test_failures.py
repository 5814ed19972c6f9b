"""The contract on what a clock or a failure decides, rule 34: it is said, logged, and an input to the replay."""

from __future__ import annotations

from adjudge.engine import Budget, compile
from adjudge.service.decider import Decider
from adjudge.service.replay import replay
from adjudge.service.watches import Watches
from tests.contracts.timeline import Timeline, at
from tests.engine.moody import Moody, Timer


def line_with(scorer: Moody, timer: Timer) -> Timeline:
    """Return a timeline with a model and 50 milliseconds for each decision."""
    line = Timeline()
    line.plan = compile(line.plan.system, scorer=scorer)
    line.decider = Decider([line.plan], clock=line.decider.clock, watches=Watches(Budget(0.05), timer=timer))
    return line


def test_rule_34_what_a_clock_decided_is_an_input_to_the_replay() -> None:
    timer = Timer()
    line = line_with(Moody(names=("amount",), timer=timer), timer)
    line.send("p1", 0, amount="100.00")
    decoded = line.decider.workspace.door("payment")
    for id_, waited in (("p2", 0.04), ("p3", 0.06)):
        row = {"payment_id": id_, "at": at(1), "user": "u", "amount": "100.00"}
        events = decoded.rows([row], strict=False).events
        line.decider.decide("payment", events, arrived=[timer.now - waited])
    told = {id_: line.stored(id_).record for id_ in ("p1", "p2", "p3")}
    assert [b'"degraded":true' in record for record in told.values()] == [False, False, True]
    assert b'"method":"fallback"' in told["p3"]
    assert replay([line.plan], line.decider.log).equal


def test_rule_34_what_a_failure_decided_is_an_input_to_the_replay() -> None:
    timer = Timer()
    line = line_with(scorer := Moody(names=("amount",), timer=timer, down=True), timer)
    line.send("p1", 0, amount="100.00")
    scorer.down = False
    line.send("p2", 1, amount="100.00")
    assert b'"degraded":true' in line.stored("p1").record
    assert b'"degraded":false' in line.stored("p2").record
    again = replay([line.plan], line.decider.log)
    assert (again.equal, again.scores_compared) == (True, 2)


def test_rule_34_one_row_that_fails_takes_no_other_with_it() -> None:
    timer = Timer()
    rows = [{"payment_id": f"p{i}", "user": f"u{i}", "amount": a} for i, a in enumerate(["1.00", "666.00", "2.00"])]
    for size in (1, 3):
        line = line_with(Moody(names=("amount",), raises=frozenset({666.0})), timer)
        for first in range(0, 3, size):
            line.offer_all([row | {"at": at(1)} for row in rows[first : first + size]])
        degraded = [b'"degraded":true' in line.stored(row["payment_id"]).record for row in rows]
        assert degraded == [False, True, False]
