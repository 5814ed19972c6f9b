"""Step-ups, verifications, reviews and disputes: they fit what happened, and change nothing of it."""

from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import payments
from adjudge.systems.payments.simulate.inquiries import VALUES
from tests.systems.payments.simulated import told, world


def _of(outcome: str) -> pl.DataFrame:
    """Return what became known of one outcome, with the payment and its truth beside it."""
    return world().inquiries.filter(outcome=outcome).join(told(), on="payment_id")


def _fraud_among(outcome: str, value: str) -> float:
    share = _of(outcome).filter(value=value)["fraud"].mean()
    assert isinstance(share, float)
    return share


def test_the_values_are_those_of_the_system_and_each_occurs() -> None:
    defined = {outcome.name: outcome.values for outcome in payments().outcomes if outcome.values}
    assert defined == VALUES
    found = world().inquiries.group_by("outcome").agg(pl.col("value").unique().sort())
    assert dict(found.rows()) == {name: sorted(values) for name, values in VALUES.items()}
    assert world().inquiries["known_at"].is_sorted()


def test_all_of_it_becomes_known_after_the_payment() -> None:
    for outcome in VALUES:
        assert (_of(outcome)["known_at"] > _of(outcome)["at"]).all(), outcome
    assert (_of("step_up")["known_at"] - _of("step_up")["at"]).max() <= timedelta(minutes=5)  # type: ignore[operator]


def test_whoever_does_not_confirm_is_declined() -> None:
    """And passes where the payment was accepted; nobody is asked in a shop."""
    asked = _of("step_up")
    assert (asked["declined"] == (asked["value"] != "passed")).all()
    assert asked["ip"].null_count() == 0
    assert asked["payment_id"].is_unique().all()


def test_disputes_are_the_reports_of_accepted_payments() -> None:
    opened, ended = _of("dispute").filter(value="opened"), _of("dispute").filter(pl.col("value") != "opened")
    reports = world().labels.filter("fraud").join(told().filter(~pl.col("declined")), on="payment_id")
    assert (
        opened.select("payment_id", "known_at")
        .sort("payment_id")
        .equals(reports.select("payment_id", "known_at").sort("payment_id"))
    )
    pairs = opened.join(ended, on="payment_id", suffix="_ended")
    assert pairs.height == ended.height == opened.height
    assert (pairs["known_at_ended"] > pairs["known_at"]).all()


def test_reviews_are_mostly_right_and_quiet_fraud_is_reviewed_like_honest_payments() -> None:
    assert _fraud_among("review", "fraud") > 0.8 > 0.2 > _fraud_among("review", "legitimate")
    quiet = _of("review").filter(pattern="quiet").height / told().filter(pattern="quiet").height
    assert quiet < 0.02


@pytest.mark.parametrize("outcome", VALUES)
def test_a_source_has_a_table_of_each(outcome: str) -> None:
    table = of_world(world()).labels[outcome]
    assert table.columns == ["payment_id", "value", "known_at"]
    assert table.height == world().inquiries.filter(outcome=outcome).height > 0
