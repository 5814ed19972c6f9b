"""Changes of what is known of events: labels, outcomes and retractions, each logged before it counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.codec import Changes, Texts
from adjudge.service.decider.post import Post
from adjudge.service.marks import unsayable
from adjudge.service.verdict import Status
from adjudge.service.workspace import Change


class Changing(Post):
    """Takes in what becomes known of events.

    Attributes
    ----------
    labelled
        Is told of labels that have been set.
    """

    labelled: Callable[[Sequence[Change]], None]

    def change(self, changes: Sequence[Change], *, max_waiting: int | None = None) -> list[Status | InputError]:
        """Log labels, outcomes or retractions of events, and let them count from here on.

        Parameters
        ----------
        changes
            In order. One that says nothing new is not logged.
        max_waiting
            How many changes may wait for events that are not there, in all; what would have to wait beyond it is
            refused with the code ``too_many_waiting``. None sets no bound.

        Returns
        -------
        list[Status | InputError]
            For each what became of it: set, unchanged, or waiting for an event that has not come yet.
        """
        results = self._change(changes, max_waiting)
        said = [c for c, result in zip(changes, results, strict=True) if result == "set" and c.kind == Kind.LABEL]
        if said:
            self.labelled(said)
        return results

    def _change(self, changes: Sequence[Change], max_waiting: int | None) -> list[Status | InputError]:
        with self._alone():
            self._settle()
            received = self.clock()
            results: list[Status | InputError] = []
            run: list[Change] = []
            places: list[int] = []
            named: set[tuple[str, str]] = set()
            early = 0
            for change, position in zip(changes, self.workspace.positions_of(changes), strict=True):
                if (change.stream, change.id) in named:
                    self._commit_changes(run, places, received, results)  # what follows must see what was said
                    named.clear()
                    early = 0
                problem = self._refuse_change(change)
                if problem is not None:
                    results.append(problem)
                elif self._says_nothing_new(change, position):
                    results.append("unchanged")
                elif position is not None and self.workspace.is_archived(position):
                    message = "the event was archived, and nothing new counts for it any more"
                    results.append(InputError(message, field="id", code="archived"))
                elif (unknown := position is None) and (
                    max_waiting is not None and self.workspace.waiting + early >= max_waiting
                ):
                    message = "too much waits for events that have not come; send the event first, or come again later"
                    results.append(InputError(message, field="id", code="too_many_waiting"))
                else:
                    early += unknown
                    run.append(change)
                    named.add((change.stream, change.id))
                    places.append(len(results))
                    results.append("set")
            self._commit_changes(run, places, received, results)
            return results

    def _commit_changes(
        self, run: list[Change], places: list[int], received: int, results: list[Status | InputError]
    ) -> None:
        """Fold and log a run of changes of different events, then empty it."""
        if not run:
            return
        with self._undone_on_failure():
            there = self.workspace.change(run)
            self.writer.append(list(_blocks(run)), received)
        for place, known in zip(places, there, strict=True):
            if not known:
                results[place] = "waiting"
        run.clear()
        places.clear()

    def _refuse_change(self, change: Change) -> InputError | None:
        try:
            schema = self.workspace.door(change.stream).schema
        except InputError as error:
            return error
        if change.kind == Kind.RETRACTION and schema.profile:
            message = f"stream {change.stream!r} holds profiles: a newer row replaces one, none can be taken back"
            return InputError(message, field="stream", code="not_retractable")
        return None if change.kind == Kind.RETRACTION else unsayable(self.workspace.deciding(change.stream), change)

    def _says_nothing_new(self, change: Change, position: int | None) -> bool:
        if change.kind == Kind.RETRACTION:
            return self.workspace.is_retracted(change.stream, change.id)
        return self.workspace.value(change, position) == change.value


def _blocks(run: Sequence[Change]) -> Iterator[Changes]:
    """Yield changes as the log keeps them: neighbours of one kind and stream together."""
    start = 0
    for i in range(1, len(run) + 1):
        if i < len(run) and (run[i].kind, run[i].stream) == (run[start].kind, run[start].stream):
            continue
        part = run[start:i]
        said = [] if part[0].kind == Kind.RETRACTION else part
        yield Changes(
            part[0].kind,
            part[0].stream,
            Texts.pack([c.id.encode() for c in part]),
            [c.name for c in said],
            np.array([c.value for c in said], "<f8").tobytes(),
            texts=[c.text for c in said] if any(c.text for c in said) else [],
        )
        start = i
