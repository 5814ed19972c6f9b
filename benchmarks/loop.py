"""The learning loop: half a year of payments, a fraud pattern from month four on, with the loop and without it.

What is trained, judged and put in force is what `adjudge retrain` and `adjudge registry promote` do, on the log of
the very life. The loop is run every second day and not hourly, which is what fits into a quarter of an hour; nobody's
alerts stop a payment, so every label comes when the victim reports it.
"""

from __future__ import annotations

import dataclasses
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from adjudge.systems.payments.loop import Recovery, Setting
from adjudge.systems.payments.loop import run as live

QUICK = Setting(
    events=24_000,
    days=70,
    fraud_share=0.03,
    alerts=0.03,
    begins=35,
    weight=0.5,
    first=34,
    every=4,
    full_every=100,
    within=10,
    watched=10,
    rounds=20,
    trees=60,
)
"""A small world whose figures say that the benchmark runs and no more."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return the recall of the pattern in both lives beside the level that can be reached.

    Parameters
    ----------
    quick
        Ten weeks in place of half a year.
    progress
        Where to say what is being done.
    """
    setting = QUICK if quick else Setting()
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        found = live(setting, Path(folder), progress)
    progress("\n" + table_of(found))
    return {
        **dataclasses.asdict(setting),
        **dataclasses.asdict(found),
        "reached": reached(setting, found),
        "processor_s": round(time.process_time() - began, 1),
    }


def reached(setting: Setting, found: Recovery) -> dict[str, bool]:
    """Return which parts of what is asked for were reached."""
    level = setting.recovered * found.eventual
    return {
        "eventual_high_enough": found.eventual >= setting.least,
        "recovers_with_the_loop": found.on >= level,
        "does_not_without": found.off < level,
    }


def table_of(found: Recovery) -> str:
    """Return recall by week as a table in Markdown."""
    lines = ["| day | frauds of the pattern | loop off | loop on | eventual |", "|---|---|---|---|---|"]
    for week in found.weeks:
        cells = [f"{week['day']:.0f}", f"{week['frauds']:.0f}", *(f"{week[n]:.2f}" for n in ("off", "on", "eventual"))]
        lines.append("| " + " | ".join(cells) + " |")
    lines.append(
        f"first label on day {found.first_label_day:.1f}; days {found.window[0]:.0f} to {found.window[1]:.0f}: "
        f"off {found.off:.3f}, on {found.on:.3f}, eventual {found.eventual:.3f}"
    )
    return "\n".join(lines)
