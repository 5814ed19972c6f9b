"""Time and breakers: with a clock that goes when it is told to, what is skipped is known to the event."""

from __future__ import annotations

import pytest

from adjudge.engine import Breaker, Budget, Watch
from adjudge.engine.layers import FAILED, RAN, SKIPPED_LATE, SKIPPED_OPEN
from tests.engine.moody import Moody, Timer, bets, columns, decide, plan_with


def watch(timer: Timer, whole_s: float = 0.0, model_s: float = 0.0, **breaker: float) -> Watch:
    """Return a watch with budgets, which keeps what it is told in its own list."""
    limits = {"failures": int(breaker.get("failures", 5)), "pause_s": breaker.get("pause_s", 5.0)}
    return Watch(timer, Budget(whole_s, {"model": model_s}), on_failure=lambda layer, error: None, **limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("waited", "model_s", "code"),
    [(0.0, 0.0, RAN), (0.99, 0.0, RAN), (1.0, 0.0, SKIPPED_LATE), (0.7, 0.25, RAN), (0.8, 0.25, SKIPPED_LATE)],
)
def test_a_layer_is_begun_while_its_budget_is_left_of_the_whole(waited: float, model_s: float, code: int) -> None:
    timer = Timer()
    arrived = timer.now
    timer.now += waited
    found = decide(plan_with(Moody()), bets(600), watch(timer, 1.0, model_s).over([arrived]))
    assert found.layers.tolist() == [[code]]
    assert found.method(0) == ("model" if code == RAN else "fallback")


def test_without_a_budget_nothing_is_late() -> None:
    timer = Timer()
    found = decide(plan_with(Moody()), bets(600), watch(timer).over([timer.now - 1e9]))
    assert found.layers.tolist() == [[RAN]]


def test_events_decided_together_share_the_deadline_of_the_oldest() -> None:
    timer = Timer()
    arrived = [timer.now, timer.now - 3.0, timer.now]
    found = decide(plan_with(Moody()), bets(600, 600, 600), watch(timer, 2.0).over(arrived))
    assert found.layers.tolist() == [[SKIPPED_LATE] * 3]


def test_pieces_of_a_batch_are_late_by_themselves() -> None:
    """Bets of one user are decided one after the other, because declined ones are features of the next."""
    timer = Timer()
    plan = plan_with(Moody(timer=timer, takes_s=1.0))
    found = decide(plan, bets(600, 600, 600, 600, user="u"), watch(timer, 2.5).over([timer.now] * 4))
    assert found.layers.tolist() == [[RAN, RAN, RAN, SKIPPED_LATE]]


def test_a_piece_counts_its_own_arrivals() -> None:
    timer = Timer()
    arrived = [timer.now, timer.now - 9.0, timer.now]
    found = decide(plan_with(Moody()), bets(600, 600, 600, user="u"), watch(timer, 2.0).over(arrived))
    assert found.layers.tolist() == [[RAN, SKIPPED_LATE, RAN]]


def test_one_by_one_after_a_failure_ends_at_the_deadline() -> None:
    """A batch that raised is run again by rows, and the rows that there is no time for are skipped, not waited for."""
    timer = Timer()
    scorer = Moody(raises=frozenset({666.0}), timer=timer, takes_s=1.0)
    found = decide(plan_with(scorer), bets(666, 600, 600, 600, 600), watch(timer, 3.5).over([timer.now] * 5))
    assert found.layers.tolist() == [[FAILED, RAN, RAN, SKIPPED_LATE, SKIPPED_LATE]]
    assert found.action == ["block", "review", "review", "block", "block"]


def test_a_breaker_opens_half_opens_and_closes() -> None:
    timer = Timer()
    scorer = Moody(down=True)
    plan, watching = plan_with(scorer), watch(timer, failures=3, pause_s=5.0)
    seen: list[tuple[int, str]] = []

    def once() -> None:
        found = decide(plan, bets(600), watching.over([timer.now]))
        seen.append((int(found.layers[0, 0]), watching.breakers["model"].state))

    for _ in range(4):
        once()
    assert seen == [(FAILED, "closed"), (FAILED, "closed"), (FAILED, "open"), (SKIPPED_OPEN, "open")]
    assert len(scorer.asked) == 3
    timer.now += 5.0
    once()  # the trial fails
    timer.now += 4.9
    once()
    assert seen[-2:] == [(FAILED, "open"), (SKIPPED_OPEN, "open")]
    scorer.down = False
    timer.now += 0.1
    once()  # the trial succeeds
    assert seen[-1] == (RAN, "closed")
    scorer.down = True
    once()
    assert seen[-1] == (FAILED, "closed")  # counting begins anew


def test_a_model_that_is_down_is_not_asked_for_every_row_of_a_batch() -> None:
    timer = Timer()
    scorer = Moody(down=True)
    found = decide(plan_with(scorer), bets(*[600.0] * 50), watch(timer, failures=3).over([timer.now] * 50))
    assert found.layers.tolist() == [[FAILED] * 3 + [SKIPPED_OPEN] * 47]
    assert scorer.asked == [50, 1, 1, 1]


def test_failures_that_are_not_in_a_row_open_nothing() -> None:
    timer = Timer()
    scorer = Moody(raises=frozenset({666.0}), gives={11.0: float("nan")})
    watching = watch(timer, failures=2)
    decide(plan_with(scorer), bets(*[666.0, 600.0] * 10, 11.0, 11.0), watching.over([timer.now] * 22))
    assert watching.breakers["model"].state == "open"  # the last two, which were in a row
    watching = watch(timer, failures=2)
    decide(plan_with(scorer), bets(*[666.0, 600.0] * 10), watching.over([timer.now] * 20))
    assert watching.breakers["model"].state == "closed"


def test_a_trial_that_fails_on_a_batch_opens_at_its_first_row() -> None:
    timer = Timer()
    scorer = Moody(down=True)
    plan, watching = plan_with(scorer), watch(timer, failures=1)
    decide(plan, bets(600), watching.over([timer.now]))
    timer.now += 5.0
    found = decide(plan, bets(600, 600, 600), watching.over([timer.now] * 3))
    assert found.layers.tolist() == [[FAILED, SKIPPED_OPEN, SKIPPED_OPEN]]


def test_runs_that_take_too_long_open_the_breaker_and_still_count() -> None:
    timer = Timer()
    plan, watching = plan_with(Moody(timer=timer, takes_s=0.2)), watch(timer, model_s=0.1, failures=2)
    codes = [int(decide(plan, bets(600), watching.over([timer.now])).layers[0, 0]) for _ in range(3)]
    assert codes == [RAN, RAN, SKIPPED_OPEN]


def test_watching_a_healthy_model_changes_nothing() -> None:
    timer = Timer()
    plan, events = plan_with(Moody()), bets(10, 600, 950, 7, 2000)
    watched = decide(plan, events, watch(timer, 1.0, 0.5).over([timer.now] * 5))
    assert columns(watched) == columns(decide(plan, events))
    assert not watched.layers.any()


def test_each_layer_has_a_breaker_of_its_own() -> None:
    watching = watch(Timer(), failures=1)
    watching.breaker("model").failed(0.0)
    assert watching.breaker("model").state == "open"
    assert watching.breaker("graph").state == "closed"
    assert isinstance(watching.breakers["graph"], Breaker)
