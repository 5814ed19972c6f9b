"""Payments for the stack: the simulator's, with more fraud than it makes by default, so that few teach enough."""

from __future__ import annotations

from adjudge.learn.source import Source
from adjudge.systems.payments.data import of_world, read
from adjudge.systems.payments.simulate import simulate as simulate_world

__all__ = ["read", "simulate"]


def simulate(events: int, *, seed: int = 7) -> Source:
    """Return a simulated world of so many payments.

    Parameters
    ----------
    events
        How many payments.
    seed
        Same seed, same world.
    """
    return of_world(simulate_world(events, seed=seed, fraud_share=0.02))
