"""What decides loads no training library, and what is below the service asks the outside world nothing."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

import adjudge

SOURCE = Path(adjudge.__file__).parent

TRAINING = {
    "lightgbm",
    "xgboost",
    "sklearn",
    "scipy.linalg",
    "scipy.sparse",
    "scipy.special",
    "pandas",
    "matplotlib",
    "polars",
    "duckdb",
    "onnxruntime",
}
"""Libraries that take long to load and that deciding does not need; numba looks at scipy's version, no more."""

SERVING = (
    "adjudge.define",
    "adjudge.history",
    "adjudge.engine",
    "adjudge.log",
    "adjudge.models",
    "adjudge.service.app",
)
"""What a serving process imports before it can answer."""

BELOW_SERVICE = ("define", "history", "engine", "models", "log", "learn")
"""Packages that get every time, setting and connection from their caller."""


@pytest.mark.parametrize("module", SERVING)
def test_serving_loads_no_training_library(module: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} does not exist; name what a serving process imports")
    report = f"import sys, {module}; print(' '.join(sorted({TRAINING!r} & set(sys.modules))))"
    result = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True)
    assert result.stdout.split() == []


def test_the_client_is_light() -> None:
    """Who only asks for decisions loads neither arrays nor the engine nor the server."""
    heavy = TRAINING | {"numpy", "numba", "yaml", "fastapi", "granian", "typer"}
    report = f"import sys, adjudge.client; print(*(m for m in sys.modules if m.split('.')[0] in {heavy!r}), "
    report += "*(m for m in sys.modules if m.startswith('adjudge.')))"
    result = subprocess.run([sys.executable, "-c", report], check=True, capture_output=True, text=True)
    loaded = {name for name in result.stdout.split() if not name.startswith("adjudge.client")}
    assert loaded == {"adjudge.errors"}


@pytest.mark.parametrize("package", BELOW_SERVICE)
def test_nothing_below_the_service_reads_the_clock_or_the_environment(package: str) -> None:
    asked = [f"{path.name}:{line} {what}" for path in (SOURCE / package).rglob("*.py") for line, what in _asks(path)]
    assert asked == []


def _asks(path: Path) -> list[tuple[int, str]]:
    """Return the places where a module reads the time of day or the environment."""
    forbidden = {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "time.time",
        "time.time_ns",
    }
    forbidden |= {"os.environ", "os.getenv"}
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            if f"{owner}.{node.attr}" in forbidden:
                found.append((node.lineno, f"{owner}.{node.attr}"))
    return found
