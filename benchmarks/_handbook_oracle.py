"""A ranker that knows how the handbook's frauds were made: what nobody could beat with labels a week late.

It knows the generator's rules and each customer's true amounts, and is told labels after a week like
everybody else. From those it computes the probability that a transaction is a fraud:

1. amounts above 220 always are; 2. a terminal is compromised from some day on for 28 days, two new ones of
10,000 each day, all its transactions frauds; 3. a card leaks from some day on for 14 days, three new ones
of 5,000 each day, a third of its transactions frauds
   of five times the amount.
"""

from __future__ import annotations

import math

import numpy as np

from adjudge.kernel import kernel
from adjudge.typing import FloatArray, IntArray
from benchmarks._handbook import WEEK, Cards

TERMINALS, TERMINALS_A_DAY, TERMINAL_DAYS = 10_000, 2, 28
CUSTOMERS, CUSTOMERS_A_DAY, CUSTOMER_DAYS = 5_000, 3, 14
LIMIT = 220.0
OTHER = 0.003
"""Chance that a transaction is a fraud for another reason than the one that is weighed."""

SURE = 1e9
"""Largest ratio of densities that counts, so that a month of them stays a number."""


def scores(cards: Cards, rows: IntArray) -> FloatArray:
    """Return the probability of fraud of some transactions.

    Parameters
    ----------
    cards
        All transactions, in order of time.
    rows
        Positions of those to score.
    """
    seconds = cards.frame["TX_TIME_SECONDS"].to_numpy().astype(np.int64)
    amount = cards.frame["TX_AMOUNT"].to_numpy()
    terminal = cards.frame["TERMINAL_ID"].to_numpy().astype(np.int64)
    usual = _usual(cards, amount)
    plain, grown = _densities(amount, usual)
    by_terminal, by_customer = np.empty(len(rows)), np.empty(len(rows))
    unexplained = np.where(amount > LIMIT, np.nan, cards.fraud)  # beyond the limit a fraud says nothing else
    _terminals(rows, *_grouped(terminal), terminal, cards.day, seconds, unexplained, by_terminal)
    _customers(
        rows,
        *_grouped(cards.customer),
        cards.customer,
        cards.day,
        seconds,
        cards.fraud,
        plain,
        grown,
        by_customer,
    )
    p: FloatArray = 1 - (1 - by_terminal) * (1 - by_customer)
    p[amount[rows] > LIMIT] = 1.0
    return p


def _grouped(key: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    """Return positions ordered by key, where each key begins, and each position's place in that order."""
    order = np.argsort(key, kind="stable")
    start = np.searchsorted(key[order], np.arange(int(key.max()) + 2)).astype(np.int64)
    place = np.empty(len(key), dtype=np.int64)
    place[order] = np.arange(len(key))
    return order.astype(np.int64), start, place


def _usual(cards: Cards, amount: FloatArray) -> FloatArray:
    """Return each transaction's true mean of its customer's honest amounts, the future included."""
    own = cards.scenario != 3
    total = np.bincount(cards.customer[own], weights=amount[own], minlength=int(cards.customer.max()) + 1)
    count = np.bincount(cards.customer[own], minlength=len(total))
    mean: FloatArray = (total / np.maximum(count, 1))[cards.customer]
    return mean


def _densities(amount: FloatArray, usual: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the density of each amount if it is the customer's own, and if it is five times that.

    Amounts are normal with half their mean as deviation, drawn anew from 0 to twice the mean where below 0.
    """
    below = 0.5 * math.erfc(math.sqrt(2.0))  # share of a normal that is two deviations below its mean

    def density(x: FloatArray) -> FloatArray:
        bell = np.exp(-0.5 * ((x - usual) / (usual / 2)) ** 2) / (usual / 2 * math.sqrt(2 * math.pi))
        return bell + below * (x <= 2 * usual) / (2 * usual)

    return np.maximum(density(amount), 1e-300), np.maximum(density(amount / 5) / 5, 1e-300)


@kernel
def _terminals(
    rows: IntArray,
    order: IntArray,
    start: IntArray,
    place: IntArray,
    key: IntArray,
    day: IntArray,
    seconds: IntArray,
    fraud: FloatArray,
    out: FloatArray,
) -> None:
    """Write the chance that each row's terminal is compromised now, by labels a week old and older."""
    hazard = TERMINALS_A_DAY / TERMINALS
    for i in range(len(rows)):
        row = rows[i]
        today, known = day[row], seconds[row] - WEEK * 86_400
        inside, total = 0.0, 0.0
        first, last = start[key[row]], place[row]
        # one possible start of 56: the younger 28 would still last today, the older ones are over
        for age in range(2 * TERMINAL_DAYS + 1):
            begin = today - age
            weight = hazard if age < 2 * TERMINAL_DAYS else 1.0
            for at in range(last - 1, first - 1, -1):
                one = order[at]
                if day[one] <= today - 2 * TERMINAL_DAYS:
                    break
                if seconds[one] > known or fraud[one] != fraud[one]:
                    continue
                bad = age < 2 * TERMINAL_DAYS and begin <= day[one] < begin + TERMINAL_DAYS
                if bad:
                    weight *= 1.0 if fraud[one] == 1.0 else 0.0
                else:
                    weight *= OTHER if fraud[one] == 1.0 else 1.0 - OTHER
            total += weight
            if age < TERMINAL_DAYS:
                inside += weight
        out[i] = inside / total if total > 0.0 else 0.0


@kernel
def _customers(
    rows: IntArray,
    order: IntArray,
    start: IntArray,
    place: IntArray,
    key: IntArray,
    day: IntArray,
    seconds: IntArray,
    fraud: FloatArray,
    plain: FloatArray,
    grown: FloatArray,
    out: FloatArray,
) -> None:
    """Write the chance that each row is one of the grown amounts of a leaked card.

    Of labelled rows both label and amount count, of the week without labels only the amounts.
    """
    hazard = CUSTOMERS_A_DAY / CUSTOMERS
    for i in range(len(rows)):
        row = rows[i]
        today, known = day[row], seconds[row] - WEEK * 86_400
        chance, total = 0.0, 0.0
        first, last = start[key[row]], place[row]
        for age in range(2 * CUSTOMER_DAYS + 1):
            begin = today - age
            weight = hazard if age < 2 * CUSTOMER_DAYS else 1.0
            for at in range(last - 1, first - 1, -1):
                one = order[at]
                if day[one] <= today - 2 * CUSTOMER_DAYS:
                    break
                leaked = age < 2 * CUSTOMER_DAYS and begin <= day[one] < begin + CUSTOMER_DAYS
                ratio = min(grown[one] / plain[one], SURE)
                if seconds[one] > known:
                    weight *= (2.0 + ratio) / 3.0 if leaked else 1.0
                elif fraud[one] == 1.0:
                    weight *= ratio / 3.0 + OTHER if leaked else OTHER
                else:
                    weight *= 2.0 / 3.0 if leaked else 1.0
            ratio = min(grown[row] / plain[row], SURE)
            if age < CUSTOMER_DAYS:
                chance += weight * ratio / 3.0
                weight *= (2.0 + ratio) / 3.0
            total += weight
        out[i] = chance / total if total > 0.0 else 0.0
