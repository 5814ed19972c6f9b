"""What a figure was measured on: without it a figure is a slogan."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "adjudge",
    "numpy",
    "numba",
    "lightgbm",
    "xgboost-cpu",
    "polars",
    "duckdb",
    "pandas",
    "onnxruntime",
    "granian",
    "fastapi",
    "redis",
)
"""Packages whose versions can change a figure."""


def describe() -> dict[str, Any]:
    """Return processor, cores, memory and the versions of everything that can change a figure."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "loop_ms": _loop_ms(),
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
    }


def commit() -> str:
    """Return the commit that is checked out, with a plus where files differ; empty outside a clone."""
    here = Path(__file__).parent
    asked = ["git", "describe", "--always", "--dirty=+", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(asked, cwd=here, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return ""
    return found.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return named[0] if named else platform.machine()


def _loop_ms() -> float:
    """Return how long a million turns of an empty loop take: machines that are shared are not always equally fast."""

    def looped() -> float:
        began = time.perf_counter()
        for _ in range(1_000_000):
            pass
        return time.perf_counter() - began

    return round(1e3 * min(looped() for _ in range(5)), 2)


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""
