"""Looks by processes beside the service: how far they are, how they end, and which of them are kept."""

from __future__ import annotations

import asyncio
import sys

import pytest

from adjudge.console import looks
from adjudge.console.looks import Look, Looks, program_of
from adjudge.errors import UnavailableError

SAYS = (
    "import os, sys, time\n"
    "print('reading', file=sys.stderr, flush=True)\n"
    "time.sleep(float(sys.argv[1]))\n"
    "print(os.environ.get('ADJUDGE_LOG', ''))\n"
    "sys.exit(int(sys.argv[2]))"
)
"""A program that says what it does, waits, prints where its log is, and ends with a code."""


def made() -> Looks:
    return Looks([sys.executable, "-c", SAYS], {"ADJUDGE_LOG": "here"})


async def ended(look: Look) -> Look:
    """Wait until a look is over."""
    for _ in range(2_000):
        if look.state != "running":
            return look
        await asyncio.sleep(0.01)
    message = "it goes on and on"
    raise AssertionError(message)


@pytest.mark.parametrize("code", ["0", "1"])
def test_a_look_says_how_far_it_is_and_is_kept(code: str) -> None:
    async def run() -> None:
        several, words = made(), ("0.2", code)
        look = several.begin(words, now_us=5, position=7)
        assert several.begin(words, now_us=6, position=8) is look  # whoever comes meanwhile waits for the same
        while not look.says and look.state == "running":
            await asyncio.sleep(0.01)
        assert look.says == "reading"
        await ended(look)
        assert (look.state, look.found, look.began_us, look.position) == ("done", b"here\n", 5, 7)
        assert several.get(words) is look
        assert look.took_s == look.took_s >= 0.2
        again = several.begin(words, now_us=9, position=9)
        assert again is not look
        several.stop(words)
        await ended(again)

    asyncio.run(run())


def test_a_look_is_stopped_and_its_process_with_it() -> None:
    async def run() -> None:
        several, words = made(), ("60", "0")
        look = several.begin(words, now_us=0, position=0)
        while not look.says:
            await asyncio.sleep(0.01)
        several.stop(words)
        await ended(look)
        assert (look.state, look.found) == ("stopped", b"")
        assert look.took_s < 30
        assert several.get(words) is look

    asyncio.run(run())


def test_one_that_is_stopped_while_it_starts_lets_the_next_one_in() -> None:
    async def run() -> None:
        several = made()
        look = several.begin(("60", "0"), now_us=0, position=0)
        await asyncio.sleep(0)  # it is being started
        several.stop(("60", "0"))
        assert (await ended(look)).state == "stopped"
        assert (await ended(several.begin(("0", "0"), now_us=0, position=0))).state == "done"

    asyncio.run(run())


def test_a_look_that_fails_says_why() -> None:
    async def run() -> None:
        look = await ended(made().begin(("0", "2"), now_us=0, position=0))
        assert look.state == "failed"
        assert "has failed: reading" in look.says

    asyncio.run(run())


def test_the_oldest_looks_are_forgotten_and_none_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looks, "MOST", 2)

    async def run() -> None:
        several = made()
        for number in range(3):
            await ended(several.begin(("0", "0", str(number)), now_us=number, position=0))
        assert several.get(("0", "0", "0")) is None
        assert several.get(("0", "0", "2")) is not None

    asyncio.run(run())


def test_a_log_in_memory_can_be_looked_at_by_nobody_else() -> None:
    with pytest.raises(UnavailableError, match="serve with a log in a file"):
        program_of(None)
    assert program_of(["python", "-m", "adjudge", "report", "--workspace", "w"]) == ["python", "-m", "adjudge"]
