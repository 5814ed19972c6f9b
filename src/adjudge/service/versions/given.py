"""What a start is given against what decides already: a start changes what its definitions have changed, and no more.

A system comes with its code at every start, and is changed while it runs. So an activation remembers the parts that the
last start was given. A part that is still the same then is no wish to go back: what was activated since goes on. A part
that is another now was changed by somebody who wants it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from adjudge.service.activation import SystemActivation

Parts = dict[tuple[str, ...], Any]
"""A system by what can be changed of it on its own: where each part stands in the spec, and its content."""

MODEL = "model"
"""The part that is no part of a spec: bundle, thresholds, and the version of the model."""


def parts_of(active: SystemActivation) -> Parts:
    """Return the parts of a system: each list, the rules without them, the model, and everything else by its key.

    Parameters
    ----------
    active
        A system as it is activated; it must have its spec.
    """
    spec = dict(active.spec or {})
    rules = dict(spec.pop("rules", {}))
    parts: Parts = {("rules", "lists", name): content for name, content in rules.pop("lists", {}).items()}
    parts |= {("lists", name): content for name, content in spec.pop("lists", {}).items()}
    parts["rules",] = rules
    parts |= {(key,): content for key, content in spec.items()}
    parts[MODEL,] = [active.bundle, active.thresholds, active.card.versions.get("model"), active.lateness_us]
    return parts


def digests_of(active: SystemActivation) -> dict[str, str]:
    """Return a short hash of each part of a system."""
    return {
        ".".join(place): hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:12]
        for place, content in parts_of(active).items()
    }


def merged(active: SystemActivation, given: SystemActivation) -> SystemActivation:
    """Return what decides after a start: each part as it is active, unless this start is given another than the last.

    Parameters
    ----------
    active
        What decided last, with the digests of what the start before it was given.
    given
        What this start is given, with its own.

    Returns
    -------
    SystemActivation
        The card is that of neither; whoever compiles it knows the right one.
    """
    if not active.given or active.spec is None:  # from before it was remembered
        return given
    ours, theirs = parts_of(active), parts_of(given)
    before, now = active.given, given.given
    places = dict.fromkeys([*theirs, *ours])
    parts: Parts = {}
    for place in places:
        name = ".".join(place)
        chosen = ours if before.get(name) == now.get(name) else theirs
        if place in chosen:
            parts[place] = chosen[place]
    bundle, thresholds, model, lateness_us = parts.pop((MODEL,))
    spec: dict[str, Any] = {"rules": dict(parts.pop(("rules",))), "lists": {}}
    spec["rules"]["lists"] = {}
    for place, content in parts.items():
        _at(spec, place)[place[-1]] = content
    versions = {name: v for name, v in given.card.versions.items() if name != "model"}
    card = msgspec.structs.replace(given.card, versions=versions | ({} if model is None else {"model": model}))
    return SystemActivation(card, spec, bundle, thresholds, lateness_us, given.given)


def _at(spec: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    """Return what a part stands in."""
    for key in place[:-1]:
        spec = spec[key]
    return spec
