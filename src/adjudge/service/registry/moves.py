"""What may be registered: everything that somebody brings is checked against what decides before an entry says so."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adjudge.engine import Plan
from adjudge.errors import BundleError, ConflictError, InputError
from adjudge.learn import bundle
from adjudge.learn.modelcard import DUEL
from adjudge.service.bundles import Bundles
from adjudge.service.registry import package
from adjudge.service.registry.asked import Registration
from adjudge.service.registry.entries import Release
from adjudge.service.versions.revision import Revision, revised

EVIDENCE_LIMIT = 256 * 1024
"""Largest evidence that an entry of the log holds, in bytes of JSON; with all that a package says beside its rules."""


def check_judged(release: Release) -> None:
    """Raise `ConflictError` unless something says how a release was judged."""
    if not release.evidence:
        message = f"{release.what} {release.id[:12]} has no evidence, so it stays where it is"
        raise ConflictError(message, field="id", code="no_evidence")


def taken_in(path: Path, plan: Plan, bundles: Bundles, trusted: Path | None) -> dict[str, Any]:
    """Check a package against what decides here, keep its bundle, and return what its entry says.

    Parameters
    ----------
    path
        The file.
    plan
        What decides here.
    bundles
        Where its bundle goes.
    trusted
        File with the key that must have signed it, or None.

    Raises
    ------
    BundleError
        If it is damaged, not signed as it must be, made for other definitions, has another evidence than its bundle, or
        says more than an entry holds.
    InputError
        If its rules do not go with the system.
    """
    found = package.read(path, trusted)
    release = found.head.release
    if release.system != plan.system.name:
        message = f"{path.name} is for system {release.system!r}, not {plan.system.name!r}"
        raise BundleError(message)
    if not release.evidence:
        message = f"{path.name} says nothing of how it was judged"
        raise BundleError(message)
    content: dict[str, Any] = msgspec.to_builtins(release)
    for name in ("seq", "at_us", "who", "why", "holders"):
        del content[name]
    content["history"] += content.pop("approvals")
    said = _size({name: value for name, value in content.items() if name != "rules"})
    if said > EVIDENCE_LIMIT:
        message = f"{path.name} says {said:,} bytes of how it was judged, and an entry holds {EVIDENCE_LIMIT:,}"
        raise BundleError(message)
    if release.what == "bundle":
        _keep(found, plan, bundles, path)
    else:
        revised(plan, Revision("check", plan.system.name, rules=release.rules), bundles)
    return content | {"how": "imported", "origin": found.head.environment, "package": found.sha256}


def given(asked: Registration, plan: Plan, bundles: Bundles) -> dict[str, Any]:
    """Check a bundle or a rule set that was made here, keep the bundle, and return what its entry says.

    Parameters
    ----------
    asked
        What it is. A bundle has its own evaluation, which is taken where no evidence is given; one that was judged in a
        duel takes nothing else, and only a retrain can be said to have made it.
    plan
        What decides here.
    bundles
        Where bundles are.

    Raises
    ------
    BundleError
        If the bundle is not there, damaged, or made for other definitions.
    InputError
        If it is neither or both, the rules do not go with the system, the evidence is too long or not what the bundle
        says, or states a verdict without a duel.
    """
    if bool(asked.bundle) == (asked.rules is not None):
        message = "say which bundle it is, or what its rules are, and not both"
        raise InputError(message, field="bundle", code="missing_field")
    if _size(asked.evidence) > EVIDENCE_LIMIT:
        message = f"the evidence may have {EVIDENCE_LIMIT // 1024} KiB of JSON"
        raise InputError(message, field="evidence", code="too_long")
    content: dict[str, Any] = {"system": plan.system.name, "how": asked.how, "evidence": asked.evidence}
    if asked.rules is not None:
        return content | _given_rules(asked, asked.rules, plan, bundles)
    made = bundles.find(asked.bundle)
    made.check(plan)
    content["evidence"] = content["evidence"] or _own(made)
    if not _agree(made, content["evidence"]):
        message = "the bundle holds the duel that it was judged by, and this is another outcome: leave it out"
        raise InputError(message, field="evidence")
    if made.paper(DUEL) is None:
        _check_states_no_verdict(content["evidence"])
        _check_somebodys(asked)
    champion = content["evidence"].get("champion") if made.paper(DUEL) is not None else ""
    return content | {"id": made.id, "what": "bundle", "parents": [champion] if champion else []}


def _given_rules(asked: Registration, document: dict[str, Any], plan: Plan, bundles: Bundles) -> dict[str, Any]:
    _check_states_no_verdict(asked.evidence)
    _check_somebodys(asked)
    revised(plan, Revision("check", plan.system.name, rules=document), bundles)
    return {"id": package.rules_id(document), "what": "rules", "rules": document}


def _check_somebodys(asked: Registration) -> None:
    """Refuse to call something a retrain's that no retrain has judged."""
    if asked.how != "given":
        message = f"a retrain leaves a bundle with its duel, and this has none: it is given, not {asked.how}"
        raise InputError(message, field="how")


def _check_states_no_verdict(evidence: Mapping[str, Any]) -> None:
    """Refuse a verdict that nothing was judged for: only a duel gives one, and a bundle that was in it holds it."""
    if "verdict" in evidence:
        message = "only a duel gives a verdict, and there is none here: leave verdict out, and have somebody approve it"
        raise InputError(message, field="evidence")


def _keep(found: package.Package, plan: Plan, bundles: Bundles, path: Path) -> None:
    """Check the bundle of a package and keep it."""
    release = found.head.release
    with tempfile.TemporaryDirectory(prefix=".taken-in-", dir=bundles.home) as scratch:
        found.unpack(Path(scratch))
        made = bundle.read(Path(scratch) / "bundle", bundles.secret)
        if made.id != release.id:
            message = f"{path.name} holds another bundle than {release.id[:12]}"
            raise BundleError(message)
        made.check(plan)
        if not _agree(made, release.evidence):
            message = f"{path.name}: its evidence is not what its bundle says"
            raise BundleError(message)
        bundles.keep(Path(scratch) / "bundle")


def _agree(made: bundle.Bundle, evidence: Mapping[str, Any]) -> bool:
    """Return whether evidence holds all that a duel in the bundle says; where there is none, any does."""
    fought = made.paper(DUEL)
    return fought is None or msgspec.json.decode(fought).items() <= evidence.items()


def _own(made: bundle.Bundle) -> dict[str, Any]:
    """Return what a bundle says of how it was judged: a duel, or the headline of its evaluation."""
    fought, judged = made.paper(DUEL), made.evaluation()
    if fought is not None:
        return dict(msgspec.json.decode(fought))
    if judged is None:
        return {}
    whole: Mapping[str, Any] = msgspec.json.decode(judged)
    named = {name: whole[name] for name in ("events", "frauds", "days", "start_us", "end_us") if name in whole}
    return named | {"lines": whole.get("lines", [])}


def evidence_of(path: Path | None) -> dict[str, Any]:
    """Return the evidence that a file holds; nothing where there is none.

    Raises
    ------
    InputError
        If it is no JSON object.
    """
    if path is None:
        return {}
    try:
        found = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        message = f"{path.name} is no JSON: {error}"
        raise InputError(message, field="evidence") from None
    if not isinstance(found, dict):
        message = f"{path.name} must hold one JSON object"
        raise InputError(message, field="evidence")
    return found


def _size(content: Mapping[str, Any]) -> int:
    """Return how long something is as JSON, in bytes."""
    return len(msgspec.json.encode(content))
