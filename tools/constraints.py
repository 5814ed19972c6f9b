"""Write constraints.txt from what .venv holds, without any index address."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TARGET = Path(__file__).parents[1] / "constraints.txt"

HEADER = """\
# The exact versions that `make test` passes with; pyproject.toml has the lower bounds.
# Written by `make constraints`. Holds no index address: use it with any index.
"""

NOT_INSTALLED = ("torch==2.13.0",)
"""Pinned so that whoever adds it to the same environment gets the version that goes with the others."""


def pinned() -> list[str]:
    """Return one ``name==version`` for each package in this environment, ours left out, sorted by name."""
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable", "--disable-pip-version-check"]
    output = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    lines = [line for line in output.splitlines() if "==" in line and not line.startswith("#")]
    return sorted({*lines, *NOT_INSTALLED}, key=str.lower)


if __name__ == "__main__":
    TARGET.write_text(HEADER + "\n".join(pinned()) + "\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(pinned())} packages")
