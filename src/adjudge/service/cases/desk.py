"""The desk at which cases are worked: everything that the API, the command line and pages do with them.

Every change is an entry, written first and folded from the log; nothing is true here that the log does not say.
"""

from __future__ import annotations

import itertools
import math
import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from adjudge.engine.encode import micros_of
from adjudge.errors import ConflictError, ErasedError, InputError, NotFoundError, did_you_mean
from adjudge.log import Kind
from adjudge.log.codec import Note
from adjudge.service.access.approval import apart
from adjudge.service.access.keys import DAY_US
from adjudge.service.access.ledger import By, note_of
from adjudge.service.cases import entries, links
from adjudge.service.cases.agree import agreement
from adjudge.service.cases.asked import (
    MOST,
    Assign,
    Decide,
    Defer,
    Escalate,
    HandBack,
    Limit,
    Next,
    Undo,
    Which,
    Work,
    Write,
)
from adjudge.service.cases.book import Book
from adjudge.service.cases.case import Case, Given
from adjudge.service.cases.order import in_order, worths
from adjudge.service.cases.people import PeopleList, people
from adjudge.service.cases.pick import next_case
from adjudge.service.cases.spent import DAYS, reviewed
from adjudge.service.cases.view import CaseDetail, CasePage, CaseView, Done, DoneList, Estimate, Summary
from adjudge.service.changed import Change
from adjudge.service.said import say

if TYPE_CHECKING:
    from adjudge.service.decider import Decider

NORMAL_95 = 1.959963984540054
"""Half-width of a 95 % interval, in standard errors of a normal distribution."""


class CaseDesk:
    """The cases of a running service; safe to call from any thread.

    Parameters
    ----------
    decider
        Of the workspace; it goes on meanwhile.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._books: dict[str, Book] = {}
        self._turn = threading.RLock()

    @contextmanager
    def book(self, system: str | None = None) -> Iterator[Book]:
        """Have the cases of a system, as far as the log goes, for oneself."""
        name = self._decider.workspace.system(system).name
        with self._turn:
            book = self._books.setdefault(name, Book(self._decider, name))
            book.catch_up()
            yield book

    def cases(
        self, which: Which = "queue", *, who: str = "", limit: int = 50, start: int = 0, system: str | None = None
    ) -> CasePage:
        """Return cases in the order in which they should be looked at.

        Closed ones come by position, the newest first, and all as they were opened: what is added is behind these.

        Parameters
        ----------
        which
            What is listed.
        who
            Whose own, for ``mine``.
        limit, start
            How many, and how many to leave out before.
        system
            Whose; None for the only one.
        """
        now = self._decider.clock()
        limit, start = min(max(limit, 0), MOST), max(start, 0)
        with self.book(system) as book:
            if which == "closed":
                closed = [case for case in reversed(book.cases.values()) if not case.waits]
                return CasePage(self._views(book, closed[start : start + limit], now), len(closed), 0)
            if which == "all":
                opened = [*book.cases.values()]
                return CasePage(self._views(book, opened[start : start + limit], now), len(opened), 0)
            chosen = {id_: case for id_, case in book.waiting.items() if _is(case, which, who, now)}
            ordered = in_order(chosen, book.times, book.policy.costs)
            within = _within([minutes for _, _, minutes in ordered], per_day(book))
            shown = [case for case, _, _ in ordered[start : start + limit]]
            return CasePage(self._views(book, shown, now), len(ordered), within)

    def case(self, id_: str, system: str | None = None) -> CaseDetail:
        """Return a case with its decision and what it hangs together with.

        Raises
        ------
        NotFoundError
            If no decision about that event has opened one.
        """
        with self.book(system) as book:
            case = _found(book, id_)
            worth = worths({id_: case}, book.times, book.policy.costs)[id_]
            view = CaseView.of(case, worth, links.count(book, case), self._decider.clock(), words=True)
            linked, ring = links.linked(book, case), links.ring(book, case)
        try:
            decision = self._decision(id_, book.system)
        except ErasedError:
            decision, view = None, msgspec.structs.replace(view, notes=[], verdicts=[])  # words about the person
        return CaseDetail(view, decision, linked, ring)

    def knows(self, id_: str, system: str | None = None) -> bool:
        """Return whether a decision about an event has opened a case."""
        with self.book(system) as book:
            return id_ in book.cases

    def summary(self, system: str | None = None, *, days: float = DAYS) -> Summary:
        """Return how review goes, and what it came to in the last days."""
        now = self._decider.clock()
        with self.book(system) as book:
            waiting = [*book.waiting.values()]
            kinds = sorted({case.kind for case in book.cases.values()})
            pairs = [
                tuple(v.value for v in case.verdicts[:2]) for case in book.cases.values() if len(case.verdicts) > 1
            ]
            return Summary(
                system=book.system,
                routine=book.routine,
                waiting=len(waiting),
                assigned=sum(bool(case.assigned) for case in waiting),
                late=sum(_is(case, "late", "", now) for case in waiting),
                closed=len(book.cases) - len(waiting),
                minutes=round(sum(book.times.minutes(case.kind) for case in waiting), 2),
                per_day=per_day(book),
                by_kind={kind: round(book.times.minutes(kind), 3) for kind in kinds},
                agreement=agreement([(a, b) for a, b in pairs]),
                estimate=_estimate(
                    [case for case in book.cases.values() if case.lot == "random" and case.seq > book.since]
                ),
                reviewed=reviewed(book.cases.values(), book.policy.costs, now_us=now, days=days),
            )

    def people(self, system: str | None = None, *, days: float = DAYS) -> PeopleList:
        """Return what the verdicts of each person came to in the last days."""
        now = self._decider.clock()
        with self.book(system) as book:
            found = people(book.cases.values(), book.policy.costs, now_us=now, days=days)
            return PeopleList(book.system, days, found)

    def next(self, asked: Next, by: By) -> CaseView | None:
        """Give somebody the case that they should look at, and write down that they have it; None if there is none."""
        with self.book(asked.system) as book:
            case = next_case(
                book.waiting,
                by,
                routine=book.routine,
                times=book.times,
                costs=book.policy.costs,
                picked=book.picked,
                now_us=self._decider.clock(),
            )
            if case is None:
                return None
            if case.assigned != by.who:
                self._write(book, entries.ASSIGNED, [case.id], by, to=by.who)
            return self._views(book, [case], self._decider.clock())[0]

    def assign(self, asked: Assign, by: By) -> DoneList:
        """Give cases to somebody, also such as somebody else has in hand."""
        return self._change(entries.ASSIGNED, asked, by, "assigned", to=asked.to or by.who)

    def release(self, asked: HandBack, by: By) -> DoneList:
        """Give cases back; whoever had them is asked last."""
        return self._change(entries.RELEASED, asked, by, "released")

    def note(self, asked: Write, by: By) -> DoneList:
        """Write something about cases, closed ones too."""
        with self.book(asked.system) as book:
            cases = [_found(book, id_) for id_ in dict.fromkeys(asked.ids)]
            self._write(book, entries.NOTED, [case.id for case in cases], by, text=asked.text)
            return DoneList([Done(case.id, "noted") for case in cases])

    def due(self, asked: Limit, by: By) -> DoneList:
        """Give cases another deadline."""
        due_us = None if asked.due is None else _moment(asked.due, "due")
        return self._change(entries.DUE, asked, by, "due", due_us=due_us)

    def decide(self, asked: Decide, by: By) -> DoneList:
        """Decide cases: the verdict is written down and becomes the label of each event.

        A second opinion changes the label of no event; one that settles two others does. Whoever sends a verdict again
        changes nothing, and a label that a failure has left out is set.

        Raises
        ------
        NotFoundError
            If one of them is no case; then nothing is written.
        InputError
            If the system has no label.
        """
        with self.book(asked.system) as book:
            if not book.label:
                message = f"system {book.system!r} has no label, so a verdict has nothing to become"
                raise InputError(message, field="system", code="unknown_label")
            wanted = self._meant(book, asked)
            todo = [case for case in wanted if case.waits and not _has_said(case, by, asked.value)]
            minutes = None if asked.minutes is None or not todo else asked.minutes / len(todo)
            if todo:
                said: dict[str, Any] = {"value": asked.value, "holders": sorted({by.who} | by.holders)}
                if minutes is not None:
                    said["minutes"] = minutes
                self._write(book, entries.DECIDED, [case.id for case in todo], by, **said)
            ids = {case.id for case in todo}
            meant = [case for case in wanted if case.id in ids or case.truth is None]  # None: a failure came between
            labels = {case.id: label for case in meant if (label := _label_of(case.verdicts)) is not None}
            results = self._label(book, labels)
            return DoneList(
                [Done(case.id, _word(case, results, ids, said=_has_said(case, by, asked.value))) for case in wanted]
            )

    def undo(self, asked: Undo, by: By) -> DoneList:
        """Take one's last verdict about cases back: they wait again, and are in the hands of whoever does.

        The label goes back to what the verdicts before it say. Where there is none it says no, because an event that
        nobody has labelled counts as that; the case says that nobody knows.

        Raises
        ------
        NotFoundError
            If one of them is no case.
        ConflictError
            If the last word about one of them is somebody else's; then nothing is different.
        """
        with self.book(asked.system) as book:
            cases = [_found(book, id_) for id_ in dict.fromkeys(asked.ids)]
            holders = sorted({by.who} | by.holders)
            for case in cases:
                _check_undone(case, holders)
            own = [
                case for case in cases if case.truth is _label_of(case.verdicts)
            ]  # others may have labelled it since
            labels = {case.id: _label_of(case.verdicts[:-1]) or False for case in own}
            self._label(book, labels)  # before the entry: a label that comes later would close the case again
            self._write(book, entries.UNDONE, [case.id for case in cases], by, holders=holders)
            return DoneList([Done(case.id, case.state) for case in cases])

    def defer(self, asked: Defer, by: By) -> DoneList:
        """Keep cases in hand until more is known; they come again when the time is over."""
        now = self._decider.clock()
        until_us = now + DAY_US if asked.until is None else _moment(asked.until, "until")
        if until_us <= now:
            message = "what is waited for lies ahead"
            raise InputError(message, field="until", code="out_of_range")
        return self._change(entries.DEFERRED, asked, by, "deferred", until_us=until_us)

    def escalate(self, asked: Escalate, by: By) -> DoneList:
        """Pass cases on to somebody who knows more; whoever does is not asked for them again."""
        return self._change(entries.ESCALATED, asked, by, "escalated")

    def work(self, asked: Work, by: By) -> Summary:
        """Have cases worked in another way from here on."""
        asked.routine.check()
        with self.book(asked.system) as book:
            if asked.routine != book.routine:
                said = entries.Worked(book.system, asked.routine, secrets.token_hex(16))
                self._decider.record(entries.WORKED, by.who, by.why, msgspec.to_builtins(said))
        return self.summary(asked.system)

    def _meant(self, book: Book, asked: Decide) -> list[Case]:
        """Return the cases that a verdict is about, each once."""
        named = [_found(book, id_) for id_ in dict.fromkeys(asked.ids)]
        if not asked.ring:
            return named
        ids = dict.fromkeys(case.id for case in named)
        for case in named:
            ids |= dict.fromkeys(links.ring(book, case, frozenset(asked.by)))
        return [book.cases[id_] for id_ in ids if book.cases[id_].waits or id_ in asked.ids]

    def _label(self, book: Book, labels: dict[str, bool]) -> dict[str, str]:
        """Set labels over the path that every label takes, where they are not so already."""
        new = [id_ for id_, value in labels.items() if book.cases[id_].truth is not value]
        changes = [Change.saying(Kind.LABEL, book.stream, id_, book.label, labels[id_]) for id_ in new]
        done = say(self._decider, changes) if changes else []
        book.catch_up()
        found = zip(new, done, strict=True)
        return {id_: result.message if isinstance(result, InputError) else result["status"] for id_, result in found}

    def _change(
        self, action: str, asked: Assign | HandBack | Limit | Defer | Escalate, by: By, word: str, **said: Any
    ) -> DoneList:
        """Write down what happens to cases that wait."""
        with self.book(asked.system) as book:
            cases = [_found(book, id_) for id_ in dict.fromkeys(asked.ids)]
            for case in cases:
                if not case.waits:
                    message = f"case {case.id!r} is {case.state}"
                    raise ConflictError(message, field="ids", code=f"case_{case.state}")
            self._write(book, action, [case.id for case in cases], by, **said)
            return DoneList([Done(case.id, word) for case in cases])

    def _write(self, book: Book, action: str, ids: Sequence[str], by: By, **said: Any) -> None:
        """Log one entry for each case, all in one commit, and fold them."""
        notes: list[Note] = [note_of(action, by.who, by.why, {"system": book.system, "id": id_, **said}) for id_ in ids]
        self._decider.record_all(notes)
        book.catch_up()

    def _views(self, book: Book, cases: Sequence[Case], now: int) -> list[CaseView]:
        worth = worths({case.id: case for case in cases}, book.times, book.policy.costs)
        return [CaseView.of(case, worth[case.id], links.count(book, case), now) for case in cases]

    def _decision(self, id_: str, system: str) -> dict[str, Any]:
        stored = self._decider.decision(id_, system)
        return {
            "decision": msgspec.Raw(stored.record),
            "words": stored.words,
            "event": stored.event,
            "features": stored.features,
        }


def per_day(book: Book) -> float | None:
    """Return how many minutes people review on a day; None if neither routine nor policy says."""
    if book.routine.minutes_per_day is not None:
        return book.routine.minutes_per_day
    capacity = book.policy.capacity
    return None if capacity is None else capacity.alerts_per_day * book.times.mean


def _found(book: Book, id_: str) -> Case:
    if id_ not in book.cases:
        near = [known for known in book.waiting if known[:4] == id_[:4]][:MOST]
        message = f"there is no case {id_[:80]!r} of system {book.system!r}{did_you_mean(id_[:80], near)}"
        raise NotFoundError(message)
    return book.cases[id_]


def _is(case: Case, which: Which, who: str, now: int) -> bool:
    """Whether a case that waits belongs to a list."""
    return {
        "queue": not case.assigned,
        "waiting": True,
        "mine": bool(who) and case.assigned == who,
        "late": case.due_us is not None and now > case.due_us,
        "second": bool(case.verdicts),
        "drawn": bool(case.lot),
        "deferred": case.rests(now),
        "escalated": bool(case.escalated) and not case.assigned,
        "closed": False,
        "all": True,
    }[which]


def _within(minutes: Sequence[float], most: float | None) -> int:
    """Return how many cases from the top fit into so many minutes."""
    if most is None:
        return len(minutes)
    total = 0.0
    for i, one in enumerate(minutes):
        total += one
        if total > most:
            return i
    return len(minutes)


def _has_said(case: Case, by: By, value: bool) -> bool:
    """Whether the same person has said the same about a case."""
    return any(one.who == by.who and one.value == value for one in case.verdicts)


def _label_of(verdicts: Sequence[Given]) -> bool | None:
    """Return the label that verdicts give an event: the first counts until a third has settled two that differ."""
    if not verdicts:
        return None
    return verdicts[2 if len(verdicts) > 2 else 0].value


def _check_undone(case: Case, holders: Sequence[str]) -> None:
    """Raise `ConflictError` unless the last word about a case is that of somebody who takes it back."""
    if case.state == "retracted" or not case.verdicts:
        message = f"case {case.id!r} is {case.state}, and nobody has decided it"
    elif apart(case.verdicts[-1].holders, holders):
        message = f"the last word about case {case.id!r} is that of {case.verdicts[-1].who}, who can take it back"
    else:
        return
    raise ConflictError(message, field="ids", code="not_yours")


def _moment(at: datetime, field: str) -> int:
    """Return a time in microseconds since 1970 UTC."""
    if at.tzinfo is None:
        message = f"{field} needs an offset, such as 2026-12-31T00:00:00Z"
        raise InputError(message, field=field, code="wrong_type")
    return micros_of(at)


def _word(case: Case, labelled: dict[str, str], done: set[str], *, said: bool) -> str:
    """Return what became of a case: a verdict that came too late, and says something else, is told the state."""
    if case.id in labelled and labelled[case.id] not in ("set", "unchanged", "waiting"):
        return labelled[case.id]
    if case.state in ("second", "disputed"):
        return case.state
    return "decided" if case.id in done else "unchanged" if said else case.state


def _estimate(drawn: Sequence[Case]) -> Estimate:
    """Return the share of positives with its Wilson interval (Wilson, 1927): drawn at random, they stand for all.

    Only the cases before the oldest that waits count: what is known of later ones is mostly what victims report.
    """
    before = itertools.takewhile(lambda case: not case.waits or bool(case.verdicts), drawn)
    known = [case.truth for case in before if case.truth is not None and case.state != "retracted"]
    n, positive = len(known), sum(known)
    if not n:
        return Estimate(len(drawn), 0, 0)
    share, z2 = positive / n, NORMAL_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = NORMAL_95 / (1 + z2 / n) * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    return Estimate(len(drawn), n, positive, share, max(0.0, middle - half), min(1.0, middle + half))
