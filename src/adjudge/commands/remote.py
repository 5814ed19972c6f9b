"""Options of the verbs that talk to a service: where it is, the key to it, the format of a file, what is written.

The client is imported when a verb runs: the command line answers without it in half the time.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from adjudge.commands.lines import Format

KEY_VARIABLE = "ADJUDGE_KEY"
"""Environment variable with the API key: what stands on a command line can be read by every process."""

LOCAL = "http://127.0.0.1:8000"
"""Where a service is unless one says otherwise."""

UrlOption = Annotated[str, typer.Option("--url", "-u", help="Address of the service.")]
KeyOption = Annotated[
    str, typer.Option("--key", envvar=KEY_VARIABLE, show_default=False, help="API key of the service.")
]
FormatOption = Annotated[Format | None, typer.Option("--format", help="Of the file; by its name unless given.")]
RefusedOption = Annotated[
    Path | None, typer.Option("--refused", help="Where refused rows go, with reasons, as JSON lines.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print a summary as one JSON document.")]
