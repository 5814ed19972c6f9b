"""`console`: people at the desk of a million decisions, five thousand of which wait for a person.

The service of `_console/service.py` is worked at in headless Chromium on the same machine. What is timed: every page,
from going there until it is usable (all of it is there and what is pressed arrives); the next case, from the key that
says what the last one was; a search, from its key. Every page is loaded once before, and how long that takes is told
beside: the first to ask has what the log holds read. Pages whose figures take longer than a page may show how far a
process beside has come; how long that takes is told beside, too. Last, orders are sent in an open loop, in turns with
nobody at the desk, with ten desks open, and with ten desks of which one takes another case every ten seconds, as ten
people would who each look at one for a hundred; the browser runs at the lowest priority, since it would run elsewhere.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
import numpy as np

from adjudge.console.pages import PAGES
from adjudge.service.server import free_port, python, wait_ready
from benchmarks._console import service
from benchmarks._console.browser import SIZE, load, next_case, opened, take_case, usable
from benchmarks._promotion.sender import Kept

if TYPE_CHECKING:
    from playwright.sync_api import Page

DECISIONS, QUICK_DECISIONS = 1_000_000, 50_000
LOADS, QUICK_LOADS = 15, 3
"""How often each page is loaded, the next case taken, and something searched for."""

DESKS = 10
RATE = 200
"""Orders a second; the machine that decides also sends and shows, and has two cores."""

TURNS, QUICK_TURNS = 6, 2
TURN_S = 20.0
CASE_EVERY_S = 10.0

ALONE, OPEN, WORKED = "alone", "ten_desks_open", "ten_desks_worked_at"
"""What goes on at the desk while orders are sent."""

ARGUMENTS = {
    "/decision": "?id=f77&system=orders",
    "/case": "?id={case}&system=orders",
    "/linked": "?field=user&value=u5&system=orders",
}
"""What a page needs to know."""

SHOWN = ("/overview", "/cases", "/case", "/decisions", "/review")
"""What is open on the ten desks."""

RUNNING = "text=Looking at the log beside the service"
"""What a page says while a process beside the service is at work for it."""

TARGETS = {"page_s": 1.0, "next_s": 0.3, "search_s": 1.0, "p99_ratio": 1.10}


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Work at the desk.

    Parameters
    ----------
    quick
        Fewer decisions, loads and turns.
    progress
        Is told what happens.
    """
    decisions, loads, turns = (QUICK_DECISIONS, QUICK_LOADS, QUICK_TURNS) if quick else (DECISIONS, LOADS, TURNS)
    with tempfile.TemporaryDirectory() as name:
        folder, port = Path(name), free_port()
        progress(f"deciding {decisions:,} orders")
        with _serving(folder, port, decisions):
            url = f"http://127.0.0.1:{port}"
            with opened(folder) as browser:
                page = browser.new_context(viewport=SIZE).new_page()
                waiting = httpx.get(f"{url}/v1/cases", timeout=120).json()
                addresses = _addresses(url, waiting["cases"][0]["id"])
                first, looks = _first(page, addresses, progress)
                pages = {path: _times(partial(load, page, at), loads) for path, at in addresses.items()}
                progress("one case after another")
                take_case(page, addresses["/cases"])
                following = _times(lambda: next_case(page), loads)
                progress("searching")
                searches = _searches(page, url, loads)
            progress("sending, with and without desks")
            latencies = _load(folder, port, decisions, addresses, turns)
    worst = max(pages, key=lambda path: pages[path]["p95_s"])
    ratio = {what: round(latencies[what]["p99_ms"] / latencies[ALONE]["p99_ms"], 3) for what in (OPEN, WORKED)}
    return {
        "decisions": decisions,
        "waiting": waiting["total"],
        "pages": pages,
        "first_loads_s": first,
        "looks_s": looks,
        "worst_page": worst,
        "worst_page_p95_s": pages[worst]["p95_s"],
        "next_case": following,
        "search": searches,
        "rate_per_s": RATE,
        **latencies,
        "ratio_p99": ratio,
        "targets": TARGETS,
        "reached": {
            "pages": pages[worst]["p95_s"] <= TARGETS["page_s"],
            "next": following["p95_s"] <= TARGETS["next_s"],
            "search": searches["p95_s"] <= TARGETS["search_s"],
            "p99": ratio[OPEN] <= TARGETS["p99_ratio"],
        },
    }


@contextmanager
def _serving(folder: Path, port: int, decisions: int) -> Iterator[None]:
    child = subprocess.Popen(
        python(service.__name__, str(port), str(folder), str(decisions)), stdout=subprocess.PIPE, text=True
    )
    try:
        assert child.stdout is not None
        child.stdout.readline()
        wait_ready(port, child=child)
        yield
    finally:
        child.terminate()
        child.wait(60)


def _addresses(url: str, case: str) -> dict[str, str]:
    return {page.path: f"{url}/console{page.path}{ARGUMENTS.get(page.path, '').format(case=case)}" for page in PAGES}


def _first(
    page: Page, addresses: dict[str, str], progress: Callable[[str], None]
) -> tuple[dict[str, float], dict[str, float]]:
    """Load every page once, wait for what runs beside, and return the seconds of both."""
    took: dict[str, float] = {}
    looks: dict[str, float] = {}
    for path, address in addresses.items():
        took[path] = round(load(page, address), 2)
        page.wait_for_timeout(300)
        began = time.perf_counter()
        if page.locator(RUNNING).count():
            page.wait_for_selector(RUNNING, state="detached", timeout=600_000)
            looks[path] = round(time.perf_counter() - began, 1)
        progress(f"{path}: {took[path]} s" + (f", its look {looks[path]} s" if path in looks else ""))
    return took, looks


def _times(once: Callable[[], float], loads: int) -> dict[str, float]:
    took = [once() for _ in range(loads)]
    return {"median_s": round(float(np.median(took)), 3), "p95_s": round(float(np.quantile(took, 0.95)), 3)}


def _searches(page: Page, url: str, loads: int) -> dict[str, float]:
    """Search for users by name, amounts and ids in turns."""
    load(page, f"{url}/console/decisions")
    turn = iter(range(loads))

    def search() -> float:
        number = next(turn)
        text = (f"u{number}", f"{20 + number}.00..{20 + number}.50", f"f{1_000 + number}")[number % 3]
        page.keyboard.press("/")
        page.keyboard.type(text)
        return usable(page, lambda: _entered(page, text))

    return _times(search, loads)


def _entered(page: Page, text: str) -> None:
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: text in url, wait_until="commit")


def _load(
    folder: Path, port: int, decisions: int, addresses: dict[str, str], turns: int
) -> dict[str, dict[str, float]]:
    """Send in turns whatever goes on at the desk, and return the latencies of each."""
    whats = [ALONE, OPEN, WORKED]
    each = int(TURN_S * RATE)
    drawn = [_body(event) for event in service.bodies(len(whats) * turns * each, decisions)]
    kept: dict[str, list[Kept]] = {what: [] for what in whats}
    with opened(folder, politely=True) as browser:
        context = browser.new_context(viewport=SIZE)
        for _ in range(turns):
            for what in whats:
                pages = [] if what == ALONE else [context.new_page() for _ in range(DESKS)]
                for number, page in enumerate(pages):
                    page.goto(addresses[SHOWN[number % len(SHOWN)]])
                if pages:
                    take_case(pages[0], addresses["/cases"])
                time.sleep(2.0)
                bodies, drawn = drawn[:each], drawn[each:]
                kept[what] += _sent(folder, port, bodies, pages[0] if what == WORKED else None)
                for page in pages:
                    page.close()
    return {what: _latencies(found) for what, found in kept.items()}


def _body(event: Any) -> bytes:
    return msgspec.json.encode({**vars(event), "amount": str(event.amount)})


def _sent(folder: Path, port: int, bodies: list[bytes], worked: Page | None) -> list[Kept]:
    """Send orders while a desk is worked at, if one is."""
    (folder / "bodies").write_bytes(b"\n".join(bodies))
    words = [str(port), str(folder / "bodies"), str(RATE), str(folder / "kept")]
    sender = subprocess.Popen(python("benchmarks._promotion.sender", *words))
    while sender.poll() is None:
        if worked is not None:
            next_case(worked)
        time.sleep(CASE_EVERY_S if worked is not None else 0.2)
    kept = msgspec.json.decode((folder / "kept").read_bytes(), type=list[Kept])
    if any(one.status != 200 for one in kept):
        message = "orders were not decided, so what is timed is something else"
        raise RuntimeError(message)
    return kept


def _latencies(kept: list[Kept]) -> dict[str, float]:
    took = np.array([1e3 * (one.ended - one.due) for one in kept])
    return {
        "requests": len(kept),
        **{f"p{q}_ms": round(float(np.quantile(took, q / 100)), 2) for q in (50, 99)},
    }
