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
from adjudge.service.registry.entries import ENVIRONMENTS, STAGED, Release, Releases
from adjudge.service.versions.revision import Revision

GOOD = frozenset({"better", "first"})
"""Verdicts that need nobody's word, against what decides now; with any other a second person has to agree."""


def check_environment(environment: str, releases: Releases) -> str:
    """Return an environment after looking whether it is the one that the log of a workspace has named.

    Parameters
    ----------
    environment
        What somebody says.
    releases
        What is registered in the workspace.

    Raises
    ------
    InputError
        If it is none.
    ConflictError
        If the workspace is another one.
    """
    if environment not in ENVIRONMENTS:
        message = f"environment must be one of {', '.join(ENVIRONMENTS)}, not {environment!r}"
        raise InputError(message + did_you_mean(environment, ENVIRONMENTS), field="environment")
    if releases.environment not in ("", environment):
        message = f"this workspace is {releases.environment}, as its log says, and not {environment}"
        raise ConflictError(message, field="environment", code="another_environment")
    return environment


def environment_of(environment: str, releases: Releases) -> str:
    """Return which environment a workspace is, by what somebody says or else by its log; see `check_environment`.

    Raises
    ------
    InputError
        If it is none, or nobody says and the log does not either.
    ConflictError
        If the workspace is another one.
    """
    if not environment and not releases.environment:
        message = f"nothing has said yet which environment this workspace is: {', '.join(ENVIRONMENTS)}"
        raise InputError(message, field="environment")
    return check_environment(environment or releases.environment, releases)


def missing(release: Release, environment: str, second_person: frozenset[str], deciding: str) -> str:
    """Return what a release lacks before it may decide; empty if nothing.

    Parameters
    ----------
    release
        What is to decide.
    environment
        Where.
    second_person
        What takes a second person here: ``bundle``, ``rules``.
    deciding
        Id of the bundle that decides now; empty for rules alone.

    Examples
    --------
    >>> made = Release(id="ab12", what="bundle", system="shop", how="full", seq=1, at_us=0, who="ada", why="May")
    >>> missing(made, "development", frozenset(), "")
    'nothing says how it was judged'
    """
    if not release.evidence:
        return "nothing says how it was judged"
    registrants = ", ".join(release.holders or [release.who])
    approved = [one for one in release.approvals if one.environment == environment]
    others = [one for one in approved if apart(release.holders, one.holders)]
    if release.what in second_person and not others:
        return f"nobody but who registered it ({registrants}) has approved it for {environment}"
    if (release.how == "imported" or release.package) and not approved:
        return f"it was imported, as it says from {release.origin}, and nobody has approved it for {environment}"
    if release.origin != environment and not approved:
        return f"it comes from {release.origin}, and nobody has approved it for {environment}"
    if release.what == "bundle" and release.how == "given" and not others:
        return f"no retrain here has made it, and nobody but who registered it ({registrants}) has approved it"
    if release.what == "bundle" and not others and not (said := _good(release, deciding))[0]:
        return f"its evidence says {said[1]}, so somebody but who registered it ({registrants}) has to approve it"
    return ""


def _good(release: Release, deciding: str) -> tuple[bool, str]:
    """Return whether a verdict needs nobody's word beside what decides now, and the verdict in words."""
    said, champion = release.verdict or "no verdict", release.evidence.get("champion")
    if said not in GOOD:
        return False, said
    if champion != deciding or (said == "first" and deciding):
        against = "against nobody knows what" if champion is None else f"against {str(champion)[:12] or 'rules alone'}"
        now = f"bundle {deciding[:12]} decides" if deciding else "rules alone decide"
        return False, f"{said} {against}, and {now} now"
    return True, said


def promotion(
    release: Release,
    releases: Releases,
    deciding: str,
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
    releases
        What is registered in the workspace.
    deciding
        Id of the bundle that decides there now; empty for rules alone.
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
        If it lacks evidence or approval, or the workspace is another environment.
    """
    lacks = missing(release, check_environment(environment, releases), second_person, deciding)
    if lacks:
        message = f"{release.what} {release.id[:12]} stays where it is: {lacks}"
        raise ConflictError(message, field="id", code="not_approved")
    content: dict[str, Any] = {"id": release.id, "environment": environment, "holders": sorted({who, *holders})}
    changes: dict[str, Any] = {"bundle": release.id} if release.what == "bundle" else {"rules": release.rules}
    return Revision(why, release.system, **changes), note_of(STAGED, who, why, content)
