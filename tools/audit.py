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
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

CONSTRAINTS = Path(__file__).parents[1] / "constraints.txt"

VARIABLE = "ADJUDGE_AUDIT"
"""Environment variable: with ``required`` a source that cannot be reached is a failure."""

KNOWN = {"name": "jinja2", "version": "2.4.1"}
"""A release with weaknesses that are public for years: a source that does not know them is none."""

TIMEOUT_S = 5.0

Probe = Callable[[httpx.Client], bool]


def _pypi(client: httpx.Client) -> bool:
    answer = client.get("https://pypi.org/pypi/{name}/{version}/json".format(**KNOWN))
    return bool(answer.json()["vulnerabilities"])


def _osv(client: httpx.Client) -> bool:
    package = {"name": KNOWN["name"], "ecosystem": "PyPI"}
    answer = client.post("https://api.osv.dev/v1/query", json={"version": KNOWN["version"], "package": package})
    return bool(answer.json()["vulns"])


SOURCES: dict[str, Probe] = {"pypi": _pypi, "osv": _osv}
"""What pip-audit can ask, and how one sees that it is there."""


def reachable(name: str, transport: httpx.BaseTransport | None = None) -> bool:
    """Return whether a source of advisories answers as one.

    Parameters
    ----------
    name
        One of `SOURCES`.
    transport
        How it is asked; over the network where absent.
    """
    with httpx.Client(timeout=TIMEOUT_S, transport=transport) as client:
        try:
            return SOURCES[name](client)
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


def ask(source: str) -> dict[str, Any]:
    """Return the report of pip-audit over the pins."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(CONSTRAINTS), "--no-deps", "--disable-pip"]
    command += ["--vulnerability-service", source, "--format", "json", "--progress-spinner", "off"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if not done.stdout.strip():  # it answers 1 both with weaknesses and when it fails
        raise RuntimeError(done.stderr.strip()[-2000:])
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def main() -> int:
    """Audit, or say that it could not be done."""
    source = next((name for name in SOURCES if reachable(name)), None)
    if source is None:
        print(f"audit: NOT DONE: no source of advisories can be reached from here ({', '.join(SOURCES)})")
        return 1 if os.environ.get(VARIABLE) == "required" else 0
    try:
        status, words = verdict(ask(source))
    except RuntimeError as error:
        print(f"audit: {source} was reached, and pip-audit failed:\n{error}", file=sys.stderr)
        return 1
    print(f"audit with {source}: {words}")
    return status


if __name__ == "__main__":
    sys.exit(main())
