"""`verify`: the proof of parity on 300,000 transactions of the handbook, with a restart between random events.

It is what `adjudge verify --restarts` does, kept as figures: every way into the system on the same events, how many
features and scores were compared, how many differ, and whether the kernel that was broken on purpose was caught.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from adjudge.discover import find
from adjudge.service.verify import verify
from benchmarks import _handbook

EVENTS, RESTARTS = 300_000, 100


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Prove, and return what was compared.

    Parameters
    ----------
    quick
        Prove the same on fewer events, within a minute.
    progress
        Is told which way is gone.
    """
    told: set[str] = set()

    def tell(what: str, done: int, total: int) -> None:
        if what not in told:
            told.add(what)
            progress(what)

    found = find("payments")
    source = found.read(_handbook.folder() / "transactions.parquet")
    events, restarts = (5_000, 12) if quick else (EVENTS, RESTARTS)
    result = verify(found, source, events=events, restarts=restarts, told=tell)
    return {"restarts": restarts, "passed": result.passed, **msgspec.to_builtins(result)}
