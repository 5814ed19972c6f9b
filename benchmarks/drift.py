"""What drift is found: the forty scenarios of `_drift`, on the seed that was looked at and on two that were held out.

Of the first held-out set some looks had been seen, of an earlier setting, when the rate of false discoveries was
halved; the second one was first run after everything was fixed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.monitor import watch
from benchmarks._drift import DAY_US, DAYS, HELD_OUT, SCENARIOS, Case, Look, build, judge

SEEN = 1
"""Seed of the set that was looked at while the detector was made."""

FRESH = 11
"""Seed of the set that was first run after everything was fixed."""

TARGETS = {"flagged": 0.95, "false_alarms": 0.05, "told_apart": 0.80}


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Watch every scenario of all sets.

    Parameters
    ----------
    quick
        Every fourth scenario of the set that was looked at.
    progress
        Where to say what is being done.
    """
    sets = {"looked_at": (SEEN, SCENARIOS[::4] if quick else SCENARIOS)}
    if not quick:
        sets |= {"held_out": (HELD_OUT, SCENARIOS), "fresh": (FRESH, SCENARIOS)}
    result: dict[str, Any] = {"targets": TARGETS}
    for name, (seed, scenarios) in sets.items():
        cases, seconds = [], []
        for scenario in scenarios:
            case = build(scenario, seed)
            began = time.perf_counter()
            cases.append((case, looks(case)))
            seconds.append(time.perf_counter() - began)
            progress(f"{name} {scenario.name}: {''.join(look.cause[0] for look in cases[-1][1])}")
        result[name] = judge(cases) | {"seed": seed, "seconds_a_scenario": round(float(np.median(seconds)), 2)}
    return result


def looks(case: Case) -> list[Look]:
    """Return what the monitor says of a case at every midnight.

    Nothing that it says of a day depends on later ones, so all days are watched at once; a test holds it to that.
    """
    end = case.start_us + DAYS * DAY_US
    found = watch(case.payments, case.watch_us, offset="utc_offset_min", until_us=end)
    return [Look(day.start_us + DAY_US, day.verdict.cause if day.verdict is not None else "none") for day in found.days]
