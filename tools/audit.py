"""Hold the pinned dependencies to what is known about their weaknesses, and never call it done when it was not.

pip-audit asks a source of advisories about every pin. A package that the source does not know counts for pip-audit as
nothing found; so an index that answers everything with "unknown" would pass. Here a source is asked first whether it
is one, and what comes back counts only for the packages that were looked up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"

VARIABLE = "ADJUDGE_AUDIT"
"""Environment variable: with ``required`` a source that cannot be reached is a failure."""

KNOWN = {"name": "jinja2", "version": "2.4.1"}
"""A release with weaknesses that are public for years: a source that does not know them is none."""

SOURCE = "https://api.osv.dev/v1/query"
"""The Open Source Vulnerabilities database, which pip-audit can ask too."""

TIMEOUT_S = 5.0


def reachable(transport: httpx.BaseTransport | None = None) -> bool:
    """Return whether the source of advisories answers as one.

    Parameters
    ----------
    transport
        How it is asked; over the network where absent.
    """
    package = {"name": KNOWN["name"], "ecosystem": "PyPI"}
    with httpx.Client(timeout=TIMEOUT_S, transport=transport) as client:
        try:
            answer = client.post(SOURCE, json={"version": KNOWN["version"], "package": package})
            return bool(answer.json()["vulns"])
        except (httpx.HTTPError, ValueError, KeyError, TypeError):
            return False


def verdict(report: dict[str, Any]) -> tuple[int, str]:
    """Return the exit status and the words for what pip-audit has found.

    Examples
    --------
    >>> verdict({"dependencies": [{"name": "numpy", "version": "2.1.0", "vulns": []}]})
    (0, '1 packages looked up, no weakness known')
    """
    rows = report["dependencies"]
    unknown = [row["name"] for row in rows if "skip_reason" in row]
    looked_up = len(rows) - len(unknown)
    said = [f"{looked_up} packages looked up"]
    if unknown:
        said.append(f"{len(unknown)} unknown to the source: {', '.join(unknown)}")
    found = [(row, one) for row in rows for one in row.get("vulns", ())]
    if not found:
        return (0 if looked_up else 1), ", ".join([*said, "no weakness known" if looked_up else "nothing was audited"])
    lines = [
        f"  {row['name']} {row['version']}: {one['id']}, mended in {', '.join(one['fix_versions']) or 'no version yet'}"
        for row, one in found
    ]
    return 1, "\n".join([", ".join([*said, f"{len(found)} weaknesses known"]), *lines])


def ask() -> dict[str, Any]:
    """Return the report of pip-audit over the pins."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    command += ["--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():  # it answers 1 both with weaknesses and when it fails
        raise RuntimeError(done.stderr.strip()[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> int:
    """Audit, or say that it could not be done."""
    if not reachable():
        print("audit: NOT DONE: the source of advisories (osv.dev) cannot be reached from here")
        return 1 if os.environ.get(VARIABLE) == "required" else 0
    try:
        status, words = verdict(ask())
    except RuntimeError as error:
        print(f"audit: the source was reached, and pip-audit failed:\n{error}", file=sys.stderr)
        return 1
    print(f"audit: {words}")
    return status


if __name__ == "__main__":
    sys.exit(main())
