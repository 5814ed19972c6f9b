"""What the service answers, typed: each of these is one shape of the wire, read as it stands there.

Fields that a later service adds are passed over.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

from adjudge.errors import InputError

T = TypeVar("T")


class Reason(msgspec.Struct, frozen=True):
    """Why: one rule that fired, or one feature that pushed the score up.

    Parameters
    ----------
    code
        The rule's code, or the feature's name.
    kind
        ``rule`` or ``model``.
    weight
        The rule's confidence, or what the feature added to the model's log-odds.
    value
        The feature's value; None where missing or for a rule.
    """

    code: str
    kind: str
    weight: float
    value: float | None = None


class Decision(msgspec.Struct, frozen=True, omit_defaults=True):
    """One decision.

    Parameters
    ----------
    id
        The event's id.
    system
        The system that decided.
    seq
        The event's position in the log; of a score the position it would have had.
    decision
        The action.
    score
        Risk score, 0 to 100, higher is riskier.
    probability
        Calibrated probability of the positive class; None where no model took part.
    reason, reasons
        Code of the main reason, and all of them: the rules that fired, then what pushed the score up.
    rules
        Ids of the rules that fired.
    method
        ``rules``, ``model``, or ``fallback`` where scoring failed.
    degraded
        Whether a part of the system did not take part.
    families
        Probability of each score family; empty where the model has none.
    versions
        Short hashes of everything that could have changed the decision.
    latency_ms
        Milliseconds from the arrival of the request to the decision, as the service measured it.
    repeated
        Whether the event was decided before; this is that decision.
    features
        All feature values where they were asked for; None is missing.
    challenger
        Name of the challenger that decided; empty where the champion did.
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
    versions: dict[str, str]
    latency_ms: float
    repeated: bool = False
    features: dict[str, float | None] | None = None
    challenger: str = ""


class StoredDecision(msgspec.Struct, frozen=True):
    """A decision that was made earlier, with all that belongs to it.

    Parameters
    ----------
    decision
        As it was answered.
    words
        The reasons in sentences.
    event
        The event, by field.
    features
        The values that it was made from.
    received_at
        When the event was admitted.
    labels
        Labels and outcomes since, by name.
    retracted
        Whether the event was taken back since.
    again
        The second decision, where the first lacked a part of the system and was made again.
    """

    decision: Decision
    words: list[str]
    event: dict[str, Any]
    features: dict[str, float | None]
    received_at: datetime
    labels: dict[str, Any]
    retracted: bool
    again: Decision | None = None


class Done(msgspec.Struct, frozen=True):
    """What became of one label, outcome, retraction, or event of a stream that is not decided.

    Parameters
    ----------
    id
        The event that is meant.
    status
        For events ``accepted`` or ``repeated``; else ``set``, ``unchanged``, or ``waiting`` for the event to come.
    seq
        The event's position in the log.
    """

    id: str
    status: str
    seq: int | None = None


class EntityFeatures(msgspec.Struct, frozen=True):
    """The features of one entity as of a time.

    Parameters
    ----------
    entity, key
        Whose they are.
    as_of
        The time.
    features
        The values; None is missing.
    """

    entity: str
    key: dict[str, str]
    as_of: datetime
    features: dict[str, float | None]


class CatalogueRow(msgspec.Struct, frozen=True):
    """One field or feature as people look it up.

    Parameters
    ----------
    name, type, unit, meaning, owner
        What it is called, what it holds, and who answers for it.
    stream, entity, aggregation, of, window
        What it is computed from; empty where that does not apply.
    expression
        Text of a derived feature.
    used_by
        Systems and rules that read it.
    """

    name: str
    type: str
    unit: str
    meaning: str
    owner: str
    stream: str = ""
    entity: str = ""
    aggregation: str = ""
    of: str = ""
    window: str = ""
    expression: str = ""
    used_by: list[str] = []


class LogEntry(msgspec.Struct, frozen=True):
    """One entry of the log.

    Parameters
    ----------
    seq
        Its position.
    received_at_us
        Microseconds since 1970 UTC at which it was admitted.
    kind
        What it is, as a number: 1 an event, 2 a label, 3 a retraction, 4 an outcome, and so on.
    stream, id
        The event that is meant; empty where there is none.
    content
        The event, the change or the note.
    who, why
        Who did it and why, where that is known.
    """

    seq: int
    received_at_us: int = msgspec.field(name="received_at")
    kind: int
    stream: str = ""
    id: str = ""
    content: Any = None
    who: str = ""
    why: str = ""


class LogPage(msgspec.Struct, frozen=True):
    """A stretch of the log.

    Parameters
    ----------
    entries
        Its entries.
    next
        Where the next stretch starts; None at the end of the log.
    """

    entries: list[LogEntry]
    next: int | None = None


class WaitingChange(msgspec.Struct, frozen=True):
    """One thing that was said about an event that has not come.

    Parameters
    ----------
    kind
        Label, outcome or retraction, in lower case.
    stream, id
        The event.
    name
        The label or outcome; empty for a retraction.
    value
        What was said of it; None for a retraction.
    """

    kind: str
    stream: str
    id: str
    name: str = ""
    value: bool | str | None = None


class Waiting(msgspec.Struct, frozen=True):
    """What waits for events that have not come.

    Parameters
    ----------
    waiting
        How many there are.
    changes
        The first of them.
    """

    waiting: int
    changes: list[WaitingChange]


class Readiness(msgspec.Struct, frozen=True):
    """Whether a service decides.

    Parameters
    ----------
    ready
        Whether it does.
    systems
        The systems that decide.
    detail
        Why it does not, in words.
    """

    ready: bool
    systems: list[str] = []
    detail: str = ""


@dataclass(frozen=True)
class Answers(Generic[T]):
    """What became of many rows; one bad row does not keep the others from being answered.

    Parameters
    ----------
    results
        One for each row, in their order; None for a row that was refused.
    errors
        What is wrong with the refused rows, by row and field; every refused row has at least one.

    Examples
    --------
    >>> some = Answers(["yes", None], [InputError("amount is required", field="amount", row=1, code="missing_field")])
    >>> some.refused
    [1]
    >>> some.all()
    Traceback (most recent call last):
    adjudge.errors.InputError: amount is required
    """

    results: list[T | None]
    errors: list[InputError]

    @property
    def refused(self) -> list[int]:
        """The rows that were refused."""
        return [row for row, result in enumerate(self.results) if result is None]

    def all(self) -> list[T]:
        """Return the result of every row; if one was refused, raise the first error."""
        if self.errors:
            raise self.errors[0]
        return [result for result in self.results if result is not None]
