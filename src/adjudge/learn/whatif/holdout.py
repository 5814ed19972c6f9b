"""The hold-out: two worlds by what was let through at random, where what was stopped would have no label.

Each event that was let through by a coin of known odds stands for all that were not (`adjudge.learn.unseen`). So money
and recall of both worlds are right on average whatever the stops were made by, within an interval that says how few
events carry them.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from adjudge.define import Costs
from adjudge.errors import ShapeError
from adjudge.learn.bootstrap import draws
from adjudge.learn.caught import interval
from adjudge.learn.threshold import Treatment, cost_of
from adjudge.learn.tradeoff import BLOCK, PASS
from adjudge.learn.unseen import Estimate, inverse
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

FIGURES = ("saved", "frauds", "recall", "value_recall", "precision", "false_declines")
"""What is estimated of a world: money saved a day, frauds alerted on a day, shares of all frauds and of their money,
share of the alerts that are frauds, honest events stopped a day."""

TREATMENTS: tuple[Treatment, ...] = ("pass", "review", "block")
"""How costs call `PASS`, `REVIEW` and `BLOCK`."""


class HoldOut(msgspec.Struct, frozen=True, kw_only=True):
    """Two worlds as the hold-out has them.

    Parameters
    ----------
    declined, tried
        Old events that did not take place, and those that took place by chance only.
    uncovered, uncovered_amount
        Old events that had no chance of taking place, and what they are worth: nothing stands for them, so that both
        ways leave them out.
    least_propensity
        Lowest chance of having been let through, of those that had one.
    effective
        Number of events, equally weighted, that would say as much as the weighted ones (Kish).
    actual, other, difference
        Figures of each world, and the other's less the actual one's, by name in `FIGURES`: with what did not take place
        left out (naive), and with what was let through by chance standing for it (weighted).
    """

    declined: int
    tried: int
    uncovered: int
    uncovered_amount: float
    least_propensity: float
    effective: float
    actual: dict[str, Estimate]
    other: dict[str, Estimate]
    difference: dict[str, Estimate]


def hold_out(
    y: FloatArray,
    amount: FloatArray,
    entity: AnyArray,
    *,
    seen: BoolArray,
    chance: FloatArray,
    actual: IntArray,
    other: IntArray,
    costs: Costs,
    days: float,
    truth: FloatArray | None = None,
    rounds: int = 200,
    seed: int = 0,
) -> HoldOut:
    """Return two worlds by what was let through, each event weighted by one over its chance of that.

    Parameters
    ----------
    y, amount, entity
        Outcome of each event (1 fraud), its worth, and whose it is, shape (n,); an outcome counts only where it was
        seen.
    seen, chance
        Which events took place, and the chance of each, from 0 to 1.
    actual, other
        How each world treats it: `PASS`, `REVIEW` or `BLOCK`.
    costs, days
        What errors cost, and the span of the events.
    truth
        What each event really was, where somebody knows.
    rounds, seed
        Resamples of whole entities; same seed, same intervals.

    Raises
    ------
    ShapeError
        If columns differ in length, or a chance is not between 0 and 1.

    References
    ----------
    Horvitz, Thompson (1952), A Generalization of Sampling Without Replacement from a Finite Universe.

    Examples
    --------
    Two frauds of 100 would be stopped, and a coin let one of them through: letting both pass costs 200 and not 100.

    >>> made = hold_out(np.ones(2), np.full(2, 100.0), np.arange(2), seen=np.array([True, False]),
    ...                 chance=np.full(2, 0.5), actual=np.full(2, BLOCK), other=np.full(2, PASS),
    ...                 costs=Costs(), days=1.0, rounds=0)
    >>> made.difference["saved"].naive.value, made.difference["saved"].weighted.value
    (-100.0, -200.0)
    """
    lengths = {len(c) for c in (y, amount, entity, seen, chance, actual, other)}
    if len(lengths) != 1 or not ((chance >= 0) & (chance <= 1)).all():
        message = f"hold-out: needs columns of one length with chances from 0 to 1, got lengths {sorted(lengths)}"
        raise ShapeError(message)
    worth, covered = np.nan_to_num(amount), chance > 0
    weight = np.zeros(len(y))
    weight[covered] = inverse(seen[covered], chance[covered])
    known = np.where(seen, np.nan_to_num(y), 0.0)
    named, place = np.unique(entity, return_inverse=True)

    def sums(outcome: FloatArray, scale: FloatArray) -> list[FloatArray]:
        return [_sums(outcome, worth, how, costs, scale, place, len(named)) for how in (actual, other)]

    kinds = [sums(known, (seen & covered).astype(np.float64)), sums(known, weight)]
    kinds += [] if truth is None else [sums(truth, covered.astype(np.float64))]
    matrix = np.concatenate([part for kind in kinds for part in kind])
    # what an entity adds to each sum is summed once, and counted as often as it is drawn
    totals = np.stack([matrix.sum(axis=1), *(matrix @ times for times in draws(len(named), rounds=rounds, seed=seed))])
    found = [_figures(part, days) for part in np.split(totals.T, 2 * len(kinds))]
    pairs = [(found[i], found[i + 1]) for i in range(0, len(found), 2)]
    gone = ~covered
    return HoldOut(
        declined=int(np.count_nonzero(~seen & covered)),
        tried=int(np.count_nonzero(seen & covered & (chance < 1))),
        uncovered=int(np.count_nonzero(gone)),
        uncovered_amount=float(worth[gone].sum()),
        least_propensity=float(chance[covered].min(initial=1.0)),
        effective=float(weight.sum() ** 2 / (weight**2).sum()) if weight.any() else 0.0,
        actual={name: _estimate([mine[name] for mine, _ in pairs]) for name in FIGURES},
        other={name: _estimate([theirs[name] for _, theirs in pairs]) for name in FIGURES},
        difference={name: _estimate([theirs[name] - mine[name] for mine, theirs in pairs]) for name in FIGURES},
    )


def _sums(
    y: FloatArray, worth: FloatArray, treated: IntArray, costs: Costs, scale: FloatArray, place: IntArray, entities: int
) -> FloatArray:
    """Return what each entity adds to the sums that figures are made of, shape (sums, entities)."""
    alert, stopped = treated > PASS, treated == BLOCK
    each = [cost_of(y, worth, costs, how) for how in TREATMENTS]
    saved = each[PASS] - np.choose(treated, each)
    columns = (saved, alert * y, y, alert * y * worth, y * worth, alert.astype(np.float64), stopped * (1.0 - y))
    return np.stack([np.bincount(place, scale * column, minlength=entities) for column in columns])


def _figures(total: FloatArray, days: float) -> dict[str, FloatArray]:
    """Return each figure of each draw from its sums, shape (sums, draws)."""
    saved, caught, frauds, caught_amount, amount, alerts, declined = total
    return {
        "saved": saved / days,
        "frauds": caught / days,
        "recall": _share(caught, frauds),
        "value_recall": _share(caught_amount, amount),
        "precision": _share(caught, alerts),
        "false_declines": declined / days,
    }


def _estimate(ways: Sequence[FloatArray]) -> Estimate:
    """Return a figure naively and weighted, and what it really is where that is told, too."""
    truth = float(ways[2][0]) if len(ways) > 2 else None
    return Estimate(interval(ways[0]), interval(ways[1]), truth)


def _share(part: FloatArray, whole: FloatArray) -> FloatArray:
    share: FloatArray = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return share
