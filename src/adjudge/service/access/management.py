"""Everything that management entries make, together: what a workspace folds, and a snapshot keeps."""

from __future__ import annotations

import msgspec

from adjudge.service.access.approval import Approvals, Proposal
from adjudge.service.access.keys import Key, Keys
from adjudge.service.access.ledger import Act
from adjudge.service.alerts.entries import AlertFacts, Alerts
from adjudge.service.archive.archives import Archived, Archives
from adjudge.service.challengers.entries import Career, Careers
from adjudge.service.registry.entries import Release, Releases
from adjudge.service.versions.coming import Accepted, Coming


class ManagementFacts(msgspec.Struct, frozen=True):
    """The projections as plain JSON.

    Parameters
    ----------
    keys
        Every key.
    archived
        The last archiving; None if there was none.
    proposals
        What waits for a second person, and what came to its end lately.
    coming
        What was accepted and decides as soon as its state is folded.
    releases
        What is registered: bundles and rule sets.
    environment
        Which environment the workspace is; empty until an entry says so.
    alerts
        What is the matter, and what nobody wants to hear of.
    careers
        What has become of challengers.
    """

    keys: list[Key] = []
    archived: Archived | None = None
    proposals: list[Proposal] = []
    coming: list[Accepted] = []
    releases: list[Release] = []
    environment: str = ""
    alerts: AlertFacts = AlertFacts()
    careers: list[Career] = []


class Management:
    """The projections of a workspace's management entries.

    Parameters
    ----------
    facts
        Those of a snapshot; None for a log's beginning.
    """

    def __init__(self, facts: ManagementFacts | None = None) -> None:
        facts = facts or ManagementFacts()
        self.keys = Keys(facts.keys)
        self.archives = Archives(facts.archived)
        self.approvals = Approvals(facts.proposals)
        self.coming = Coming(facts.coming)
        self.releases = Releases(facts.releases, facts.environment)
        self.alerts = Alerts(facts.alerts)
        self.careers = Careers(facts.careers)

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        self.keys.apply(act)
        self.archives.apply(act)
        self.approvals.apply(act)
        self.coming.apply(act)
        self.releases.apply(act)
        self.alerts.apply(act)
        self.careers.apply(act)

    def facts(self) -> ManagementFacts:
        """Return what `Management` starts from."""
        return ManagementFacts(
            list(self.keys),
            self.archives.last,
            list(self.approvals),
            list(self.coming),
            list(self.releases),
            self.releases.environment,
            self.alerts.facts(),
            list(self.careers),
        )
