"""The desk of the registry: register, approve, promote and move releases, at rest or while a service decides."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adjudge.errors import ConflictError, NotFoundError
from adjudge.learn.modelcard import CARD_TEXT
from adjudge.service.access.approval import parts_of
from adjudge.service.access.ledger import By, check_signed
from adjudge.service.challengers.site import Site, open_site
from adjudge.service.registry import moves, package
from adjudge.service.registry.asked import Assent, Registration, ReleaseList
from adjudge.service.registry.entries import APPROVED, NAMED, REGISTERED, Release, Releases
from adjudge.service.registry.promote import environment_of, promotion
from adjudge.service.settings import Settings
from adjudge.service.versions.desk import Activated


class ReleaseDesk:
    """Registers, approves, promotes and moves releases.

    Parameters
    ----------
    site
        Where.
    second_person
        What takes a second person, of `adjudge.service.access.approval.PARTS`.
    trusted
        File with the key that must have signed what is taken in; None asks for no signature.
    """

    def __init__(self, site: Site, second_person: frozenset[str] = frozenset(), trusted: Path | None = None) -> None:
        self._site = site
        self._second_person = second_person
        self._trusted = trusted

    @property
    def home(self) -> Path | None:
        """Folder of the workspace, in which packages lie while they are checked or sent; None if it has none."""
        return self._site.bundles.home

    def releases(self, system: str | None = None) -> ReleaseList:
        """Return what is registered, of one system or of all."""
        return ReleaseList([one for one in self._registered if system in (None, one.system)])

    def release(self, id_: str, system: str | None = None) -> Release:
        """Return what has an id that begins so, or is the ``latest``; see `Releases.find`."""
        return self._registered.find(id_, system)

    def card(self, id_: str, system: str | None = None) -> str:
        """Return the model card of a release, as Markdown.

        Raises
        ------
        NotFoundError
            If there is no such release, or it has none.
        """
        one = self.release(id_, system)
        found = self._site.bundles.read(one.id).paper(CARD_TEXT) if one.what == "bundle" else None
        if found is None:
            message = f"{one.what} {one.id[:12]} has no model card"
            raise NotFoundError(message)
        return found.decode()

    def register(self, asked: Registration, by: By) -> Release:
        """Register a bundle or a rule set that was made here; nothing is activated.

        Raises
        ------
        BundleError
            If the bundle is not there, damaged, or made for other definitions.
        InputError
            If the rules do not go with the system, or the evidence is not what the bundle says.
        """
        content = moves.given(asked, self._site.bench(asked.system).champion, self._site.bundles)
        self._record(REGISTERED, by, content)
        return self._registered.find(content["id"])

    def approve(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Release:
        """Write down that somebody approves a release for an environment.

        Raises
        ------
        ConflictError
            If nothing says how it was judged: there is nothing that could be approved; or the workspace is another
            environment.
        """
        one = self.release(id_, system)
        if not one.evidence:
            message = f"{one.what} {one.id[:12]} has no evidence, so there is nothing to approve"
            raise ConflictError(message, field="id", code="no_evidence")
        self._record(APPROVED, by, {"id": one.id, "environment": environment_of(asked.environment, self._registered)})
        return self._registered.find(one.id)

    def promote(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Activated:
        """Have a release decide from the next position on, if it has evidence and whoever must has approved it.

        Raises
        ------
        ConflictError
            If it lacks evidence or approval, or the workspace is another environment.
        """
        check_signed(by.who, by.why)
        one = self.release(id_, system)
        revision, note = promotion(
            one,
            self._registered,
            self._site.bench(one.system).champion.bundle,
            environment_of(asked.environment, self._registered),
            by.who,
            by.why,
            second_person=self._second_person,
            holders=sorted(by.holders),
        )
        return self._site.revise(revision, by, [note])

    def export(
        self, id_: str, to: Path, asked: Assent, by: By, system: str | None = None, key: Path | None = None
    ) -> str:
        """Write a package of a release, and return the hash of its content.

        Parameters
        ----------
        id_, system
            The release.
        to
            The file.
        asked
            Which environment the workspace is; the first that somebody says is written down.
        by
            Who wants it.
        key
            File with the key to sign it with, or None.

        Raises
        ------
        ConflictError
            If it has no evidence, or the workspace is another environment.
        InputError
            If nobody has said which environment the workspace is.
        """
        one = self.release(id_, system)
        moves.check_judged(one)
        origin = environment_of(asked.environment, self._registered)
        if not self._registered.environment:
            self._record(
                NAMED, By(by.who, f"{one.what} {one.id[:12]} is exported", by.holders), {"environment": origin}
            )
        folder = self._site.bundles.read(one.id).path if one.what == "bundle" else None
        versions = self._site.bench(one.system).champion.versions
        return package.write(to, one, origin, versions, folder, key)

    def take_in(self, path: Path, by: By, system: str | None = None, trusted: Path | None = None) -> Release:
        """Check a package against what decides here, keep its bundle, and register it; nothing is activated.

        Parameters
        ----------
        path
            The file.
        by
            Who takes it in, and why.
        system
            Whose it is to be; needed where there are several.
        trusted
            File with the key that must have signed it; what the settings say unless given.

        Raises
        ------
        BundleError
            If it is damaged, not signed as it must be, made for other definitions, has another evidence than its
            bundle, or says more than an entry holds.
        InputError
            If its rules do not go with the system.
        """
        check_signed(by.who, by.why)
        plan, bundles = self._site.bench(system).champion, self._site.bundles
        content = moves.taken_in(path, plan, bundles, trusted or self._trusted)
        self._record(REGISTERED, by, content)
        return self._registered.find(content["id"])

    @property
    def _registered(self) -> Releases:
        return self._site.management.releases

    def _record(self, action: str, by: By, content: dict[str, Any]) -> int:
        return self._site.record(action, by.who, by.why, {**content, "holders": sorted({by.who} | by.holders)})


@contextmanager
def open_desk(settings: Settings, secret: bytes) -> Iterator[ReleaseDesk]:
    """Open the registry of a workspace that no service runs on; see `open_site`."""
    trusted = Path(settings.trust) if settings.trust else None
    with open_site(settings, secret) as site:
        yield ReleaseDesk(site, parts_of(settings.second_person), trusted)
