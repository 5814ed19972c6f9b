"""Reading: decisions that were made, and the features of an entity as of a time; nothing is logged for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from adjudge.errors import NotFoundError
from adjudge.log.codec import Events
from adjudge.service.decider.post import Post
from adjudge.service.personal.erased import erased_error
from adjudge.service.record import Recorded
from adjudge.service.verdict import Stored


class Reading(Post):
    """Reads what was decided, and what would be read now."""

    def decision(self, id_: str, system: str | None = None) -> Stored:
        """Return a decision that was made earlier.

        Parameters
        ----------
        id_
            The event's id.
        system
            The system that decided; None for the only one.

        Raises
        ------
        NotFoundError
            If there is no decision for that id.
        ErasedError
            If the person whom it is about was erased.
        """
        with self._front, self._lock:
            running = self.workspace.system(system)
            stream = running.plan.decides
            position = self.workspace.ids[stream].get(id_)
            recorded = None if position is None else self._recorded(position, id_).get(running.name)
            if position is None or recorded is None:
                message = f"there is no decision of system {running.name!r} for this id"
                raise NotFoundError(message)
            first, block = self.workspace.lookup.block(position)
            assert isinstance(block, Events)
            second = running.degraded.second(position)
            read = self.workspace.vault.read(stream, id_, block.bodies[position - first])
            if read.erased:
                raise erased_error()
            event = msgspec.json.decode(read.body)
            features = recorded.features[:, 0]
            return Stored(
                record=recorded.answers[0],
                features=recorded.card.named(features),
                event=event,
                words=recorded.card.words(recorded.records, features, event),
                received_at=self.workspace.lookup.received_at(position),
                said=running.said_of(position),
                retracted=self.workspace.is_retracted(stream, id_),
                again=None if second is None else self.workspace.second(second).answers[0],
            )

    def said(self, ids: Sequence[str], system: str | None = None) -> list[dict[str, bool | str]]:
        """Return the labels and outcomes that are known of events that a system decided, by name; empty of others.

        Parameters
        ----------
        ids
            The events.
        system
            The system; None for the only one.
        """
        with self._lock:
            running = self.workspace.system(system)
            known = self.workspace.ids[running.plan.decides]
            places = [known.get(id_) for id_ in ids]
            return [{} if place is None else running.said_of(place) for place in places]

    def features(
        self, entity: str, key: Mapping[str, str], as_of: int | None = None, system: str | None = None
    ) -> dict[str, float | None]:
        """Return the features of one entity as of a time, without deciding anything.

        Parameters
        ----------
        entity
            Its name, such as ``user``.
        key
            The value of each of its fields.
        as_of
            Time in microseconds; None for the present moment.
        system
            The system whose features are meant; None for the only one.
        """
        with self._lock:
            self._check_running()
            running = self.workspace.system(system)
            return running.plan.read(running.state, entity, key, self.clock() if as_of is None else as_of)

    def _recorded(self, position: int, id_: str) -> dict[str, Recorded]:
        """Return what each system decided about the event at a position."""
        first, block = self.workspace.lookup.block(position)
        if not isinstance(block, Events):
            return {}
        i = position - first
        made = self.workspace.made_of(first, block, [id_] * len(block))
        return {name: recorded.one(i) for name, recorded in made.items()}
