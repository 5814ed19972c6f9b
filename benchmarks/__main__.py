"""Run a benchmark: ``python -m benchmarks run ID [--quick]``; ``list`` names them all.

Progress goes to stderr. The last line of stdout is one JSON object with the figures and the machine, and the
same is kept in ``benchmarks/results``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from adjudge.errors import AdjudgeError, did_you_mean
from benchmarks import _machine

FOLDER = Path(__file__).parent

RESULTS = FOLDER / "results"


def scenarios() -> list[str]:
    """Return the ids of all benchmarks."""
    return sorted(m.name for m in pkgutil.iter_modules([str(FOLDER)]) if not m.name.startswith("_"))


def run(id_: str, *, quick: bool) -> dict[str, Any]:
    """Run one benchmark and return its figures with the machine they were measured on.

    Parameters
    ----------
    id_
        Its permanent name.
    quick
        Measure the same on less, within a minute.
    """
    scenario = importlib.import_module(f"benchmarks.{id_}")
    began = time.perf_counter()

    def progress(text: str) -> None:
        print(f"[{time.perf_counter() - began:6.1f} s] {text}", file=sys.stderr, flush=True)

    figures: dict[str, Any] = scenario.run(quick=quick, progress=progress)
    return {
        "id": id_,
        "quick": quick,
        **figures,
        "run_seconds": round(time.perf_counter() - began, 1),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _machine.commit(),
        "machine": _machine.describe(),
    }


def main(arguments: list[str] | None = None) -> int:
    """Understand the command line, run, print and keep."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure adjudge beside its peers.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("list", help="name every benchmark")
    running = verbs.add_parser("run", help="run one benchmark")
    running.add_argument("id", help="permanent name of the benchmark")
    running.add_argument("--quick", action="store_true", help="measure the same on less, within a minute")
    given = parser.parse_args(arguments)
    known = scenarios()
    if given.verb == "list":
        print("\n".join(known))
        return 0
    if given.id not in known:
        print(f"there is no benchmark {given.id!r}{did_you_mean(given.id, known)}", file=sys.stderr)
        return 2
    try:
        result = run(given.id, quick=given.quick)
    except AdjudgeError as error:
        print(f"benchmark {given.id}: {error}", file=sys.stderr)
        return 1
    RESULTS.mkdir(exist_ok=True)
    name = f"{given.id}-quick.json" if given.quick else f"{given.id}.json"
    (RESULTS / name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
