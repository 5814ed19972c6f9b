"""Promotion: what is registered decides from the next position on, if it has evidence and whoever must has approved.

The activation and the entry of the registry stand in one commit: neither is there without the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjudge.errors import ConflictError, InputError, did_you_mean
from adjudge.log.codec import Note
from adjudge.service.access.approval import apart
from adjudge.service.access.ledger import note_of
from adjudge.service.registry.entries import APPROVED, ENVIRONMENTS, STAGED, Release
from adjudge.service.registry.registrars import AtRest, Running
from adjudge.service.versions.revision import Revision

GOOD = frozenset({"better", "first"})
"""Verdicts that need nobody's word; with any other a second person has to agree."""


def check_environment(environment: str) -> str:
    """Return an environment after looking whether it is one.

    Raises
    ------
    InputError
        If it is not.
    """
    if environment not in ENVIRONMENTS:
        message = f"environment must be one of {', '.join(ENVIRONMENTS)}, not {environment!r}"
        raise InputError(message + did_you_mean(environment, ENVIRONMENTS), field="environment")
    return environment


def missing(release: Release, environment: str, second_person: frozenset[str]) -> str:
    """Return what a release lacks before it may decide; empty if nothing.

    Parameters
    ----------
    release
        What is to decide.
    environment
        Where.
    second_person
        What takes a second person here: ``bundle``, ``rules``.

    Examples
    --------
    >>> made = Release(id="ab12", what="bundle", system="shop", how="full", seq=1, at_us=0, who="ada", why="May")
    >>> missing(made, "development", frozenset())
    'nothing says how it was judged'
    """
    if not release.evidence:
        return "nothing says how it was judged"
    approved = [one for one in release.approvals if one.environment == environment]
    others = [one for one in approved if apart(release.holders, one.holders)]
    if release.what in second_person and not others:
        return f"nobody but who registered it ({release.who}) has approved it for {environment}"
    if release.origin != environment and not approved:
        return f"it comes from {release.origin}, and nobody has approved it for {environment}"
    if release.what == "bundle" and release.verdict not in GOOD and not others:
        said = release.verdict or "no verdict"
        return f"its evidence says {said}, so somebody but who registered it ({release.who}) has to approve it"
    return ""


def approve(registrar: AtRest | Running, release: Release, environment: str, why: str) -> int:
    """Write down that somebody approves a release for an environment.

    Parameters
    ----------
    registrar
        Where it is written, by whom.
    release
        What is approved.
    environment
        For where.
    why
        The reason.

    Raises
    ------
    ConflictError
        If nothing says how it was judged: there is nothing that could be approved.
    """
    if not release.evidence:
        message = f"{release.what} {release.id[:12]} has no evidence, so there is nothing to approve"
        raise ConflictError(message, field="id", code="no_evidence")
    return registrar.record(APPROVED, why, {"id": release.id, "environment": check_environment(environment)})


def promotion(
    release: Release,
    environment: str,
    who: str,
    why: str,
    *,
    second_person: frozenset[str] = frozenset(),
    holders: Sequence[str] = (),
) -> tuple[Revision, Note]:
    """Return what is to be activated, and the entry that stands beside the activation.

    Parameters
    ----------
    release
        What is to decide.
    environment
        Where.
    who, why
        Who has it decide, and the reason.
    second_person
        See `missing`.
    holders
        Everybody who has the credential that it is done with.

    Raises
    ------
    ConflictError
        If it lacks evidence or approval.
    """
    lacks = missing(release, check_environment(environment), second_person)
    if lacks:
        message = f"{release.what} {release.id[:12]} stays where it is: {lacks}"
        raise ConflictError(message, field="id", code="not_approved")
    content: dict[str, Any] = {"id": release.id, "environment": environment, "holders": sorted({who, *holders})}
    changes: dict[str, Any] = {"bundle": release.id} if release.what == "bundle" else {"rules": release.rules}
    return Revision(why, release.system, **changes), note_of(STAGED, who, why, content)
