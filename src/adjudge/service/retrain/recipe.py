"""A recipe: how one bundle is made from a log, from the spans of time on that everything else follows from.

```text
full          train ───────────────────│ gap │ validation │ gap │ window │ until labels are old enough │ now
incremental   three fifths of the entities: train ───────────────────────────────────────────────────────│ now
              a fifth: stops, calibrates, sets thresholds ───────────────────────────────────────────────│ now
              a fifth: ............................................................│ window ─────────────│ now
```

Nothing that either model was fitted on is judged. A full retrain waits until the labels of the window are old enough to
be trusted, and what it is judged on lies after what it has learnt from. An incremental one is to be quick: it learns
from everything that is known now, and is judged by the labels there are on entities of which it knows nothing. Since
who goes on from whom leaves out the same entities, a champion of yesterday can be judged on them as well; where a full
one follows it, the two are judged on these entities, too.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import msgspec
import numpy as np

from adjudge.errors import InputError
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.goingon import MORE_TREES, held_out, judged_on
from adjudge.learn.split import Parts, Span, Split
from adjudge.learn.table import Table
from adjudge.learn.train import ROWS

Kind = Literal["full", "incremental"]

KINDS: tuple[Kind, ...] = ("full", "incremental")


LEAST_HELD_OUT = 50
"""Frauds, and as many honest events, from which on held-out events that the champion has not seen are enough."""


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a bundle is made.

    Parameters
    ----------
    kind
        ``full`` trains anew on everything; ``incremental`` adds trees to those of the champion.
    window_us
        Span of the events that both are judged on.
    validation_us
        Span of the events that a full retrain calibrates and sets thresholds on.
    gap_us
        Time left out between the parts of a full retrain: the label delay.
    silent_us
        Age from which an event without a label counts as honest in what is learnt from.
    judged_us
        The same in the window, which ends so long before the last entry.
    recent_us
        How far back an incremental one reads.
    rows
        Most events to fit on; positives are all among them.
    trees
        Most trees that an incremental one adds.
    seed
        Of everything drawn.
    queue_per_day
        Alerts a day that both are judged with; None for the policy's capacity.
    confidence
        Chance that a verdict needs.
    rounds
        Resamples behind the intervals.
    slices
        Features by which the window is cut up; every categorical one with few values where none is named.
    """

    kind: Kind
    window_us: int
    validation_us: int
    gap_us: int
    silent_us: int
    judged_us: int
    recent_us: int
    rows: int = ROWS
    trees: int = MORE_TREES
    seed: int = 0
    queue_per_day: float | None = None
    confidence: float = 0.95
    rounds: int = 200
    slices: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        least = {"window_us": 1, "rows": 1, "trees": 1, "gap_us": 0, "silent_us": 0, "judged_us": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                message = f"{name} must be at least {bound}, not {getattr(self, name)}"
                raise InputError(message, field=name)
        if not 0.5 <= self.confidence < 1.0:
            message = f"confidence must be from 0.5 up to below 1, not {self.confidence:g}"
            raise InputError(message, field="confidence")
        if self.queue_per_day is not None and not 0 < self.queue_per_day < np.inf:
            message = f"queue_per_day must be a number above 0, not {self.queue_per_day:g}"
            raise InputError(message, field="queue_per_day")


def recipe_of(kind: Kind, delay_us: int) -> Recipe:
    """Return the recipe that is used unless somebody says otherwise.

    Parameters
    ----------
    kind
        Which one.
    delay_us
        The label delay of the system, in microseconds.

    Examples
    --------
    >>> recipe_of("full", 7 * DAY_US).judged_us // DAY_US, recipe_of("incremental", 7 * DAY_US).judged_us
    (7, 0)
    """
    if kind == "full":
        two_weeks = 14 * DAY_US
        return Recipe(
            kind=kind,
            window_us=two_weeks,
            validation_us=two_weeks,
            gap_us=delay_us,
            silent_us=delay_us,
            judged_us=delay_us,
            recent_us=0,
        )
    day = min(DAY_US, delay_us)
    return Recipe(
        kind=kind,
        window_us=14 * DAY_US,
        validation_us=0,
        gap_us=0,
        silent_us=day,
        judged_us=0,
        recent_us=42 * DAY_US,
    )


@dataclass(frozen=True)
class Cut:
    """A table cut up for one run.

    Parameters
    ----------
    parts
        What is learnt from, what is calibrated on, and the unseen window.
    gap_us
        Time left out between them.
    until_us
        End of what anything was fitted on, microseconds UTC.
    apart
        Whether the window holds only the entities that are judged on.
    share
        Share of the window's events that are judged on.
    """

    parts: Parts
    gap_us: int
    until_us: int
    apart: bool = False
    share: float = 1.0


def cut(recipe: Recipe, table: Table, as_of: int, fitted_until: int, apart_until: int | None = None) -> Cut:
    """Cut a table into what is learnt from, what is calibrated on, and the unseen window.

    Parameters
    ----------
    recipe
        How.
    table
        Events in order, with labels at their own times.
    as_of
        Up to when labels are known, microseconds UTC.
    fitted_until
        End of what the champion was fitted on; the window of all entities begins no earlier.
    apart_until
        The same of the entities that are judged on; None where it is no other.

    Raises
    ------
    InputError
        If there is too little to learn from, or nothing that the champion has not seen.
    """
    end = as_of - recipe.judged_us + 1
    first, full = int(table.ts[0]), recipe.kind == "full"
    span = end - first - (2 * recipe.gap_us if full else 0)
    window = min(recipe.window_us, span // 5)
    seen = fitted_until if apart_until is None else apart_until
    apart = not full or (seen < fitted_until and end - fitted_until < window // 4)
    fresh = seen if apart else fitted_until  # from here on the champion knows nothing of what is judged
    start = max(end - window, fresh)
    if window <= 0 or end - start < window // 4 or start >= end:
        raise _too_short(recipe, table, end, fresh)
    whole = table.between(start, end)
    test = whole.select(judged_on(whole, recipe.seed)) if apart else whole
    share = len(test) / max(len(whole), 1)
    test = test.as_of(as_of, matures_us=recipe.judged_us).labelled()
    if not len(test):
        raise _too_short(recipe, table, end, fresh)
    if not full:
        recent = table.between(end - recipe.recent_us, end).as_of(as_of, matures_us=recipe.silent_us).labelled()
        aside = held_out(recent, recipe.seed)
        train = recent.select(~aside & ~judged_on(recent, recipe.seed))
        return Cut(Parts(train, _unseen(recent.select(aside), seen), test), 0, end, True, share)
    validation = min(recipe.validation_us, span // 5)
    second = Span(start - recipe.gap_us - validation, start - recipe.gap_us)
    before = Span(first, max(second.start - recipe.gap_us, first + 1))
    gap = min(recipe.gap_us, second.start - before.end)
    split = Split(train=before, validation=second, test=Span(start, end), gap_us=gap)
    parts = split.parts(table, matures_us=recipe.silent_us, judged_at=as_of)
    return Cut(replace(parts, test=test), gap, second.end, apart, share)


def _unseen(apart: Table, fitted_until: int) -> Table:
    """Return the held-out events that the champion was not fitted on, all of them where those are too few.

    Its trees stay, so what they have learnt from says too little of how sure they are of what is new. What is left out
    here is not trained on either: an entity is held out or it is not.
    """
    new = apart.between(fitted_until, int(apart.ts[-1]) + 1) if len(apart) else apart
    frauds = int(new.label.sum())
    return new if LEAST_HELD_OUT <= frauds <= len(new) - LEAST_HELD_OUT else apart


def _too_short(recipe: Recipe, table: Table, end: int, fitted_until: int) -> InputError:
    days = max(end - int(table.ts[0]), 0) / DAY_US
    message = f"the log has {days:.1f} days of decided events that are old enough to be judged"
    if fitted_until > int(table.ts[0]):
        message += (
            f", and the model that decides was fitted on all but {max(end - fitted_until, 0) / DAY_US:.1f} of them"
        )
    return InputError(message + f": too little for a {recipe.kind} retrain", field="workspace", code="too_short")
