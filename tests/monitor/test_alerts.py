"""The state machine of alerts, drawn as looks in a row: hysteresis, grouping, silence."""

from __future__ import annotations

import pytest

from adjudge.monitor.alerts import Hysteresis, Incident, Signal, Silence, is_silent, look


def told(looks: str, *, opens: int = 1, closes: int = 2, silence: Silence | None = None, urgent: bool = False) -> str:
    """Return what is told at each look: ``o`` opened, ``c`` closed, ``.`` nothing; ``x`` is a look with the signal."""
    state: dict[str, Incident] = {}
    said = ""
    for at, mark in enumerate(looks, start=1):
        signals = [Signal("drift:amount", "amount is up", "world", urgent)] if mark == "x" else []
        state, notices = look(
            state, signals, at, hysteresis=Hysteresis(opens, closes), silences=[silence] if silence else []
        )
        said += "".join(notice.kind[0] for notice in notices) or "."
    return said


@pytest.mark.parametrize(
    ("looks", "opens", "closes", "said"),
    [
        ("xxx..", 1, 2, "o...c"),
        ("x.x.x", 1, 2, "o...."),
        (".x.x.", 2, 1, "....."),
        ("xx.xx", 2, 1, ".oc.o"),
        ("xx..xx", 2, 3, ".o...."),
        ("xx...xx", 2, 3, ".o..c.o"),
    ],
)
def test_it_takes_looks_in_a_row(looks: str, opens: int, closes: int, said: str) -> None:
    assert told(looks, opens=opens, closes=closes) == said


def test_what_is_urgent_opens_at_once() -> None:
    assert told("x....", opens=3, closes=1, urgent=True) == "oc..."


def test_what_is_silenced_is_told_when_the_silence_ends_and_it_is_still_there() -> None:
    silence = Silence("drift:*", 4, "ada", "a migration")
    assert told("xxxxx", silence=silence) == "...o."
    assert told("xx....", silence=silence) == "......"
    assert is_silent("drift:amount", 3, [silence])
    assert not is_silent("drift:amount", 4, [silence])
    assert not is_silent("quality:amount", 3, [silence])


def test_what_belongs_together_is_told_together() -> None:
    signals = [Signal(f"pipeline:{name}", name, "pipeline") for name in "ba"] + [Signal("world:c", "c", "world")]
    state, notices = look({}, signals, 7)
    assert [(one.group, [incident.key for incident in one.incidents]) for one in notices] == [
        ("pipeline", ["pipeline:a", "pipeline:b"]),
        ("world", ["world:c"]),
    ]
    assert {one.since_us for one in state.values()} == {7}
    assert all(one.told for one in state.values())


def test_an_incident_remembers_since_when() -> None:
    state, _ = look({}, [Signal("a", "first")], 1)
    state, _ = look(state, [], 2)
    assert state["a"].stage == "closing"
    state, notices = look(state, [Signal("a", "again")], 3)
    assert (state["a"].since_us, state["a"].seen_us, state["a"].words, notices) == (1, 3, "again", ())
