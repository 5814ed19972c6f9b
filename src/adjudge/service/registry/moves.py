"""Moving releases: out of one workspace as a package, into another one that checks it before it is registered there."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from adjudge.define import Rules
from adjudge.engine import Plan
from adjudge.errors import BundleError, ConflictError, InputError
from adjudge.learn import bundle
from adjudge.learn.modelcard import DUEL
from adjudge.log import Log
from adjudge.service.activation import SystemActivation
from adjudge.service.bundles import Bundles
from adjudge.service.follow import Last
from adjudge.service.registry import package
from adjudge.service.registry.entries import REGISTERED, Release
from adjudge.service.registry.promote import name_environment
from adjudge.service.registry.registrars import AtRest, Running
from adjudge.service.resolver import Resolver
from adjudge.service.versions.revision import Revision, revised

EVIDENCE_LIMIT = 256 * 1024
"""Largest evidence that an entry of the log holds, in bytes of JSON; with all that a package says beside its rules."""


def active_plan(log: Log, snapshots: Path | None, bundles: Bundles, system: str | None) -> Plan:
    """Return what decides at the end of a log.

    Raises
    ------
    InputError
        If there is no such system, or several and none is named.
    """
    return Resolver((), bundles).plan(_active(log, snapshots, system))


def deciding(log: Log, snapshots: Path | None, system: str) -> str:
    """Return the id of the bundle that decides in a system at the end of a log; empty for rules alone.

    Raises
    ------
    InputError
        If there is no such system.
    """
    return _active(log, snapshots, system).bundle


def _active(log: Log, snapshots: Path | None, system: str | None) -> SystemActivation:
    from adjudge.service.columns import named_system

    active = Last.before(log, snapshots, len(log)).active
    if not active:
        message = "nothing has decided on this log yet: serve it once"
        raise InputError(message, field="workspace")
    return active[named_system(active, system)]


def export(
    registrar: AtRest | Running,
    release: Release,
    plan: Plan,
    bundles: Bundles,
    path: Path,
    *,
    environment: str = "",
    key: Path | None = None,
) -> str:
    """Write a package of a release, and return the hash of its content.

    Parameters
    ----------
    registrar
        Where it is registered, and who wants it.
    release
        What is to move.
    plan
        What decides there.
    bundles
        Where its bundle is.
    path
        The file.
    environment
        Which environment the workspace is; empty for what its log says.
    key
        File with the key to sign it with, or None.

    Raises
    ------
    ConflictError
        If it has no evidence, or the workspace is another environment.
    InputError
        If nobody has said which environment the workspace is.
    """
    if not release.evidence:
        message = f"{release.what} {release.id[:12]} has no evidence, so it stays where it is"
        raise ConflictError(message, field="id", code="no_evidence")
    folder = bundles.read(release.id).path if release.what == "bundle" else None
    origin = name_environment(registrar, environment, f"{release.what} {release.id[:12]} is exported")
    return package.write(path, release, origin, plan.versions, folder, key)


def take_in(
    registrar: AtRest | Running, plan: Plan, bundles: Bundles, path: Path, why: str, trusted: Path | None
) -> tuple[str, int]:
    """Check a package against what decides here, keep its bundle, and register it; nothing is activated.

    Parameters
    ----------
    registrar
        Where it is registered, by whom.
    plan
        What decides here.
    bundles
        Where its bundle goes.
    path
        The file.
    why
        The reason, for the log.
    trusted
        File with the key that must have signed it, or None.

    Returns
    -------
    tuple[str, int]
        Its id, and the position of the entry.

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
    content = msgspec.to_builtins(release)
    for name in ("seq", "at_us", "who", "why", "holders"):
        del content[name]
    content["history"] += content.pop("approvals")
    said = len(msgspec.json.encode({name: value for name, value in content.items() if name != "rules"}))
    if said > EVIDENCE_LIMIT:
        message = f"{path.name} says {said:,} bytes of how it was judged, and an entry holds {EVIDENCE_LIMIT:,}"
        raise BundleError(message)
    if release.what == "bundle":
        _keep(found, plan, bundles, path)
    else:
        revised(plan, Revision("check", plan.system.name, rules=release.rules), bundles)
    content |= {"how": "imported", "origin": found.head.environment, "package": found.sha256}
    return release.id, registrar.record(REGISTERED, why, content)


def add(
    registrar: AtRest | Running, plan: Plan, bundles: Bundles, why: str, *, path: Path, evidence: Path | None
) -> Release:
    """Register a bundle or a rule set that somebody has made.

    Parameters
    ----------
    registrar
        Where it is registered, by whom.
    plan
        What decides here.
    bundles
        Where a bundle goes.
    why
        The reason, for the log.
    path
        Directory of a bundle, or a rule file.
    evidence
        How it was judged, as JSON: what `adjudge rules test --json` or `adjudge judge --json` prints. A bundle has its
        own evaluation, which is taken where nothing is given; one that was judged in a duel takes nothing else.

    Raises
    ------
    BundleError
        If the bundle was made for other definitions.
    InputError
        If the rules do not go with the system, the evidence is no JSON object, it is not what the bundle says, or it
        states a verdict without a duel.
    """
    content: dict[str, Any] = {"system": plan.system.name, "how": "given", "evidence": _evidence(evidence)}
    if path.is_dir():
        made = bundle.read(path, bundles.secret)
        made.check(plan)
        content["evidence"] = content["evidence"] or _own(made)
        if not _agree(made, content["evidence"]):
            message = "the bundle holds the duel that it was judged by, and this is another outcome: leave it out"
            raise InputError(message, field="evidence")
        if made.paper(DUEL) is None:
            _check_states_no_verdict(content["evidence"])
        content |= {"id": bundles.keep(path).id, "what": "bundle"}
    else:
        _check_states_no_verdict(content["evidence"])
        rules = Rules.load(path)
        document = rules.document()
        revised(plan, Revision(why, plan.system.name, rules=document), bundles)
        content |= {"id": package.rules_id(document), "what": "rules", "rules": document}
    registrar.record(REGISTERED, why, content)
    return registrar.releases.find(content["id"])


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


def _evidence(path: Path | None) -> dict[str, Any]:
    if path is None:
        return {}
    content = path.read_bytes()
    try:
        found = msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        message = f"{path.name} is no JSON: {error}"
        raise InputError(message, field="evidence") from None
    if not isinstance(found, dict) or len(content) > EVIDENCE_LIMIT:
        message = f"{path.name} must hold one JSON object of at most {EVIDENCE_LIMIT // 1024} KiB"
        raise InputError(message, field="evidence")
    return found
