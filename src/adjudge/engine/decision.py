"""Decisions: what a batch came to, kept as columns; a row becomes an object, and codes become sentences, on reading."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.define.rule import placeholders
from adjudge.engine.layers import lacking
from adjudge.engine.policy import FALLBACK, METHODS, Combined
from adjudge.engine.scorer import Scores
from adjudge.engine.words import in_words, normal_of, sentence_of
from adjudge.typing import CodeArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine.batch import Batch
    from adjudge.engine.plan import Plan


class Reason(msgspec.Struct, frozen=True, gc=False):
    """Why: one rule that fired, or one feature that pushed the score up.

    Parameters
    ----------
    code
        Stable code: the rule's, or the feature's name.
    kind
        ``rule`` or ``model``.
    weight
        The rule's confidence in (0, 1], or what the feature added to the model's log-odds.
    value
        The feature's value; None where missing or for a rule.
    """

    code: str
    kind: str
    weight: float
    value: float | None = None


class Decision(msgspec.Struct, frozen=True, gc=False):
    """One decision: event id, action, score, reasons and the versions of everything that made it.

    Parameters
    ----------
    id
        The event's id.
    seq
        Its position in the log.
    decision
        The action.
    score
        Risk score, 0 to 100, higher is riskier.
    probability
        Calibrated probability of the positive class; None where no model took part.
    reason
        Code of the main reason.
    reasons
        All reasons: rules that fired, then what pushed the score up.
    rules
        Ids of the rules that fired.
    method
        ``rules`` where a rule decided or there is no model, ``model``, or ``fallback`` where scoring failed.
    degraded
        Whether a layer was late, left alone or failed.
    versions
        Short hashes of system, layout, rules, policy, contents of lists, model.
    latency_ms
        Time from receipt to answer; 0 where nobody waited.
    families
        Probability of each score family, where the model has families.
    """

    id: str
    seq: int
    decision: str
    score: int
    probability: float | None
    reason: str
    reasons: list[Reason]
    rules: list[str]
    method: str
    degraded: bool
    versions: Mapping[str, str]
    latency_ms: float = 0.0
    families: dict[str, float] = {}


@dataclass(frozen=True)
class Decisions:
    """The decisions of one batch, column by column.

    Parameters
    ----------
    plan
        What decided.
    batch
        What was decided.
    X
        The feature matrix, all rows filled, shape (C, n).
    scores
        What the model said, with nothing for events where it did not take part; None without a model.
    combined
        Action and deciding rule.
    layers
        How each of the plan's layers took part, as positions in `layers.TAKEN`, shape (layers, n).
    """

    plan: Plan
    batch: Batch
    X: FloatArray
    scores: Scores | None
    combined: Combined
    layers: CodeArray

    def __len__(self) -> int:
        return int(self.X.shape[1])

    def __iter__(self) -> Iterator[Decision]:
        return (self[i] for i in range(len(self)))

    @property
    def rows(self) -> IntArray:
        """Rows of `X` that hold the plan's `names`."""
        return self.plan.rows

    @functools.cached_property
    def probability(self) -> FloatArray:
        """Calibrated probability, shape (n,); NaN where no model took part."""
        return self.scores.p if self.scores is not None else np.full(len(self), np.nan)

    @property
    def score(self) -> IntArray:
        """Risk score, 0 to 100, shape (n,); where no model took part the confidence of the deciding rule."""
        return self.combined.score

    @functools.cached_property
    def action(self) -> list[str]:
        """The action of each event."""
        actions = self.plan.combine.actions
        return [actions[a] for a in self.combined.action.tolist()]

    @functools.cached_property
    def fired(self) -> list[list[int]]:
        """For each event the positions of the rules that fired."""
        count = len(self.plan.rules)
        fired: list[list[int]] = [[] for _ in range(len(self))]
        if count:
            at = self.plan.rules_at
            events, rules = np.nonzero(self.X[at : at + count].T == 1.0)
            for event, rule in zip(events.tolist(), rules.tolist(), strict=True):
                fired[event].append(rule)
        return fired

    def features(self, i: int) -> dict[str, float | None]:
        """Return the features of one event by name; missing is None, a category its hash as a number."""
        return {n: _plain(v) for n, v in zip(self.plan.names, self.X[self.plan.rows, i].tolist(), strict=True)}

    def rules(self, i: int) -> list[str]:
        """Return the ids of the rules that fired for one event."""
        return [self.plan.rules[r].id for r in self.fired[i]]

    @functools.cached_property
    def by_rule(self) -> list[int]:
        """For each event the position of the rule that decided, -1 where none did."""
        rules: list[int] = self.combined.rule.tolist()
        return rules

    @functools.cached_property
    def _pushes(self) -> list[list[Reason]]:
        """For each event what pushed its score up: gathered for the whole batch, because one by one it is slow."""
        scores, scorer = self.scores, self.plan.scorer
        if scores is None or scorer is None or not scorer.names:
            return [[] for _ in range(len(self))]
        names, hidden = scorer.names, self.plan.hidden
        tops = scores.top
        values = self.X[self.plan.scorer_rows[tops], np.arange(len(tops))[:, None]]  # -1 reads the last: left out below
        return [
            [
                Reason(name := names[t], "model", w, None if v != v or name in hidden else v)
                for t, w, v in zip(top, weight, value, strict=True)
                if t >= 0
            ]
            for top, weight, value in zip(tops.tolist(), scores.top_value.tolist(), values.tolist(), strict=True)
        ]

    @property
    def method_codes(self) -> CodeArray:
        """For each event the position in `METHODS` of how it was decided, shape (n,)."""
        return self.combined.method

    def method(self, i: int) -> str:
        """Return how one event was decided."""
        return METHODS[self._methods[i]]

    @functools.cached_property
    def _methods(self) -> list[int]:
        methods: list[int] = self.combined.method.tolist()
        return methods

    def degraded(self, i: int) -> bool:
        """Return whether one event was decided without a layer that it needed."""
        return self._degraded[i]

    @functools.cached_property
    def _degraded(self) -> list[bool]:
        if not np.count_nonzero(self.layers):
            return [False] * len(self)
        return [any(lacks) for lacks in lacking(self.layers).T.tolist()]

    def reason(self, i: int) -> str:
        """Return the code of one event's main reason."""
        rule = self.by_rule[i]
        if rule >= 0:
            return self.plan.rules[rule].code
        if self._methods[i] == FALLBACK:
            return "fallback"
        if self.scores is None:
            return "no_rule_fired"
        return "low_score" if self.action[i] == self.plan.combine.actions[0] else "high_score"

    def reasons(self, i: int) -> list[Reason]:
        """Return all reasons of one event: rules that fired, then what pushed the score up most."""
        fired = self.fired[i]
        if not fired:
            return self._pushes[i]
        rules = self.plan.rules
        return [Reason(rules[r].code, "rule", rules[r].confidence) for r in fired] + self._pushes[i]

    def render(self, i: int) -> list[str]:
        """Return the reasons of one event in words."""
        sentences = [sentence_of(self.plan.rules[r]) for r in self.fired[i]]
        reasons = self.reasons(i)
        told = {name for text in sentences for name in placeholders(text)}
        codes = [reason.code for reason in reasons if reason.kind == "model"]
        normals = (normal_of(code, self.plan.names) for code in codes)
        told |= {name for normal in normals if normal is not None for name in normal if name is not None}
        values = {name: self._value(name, i) for name in told}
        values |= {code: None for code in codes if self._value(code, i) is None}
        return in_words(reasons, sentences, values, self.plan.names)

    def _value(self, name: str, i: int) -> float | None:
        return _plain(float(self.X[self.plan.slots[name].row, i]))

    @functools.cached_property
    def _lists(self) -> tuple[list[int], list[int], list[float], dict[str, list[float]]]:
        """Positions, scores, probabilities and families as Python numbers."""
        families = {} if self.scores is None else {k: v.tolist() for k, v in self.scores.families.items()}
        return self.batch.seq.tolist(), self.score.tolist(), self.probability.tolist(), families

    def __getitem__(self, i: int) -> Decision:
        ids = self.batch.ids
        seq, score, probability, families = self._lists
        return Decision(
            id=ids[i] if ids else "",
            seq=seq[i],
            decision=self.action[i],
            score=score[i],
            probability=_plain(probability[i]),
            reason=self.reason(i),
            reasons=self.reasons(i),
            rules=self.rules(i),
            method=self.method(i),
            degraded=self.degraded(i),
            versions=self.plan.versions,
            families={name: values[i] for name, values in families.items()},
        )


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value
