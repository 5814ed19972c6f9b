"""Rule 36 of the contract: what was decided about an erased person is told to nobody."""

from __future__ import annotations

import pytest

from adjudge.errors import ErasedError
from adjudge.log import MemoryLog
from adjudge.service.explain import explain
from adjudge.service.replay import replay
from tests.service.personal.bank import Bank, bank, payment


def test_rule_36_what_was_decided_about_an_erased_person_is_told_to_nobody() -> None:
    plan = bank()
    desk = Bank(plan, MemoryLog())
    desk.send(payment(1), payment("b", "bob"))
    desk.erase("ada")
    assert desk.is_withheld("p1")
    with pytest.raises(ErasedError):
        explain([plan], desk.log, "p1", keys=desk.keys)
    found = replay([plan], desk.log, keys=desk.keys)
    assert (found.erased, found.scores_compared, found.differences) == (1, 1, [])
    assert not desk.is_withheld("pb")
