"""Combining: what the rules ask for and what the score asks for become one action; the more severe one wins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from adjudge.define import System
from adjudge.engine.vm import Slot
from adjudge.errors import DefinitionError, did_you_mean
from adjudge.kernel import kernel
from adjudge.typing import BoolArray, CodeArray, FloatArray, IntArray

METHODS = ("rules", "model", "fallback")
"""How an event may have been decided; records hold the position, so the order never changes."""

RULES, MODEL, FALLBACK = range(3)

BY_P, BY_SCORE, BY_COST, BY_LOSS = range(4)
"""What cuts are compared with: probability, whole risk score, nothing (least cost), probability times amount."""

FLAG = -1
"""Severity of a rule that only leaves its reason."""


@dataclass(frozen=True, slots=True)
class Combined:
    """What rules and score came to, column by column.

    Parameters
    ----------
    action
        Position in the policy's actions, shape (n,).
    rule
        Position of the rule that decided, -1 where the score did, shape (n,).
    score
        Risk score, 0 to 100, shape (n,): of the probability, or of the deciding rule's confidence without one.
    method
        Position in `METHODS`, shape (n,).
    """

    action: IntArray
    rule: IntArray
    score: IntArray
    method: CodeArray


class Combine:
    """The compiled policy of a system.

    Parameters
    ----------
    system
        Its definitions.
    scope
        Where its fields and features stand.
    rules_at
        First row of the rules.
    """

    def __init__(self, system: System, scope: Mapping[str, Slot], rules_at: int) -> None:
        policy = system.policy
        self.actions = policy.actions
        self._rules_at = rules_at
        self._severity = np.array(
            [FLAG if r.action == "flag" else policy.severity(r.action) for r in system.rules.rules], np.int64
        )
        self._final = np.array([int(r.final) for r in system.rules.rules], np.int64)
        self._confidence = np.array([r.confidence for r in system.rules.rules], np.float64)
        self._soft_act = policy.soft_rules == "act"
        self._amount = self._amount_row(system, scope)
        self._costs = _cost_terms(system)
        by_value = BY_LOSS if policy.compare == "loss" else BY_P
        self.mode = BY_COST if policy.by_cost else BY_SCORE if policy.bands else by_value
        self._cuts, self._targets = _cut_arrays(system, dict(policy.cuts))
        self._fallback = _cut_arrays(system, dict(policy.fallback_cuts))

    def with_thresholds(self, system: System, thresholds: Mapping[str, float]) -> Combine:
        """Return the same policy with thresholds that training found, where the policy leaves them to training."""
        if self.mode not in (BY_P, BY_LOSS) or system.policy.thresholds or not thresholds:
            return self
        other = object.__new__(Combine)
        other.__dict__ = dict(self.__dict__)
        other._cuts, other._targets = _cut_arrays(system, thresholds)
        return other

    @property
    def reads(self) -> tuple[int, ...]:
        """Rows of the feature matrix that it reads, besides the rules'."""
        return () if self._amount < 0 else (self._amount,)

    def run(self, X: FloatArray, p: FloatArray, *, modelled: bool = False) -> Combined:
        """Return the action and the deciding rule of every event.

        Parameters
        ----------
        X
            The feature matrix with the rules' rows filled, shape (C, n).
        p
            Probability of the positive class, shape (n,); NaN where there is none.
        modelled
            Whether there is a model: where it gave no probability, the fallback answers beside the rules.
        """
        action = np.empty(len(p), np.int64)
        rule = np.empty(len(p), np.int64)
        score = np.empty(len(p), np.int64)
        method = np.empty(len(p), np.uint8)
        _combine(
            X,
            p,
            self._rules_at,
            self._severity,
            self._confidence,
            self._final,
            self._soft_act,
            self.mode,
            self._cuts,
            self._targets,
            self._amount,
            self._costs,
            modelled,
            *self._fallback,
            action,
            rule,
            score,
            method,
        )
        return Combined(action, rule, score, method)

    def settled(self, X: FloatArray) -> BoolArray:
        """Return which events their rules decide whatever a score may be, shape (n,).

        A final rule closes the question, and nothing is more severe than the most severe action.
        """
        settled = np.zeros(X.shape[1], np.bool_)
        if len(self._severity):
            last = len(self.actions) - 1
            _settle(X, self._rules_at, self._severity, self._final, self._soft_act, last, settled)
        return settled

    @staticmethod
    def _amount_row(system: System, scope: Mapping[str, Slot]) -> int:
        if system.amount is None:
            policy = system.policy
            if policy.by_cost or policy.compare == "loss" or policy.fallback.above:
                what = "by cost or loss" if policy.by_cost or policy.compare == "loss" else "with a fallback by amount"
                msg = f"system {system.name!r}: a policy {what} needs `amount`, the name of a money field"
                raise DefinitionError(msg)
            return -1
        if system.amount not in scope or scope[system.amount].type not in ("money", "number"):
            hint = did_you_mean(system.amount, scope)
            msg = f"system {system.name!r}: amount {system.amount!r} is no money field{hint}"
            raise DefinitionError(msg)
        return scope[system.amount].row


def _cut_arrays(system: System, cuts: Mapping[str, float]) -> tuple[FloatArray, IntArray]:
    ordered = sorted(cuts.items(), key=lambda item: system.policy.severity(item[0], place="thresholds"))
    targets = [system.policy.severity(name) for name, _ in ordered]
    return np.array([c for _, c in ordered], np.float64), np.array(targets, np.int64)


def _cost_terms(system: System) -> FloatArray:
    """For each action: share of fraud let through, fixed cost, insult fixed, insult share of the amount."""
    policy, costs = system.policy, system.policy.costs
    terms = np.full((len(policy.actions), 4), np.inf)
    last = len(policy.actions) - 1
    for i, action in enumerate(policy.actions):
        if i == 0:
            terms[i] = [costs.fraud_share, 0.0, 0.0, 0.0]
        elif i == last:
            terms[i] = [0.0, 0.0, costs.insult, costs.insult_share]
        elif action in policy.review:
            terms[i] = [costs.fraud_share * (1.0 - costs.review_catches), costs.review, 0.0, 0.0]
    return terms


@kernel
def _settle(
    X: FloatArray,
    rules_at: int,
    severity: IntArray,
    final: IntArray,
    soft_act: bool,
    last: int,
    settled: BoolArray,
) -> None:
    for i in range(X.shape[1]):
        for r in range(severity.shape[0]):
            if X[rules_at + r, i] == 1.0 and severity[r] >= 0 and (final[r] == 1 or (soft_act and severity[r] == last)):
                settled[i] = True
                break


@kernel
def _combine(
    X: FloatArray,
    p: FloatArray,
    rules_at: int,
    severity: IntArray,
    confidence: FloatArray,
    final: IntArray,
    soft_act: bool,
    mode: int,
    cuts: FloatArray,
    targets: IntArray,
    amount_row: int,
    costs: FloatArray,
    modelled: bool,
    fallback_cuts: FloatArray,
    fallback_targets: IntArray,
    action: IntArray,
    rule: IntArray,
    score: IntArray,
    method: CodeArray,
) -> None:
    for i in range(p.shape[0]):
        asked, by, closed = -1, -1, False
        soft = soft_act or p[i] != p[i]
        for r in range(severity.shape[0]):
            if X[rules_at + r, i] == 1.0 and severity[r] >= 0 and (soft or final[r] == 1):
                if severity[r] > asked:
                    asked, by = severity[r], r
                if final[r] == 1:
                    closed = True
                    break
        scored = 0
        if p[i] == p[i] and not closed:
            amount = X[amount_row, i] if mode in (BY_COST, BY_LOSS) else 0.0
            if amount != amount:
                amount = 0.0
            if mode == BY_COST:
                best = np.inf
                for a in range(costs.shape[0]):
                    cost = (
                        p[i] * costs[a, 0] * amount + costs[a, 1] + (1.0 - p[i]) * (costs[a, 2] + costs[a, 3] * amount)
                    )
                    if cost < best:
                        best, scored = cost, a
            else:
                value = p[i] if mode == BY_P else p[i] * amount if mode == BY_LOSS else np.floor(p[i] * 100.0 + 0.5)
                for c in range(cuts.shape[0]):
                    if value > cuts[c]:
                        scored = targets[c]
        elif modelled and not closed:
            amount = X[amount_row, i] if amount_row >= 0 else np.nan
            for c in range(fallback_cuts.shape[0]):
                if c == 0 or amount > fallback_cuts[c]:  # a missing amount is above nothing
                    scored = fallback_targets[c]
        if asked >= scored and by >= 0:
            action[i], rule[i], method[i] = asked, by, RULES
        else:
            action[i], rule[i] = scored, -1
            method[i] = MODEL if p[i] == p[i] else FALLBACK if modelled else RULES
        sure = p[i]
        if sure != sure:
            sure = confidence[by] if by >= 0 else 0.0
        score[i] = np.int64(np.floor(sure * 100.0 + 0.5))
