"""Saying something about earlier events: the one path of labels and outcomes, whoever says them and through what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjudge.errors import InputError
from adjudge.service.changed import Change
from adjudge.service.decider import Decider


def say(
    decider: Decider, changes: Sequence[Change | InputError], most_waiting: int | None = None
) -> list[dict[str, Any] | InputError]:
    """Log changes, leave out those that are none, and return what became of each.

    Parameters
    ----------
    decider
        Of the workspace.
    changes
        In order, as `adjudge.service.marks.change_of` makes them.
    most_waiting
        See `Decider.change`.
    """
    said = iter(decider.change([c for c in changes if isinstance(c, Change)], max_waiting=most_waiting))
    done: list[dict[str, Any] | InputError] = []
    for change in changes:
        result = change if isinstance(change, InputError) else next(said)
        if isinstance(result, InputError) or isinstance(change, InputError):
            assert isinstance(result, InputError)
            done.append(result)
        else:
            done.append({"id": change.id, "status": result})
    return done
