"""One function: batches of 1, 7 and 1,000, on one thread or two: the same features, bit for bit.

Run it: ``python examples/05_same_bits.py``
"""

from __future__ import annotations

import hashlib

import numpy as np

from adjudge.engine import compile
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import payments
from adjudge.systems.payments.simulate import simulate

SYSTEM = payments()


def digest(events: int, *, batch: int, threads: int) -> str:
    """Fold so many payments in batches; return a hash of all features, actions and the final state."""
    plan = compile(SYSTEM, threads=threads)
    frame = of_world(simulate(events, days=60)).frames["payment"]
    state, features, actions = plan.start(), hashlib.sha256(), hashlib.sha256()
    for first in range(0, frame.height, batch):
        rows = frame[first : first + batch]
        decisions = plan.step(state, plan.encode_frame("payment", rows, first + np.arange(rows.height)))
        if decisions is not None:
            features.update(np.ascontiguousarray(decisions.X[plan.rows].T).tobytes())
            actions.update("".join(f"{action} " for action in decisions.action).encode())
    everything = features.hexdigest() + actions.hexdigest() + state.digest()
    return hashlib.sha256(everything.encode()).hexdigest()[:16]


def main() -> None:
    """Fold the same payments four ways and print what came out."""
    results = {
        (batch, threads): digest(1_000, batch=batch, threads=threads)
        for batch, threads in ((1, 1), (7, 1), (1_000, 1), (7, 2))
    }
    for (batch, threads), result in results.items():
        print(f"batches of {batch:5}, {threads} thread(s): {result}")
    print("the same bits" if len(set(results.values())) == 1 else "THEY DIFFER")


if __name__ == "__main__":
    main()
