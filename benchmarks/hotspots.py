"""Hot spots: planted ones are flagged within two days of their first report, and quiet spans raise few alarms.

What is planted and how it is judged stands in `_hotspots`, and did before the scan was written. The scan looks every
six hours. ``looked_at`` and ``held_out`` were seen while it was made: the second one showed that rare places were
alarmed too often, and how alike places are is judged by likelihood since. ``fresh`` was first run after that was fixed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from adjudge.monitor.hotspots import RATE, Field, Place, Reports, Spot, scan
from adjudge.service.decider import Decider
from adjudge.service.hotspots import Switch
from adjudge.service.run import plan_of
from adjudge.service.versions.desk import LiveDesk
from benchmarks._hotspots import (
    DAY_US,
    LOOKS_A_DAY,
    SIZES,
    WATCHED,
    WITHIN_DAYS,
    Plant,
    World,
    planted,
    quiet_world,
)

SETS = {"looked_at": (101, 102, 103, 104), "held_out": tuple(range(201, 216)), "fresh": tuple(range(301, 316))}
"""Seeds of the worlds."""

TARGETS = {"flagged_within_2_days": 0.95, "looks_with_a_false_alarm": RATE}


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Scan every world without a plant, and with one of each kind.

    Parameters
    ----------
    quick
        One world, of the set that was looked at.
    progress
        Where to say what is being done.
    """
    result: dict[str, Any] = {"targets": TARGETS, "rate": RATE, "sizes": SIZES, "switch": switched()}
    for name, seeds in ({"looked_at": SETS["looked_at"][:1]} if quick else SETS).items():
        quiet: list[list[Spot]] = []
        cases: list[dict[str, Any]] = []
        seconds: list[float] = []
        for seed in seeds:
            world = quiet_world(seed)
            quiet += _looks(prepared(world), _quiet_times(world), seconds)
            for field in SIZES:
                cases.append(_case(planted(world, field, seed), seconds))
            told = [f"{case['field']} {case['flagged_after_days']}" for case in cases[-len(SIZES) :]]
            progress(
                f"{name} {seed}: {sum(map(bool, quiet))} of {len(quiet)} quiet looks raise an alarm; {', '.join(told)}"
            )
        result[name] = _judged(quiet, cases, len(seeds)) | {"seconds_a_look": round(float(np.median(seconds)), 4)}
    return result


def switched() -> dict[str, Any]:
    """Switch an area and a merchant off at a service that decides, and return what the decisions around it were."""
    clock = _Clock()
    decider = Decider([plan_of("payments")], clock=clock)
    desk = LiveDesk(decider, background=False)
    found: dict[str, Any] = {}
    for field in ("postal_area", "merchant"):
        until = clock.at + timedelta(days=1)
        told = {"before": _decide(decider, clock, field, "hot")}
        desk.revise(Switch(f"{field}=hot", until.isoformat(), "block", "planted").revision(None), "benchmark")
        told |= {"next": _decide(decider, clock, field, "hot"), "elsewhere": _decide(decider, clock, field, "cold")}
        clock.at = until
        found[field] = told | {"after_its_end": _decide(decider, clock, field, "hot")}
    wanted = {"before": "approve", "next": "block", "elsewhere": "approve", "after_its_end": "approve"}
    return found | {"obeyed": all(told == wanted for told in found.values())}


@dataclass
class _Clock:
    """A clock that goes on with every payment."""

    at: datetime = datetime(2026, 5, 1, 12, tzinfo=UTC)
    count: int = 0

    def __call__(self) -> int:
        return int(self.at.timestamp()) * 1_000_000


def _decide(decider: Decider, clock: _Clock, field: str, value: str) -> str:
    clock.at += timedelta(hours=1)
    clock.count += 1
    row = {"payment_id": f"p{clock.count}", "at": clock.at.isoformat(), "user": f"u{clock.count}", "amount": "20.00"}
    events = decider.workspace.door("payment").rows([row | {"merchant": "m1"} | {field: value}]).events
    (verdict,) = decider.decide("payment", events)
    return str(json.loads(verdict.record or b"{}")["decision"])


def prepared(world: World) -> Field:
    """Return a world as it is scanned: every field that a plant may be put at, and two more."""
    payments, labels = world.payments, world.labels
    places = [_place(payments, field) for field in [*SIZES, "channel", "ip_country"]]
    victim = payments["user"].rank("dense").to_numpy().astype(np.int64)
    reports = Reports.of(*(labels[name].to_numpy() for name in ("row", "fraud", "known_at")))
    return Field(payments["at"].dt.epoch("us").to_numpy(), victim, payments["amount"].to_numpy(), places, reports)


def _place(payments: pl.DataFrame, field: str) -> Place:
    names = sorted(payments[field].drop_nulls().unique().to_list())
    code = payments[field].replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64)
    return Place(field, code.to_numpy(), names)


def _quiet_times(world: World) -> range:
    first, last = (world.start_us + day * DAY_US for day in WATCHED)
    return range(first, last + 1, DAY_US // LOOKS_A_DAY)


def _looks(field: Field, times: range, seconds: list[float]) -> list[list[Spot]]:
    found = []
    for at in times:
        began = time.perf_counter()
        found.append(scan(field, at))
        seconds.append(time.perf_counter() - began)
    return found


def _case(plant: Plant, seconds: list[float]) -> dict[str, Any]:
    """Return how soon a plant is flagged, and what else is told meanwhile."""
    step = DAY_US // LOOKS_A_DAY
    first = -(-plant.first_us // step) * step
    times = range(first, first + 7 * DAY_US, step)
    named = f"{plant.field}={plant.value}"
    flagged, others = None, 0
    for at, spots in zip(times, _looks(prepared(plant.world), times, seconds), strict=True):
        if flagged is None and any(spot.id == named for spot in spots):
            flagged = (at - plant.first_us) / DAY_US
        others += any(spot.field == plant.field and spot.id != named for spot in spots)
    labels = plant.world.labels.filter(pl.col("row").is_in([*plant.rows]))
    known = labels["known_at"].sort().to_numpy()
    third = float(known[2] - plant.first_us) / DAY_US
    return {
        "field": plant.field,
        "reports_within_2_days": int((known <= plant.first_us + WITHIN_DAYS * DAY_US).sum()),
        "third_report_after_days": round(third, 2),
        "flagged_after_days": None if flagged is None else round(flagged, 2),
        "reports_when_flagged": None if flagged is None else int((known <= plant.first_us + flagged * DAY_US).sum()),
        "looks": len(times),
        "looks_with_another_of_the_field": others,
    }


def _judged(quiet: list[list[Spot]], cases: list[dict[str, Any]], worlds: int) -> dict[str, Any]:
    def share(some: list[dict[str, Any]], *, of: str = "") -> float:
        found = [c["flagged_after_days"] for c in some]
        since = [c[of] if of else 0.0 for c in some]
        within = [after is not None and after - begin <= WITHIN_DAYS for after, begin in zip(found, since, strict=True)]
        return round(float(np.mean(within)), 4)

    days = [c["flagged_after_days"] for c in cases if c["flagged_after_days"] is not None]
    alarms = {spot.id for look in quiet for spot in look}
    return {
        "plants": len(cases),
        "flagged_within_2_days": share(cases),
        "flagged_within_2_days_of_the_third_report": share(cases, of="third_report_after_days"),
        "by_field": {
            field: {
                "of_first": share(mine := [c for c in cases if c["field"] == field]),
                "of_third": share(mine, of="third_report_after_days"),
                "median_reports_within_2_days": float(np.median([c["reports_within_2_days"] for c in mine])),
            }
            for field in SIZES
        },
        "flagged_ever": round(len(days) / len(cases), 4),
        "median_days_to_flag": float(np.median(days)) if days else None,
        "false_alarms": {
            "worlds": worlds,
            "days": worlds * (WATCHED[1] - WATCHED[0]),
            "looks": len(quiet),
            "looks_with_a_false_alarm": round(float(np.mean([bool(look) for look in quiet])), 5),
            "places": sorted(alarms),
        },
        "cases": cases,
    }
