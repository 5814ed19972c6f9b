"""What people and programs are shown of keys: everything but their digests, and a secret once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from adjudge.service.access.keys import Key, Made

State = Literal["active", "expired", "revoked"]


class KeyView(msgspec.Struct, frozen=True, kw_only=True):
    """One key as it is shown.

    Parameters
    ----------
    id, owner, scopes
        Which it is, whose, and what it may do.
    state
        Whether it is good.
    rate_per_s
        Events a second that it is good for; 0 for as many as the settings say.
    created_at, rotated_at
        When it was made, and when it got its present secret.
    expires_at
        When that secret ends; null for never.
    old_until
        Until when the secret before is good as well; null if it is not.
    revoked_at
        When it was revoked; null if it was not.
    """

    id: str
    owner: str
    scopes: list[str]
    state: State
    rate_per_s: int
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime | None
    old_until: datetime | None
    revoked_at: datetime | None

    @classmethod
    def of(cls, key: Key, now_us: int) -> KeyView:
        """Return a key as it is shown at a time."""
        expires = None if key.lifetime_us is None else key.rotated_us + key.lifetime_us
        revoked = key.revoked_us is not None
        return cls(
            id=key.id,
            owner=key.owner,
            scopes=key.scopes,
            state="revoked" if revoked else "active" if now_us < key.until_us else "expired",
            rate_per_s=key.rate_per_s,
            created_at=_time(key.created_us),
            rotated_at=_time(key.rotated_us),
            expires_at=None if expires is None else _time(expires),
            old_until=None if revoked or now_us >= key.old_until_us else _time(key.old_until_us),
            revoked_at=None if key.revoked_us is None else _time(key.revoked_us),
        )


class Issued(msgspec.Struct, frozen=True):
    """A key with its secret, shown once.

    Parameters
    ----------
    key
        The key.
    secret
        What its owner sends as a bearer token.
    """

    key: KeyView
    secret: str

    @classmethod
    def of(cls, made: Made, now_us: int) -> Issued:
        """Return a key that was just made, as it is shown."""
        return cls(KeyView.of(made.key, now_us), made.text)

    def __repr__(self) -> str:  # so that no log or traceback prints the secret
        return f"Issued({self.key.id})"


def _time(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
