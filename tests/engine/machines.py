"""A second, quite different system: machines with hourly readings and errors, asked once a day, nothing appended.

It holds no word of payments, so that nothing in the engine can know what a payment is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from adjudge.define import (
    Boolean,
    Category,
    Event,
    Id,
    Key,
    Label,
    Number,
    Policy,
    Profile,
    Rule,
    Rules,
    System,
    Time,
    days,
    feature,
    hours,
)

START = datetime(2025, 3, 1, tzinfo=UTC)


class Reading(Event):
    """What a machine's sensors say, once an hour."""

    reading_id: Id
    at: Time
    machine: Key
    volts: Number
    vibration: Number | None


class Error(Event):
    """An error that a machine reports."""

    error_id: Id
    at: Time
    machine: Key
    code: Category
    stopped: Boolean


class Machine(Profile):
    """What a machine is."""

    entry_id: Id
    at: Time
    machine: Key
    installed: Time
    model: Category


class Inspection(Event):
    """The question whether a machine needs service."""

    inspection_id: Id
    at: Time
    machine: Key


reading, error = Reading.by("machine"), Error.by("machine")

MACHINES = System(
    name="machines",
    decides=Inspection,
    label=Label("failed", delay=days(2)),
    features=[
        reading.mean("volts", hours(24), days(7)),
        reading.std("volts", hours(24)),
        reading.min("volts", days(7)),
        reading.trend("vibration", days(7)),
        reading.correlation("volts", "vibration", days(7)),
        reading.where("vibration > 40", called="shaky").count(hours(24)),
        reading.last("volts"),
        reading.last_n("volts", 3),
        reading.since_last_n(3, of="volts"),
        error.count(days(1), days(7)),
        error.where("stopped").count(days(7)),
        error.distinct("code", days(7)),
        error.since_last(),
        error.since_last_n(2),
        error.decayed_count(hours(12)),
        Machine.by("machine").latest("installed", "model"),
        feature("age_days", "(at - machine_machine_installed) / 86400"),
        feature("volts_shift", "machine_reading_volts_mean_1d - machine_reading_volts_mean_7d"),
    ],
    rules=Rules(
        (
            Rule("many_errors", "machine_error_count_1d >= 3", "service", "{machine_error_count_1d} errors today"),
            Rule("old_and_shaky", "age_days > 300 and machine_reading_shaky_count_1d > 5", "watch"),
        )
    ),
    policy=Policy(actions=("run", "watch", "service"), thresholds={"watch": 0.3, "service": 0.6}, review=("watch",)),
)


def readings(machine: str, volts: list[float], vibration: list[float | None]) -> list[Any]:
    """Return one reading an hour from the start on."""
    return [
        SimpleNamespace(
            reading_id=f"{machine}r{i}", at=START + timedelta(hours=i), machine=machine, volts=v, vibration=s
        )
        for i, (v, s) in enumerate(zip(volts, vibration, strict=True))
    ]


def errors(machine: str, at_hours: list[float]) -> list[Any]:
    """Return errors at hours after the start, every second one stopping the machine."""
    return [
        SimpleNamespace(
            error_id=f"{machine}e{i}",
            at=START + timedelta(hours=h),
            machine=machine,
            code=f"E{i % 2}",
            stopped=bool(i % 2),
        )
        for i, h in enumerate(at_hours)
    ]


def profile(machine: str, model: str, age: timedelta) -> Any:
    """Return what a machine is, known from the start."""
    return SimpleNamespace(entry_id=f"{machine}p", at=START, machine=machine, installed=START - age, model=model)


def inspection(machine: str, at: timedelta) -> Any:
    """Return the question about a machine some time after the start."""
    return SimpleNamespace(inspection_id=f"{machine}q{at}", at=START + at, machine=machine)


def seqs(first: int, count: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Return positions in the log."""
    return np.arange(first, first + count)
