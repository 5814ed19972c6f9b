"""What is asked of challengers, and how they are shown."""

from __future__ import annotations

from typing import Any

import msgspec

from adjudge.service.activation import Seat
from adjudge.service.challengers.entries import Career, Step
from adjudge.service.challengers.terms import Terms


class Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A challenger that is to run.

    Parameters
    ----------
    why
        The reason, for the log.
    name
        Its name: small letters, digits, dots, hyphens and underscores; the first twelve of the release's id unless
        given.
    system
        Whose; absent where there is only one.
    release
        Id of a registered release, or how it begins, or ``latest``; absent where `revision` says what it is.
    revision
        What is different about it, as in an activation: bundle, rules, policy or definitions.
    share
        Share of the events that it decides, in [0, 1]; 0 decides without effect.
    by
        Entity by which the traffic is split; absent for the event itself.
    terms
        How it is held against the champion; what is left out of it is settled by the last mature weeks of the log.
    """

    why: str
    name: str = ""
    system: str | None = None
    release: str = ""
    revision: dict[str, Any] = {}
    share: float = 0.0
    by: str = ""
    terms: Terms = Terms()


class Sharing(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What part of the traffic a challenger is to decide.

    Parameters
    ----------
    why
        The reason, for the log.
    share
        In [0, 1]; 0 takes it back into the shadow.
    by
        See `Challenge`; what it was split by goes on unless given.
    """

    why: str
    share: float
    by: str | None = None


class Ending(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A challenger that is to decide alone, or to run no more.

    Parameters
    ----------
    why
        The reason, for the log.
    environment
        Which environment the workspace is, where its log does not say so yet.
    anyway
        Whether it is promoted although the rule of its terms is not met.
    """

    why: str
    environment: str = ""
    anyway: bool = False


class ChallengerView(msgspec.Struct, frozen=True, omit_defaults=True):
    """A challenger as it is shown.

    Parameters
    ----------
    system, name
        Whose, and its name.
    stage
        ``shadow``, ``share``, ``promoted``, ``retired``, ``rolled_back`` or ``restored``.
    share, by
        Of the events that it decides, and by what the traffic is split.
    since
        Position since which it runs so.
    release
        Id of the release that it is; empty where it is registered nowhere.
    changes
        What is different about it.
    versions
        Short hashes of everything that can change a decision of it.
    terms
        How it is held against the champion.
    steps
        All that has become of it.
    proposal
        What waits for a second person; absent where nothing does.
    """

    system: str
    name: str
    stage: str
    steps: list[Step]
    share: float = 0.0
    by: str = ""
    since: int | None = None
    release: str = ""
    changes: list[str] = []
    versions: dict[str, str] = {}
    terms: Terms = Terms()
    proposal: int | None = None

    @classmethod
    def of(cls, seat: Seat, career: Career | None) -> ChallengerView:
        """Return a challenger that runs."""
        return cls(
            seat.system,
            seat.name,
            seat.stage,
            [] if career is None else career.steps,
            seat.share,
            seat.by,
            seat.since,
            seat.release,
            [*seat.revision],
            seat.active.card.versions,
            seat.terms,
        )

    @classmethod
    def past(cls, career: Career) -> ChallengerView:
        """Return one that runs no more."""
        return cls(career.system, career.name, career.steps[-1].what, career.steps, release=career.release)


class ChallengerList(msgspec.Struct, frozen=True):
    """The challengers that run, and perhaps those that ran."""

    challengers: list[ChallengerView]
