"""A ranker that knows how the simulator's frauds come about and are reported: what nobody could beat.

It sees which pattern made a payment, as nobody else can, except where nothing is to be seen: quiet fraud looks like an
honest payment to it as to anybody. Of the rest it knows the rates of the generator and no draw: how many victims of a
pattern report, how many honest payments of such an amount are disputed and how many of these disputes are withdrawn,
how much quiet fraud there is among what looks honest. From those comes the probability that a payment is reported as
fraud.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from adjudge.systems.payments.simulate.labels import OVERLOOKED, REPORTING, WITHDRAWN, chance_of_dispute
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.systems.payments.simulate.world import World

HIDDEN = "quiet"
"""The pattern that nothing tells from honest payments."""


def chance_of_report(pattern: AnyArray, *, declined: BoolArray, distant: BoolArray, minor: IntArray) -> FloatArray:
    """Return the probability that each payment is reported as fraud and that the report is not withdrawn.

    Parameters
    ----------
    pattern
        The pattern of each payment, empty for honest ones; `HIDDEN` counts as one of those.
    declined
        Whether the issuer declined it: nobody disputes such a payment, and hidden fraud is never among them.
    distant
        Whether it was made over a network.
    minor
        Amounts in minor units.

    Examples
    --------
    A farm's payment is reported unless its victim keeps silent or overlooks it; two that look alike have one chance:

    >>> p = chance_of_report(
    ...     np.array(["device_farm", "quiet", "", ""]),
    ...     declined=np.array([False, False, False, True]),
    ...     distant=np.array([True, False, False, False]),
    ...     minor=np.array([900, 900, 900, 900]),
    ... )
    >>> p.round(3).tolist()
    [0.975, 0.323, 0.323, 0.0]
    """
    reports = {name: (1.0 - never) * (1.0 - OVERLOOKED) for name, (_, never) in REPORTING.items()}
    open_to_doubt = np.isin(pattern, ("", HIDDEN)) & ~declined
    p = np.zeros(len(pattern))
    if open_to_doubt.any():
        hidden = float((pattern[open_to_doubt] == HIDDEN).mean())
        disputed = chance_of_dispute(distant, minor, among=open_to_doubt) * (1.0 - WITHDRAWN)
        p = np.where(open_to_doubt, hidden * reports.pop(HIDDEN) + (1.0 - hidden) * disputed, p)
    for name, chance in reports.items():
        if name != HIDDEN:
            p[pattern == name] = chance
    return p


def chances(world: World) -> FloatArray:
    """Return what the oracle says of each payment of a world, in the order of its payments."""
    answers = world.outcomes.select("payment_id", "declined")
    declined = world.payments.select("payment_id").join(answers, on="payment_id", how="left", maintain_order="left")
    return chance_of_report(
        world.truth["pattern"].fill_null("").to_numpy(),
        declined=declined["declined"].fill_null(False).to_numpy(),
        distant=world.payments["ip"].is_not_null().to_numpy(),
        minor=world.payments["amount_minor"].to_numpy(),
    )
