"""What was the matter in a period: spans of incomplete decisions, alerts, and what was rolled back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from adjudge.service.alerts.entries import LOOKED, Look
from adjudge.service.alerts.words import time_of
from adjudge.service.governance.facts import Incident

if TYPE_CHECKING:
    import polars as pl

APART = timedelta(minutes=10)
"""Incomplete decisions further apart than this are two spans."""

BACK = "roll"
"""In the name of every action that takes something back that was put in force."""


def incidents(system: str, frame: pl.DataFrame, noted: pl.DataFrame) -> list[Incident]:
    """Return what was the matter with a system, in order.

    Parameters
    ----------
    system
        Its name.
    frame
        Its decisions.
    noted
        Notes of the log.
    """
    acts = [
        (at, who or "", why or "", msgspec.json.decode(content))
        for at, who, why, content, kind in noted.select("received_at", "who", "why", "content", "kind").iter_rows()
        if kind == "management"
    ]
    found = [*_degraded(frame), *_alerts(system, [said for _, _, _, said in acts]), *_back(system, acts)]
    return sorted(found, key=lambda one: (one.start, one.kind, one.words))


def _degraded(frame: pl.DataFrame) -> Iterator[Incident]:
    """Yield spans in which decisions lacked a part."""
    import polars as pl

    some = frame.filter(pl.col("degraded").fill_null(False)).sort("ts")
    if not len(some):
        return
    fresh = (some["ts"].diff() > APART).fill_null(True)
    spans = some.with_columns(span=fresh.cum_sum()).group_by("span", maintain_order=True)
    for _, rows in spans:
        methods = ", ".join(sorted({one for one in rows["method"].to_list() if one}))
        words = f"{len(rows):,} decisions lacked a part and were made by {methods or 'what was there'}"
        yield Incident(kind="degraded", start=rows["ts"][0], end=rows["ts"][-1], words=words, severity="critical")


def _alerts(system: str, acts: list[Mapping[str, Any]]) -> Iterator[Incident]:
    """Yield alerts, each from when it was opened to when it was closed."""
    open_: dict[tuple[str, str], Incident] = {}
    for said in acts:
        if said.get("action") != LOOKED or said.get("system") != system:
            continue
        look = msgspec.convert({name: value for name, value in said.items() if name != "action"}, Look)
        for notice in look.notices:
            for one in notice.incidents:
                key, at = (look.source, one.key), time_of(notice.at_us)
                if notice.kind == "opened":
                    open_[key] = Incident(
                        kind="alert", start=time_of(one.since_us), end=None, words=one.words, severity=one.severity
                    )
                elif key in open_:
                    yield msgspec.structs.replace(open_.pop(key), end=at)
    yield from open_.values()


def _back(system: str, acts: list[tuple[datetime, str, str, Mapping[str, Any]]]) -> Iterator[Incident]:
    for at, who, why, said in acts:
        if BACK in str(said.get("action", "")) and said.get("system", system) == system:
            yield Incident(kind="roll-back", start=at, end=at, words=f"{why} ({who})", severity="warning")
