"""Finding a system: one that comes with the package by name, or a folder of somebody's own by path.

Every system is a folder of the same shape: ``definition.py`` with ``system``, and optionally ``data.py`` with
``read`` and ``simulate``. Besides, a public data set's name finds the definitions that fit it.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from adjudge.define import System
from adjudge.errors import AdjudgeError, DefinitionError, InputError, did_you_mean
from adjudge.learn.datasets import DATASETS
from adjudge.learn.source import Source, read_streams

T = TypeVar("T")

Lists = Mapping[str, Collection[str | float]]
"""Contents of named lists."""


@dataclass(frozen=True)
class Found:
    """A system and where its data comes from.

    Parameters
    ----------
    name
        As it was asked for.
    build
        Returns the system with given lists.
    read
        Reads a folder or file of its data.
    simulate
        Makes so many events up from a seed; None where the system has no simulator.
    """

    name: str
    build: Callable[[Lists], System]
    read: Callable[[Path], Source]
    simulate: Callable[..., Source] | None


def builtin() -> list[str]:
    """Return the names of the systems that come with the package."""
    package = importlib.import_module("adjudge.systems")
    return sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.ispkg)


def find(reference: str) -> Found:
    """Return the system that a name or a path means.

    Parameters
    ----------
    reference
        Name of a system of the package or of a public data set, or path of a folder with a ``definition.py``.

    Raises
    ------
    InputError
        If there is neither.
    DefinitionError
        If the folder's modules do not hold what they should.

    Examples
    --------
    >>> find("payments").build({}).name
    'payments'
    """
    folder = Path(reference)
    if (folder / "definition.py").is_file():
        return _found(reference, folder, lambda part: _from_file(folder, part))
    if reference in builtin():
        return _found(reference, None, lambda part: _from_package(reference, part))
    if reference in DATASETS:
        known = DATASETS[reference]
        return Found(reference, lambda lists: known.system(), known.read, None)
    hint = did_you_mean(reference, [*builtin(), *DATASETS])
    msg = f"there is no system {reference!r} and no folder with a definition.py of that path{hint}"
    raise InputError(msg, field="system", code="unknown_system")


def _found(name: str, folder: Path | None, load: Callable[[str], ModuleType | None]) -> Found:
    definition = load("definition")
    made = getattr(definition, "system", None)
    if not isinstance(made, System) and not callable(made):
        msg = f"system {name!r}: definition.py must hold `system`, a System or a function that returns one"
        raise DefinitionError(msg)

    def build(lists: Lists) -> System:
        system = made if isinstance(made, System) else _run(folder, lambda: made(lists=lists))
        if not isinstance(system, System):
            msg = f"system {name!r}: `system` in definition.py returned {type(system).__name__}, not a System"
            raise DefinitionError(msg)
        return system

    data = load("data")
    read: Callable[[Path], Source] = getattr(data, "read", None) or (lambda path: read_streams(build({}), path))
    return Found(name, build, read, getattr(data, "simulate", None))


def _from_package(name: str, part: str) -> ModuleType | None:
    full = f"adjudge.systems.{name}.{part}"
    return importlib.import_module(full) if importlib.util.find_spec(full) else None


def _from_file(folder: Path, part: str) -> ModuleType | None:
    path = folder.resolve() / f"{part}.py"
    if not path.is_file():
        return None
    full = f"{folder.resolve().name}_{part}"
    spec = importlib.util.spec_from_file_location(full, path)
    if spec is None or spec.loader is None:
        msg = f"{path.name} cannot be loaded"
        raise DefinitionError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[full] = module  # annotations are resolved by the module's name
    try:
        _run(folder, lambda: spec.loader.exec_module(module))  # type: ignore[union-attr]  # checked above
    except AdjudgeError:
        del sys.modules[full]
        raise
    return module


def _run(folder: Path | None, work: Callable[[], T]) -> T:
    """Run what somebody wrote in a folder; whatever fails in there is one sentence with file and line."""
    try:
        return work()
    except AdjudgeError:
        raise
    except Exception as error:
        if folder is None:  # the package's own systems do not fail by somebody's mistake
            raise
        where = _place(folder.resolve(), error)
        said = traceback.format_exception_only(error)[-1].strip()
        msg = f"{where}: {said}"
        raise DefinitionError(msg) from error


def _place(folder: Path, error: Exception) -> str:
    """Return file and line of the last step inside a folder that led to an error."""
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return f"{Path(error.filename).name}, line {error.lineno}"
    inside = [
        (path, frame.lineno)
        for frame in traceback.extract_tb(error.__traceback__)
        if (path := Path(frame.filename)).is_relative_to(folder)
    ]
    return f"{inside[-1][0].relative_to(folder)}, line {inside[-1][1]}" if inside else "definition.py"
