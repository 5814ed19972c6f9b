"""Starting the service for named systems: definitions and bundles become plans, plans a decider, a decider answers."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from adjudge.discover import find
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import InputError
from adjudge.learn.pipeline import with_bundle
from adjudge.service.settings import Settings

SECRET_VARIABLE = "ADJUDGE_SECRET"
"""Environment variable with the workspace's secret: 32 hexadecimal digits."""


def secret() -> bytes:
    """Return the workspace's secret from the environment, or the one for trying things out where none is set.

    Raises
    ------
    InputError
        If it is not 32 hexadecimal digits; the value is not repeated.
    """
    text = os.environ.get(SECRET_VARIABLE)
    if text is None:
        return SECRET
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != 16:
        msg = f"{SECRET_VARIABLE} must be 32 hexadecimal digits"
        raise InputError(msg, field=SECRET_VARIABLE)
    return value


def plan_of(system: str, bundle: Path | None = None) -> Plan:
    """Return the plan of a named system, deciding with a bundle or by its rules alone.

    Parameters
    ----------
    system
        Name, or path of a folder with a definition.
    bundle
        Directory of a bundle; None for rules alone.
    """
    found = find(system)
    if bundle is None:
        return compile(found.build({}), secret=secret())
    return with_bundle(found.build, bundle, secret(), _say)


def plans_of(systems: Sequence[str], bundles: Sequence[Path]) -> list[Plan]:
    """Return the plans of several systems; the first bundle belongs to the first system, and so on.

    Raises
    ------
    InputError
        If there are more bundles than systems.
    """
    if len(bundles) > len(systems):
        msg = f"there are {len(bundles)} bundles for {len(systems)} systems"
        raise InputError(msg, field="bundle")
    padded = [*bundles, *[None] * (len(systems) - len(bundles))]
    return [plan_of(s, b) for s, b in zip(systems, padded, strict=True)]


def serve(
    systems: Sequence[str],
    bundles: Sequence[Path],
    settings: Settings,
    *,
    history: Path | None = None,
    until: datetime | None = None,
) -> None:
    """Serve systems until the process is told to stop.

    Parameters
    ----------
    systems, bundles
        See `plans_of`.
    settings
        Address, port and limits.
    history
        The first system's past, imported before anything is decided.
    until
        What of it lies before this time; None for all.

    Raises
    ------
    InputError
        If nothing can listen there, or what is to be served cannot be found or read.
    """
    from adjudge.service.app import Service
    from adjudge.service.decider import Decider
    from adjudge.service.server import claim
    from adjudge.service.server import serve as serve_application
    from adjudge.service.warm import warm

    settings = replace(settings, host=claim(settings.host, settings.port))
    plans = plans_of(systems, bundles)
    warm(plans, _say)
    decider = Decider(plans)
    if history is not None:
        from adjudge.service.past import import_source

        count = import_source(decider, find(systems[0]).read(history), plans[0].system.name, until=until)
        _say(f"imported {count:,} events")
    names = ", ".join(p.system.name for p in plans)
    _say(f"adjudge decides {names} at http://{settings.host}:{settings.port} (docs at /docs)")
    serve_application(Service(decider, settings), settings)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
