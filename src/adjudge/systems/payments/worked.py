"""What people have done by the time somebody opens the demo's desk: verdicts, a challenger, what victims said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adjudge.client import Client
from adjudge.define import System
from adjudge.learn.source import Source
from adjudge.service.access.ledger import By
from adjudge.service.cases.asked import Decide, Defer, Escalate, Next, Write
from adjudge.service.cases.remote import RemoteCases
from adjudge.service.challengers.asked import Challenge
from adjudge.service.challengers.remote import RemoteChallengers

if TYPE_CHECKING:
    import polars as pl

VERDICTS = 6
"""Cases that somebody has decided."""

REPORTED = 1_000
"""Most labels of one request."""


def go_on(url: str, source: Source, system: System, payments: pl.DataFrame) -> None:
    """Work some cases by what is true of them, tell what became known of the payments, and seat a challenger.

    Parameters
    ----------
    url
        Address of the service.
    source
        The world.
    system
        The definitions.
    payments
        What was decided.
    """
    import polars as pl

    schema, label = system.decides.schema(), system.label
    assert label is not None  # payments have one
    assert source.truth is not None  # they are simulated
    truth = dict(source.truth.select(schema.id_field, "fraud").iter_rows())
    with RemoteCases(url) as cases:
        for _ in range(VERDICTS):
            case = cases.next(Next())
            if case is None:
                break
            words = "the customer did not know of it" if truth[case.id] else "the customer knows of it"
            cases.decide(Decide([case.id], bool(truth[case.id]), words))
        if (case := cases.next(Next())) is not None:
            cases.note(Write([case.id], "nobody answers; asked to call back"))
            cases.defer(Defer([case.id], "the customer was asked to call back"))
        if (case := cases.next(Next())) is not None:
            cases.escalate(Escalate([case.id], "a lawyer has written"))
    known = source.labels[label.name].join(payments.select(schema.id_field), on=schema.id_field, how="semi")
    rows = [{"id": id_, "value": value} for id_, value in known.select(schema.id_field, pl.col("value")).iter_rows()]
    with Client(url) as client:
        for start in range(0, len(rows), REPORTED):
            client.label_many(rows[start : start + REPORTED])
    document = system.rules.document()
    leaner = {**document, "rules": document["rules"][:-1]}
    why = "is the last rule worth its alerts?"
    with RemoteChallengers(url) as challengers:
        challengers.seat(Challenge(why, "leaner", revision={"rules": leaner}), By("", why))
