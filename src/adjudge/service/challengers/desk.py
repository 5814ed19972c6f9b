"""The desk of challengers: each verb is one commit, with the activation and with an entry that says who wanted it.

A challenger begins in the shadow or with a share, decides alone when it is promoted, and runs no more when it is
retired. Nothing is folded again for any of it, because all of them read the same histories.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from adjudge.engine.plan import Plan
from adjudge.errors import ConflictError, InputError, NotFoundError, did_you_mean
from adjudge.log.codec import Note
from adjudge.service.access.ledger import By, check_signed
from adjudge.service.activation import Seat, SystemActivation
from adjudge.service.challengers.asked import Challenge, ChallengerList, ChallengerView, Ending, Sharing
from adjudge.service.challengers.entries import What, step_note
from adjudge.service.challengers.rule import settled
from adjudge.service.challengers.seated import Seated, check_shares, check_split
from adjudge.service.challengers.seating import challenge, following, seat_of
from adjudge.service.challengers.site import Bench, Site
from adjudge.service.registry.entries import ENVIRONMENTS, Approval, Release
from adjudge.service.registry.promote import promotion

NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,39}")
"""What a challenger may be called."""

PARTS = ("bundle", "rules", "policy", "definitions", "lists")
"""What a challenger may have different."""

MOST = 8
"""Most challengers of a system: each of them decides every event that it runs on."""


class ChallengersDesk:
    """Seats challengers, gives them a share, promotes and retires them.

    Parameters
    ----------
    site
        Where.
    second_person
        What takes a second person, of `adjudge.service.access.approval.PARTS`.
    """

    def __init__(self, site: Site, second_person: frozenset[str] = frozenset()) -> None:
        self.site = site
        self.second_person = second_person

    def challengers(self, system: str | None = None, *, everything: bool = False) -> ChallengerList:
        """Return the challengers that run, of one system or of all; `everything` adds those that ran last."""
        careers = [one for one in self.site.management.careers if system in (None, one.system)]
        seats = [one.seat for bench in self.site.benches() for one in bench.own if system in (None, bench.name)]
        live = {(one.system, one.name): one for one in careers if not one.ended}
        found = [ChallengerView.of(seat, live.get((seat.system, seat.name))) for seat in seats]
        if everything:
            found += [ChallengerView.past(one) for one in careers if one.ended]
        return ChallengerList(found)

    def view(self, system: str | None, name: str) -> ChallengerView:
        """Return a challenger that runs, or the last that ran under a name.

        Raises
        ------
        NotFoundError
            If there is none.
        """
        bench = self.site.bench(system)
        for seated in bench.own:
            if seated.seat.name == name:
                return self._view(seated.seat)
        return ChallengerView.past(self.site.management.careers.find(bench.name, name))

    def seat(self, asked: Challenge, by: By, notes: Sequence[Note] = ()) -> ChallengerView:
        """Have a challenger run from the next position on.

        Parameters
        ----------
        asked
            What it is, and how it runs.
        by
            Who wants it.
        notes
            More entries of the same commit.

        Raises
        ------
        InputError
            If anything about it is wrong, or it needs histories of its own; then nothing is different.
        ConflictError
            If one of that name runs already.
        """
        check_signed(by.who, by.why)
        bench = self.site.bench(asked.system)
        self.planned(asked, bench)  # what is wrong is told before anything is read
        asked = msgspec.structs.replace(asked, terms=settled(asked.terms, self.site.source(bench), asked.by))
        with self.site.turn:
            bench = self.site.bench(asked.system)
            seat, plan = self.planned(asked, bench)
            release = "" if not asked.release else seat.release
            note = step_note(by.who, by.why, seat.system, seat.name, seat.stage, share=seat.share, release=release)
            self._write(bench, [*bench.seated, Seated.of(seat, plan)], by, [note, *notes])
            return self._running(bench.name, seat.name)

    def planned(self, asked: Challenge, bench: Bench) -> tuple[Seat, Plan]:
        """Return the seat and the plan that somebody asks for; raises as `seat` does."""
        release = self._release(asked, bench)
        revision = self._revision(asked, release)
        name = asked.name or (release.id[:12] if release else "")
        if not NAME.fullmatch(name):
            message = (
                f"a challenger's name has small letters, digits, and . _ - inside, up to 40; {name[:60]!r} has not"
            )
            raise InputError(message, field="name", code="bad_name")
        if any(one.seat.name == name for one in bench.own):
            message = f"a challenger {name!r} runs already in system {bench.name!r}"
            raise ConflictError(message, field="name", code="conflict")
        if len(bench.own) >= MOST:
            message = f"{MOST} challengers run in system {bench.name!r}: retire one first"
            raise ConflictError(message, code="too_many")
        plan = challenge(bench.champion, revision, self.site.bundles)
        seat = Seat(
            name,
            SystemActivation.of(plan, variant=name),
            revision,
            share=_share(asked.share),
            by=check_split(bench.champion, asked.by),
            release=release.id if release else "",
            terms=asked.terms.check(),
        )
        fields = bench.champion.schema(bench.champion.decides).names
        for field in asked.terms.slices:
            if field not in fields:
                message = f"the decided stream has no field {field[:80]!r}{did_you_mean(field[:80], fields)}"
                raise InputError(message, field="slices", code="unknown_field")
        check_shares([*(one.seat for one in bench.own), seat])
        return seat, plan

    def share(
        self, system: str | None, name: str, asked: Sharing, by: By, notes: Sequence[Note] = ()
    ) -> ChallengerView:
        """Have a challenger decide another share of the events from the next position on; 0 is the shadow.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        InputError
            If there is not as much left, or no such entity to split by.
        """
        check_signed(by.who, by.why)
        with self.site.turn:
            bench = self.site.bench(system)
            one = self.running(bench, name)
            split = one.seat.by if asked.by is None else check_split(bench.champion, asked.by)
            if (one.seat.share, one.seat.by) == (asked.share, split):
                return self._view(one.seat)
            seat = seat_of(one.seat, one.plan, share=_share(asked.share), by=split, since=None)
            check_shares([*(other.seat for other in bench.own if other is not one), seat])
            note = step_note(by.who, by.why, bench.name, name, seat.stage, share=seat.share)
            changed = Seated.of(seat, one.plan)
            seated = [changed if other is one else other for other in bench.seated]
            self._write(bench, seated, by, [note, *notes])
            return self._running(bench.name, name)

    def retire(
        self, system: str | None, name: str, by: By, *, what: What = "retired", figures: dict[str, Any] | None = None
    ) -> ChallengerView:
        """Have a challenger run no more from the next position on.

        Parameters
        ----------
        system, name
            Whose, and its name.
        by
            Who wants it.
        what
            ``rolled_back`` where a guard does.
        figures
            What was known of it then.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        """
        check_signed(by.who, by.why)
        with self.site.turn:
            bench = self.site.bench(system)
            one = self.running(bench, name)
            note = step_note(by.who, by.why, bench.name, name, what, figures=figures)
            self._write(bench, [other for other in bench.seated if other is not one], by, [note])
            return ChallengerView.past(self.site.management.careers.find(bench.name, name))

    def promote(
        self,
        system: str | None,
        name: str,
        asked: Ending,
        by: By,
        *,
        notes: Sequence[Note] = (),
        figures: dict[str, Any] | None = None,
        approval: Approval | None = None,
        what: What = "promoted",
    ) -> ChallengerView:
        """Have a challenger decide alone from the next position on: the very version that ran.

        Whoever decided until then stays as a challenger in the shadow, so that it can be taken back to.

        Parameters
        ----------
        system, name
            Whose, and its name.
        asked
            How.
        by
            Who wants it.
        notes
            More entries of the same commit.
        figures
            What was known of it then.
        approval
            Who has approved this very promotion.
        what
            ``restored`` where a guard goes back.

        Raises
        ------
        NotFoundError
            If there is none of that name.
        ConflictError
            If its release lacks evidence or an approval.
        """
        check_signed(by.who, by.why)
        with self.site.turn:
            bench = self.site.bench(system)
            one = self.running(bench, name)
            staged = self._staged(one.seat, bench, asked, by, figures or {}, approval)
            told = step_note(by.who, by.why, bench.name, name, "restored" if one.seat.back else what, figures=figures)
            others = [other for other in bench.seated if other is not one and not other.seat.back]
            sitting = following(others, bench.champion, one.plan, self.site.bundles, by.who)
            gone = [other.seat for other in bench.own if other is not one and other.seat.back]
            ends = [step_note(by.who, f"{name} decides now", bench.name, seat.name, "retired") for seat in gone]
            seated = sitting.seated
            if not one.seat.back:
                back = before(one.seat, bench.champion)
                seated = [*seated, Seated.of(back, bench.champion)]
                ends.append(step_note(by.who, f"{name} decides now", bench.name, back.name, "shadow"))
            self._write(bench, seated, by, [told, *staged, *sitting.notes, *ends, *notes], champion=one.plan)
            return ChallengerView.past(self.site.management.careers.find(bench.name, name))

    def running(self, bench: Bench, name: str) -> Seated:
        """Return a challenger that runs; `NotFoundError` if there is none of that name."""
        for one in bench.own:
            if one.seat.name == name:
                return one
        known = [one.seat.name for one in bench.own]
        message = f"no challenger {name[:80]!r} runs in system {bench.name!r}{did_you_mean(name[:80], known)}"
        raise NotFoundError(message)

    def _staged(
        self, seat: Seat, bench: Bench, asked: Ending, by: By, figures: dict[str, Any], approval: Approval | None
    ) -> list[Note]:
        """Return the entry of the registry that stands beside a promotion; none where it is registered nowhere."""
        releases = self.site.management.releases
        release = releases.get(seat.release) if seat.release else None
        if release is None:
            return []
        if figures.get("verdict") == "better":  # it was held against who decides now, on what happened since
            evidence = {**release.evidence, "verdict": "better", "champion": bench.champion.bundle}
            release = msgspec.structs.replace(release, evidence=evidence)
        environment = asked.environment or releases.environment or ENVIRONMENTS[0]
        if approval is not None:
            approval = msgspec.structs.replace(approval, environment=environment)
            release = msgspec.structs.replace(release, approvals=[*release.approvals, approval])
        _, note = promotion(
            release,
            releases,
            bench.champion.bundle,
            environment,
            by.who,
            by.why,
            second_person=self.second_person,
            holders=sorted(by.holders),
        )
        return [note]

    def _release(self, asked: Challenge, bench: Bench) -> Release | None:
        if bool(asked.release) == bool(asked.revision):
            message = "say which release it is, or what is different about it, and not both"
            raise InputError(message, field="release", code="missing_field")
        return self.site.management.releases.find(asked.release, bench.name) if asked.release else None

    def _revision(self, asked: Challenge, release: Release | None) -> dict[str, Any]:
        """Return what is different, with a bundle by its id: what lies at a path may be another one tomorrow."""
        if release is not None:
            return {"bundle": release.id} if release.what == "bundle" else {"rules": release.rules}
        for part in asked.revision:
            if part not in PARTS:
                message = f"a challenger may differ in {', '.join(PARTS)}, not in {part[:40]!r}"
                raise InputError(message + did_you_mean(part[:40], PARTS), field="revision", code="unknown_field")
        bundle = asked.revision.get("bundle")
        if not bundle:
            return dict(asked.revision)
        return {**asked.revision, "bundle": self.site.bundles.find(str(bundle)).id}

    def _write(
        self, bench: Bench, seated: Sequence[Seated], by: By, notes: Sequence[Note], champion: Plan | None = None
    ) -> int:
        return self.site.seat(champion or bench.champion, seated, by, notes)

    def _running(self, system: str, name: str) -> ChallengerView:
        return self._view(self.running(self.site.bench(system), name).seat)

    def _view(self, seat: Seat) -> ChallengerView:
        return ChallengerView.of(seat, self.site.management.careers.find(seat.system, seat.name))


def before(seat: Seat, champion: Plan) -> Seat:
    """Return the seat of who decided before a challenger, in whose place it decides from here on."""
    name = f"before-{seat.name}"[:40]
    active = SystemActivation.of(champion, variant=name)
    return Seat(name, active, {}, by=seat.by, terms=seat.terms, back=True)


def _share(share: float) -> float:
    if not 0 <= share <= 1:
        message = f"share must be between 0 and 1, not {share}"
        raise InputError(message, field="share", code="out_of_range")
    return share
