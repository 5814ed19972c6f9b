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


def limits_of_seen(parts: Parts, until_us: int | None, *, goes_on: bool) -> list[str]:
    """Return what a card says of what the champion may have seen.

    Parameters
    ----------
    parts
        What was learnt from, held out and judged on.
    until_us
        See `fitted_until`.
    goes_on
        Whether the new model has the champion's trees, so that it has seen what that has.
    """
    found: list[str] = []
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
