"""Giving a service its console, where one is wanted and what it needs is installed."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from adjudge.errors import InputError

if TYPE_CHECKING:
    from adjudge.service.app import Service


def attach(service: Service, command: Callable[[str], list[str]] | None = None) -> None:
    """Give a service its console, if its settings ask for one.

    Parameters
    ----------
    service
        Gets it.
    command
        Returns the command line that does something with the same systems and the same log, by its verb; None where
        no other process can read the log.

    Raises
    ------
    InputError
        If they do and what it needs is not installed.
    """
    wanted = service.settings.console
    if wanted == "off" or (wanted == "auto" and find_spec("nicegui") is None):
        return
    if find_spec("nicegui") is None:
        message = "the console needs more than the base install; install it with: pip install 'adjudge[console]'"
        raise InputError(message, field="console")
    from adjudge.console.mount import Console

    service.console = Console(service, command)
