"""Deciding again: what was decided without a layer is decided with it, from what was kept and not from today's state.

The histories have moved on since; what they answered then stands with the first decision, and the rest is a function
of it. The first decision stands beside the second, and what it set stays set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.layers import UNGUARDED, Guard
from adjudge.engine.step import decide
from adjudge.errors import DefinitionError
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.decision import Decisions
    from adjudge.engine.plan import Plan


def decide_again(
    plan: Plan,
    fields: FloatArray,
    kept: Mapping[str, FloatArray],
    seqs: IntArray,
    *,
    ids: Sequence[str] = (),
    guard: Guard = UNGUARDED,
) -> Decisions:
    """Decide events of the past from their fields and what the histories answered then.

    Parameters
    ----------
    plan
        The compiled system; no state is needed.
    fields
        The events' encoded fields, one row a slot of the decided stream, shape (width, n).
    kept
        For each name of `plan.kept` its value for each event, shape (n,); more is welcome and shown among the features.
    seqs
        Position in the log of each event.
    ids
        The events' ids, where they are needed.
    guard
        How layers take part.

    Raises
    ------
    DefinitionError
        If something that the system reads was not kept.
    """
    absent = [name for name in plan.kept if name not in kept]
    if absent:
        msg = f"system {plan.system.name!r} reads {absent[0]!r}, which was not kept with these decisions"
        raise DefinitionError(msg)
    batch = plan.encode_fields(plan.decides, fields, seqs, ids)
    for first, last in plan.answered:
        batch.matrix[first:last] = np.nan
    for name, values in kept.items():
        row = plan.row(name)
        if row is not None and any(first <= row < last for first, last in plan.answered):
            batch.matrix[row] = values
    return decide(plan, batch, guard)
