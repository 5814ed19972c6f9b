"""Finding a system: one that comes with the package by name, or a folder of somebody's own by path.

Every system is a folder of the same shape: ``definition.py`` with ``system``, and optionally ``data.py`` with
``read`` and ``simulate``.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from adjudge.define import System
from adjudge.errors import DefinitionError, InputError, did_you_mean
from adjudge.learn.source import Source, read_streams

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
        Name of a system of the package, or path of a folder with a ``definition.py``.

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
        return _found(reference, lambda part: _from_file(folder, part))
    if reference in builtin():
        return _found(reference, lambda part: _from_package(reference, part))
    hint = did_you_mean(reference, builtin())
    msg = f"there is no system {reference!r} and no folder with a definition.py of that path{hint}"
    raise InputError(msg, field="system", code="unknown_system")


def _found(name: str, load: Callable[[str], ModuleType | None]) -> Found:
    definition = load("definition")
    made = getattr(definition, "system", None)
    if not isinstance(made, System) and not callable(made):
        msg = f"system {name!r}: definition.py must hold `system`, a System or a function that returns one"
        raise DefinitionError(msg)

    def build(lists: Lists) -> System:
        system = made if isinstance(made, System) else made(lists=lists)
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
    spec.loader.exec_module(module)
    return module
