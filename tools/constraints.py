"""Write constraints.txt from what .venv holds, without any index address."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

from packaging.specifiers import SpecifierSet

TARGET = Path(__file__).parents[1] / "constraints.txt"

HEADER = """\
# The exact versions that `make test` passes with; pyproject.toml has the lower bounds.
# Written by `make constraints`. Holds no index address: use it with any index.
"""

OLDEST_PYTHON = "3.11.0"
"""Every pin must install on it: a pin that does not makes pip search for minutes and then fail."""

NOT_INSTALLED = ("async-timeout==5.0.1",)  # redis asks for it below Python 3.11.3
"""Pins of what this environment does not need and another may."""


def installed() -> list[str]:
    """Return one ``name==version`` for each package of this environment, ours left out.

    What follows a plus names a build for one kind of machine, and another machine has another.
    """
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--disable-pip-version-check"]
    output = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    return [line.split("+")[0] for line in output.splitlines() if "==" in line and not line.startswith("#")]


def too_new(pin: str) -> bool:
    """Return whether an installed package refuses the oldest Python that we support."""
    told = metadata(pin.split("==")[0])
    return "Requires-Python" in told and OLDEST_PYTHON not in SpecifierSet(told["Requires-Python"])


def main() -> int:
    """Write the file, or say which package stands in the way."""
    pins = installed()
    refused = [pin for pin in pins if too_new(pin)]
    if refused:
        print(f"these do not install on Python {OLDEST_PYTHON}: {', '.join(refused)}", file=sys.stderr)
        return 1
    lines = sorted({*pins, *NOT_INSTALLED}, key=str.lower)
    TARGET.write_text(HEADER + "\n".join(lines) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(lines)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
