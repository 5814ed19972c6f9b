"""System: the definitions of one decision system, put together; still data, nothing is computed here."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from adjudge.define.event import Event, Schema
from adjudge.define.feature import DerivedFeature, Feature, Features, flatten
from adjudge.define.label import Label, Outcome, Truth
from adjudge.define.policy import Policy
from adjudge.define.rule import Rules
from adjudge.define.term import Terms


@dataclass(frozen=True)
class System:
    """Everything that one decision system is: what it decides, knows, forbids, learns and does.

    Parameters
    ----------
    name
        Stable name, an identifier; stands in addresses and bundles.
    decides
        The stream whose events are decided.
    label
        The truth that a model learns; None for rules alone.
    features
        Features and feature groups, nested sequences allowed.
    rules
        The rules, usually `Rules.load` of a YAML file.
    policy
        From score and rules to an action.
    lists
        Named lists of texts or numbers for expressions, besides those of the rules.
    outcomes
        What else comes to be known about decided events.
    amount
        Money field of the decided stream that costs are reckoned in; None where money plays no part.
    card
        Key field that card precision and bootstrap intervals group by; None for rows.
    inputs
        Names the model may read; None for every number, boolean, category and feature.
    leave_out
        Names the model must not read.
    model
        An estimator; None for the default booster.
    streams
        Further streams, of which no feature is read yet, that the workspace accepts.
    meaning
        One sentence for people.
    terms
        For elements of named lists, until when they are ones and why.
    """

    name: str
    decides: type[Event]
    label: Label | None = None
    features: Sequence[Features] = ()
    rules: Rules = field(default_factory=Rules)
    policy: Policy = field(default_factory=Policy)
    lists: Mapping[str, Collection[str | float]] = field(default_factory=dict)
    outcomes: Sequence[Outcome] = ()
    amount: str | None = None
    card: str | None = None
    inputs: Sequence[str] | None = None
    leave_out: Sequence[str] = ()
    model: Any = None
    streams: Sequence[type[Event]] = ()
    meaning: str = ""
    terms: Terms = field(default_factory=dict)

    @functools.cached_property
    def flat_features(self) -> tuple[Feature, ...]:
        """The features as one flat tuple, in written order."""
        return flatten(self.features)

    @functools.cached_property
    def truths(self) -> dict[str, Truth]:
        """The label and the outcomes, by name: what may become known about a decided event."""
        known: list[Truth] = [self.label] if self.label is not None else []
        return {truth.name: truth for truth in [*known, *self.outcomes]}

    @functools.cached_property
    def marks(self) -> tuple[str, ...]:
        """Everything that can be set on a decided event; what features count by name."""
        return tuple(mark for truth in self.truths.values() for mark in truth.marks)

    @functools.cached_property
    def spec(self) -> dict[str, Any]:
        """The system as plain JSON, which nobody may change; see `adjudge.define.spec.to_spec`."""
        from adjudge.define.spec import to_spec  # which reads systems

        return to_spec(self)

    @functools.cached_property
    def schemas(self) -> dict[str, Schema]:
        """Schemas of every stream that the system reads, the decided one first."""
        entities = [f.entity.stream for f in self.flat_features if not isinstance(f, DerivedFeature)]
        streams = [self.decides, *entities, *self.streams]
        return {s.schema().name: s.schema() for s in streams}
