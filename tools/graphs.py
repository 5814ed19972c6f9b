"""Write the tables of the guide to graphs, from what the full runs left in benchmarks/results."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tools.figures import END, RESULTS, ROOT

RINGS = "<!-- rings: written by `make reference` from benchmarks/results -->"
SCHEDULES = "<!-- schedules: written by `make reference` from benchmarks/results -->"
SHARING = "<!-- sharing: written by `make reference` from benchmarks/results -->"

GUIDE = ROOT / "docs" / "guides" / "graph.md"

SETTINGS = {
    "even_scalars": "half rings, all columns",
    "mostly_rings_scalars": "mostly rings, all columns",
    "mostly_rings_payment": "mostly rings, the payment alone",
}
"""What the settings of the benchmark are called in the guide."""

RANKINGS = {
    "logistic": "logistic regression",
    "trees": "boosted trees",
    "trees_and_counts_by_hand": "trees with counts by hand",
    "sage": "graph net",
    "stack": "stack of trees, logistic regression and net",
}


def rings() -> str:
    """Return the table of recall at the precision asked for, marks included."""
    found = _result("rings")
    if found is None:
        return f"{RINGS}\n{END}"
    settings = {key: found[key] for key in SETTINGS if key in found}
    rows = [f"| | {' | '.join(SETTINGS[key] for key in settings)} |", "|---" * (len(settings) + 1) + "|"]
    facts: dict[str, Callable[[dict[str, Any]], str]] = {
        "fraud among the payments": lambda one: f"{one['fraud_share']:.2%}" if "fraud_share" in one else "",
        "reported frauds of the test, of these a ring's": lambda one: f"{one['reported']:,}, {one['of_rings']:,}",
        "the limit": lambda one: f"{one['limit']:.3f}",
    }
    for name, told in facts.items():
        rows.append(f"| {name} | {' | '.join(told(one) for one in settings.values())} |")
    for name, words in RANKINGS.items():
        rows.append(f"| {words} | {' | '.join(_interval(one['recall'], name) for one in settings.values())} |")
    for name, words in (("ahead", "the net ahead of logistic"), ("stack_ahead", "the stack ahead of logistic")):
        rows.append(f"| {words} | {' | '.join(_interval(one['recall'], name) for one in settings.values())} |")
    return "\n".join([RINGS, *rows, END])


def schedules() -> str:
    """Return the table of what the age of the vectors costs, marks included."""
    found = _result("rings")
    if found is None:
        return f"{SCHEDULES}\n{END}"
    settings = {key: found[key] for key in SETTINGS if key in found}
    rows = [f"| refreshed | {' | '.join(SETTINGS[key] for key in settings)} |", "|---" * (len(settings) + 1) + "|"]
    ways = {"sage": "at every event", "sage_hourly": "hourly", "sage_daily": "daily", "sage_weekly": "weekly"}
    for name, words in ways.items():
        told = (
            f"{one['ap'][name]:.4f}, {one['recall'][name]['value']:.3f}" if name in one["ap"] else ""
            for one in settings.values()
        )
        rows.append(f"| {words} | {' | '.join(told)} |")
    return "\n".join([SCHEDULES, *rows, END])


def sharing() -> str:
    """Return the table of what linked entities and rings add to the payments' booster, marks included."""
    found = _result("sharing")
    if found is None:
        return f"{SHARING}\n{END}"
    worlds = {f"world {seed}": found[f"world_{seed}"] for seed in found["seeds"]}
    rows = [f"| features | {' | '.join(worlds)} |", "|---" * (len(worlds) + 1) + "|"]
    ways = {
        "as_shipped": "as shipped",
        "with_linked_ahead": "with linked entities, ahead by",
        "with_rings_ahead": "with rings, ahead by",
        "with_both_ahead": "with both, ahead by",
    }
    for name, words in ways.items():
        rows.append(f"| {words} | {' | '.join(_interval(one['ap'], name) for one in worlds.values())} |")
    return "\n".join([SHARING, *rows, END])


def write(guide: Path = GUIDE) -> None:
    """Put the tables into the guide, where their marks are."""
    text = guide.read_text(encoding="utf-8")
    for begin, made in ((RINGS, rings()), (SCHEDULES, schedules()), (SHARING, sharing())):
        pattern = re.compile(re.escape(begin) + r".*?" + re.escape(END), re.DOTALL)
        text = pattern.sub(made.replace("\\", "\\\\"), text)
    guide.write_text(text, encoding="utf-8")


def _result(name: str) -> dict[str, Any] | None:
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _interval(figures: dict[str, Any], name: str) -> str:
    one = figures.get(name)
    return "" if one is None else f"{one['value']:.3f} ({one['low']:.3f} to {one['high']:.3f})"
