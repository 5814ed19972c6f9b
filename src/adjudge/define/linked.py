"""Linked entities: who else shares a key, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adjudge.define.entity import Entity, Made


@dataclass(frozen=True)
class Linked:
    """The others that share an entity: of a device the users that were seen on it, but the event's own.

    Made by `Entity.linked`. The newest `Entity.fan_out` different ones of a window are looked at, so that a hub costs
    no more than a bound; every number says how many of those. One window holds for both hops: the sharing, and what
    the others did anywhere.

    Parameters
    ----------
    entity
        What is shared, with what is linked by it.
    """

    entity: Entity

    def count(self, *windows: timedelta) -> Made:
        """Count the others.

        Parameters
        ----------
        windows
            One feature is made for each.

        Examples
        --------
        >>> from adjudge.define import Event, Id, Key, Time, days
        >>> class Payment(Event):
        ...     payment_id: Id
        ...     at: Time
        ...     user: Key
        ...     device: Key
        >>> sharing = Payment.by("device").linked("user")
        >>> sharing.count(days(30))[0].name
        'device_linked_user_count_30d'
        >>> sharing.known("fraud", days(30))[0].name
        'device_linked_user_fraud_known_30d'
        """
        return self.entity._windowed("linked_count", None, windows)

    def known(self, label: str, *windows: timedelta) -> Made:
        """Count the others of whom some event in the window was known to be positive when this event came.

        Parameters
        ----------
        label
            A label or an outcome.
        windows
            One feature is made for each.
        """
        return self.entity._windowed("linked_known", label, windows)

    def events(self, *windows: timedelta, of: str | None = None) -> Made:
        """Count the events of the others, on this key or any; with `of`, those known to be positive.

        Parameters
        ----------
        windows
            One feature is made for each.
        of
            A label or an outcome; None counts every event.
        """
        return self.entity._windowed("linked_events", of, windows)
