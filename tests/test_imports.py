"""What decides loads no training library, below the service nobody asks the outside, and nothing runs what it reads."""

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
    "torch",
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


UNPICKLERS = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle"}
"""Modules that run what they read."""

RUNNERS = {"eval", "exec"}

LOADERS = {"np.load": "allow_pickle", "numpy.load": "allow_pickle", "torch.load": "weights_only", "yaml.load": "Loader"}
"""Functions that do so unless told otherwise, with the argument that tells them; it must be there."""


@pytest.mark.parametrize("package", sorted(p.name for p in SOURCE.iterdir() if p.is_dir() and p.name != "__pycache__"))
def test_no_pickle_and_nothing_like_it(package: str) -> None:
    found = [f"{path.name}:{line} {what}" for path in (SOURCE / package).rglob("*.py") for line, what in _runs(path)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import numpy.random, dill as d",
        "eval('1')",
        "np.load('x')",
        "np.load('x', allow_pickle=True)",
        "frame.to_pickle('x')",
        "importlib.import_module('pickle')",
    ],
)
def test_what_would_be_found_is(text: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    assert len(list(_runs(tmp_path / "bad.py"))) == 1


def _runs(path: Path) -> list[tuple[int, str]]:
    """Return the places where a module could run what it reads."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names: set[str] = set()
        line: int = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {(node.module or "").split(".")[0]}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = {node.value}  # a module that is imported by its name
        elif isinstance(node, ast.Attribute) and node.attr in ("to_pickle", "read_pickle"):
            names = {"pickle"}
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            told = {k.arg: k.value for k in node.keywords}
            wanted = LOADERS.get(called)
            argument = told.get(wanted) if wanted else None
            lax = isinstance(argument, ast.Constant) and argument.value is (wanted == "allow_pickle")
            if called in RUNNERS or (wanted and (argument is None or lax)):
                found.append((line, called))
        found += [(line, name) for name in names & UNPICKLERS]
    return found


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
