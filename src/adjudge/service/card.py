"""Cards: what one must know to read a system's decisions, written into the log when the system begins to decide.

A record of the log is a few fixed-width numbers: the position of an action, the rules that fired as bits. Its card has
the names behind them. So a decision can be read, in words, by any later version of the software and of the system.
"""

from __future__ import annotations

import functools
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from adjudge.define.rule import placeholders
from adjudge.engine.decision import Reason
from adjudge.engine.layers import LACKING
from adjudge.engine.plan import Plan
from adjudge.engine.policy import METHODS
from adjudge.engine.words import in_words, sentence_of
from adjudge.typing import AnyArray, FloatArray


class RuleCard(msgspec.Struct, frozen=True):
    """One rule.

    Parameters
    ----------
    id, code
        Its id, and the code of its reason.
    confidence
        In (0, 1].
    sentence
        The reason in words, with placeholders.
    """

    id: str
    code: str
    confidence: float
    sentence: str


class Card(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """Everything that the records of one version of a system leave out.

    Parameters
    ----------
    system
        Its name.
    stream
        The stream that it decides.
    versions
        Short hashes of everything that can change a decision.
    actions
        The actions, mildest first.
    rules
        The rules, in order.
    names
        The features that are kept with each decision, in order.
    hidden
        Those of them that are texts, times or places inside, and not told as numbers.
    inputs
        What the model reads, in its order; empty without a model.
    top
        How many pushes are kept.
    families
        Score families of the model.
    layers
        Optional parts of the system, each of which may be late or fail.
    variant
        The challenger that decides with it; empty for the champion.
    """

    system: str
    stream: str
    versions: dict[str, str]
    actions: list[str]
    rules: list[RuleCard]
    names: list[str]
    hidden: list[str]
    inputs: list[str]
    top: int
    families: list[str]
    layers: list[str]
    variant: str = ""

    @classmethod
    def of(cls, plan: Plan, variant: str = "") -> Card:
        """Return the card of a compiled system, or of a challenger to it."""
        rules = [RuleCard(r.id, r.code, r.confidence, sentence_of(r)) for r in plan.rules]
        told = [name for rule in rules for name in placeholders(rule.sentence)]
        extra = [n for n in dict.fromkeys(told) if n in plan.slots and plan.slots[n].type != "text"]
        scorer = plan.scorer
        read = () if scorer is None else scorer.names
        names = dict.fromkeys((*plan.names, *extra, *(n for n in read if n in plan.slots), *plan.kept))
        plain = {name for name, slot in plan.slots.items() if slot.type not in ("text", "time", "place")}
        return cls(
            system=plan.system.name,
            stream=plan.decides,
            versions=dict(plan.versions),
            actions=list(plan.combine.actions),
            rules=rules,
            names=list(names),
            hidden=sorted(plan.hidden | (plan.kept.keys() - plain)),
            inputs=list(read),
            top=0 if scorer is None else scorer.top,
            families=[] if scorer is None else list(scorer.family_names),
            layers=[layer.name for layer in plan.layers],
            variant=variant,
        )

    @functools.cached_property
    def digest(self) -> str:
        """Short hash of the card: records name it."""
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:16]

    @functools.cached_property
    def dtype(self) -> np.dtype[Any]:
        """Layout of one record, packed, little-endian."""
        return np.dtype(
            [
                ("action", "u1"),
                ("score", "u1"),
                ("rule", "<i2"),
                ("method", "u1"),
                ("layers", "u1", (len(self.layers),)),
                ("fired", "u1", (-(-len(self.rules) // 8),)),
                ("p", "<f8"),
                ("families", "<f8", (len(self.families),)),
                ("top", "<i2", (self.top,)),
                ("push", "<f8", (self.top,)),
                ("latency_ms", "<f8"),
            ]
        )

    def records(self, data: bytes) -> AnyArray:
        """Return the records in some bytes of the log."""
        return np.frombuffer(data, self.dtype)

    def matrix(self, data: bytes, events: int) -> FloatArray:
        """Return the features of so many events in some bytes of the log, one row a feature, one column an event."""
        return np.frombuffer(data, "<f8").reshape(len(self.names), events)

    def named(self, features: FloatArray) -> dict[str, float | None]:
        """Return the features of one event by name; missing is None, and what is text inside is left out.

        Parameters
        ----------
        features
            One column of `matrix`.
        """
        hidden = self._hidden
        pairs = zip(self.names, features.tolist(), strict=True)
        return {name: None if math.isnan(v) else v for name, v in pairs if name not in hidden}

    def answers(
        self, ids: Sequence[str], positions: Sequence[int], records: AnyArray, features: FloatArray
    ) -> list[bytes]:
        """Return the answer to each event, as a client gets it.

        Parameters
        ----------
        ids
            The events' ids.
        positions
            Position of each in the log.
        records, features
            What was decided, and the features behind it.
        """
        rows = records.tolist()
        reasons = self._reasons(records, features)
        return [
            _encode(
                Answer(
                    id=id_,
                    system=self.system,
                    seq=seq,
                    decision=self.actions[action],
                    score=score,
                    probability=p,  # NaN is written as null
                    reason=self._reason(action, rule, method),
                    reasons=why,
                    rules=fired,
                    method=METHODS[method],
                    degraded=not LACKING.isdisjoint(layers),
                    families=dict(zip(self.families, map(float, families), strict=True)),
                    versions=self._versions,
                    latency_ms=latency,
                    challenger=self.variant,
                )
            )
            for id_, seq, (why, fired), (action, score, rule, method, layers, _, p, families, _, _, latency) in zip(
                ids, positions, reasons, rows, strict=True
            )
        ]

    def words(self, record: AnyArray, features: FloatArray, event: Mapping[str, Any]) -> list[str]:
        """Return the reasons of one decision as sentences.

        Parameters
        ----------
        record, features
            One record, and its column of features.
        event
            Its event, by field.
        """
        ((reasons, fired),) = self._reasons(record.reshape(1), features.reshape(-1, 1))
        sentences = {rule.id: rule.sentence for rule in self.rules}
        missing = {name: None for name, v in zip(self.names, features.tolist(), strict=True) if math.isnan(v)}
        values = {**missing, **event, **self.named(features)}
        return in_words(reasons, [sentences[id_] for id_ in fired], values, self.names)

    def _reasons(self, records: AnyArray, features: FloatArray) -> list[tuple[list[Reason], list[str]]]:
        """For each event its reasons, rules first, and the ids of the rules that fired."""
        pushed = self._pushes(records, features)
        if not self.rules or not records["fired"].any():
            return [(pushes, []) for pushes in pushed]
        fired = np.unpackbits(records["fired"], axis=1, count=len(self.rules), bitorder="little")
        found: list[tuple[list[Reason], list[str]]] = []
        for bits, pushes in zip(fired, pushed, strict=True):
            rules = [self.rules[r] for r in np.flatnonzero(bits).tolist()]
            found.append(([Reason(r.code, "rule", r.confidence) for r in rules] + pushes, [r.id for r in rules]))
        return found

    def _pushes(self, records: AnyArray, features: FloatArray) -> list[list[Reason]]:
        """For each event what pushed its score up: gathered for all at once, because one by one it is slow."""
        if not self.top or not self.inputs:
            return [[] for _ in range(len(records))]
        inputs, hidden = self.inputs, self._hidden
        tops = records["top"]
        values = features[self._places[tops], np.arange(len(tops))[:, None]]  # -1 reads the last: left out below
        return [
            [
                Reason(name := inputs[t], "model", w, None if v != v or name in hidden else v)
                for t, w, v in zip(top, push, value, strict=True)
                if t >= 0
            ]
            for top, push, value in zip(tops.tolist(), records["push"].tolist(), values.tolist(), strict=True)
        ]

    def _reason(self, action: int, rule: int, method: int) -> str:
        if rule >= 0:
            return self.rules[rule].code
        if METHODS[method] == "fallback":
            return "fallback"
        if not self.layers:
            return "no_rule_fired"
        return "high_score" if action else "low_score"

    @functools.cached_property
    def _hidden(self) -> frozenset[str]:
        return frozenset(self.hidden)

    @functools.cached_property
    def _versions(self) -> msgspec.Raw:
        return msgspec.Raw(_encode(self.versions))

    @functools.cached_property
    def _places(self) -> AnyArray:
        """Where each input of the model stands among the features."""
        place = {name: i for i, name in enumerate(self.names)}
        return np.array([place[name] for name in self.inputs], np.int64)


class Answer(msgspec.Struct, gc=False, kw_only=True, omit_defaults=True):
    """One decision as it goes over the wire.

    Parameters
    ----------
    id
        The event's id.
    system
        The system that decided.
    seq
        The event's position in the log; for a score the position it would have had.
    decision
        The action.
    score
        Risk score, a whole number from 0 to 100, higher is riskier.
    probability
        Calibrated probability of the positive class; null without a model.
    reason
        Code of the main reason.
    reasons
        All reasons: the rules that fired, then what pushed the score up.
    rules
        Ids of the rules that fired.
    method
        ``rules`` where a rule decided or there is no model, ``model``, or ``fallback`` where scoring failed.
    degraded
        True if a layer was late, left alone or failed; one that was not needed is no loss.
    families
        Probability of each score family, null for one that took no part; empty where the model has none.
    versions
        Short hashes of everything that could have changed the decision.
    latency_ms
        Milliseconds from the arrival of the request to the decision.
    challenger
        The challenger that decided; left out where the champion did.
    """

    id: str
    system: str
    seq: int
    decision: str
    score: int
    probability: float | None
    reason: str
    reasons: list[Reason]
    rules: list[str]
    method: str
    degraded: bool
    families: dict[str, float | None]
    versions: dict[str, str] | msgspec.Raw
    latency_ms: float
    challenger: str = ""


class StoredAnswer(Answer, gc=False, kw_only=True):
    """An answer as it is read back, with what readers may have added to it."""

    versions: dict[str, str]


_encode = msgspec.json.Encoder().encode
