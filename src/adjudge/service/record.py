"""Decisions written down: the JSON that a client gets is, byte for byte, what the log keeps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from adjudge.define.rule import placeholders
from adjudge.engine.decision import Decisions, Reason
from adjudge.engine.plan import Plan
from adjudge.engine.words import in_words, sentence_of


class Answer(msgspec.Struct, gc=False):
    """One decision as it goes over the wire and into the log.

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
        ``rules`` where a rule decided or there is no model, else ``model``.
    degraded
        True if a part of the system did not take part.
    families
        Probability of each score family; empty where the model has none.
    versions
        Short hashes of everything that could have changed the decision.
    latency_ms
        Milliseconds from the arrival of the request to the decision.
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
    families: dict[str, float]
    versions: dict[str, str] | msgspec.Raw
    latency_ms: float


class StoredAnswer(Answer, gc=False):
    """An answer as it is read back, with what readers may have added to it."""

    versions: dict[str, str]


class Recorder:
    """Writes one system's decisions, and reads them back in words.

    Parameters
    ----------
    plan
        The system.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(StoredAnswer).decode
        self._versions = msgspec.Raw(self._encode(dict(plan.versions)))
        self._sentences = {r.id: sentence_of(r) for r in plan.rules}
        told = [name for text in self._sentences.values() for name in placeholders(text)]
        extra = [n for n in dict.fromkeys(told) if n in plan.slots and plan.slots[n].type != "text"]
        self.names = (*plan.names, *(n for n in extra if n not in plan.names))
        self._rows = np.array([plan.slots[n].row for n in self.names], np.int64)

    @property
    def width(self) -> int:
        """Bytes that the features of one event take."""
        return 8 * len(self.names)

    def answers(self, decisions: Decisions, latencies_ms: Sequence[float]) -> list[bytes]:
        """Return the answer to each event of a batch.

        Parameters
        ----------
        decisions
            What the step came to.
        latencies_ms
            For each event how long its sender has waited.
        """
        system, encode, versions = self._plan.system.name, self._encode, self._versions
        batch, scores = decisions.batch, decisions.scores
        action, score = decisions.action, decisions.score.tolist()
        probability, seq = decisions.probability.tolist(), batch.seq.tolist()
        families = {} if scores is None else {k: v.tolist() for k, v in scores.families.items()}
        return [
            encode(
                Answer(
                    id=id_,
                    system=system,
                    seq=seq[i],
                    decision=action[i],
                    score=score[i],
                    probability=probability[i],  # NaN is written as null
                    reason=decisions.reason(i),
                    reasons=decisions.reasons(i),
                    rules=decisions.rules(i),
                    method=decisions.method(i),
                    degraded=False,
                    families={k: v[i] for k, v in families.items()},
                    versions=versions,
                    latency_ms=latencies_ms[i],
                )
            )
            for i, id_ in enumerate(batch.ids)
        ]

    def features(self, decisions: Decisions) -> list[bytes]:
        """Return for each event of a batch the bits of its features, in the order of `names`."""
        bits = decisions.X[self._rows].T.tobytes()  # one event after the other
        width = self.width
        return [bits[i * width : (i + 1) * width] for i in range(len(decisions))]

    def named(self, features: bytes) -> dict[str, float | None]:
        """Return kept features by name; missing is None, and what is text inside is left out.

        Parameters
        ----------
        features
            As `features` returned them.
        """
        values = np.frombuffer(features, np.float64).tolist()
        hidden = self._plan.categorical
        pairs = zip(self.names, values, strict=True)
        return {name: None if math.isnan(v) else v for name, v in pairs if name not in hidden}

    def words(self, record: bytes, features: bytes, event: Mapping[str, Any]) -> list[str]:
        """Return the reasons of a decision as sentences.

        Parameters
        ----------
        record
            The decision as `answers` returned it.
        features
            Its features as `features` returned them.
        event
            Its event, by field.
        """
        answer = self._decode(record)
        known = {**event, **self.named(features)}
        return in_words(answer.reasons, [self._sentences[id_] for id_ in answer.rules], known)
