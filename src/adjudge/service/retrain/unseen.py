"""What the champion has seen: a window or held-out events that it was fitted on flatter it, and a card says so."""

from __future__ import annotations

from datetime import datetime

import msgspec

from adjudge.learn.bundle import Bundle
from adjudge.learn.duel import Duel
from adjudge.learn.split import Parts
from adjudge.learn.train import FITTED_UNTIL


def fitted_until(champion: Bundle | None) -> int | None:
    """Return the end of what a champion was fitted on, microseconds UTC; None where nothing is known of it.

    Where no model decides, nothing was fitted on: 0.

    Parameters
    ----------
    champion
        The bundle that decides; None for rules alone.
    """
    if champion is None:
        return 0
    noted = champion.manifest.training.get(FITTED_UNTIL)
    return round(datetime.fromisoformat(noted).timestamp() * 1e6) if isinstance(noted, str) else None


def apart_until(champion: Bundle | None, seed: int) -> int | None:
    """Return the end of what a champion was fitted on of the entities that are judged on; None where it is no other.

    Parameters
    ----------
    champion
        The bundle that decides; None for rules alone.
    seed
        Which entities.
    """
    noted = None if champion is None else champion.manifest.training.get(apart_fact(seed))
    return round(datetime.fromisoformat(noted).timestamp() * 1e6) if isinstance(noted, str) else None


def apart_fact(seed: int) -> str:
    """Return the name of the fact of a training that says so.

    Examples
    --------
    >>> apart_fact(0)
    'Fitted on entities that are judged on (seed 0) until'
    """
    return f"Fitted on entities that are judged on (seed {seed}) until"


def supported(fought: Duel, until_us: int | None) -> Duel:
    """Return what a comparison shows: nothing where the champion may have been fitted on the window.

    Parameters
    ----------
    fought
        The comparison.
    until_us
        See `fitted_until`.
    """
    if until_us is not None or fought.verdict == "first":
        return fought
    return msgspec.structs.replace(fought, verdict="undecided")


def limits_of_seen(parts: Parts, until_us: int | None, *, goes_on: bool, apart: bool = False) -> list[str]:
    """Return what a card says of what the champion may have seen.

    Parameters
    ----------
    parts
        What was learnt from, held out and judged on.
    until_us
        See `fitted_until`.
    goes_on
        Whether the new model has the champion's trees, so that it has seen what that has.
    apart
        Whether only the entities that are judged on are in the window.
    """
    found: list[str] = []
    if apart:
        found.append(
            "Both were judged on a fifth of the entities, of which neither has learnt anything since the window began. "
            "Earlier retrains were judged on them as well, so the champion may have been chosen by some of its events."
        )
    if until_us is None:
        found.append(
            "Nothing says until when the champion was fitted, so it may have been fitted on events of the window, and "
            "no verdict is given."
        )
    held_out = parts.validation
    if goes_on and held_out is not None:
        seen = len(held_out) if until_us is None else int((held_out.ts < until_us).sum())
        if seen:
            found.append(
                f"Of {len(held_out):,} held-out events that it is stopped, calibrated and cut by, {seen:,} lie before "
                "the end of what the champion was fitted on, and its trees may have learnt from them: probabilities "
                "may be too sure, and thresholds too high."
            )
    return found
