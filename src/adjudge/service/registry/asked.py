"""What is asked of the registry, and what it answers."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from adjudge.service.registry.entries import Release

How = Literal["full", "incremental", "given"]
"""How something came to be that is registered where it was made."""


class Registration(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A bundle or a rule set that is to be registered.

    Parameters
    ----------
    why
        The reason, for the log.
    system
        Whose; absent where there is only one.
    bundle
        Id of a bundle that the workspace keeps, or its path in the workspace's folder; absent for a rule set.
    rules
        Document of a rule set; absent for a bundle.
    how
        ``full`` or ``incremental`` for what a retrain has made, ``given`` for what somebody has.
    evidence
        How it was judged: of a bundle the duel that it holds, with what is known beside; of rules what a back-test
        says. What a bundle says itself is taken where nothing is given.
    """

    why: str
    system: str | None = None
    bundle: str = ""
    rules: dict[str, Any] | None = None
    how: How = "given"
    evidence: dict[str, Any] = {}


class Assent(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Somebody's word for a release in an environment: that it may decide there, does decide, or comes from there.

    Parameters
    ----------
    why
        The reason, for the log.
    environment
        ``development``, ``staging`` or ``production``; absent for what the log says that the workspace is.
    """

    why: str
    environment: str = ""


class ReleaseList(msgspec.Struct, frozen=True):
    """What is registered, oldest first."""

    releases: list[Release]
