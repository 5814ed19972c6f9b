"""Versions: short hashes of what a plan was compiled from, one for each part that can change a decision.

They are hashes of what definitions mean as `adjudge.define.spec` writes it, not of how Python shows it: neither the
module a stream is declared in, nor the kind of sequence something stands in, nor words for people change a version.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from adjudge.define import Feature, Schema, System, WindowFeature
from adjudge.define.expression import parse
from adjudge.define.moment import moment_text
from adjudge.define.rule import elements
from adjudge.define.spec import LABEL, OUTCOME, POLICY, meaning_of
from adjudge.define.term import Terms, write_terms
from adjudge.history import Layout

if TYPE_CHECKING:
    from adjudge.engine.plan import Plan

Lists = Mapping[str, tuple[str | float, ...]]
"""Named lists, their elements in order."""


def versions_of(
    system: System,
    features: Iterable[Feature],
    layouts: Iterable[Layout],
    schemas: Iterable[Schema],
    lists: Lists,
    thresholds: Mapping[str, float],
) -> dict[str, str]:
    """Return the versions of a plan without a model.

    Parameters
    ----------
    system
        The definitions.
    features
        Its features under their final names.
    layouts, schemas
        Of its histories and of its streams.
    lists
        Its named lists and those of its rules.
    thresholds
        What training found.
    """
    truths = [LABEL.write(system.label, "label")] if system.label is not None else []
    truths += [OUTCOME.write(outcome, "outcome") for outcome in system.outcomes]
    unspoken = [{key: value for key, value in truth.items() if key != "meaning"} for truth in truths]
    policy = POLICY.write(system.policy, "policy")
    found = sorted((name, float(value)) for name, value in thresholds.items())
    return {
        "system": _digest([system.name, [meaning_of(f) for f in features], system.label is not None, unspoken]),
        "layout": _digest([layout.digest for layout in layouts] + [schema.digest for schema in schemas]),
        "rules": system.rules.version,
        "policy": _digest([policy, found, system.amount]),
        "lists": lists_version(lists, system.terms),
    }


def lists_version(lists: Lists, terms: Terms) -> str:
    """Return the version of the contents of some named lists, and of what is said of their elements."""
    said = write_terms(terms)
    return _digest([*sorted(lists.items()), said] if said else sorted(lists.items()))


def state_version(plan: Plan) -> str:
    """Return a hash of all that decides what a plan's state holds: where it is equal, a state goes on under the plan.

    Rules, models, policy, derived features and lists are no part of it; a list that a condition asks is.

    Parameters
    ----------
    plan
        The compiled system.
    """
    system = plan.system
    lists = {name: elements(name, values) for name, values in {**system.lists, **system.rules.lists}.items()}
    conditions = [
        [[f.entity.name, f.entity.schema.name, f.of, f.other, condition], [_counted(system, lists, n) for n in asked]]
        for f in plan.features.values()
        if isinstance(f, WindowFeature) and (condition := f.entity.condition)
        for asked in [sorted(parse(condition).lists)]
    ]
    return _digest(
        [
            [[h.entity.name, h.stream, h.layout.digest, *h.entity.link] for h in plan.histories],
            [[p.entity.name, p.stream, len(p.fields), p.fields.tolist()] for p in plan.profiles],
            [stream.schema.digest for stream in plan.streams.values()],
            [system.label.name if system.label is not None else ""],
            [[o.name, list(o.decided), *o.values] for o in system.outcomes],
            hashlib.sha256(plan.streams[plan.decides].encoder.secret).hexdigest(),
            conditions,
        ]
    )


def _counted(system: System, lists: Lists, name: str) -> object:
    """Return what a list that is counted by holds, with the ends of its elements where any end."""
    ends = {value: term.expires for value, term in system.terms.get(name, {}).items() if value in lists[name]}
    ending = [[value, moment_text(end)] for value, end in sorted(ends.items(), key=repr) if end is not None]
    return [lists[name], ending] if ending else lists[name]


def _digest(content: object) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
