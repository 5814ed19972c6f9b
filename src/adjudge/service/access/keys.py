"""API keys: the registry that the log's management entries make, and what changes it.

The registry never sees a secret. It knows digests, and whether a text that somebody sends is a key and still good.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import msgspec

from adjudge.errors import InputError, NotFoundError, did_you_mean
from adjudge.service.access import secret
from adjudge.service.access.ledger import Act, By, Ledger
from adjudge.service.access.scope import NEVER_US, Principal, Scope, scopes_of

CREATED, ROTATED, REVOKED = "key_created", "key_rotated", "key_revoked"
"""The actions that change the registry."""

DAY_US = 86_400_000_000

GRACE_US = DAY_US
"""How long the old secret of a rotated key stays good unless said otherwise."""

MAX_US = 10_000 * DAY_US
"""Longest lifetime and grace."""

NOBODY: tuple[tuple[str, int, list[str]], ...] = (("0" * 64, 0, []),)
"""What a secret is compared with where there is no such key, so that this takes as long."""


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a new key is to be.

    Parameters
    ----------
    owner
        The person or program that it is for; what is done with it is logged under this name.
    scopes
        What it may do.
    lifetime_us
        How long each of its secrets is good, in microseconds; None until it is revoked.
    rate_per_s
        Events a second that it is good for; 0 for as many as the settings say.
    """

    owner: str
    scopes: list[str]
    lifetime_us: int | None = None
    rate_per_s: int = 0


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """One key as the registry knows it.

    Parameters
    ----------
    id
        Public id.
    owner, scopes, lifetime_us, rate_per_s
        See `Grant`.
    digest
        Of its secret; see `adjudge.service.access.secret`.
    created_us, rotated_us
        When it was made, and when it got this secret.
    holders
        Everybody who has its secret: the owner, and where it was made over HTTP everybody who had the credential that
        it was made with.
    old_digest, old_until_us, old_holders
        Of the secret before, and how long that one is still good.
    revoked_us
        When it was revoked; None if it was not.
    """

    id: str
    owner: str
    scopes: list[str]
    lifetime_us: int | None
    rate_per_s: int
    digest: str
    created_us: int
    rotated_us: int
    holders: list[str] = []
    old_digest: str = ""
    old_until_us: int = 0
    old_holders: list[str] = []
    revoked_us: int | None = None

    @property
    def until_us(self) -> int:
        """When its secret ends."""
        if self.revoked_us is not None:
            return self.revoked_us
        return NEVER_US if self.lifetime_us is None else self.rotated_us + self.lifetime_us

    def secrets(self) -> Iterator[tuple[str, int, list[str]]]:
        """Yield the digest of each secret with its end and its holders."""
        yield self.digest, self.until_us, self.holders
        if self.old_digest:
            yield self.old_digest, min(self.old_until_us, self.revoked_us or NEVER_US), self.old_holders

    def rotated(self, digest: str, at_us: int, grace_us: int, holders: list[str]) -> Key:
        """Return the key with another secret."""
        return msgspec.structs.replace(
            self,
            digest=digest,
            rotated_us=at_us,
            holders=holders,
            old_digest=self.digest,
            old_until_us=min(self.until_us, at_us + grace_us),
            old_holders=self.holders,
        )


class _Created(msgspec.Struct):
    """What the entry of a new key says."""

    id: str
    digest: str
    grant: Grant
    holders: list[str] | None = None  # in entries from before they were kept


class _Rotated(msgspec.Struct):
    id: str
    digest: str
    grace_us: int
    holders: list[str] | None = None


class _Revoked(msgspec.Struct):
    id: str


class Keys:
    """Every key that was ever made, by id.

    Parameters
    ----------
    keys
        Those of a snapshot.

    Attributes
    ----------
    version
        Grows with every change, so that whoever remembers an answer sees that it is old.

    Examples
    --------
    >>> from adjudge.service.access.ledger import By, MemoryLedger
    >>> keys = Keys()
    >>> ledger = MemoryLedger(lambda: 0, keys)
    >>> made = create(keys, ledger, Grant("shop", ["decide"]), By("ada", "the checkout"))
    >>> keys.check(made.text, now_us=1).who
    'shop'
    """

    def __init__(self, keys: Iterable[Key] = ()) -> None:
        self._keys = {key.id: key for key in keys}
        self.version = 0

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._keys.values())

    def __contains__(self, id_: str) -> bool:
        return id_ in self._keys

    def __getitem__(self, id_: str) -> Key:
        if id_ not in self._keys:
            message = f"there is no key {id_[:40]!r}{did_you_mean(id_[:40], self._keys)}"
            raise NotFoundError(message)
        return self._keys[id_]

    def check(self, text: str, now_us: int) -> Principal | None:
        """Return who a key makes its sender; None if it is no key, ended or revoked.

        Parameters
        ----------
        text
            What was sent.
        now_us
            The time, in microseconds since 1970 UTC.
        """
        parsed = secret.parse(text)
        if parsed is None:
            return None
        key = self._keys.get(parsed[0])
        digest = secret.digest_of(*parsed)
        until, holders = 0, list[str]()
        for known, end, having in NOBODY if key is None else key.secrets():
            if hmac.compare_digest(digest, known):
                until, holders = end, having
        if key is None or now_us >= until:
            return None
        scopes = frozenset(scope for scope in Scope if scope in key.scopes)  # a later version may know more
        return Principal(key.owner, scopes, until, key.id, key.rate_per_s, frozenset(holders))

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == CREATED:
            new = msgspec.convert(act.content, _Created)
            self._keys[new.id] = Key(
                id=new.id,
                digest=new.digest,
                created_us=act.at_us,
                rotated_us=act.at_us,
                holders=[new.grant.owner, act.who] if new.holders is None else new.holders,
                **msgspec.structs.asdict(new.grant),
            )
        elif act.action == ROTATED:
            change = msgspec.convert(act.content, _Rotated)
            key = self._keys[change.id]
            holders = [key.owner, act.who] if change.holders is None else change.holders
            self._keys[key.id] = key.rotated(change.digest, act.at_us, change.grace_us, holders)
        elif act.action == REVOKED:
            key = self._keys[msgspec.convert(act.content, _Revoked).id]
            self._keys[key.id] = msgspec.structs.replace(key, revoked_us=act.at_us)
        else:
            return
        self.version += 1


@dataclass(frozen=True)
class Made:
    """A key with its secret, which is known only now.

    Parameters
    ----------
    key
        As the registry has it.
    text
        What its owner sends; nobody can show it again.
    """

    key: Key
    text: str

    def __repr__(self) -> str:  # so that no log or traceback prints the secret
        return f"Made({self.key.id})"


def create(keys: Keys, ledger: Ledger, grant: Grant, by: By) -> Made:
    """Make a key.

    Parameters
    ----------
    keys
        The registry, which the ledger feeds.
    ledger
        Where it is written.
    grant
        What it is to be.
    by
        Who makes it, and the reason.

    Raises
    ------
    InputError
        If there is something wrong with the grant, or it is not signed.
    """
    grant = checked(grant)
    id_ = secret.new_id()
    text, digest = secret.mint(id_)
    content = {"id": id_, "digest": digest, "grant": msgspec.to_builtins(grant), "holders": _holders(grant.owner, by)}
    ledger.record(CREATED, by.who, by.why, content)
    return Made(keys[id_], text)


def rotate(keys: Keys, ledger: Ledger, id_: str, by: By, *, grace_us: int = GRACE_US) -> Made:
    """Give a key a new secret, whose lifetime begins now; the old one stays good for a while.

    Parameters
    ----------
    keys, ledger, by
        As in `create`.
    id_
        The key.
    grace_us
        How long its present secret stays good, unless it ends before; an older one ends at once.

    Raises
    ------
    NotFoundError
        If there is no such key.
    InputError
        If it was revoked.
    """
    _check_usable(keys[id_])
    _check_span("grace", grace_us, 0)
    text, digest = secret.mint(id_)
    content = {"id": id_, "digest": digest, "grace_us": grace_us, "holders": _holders(keys[id_].owner, by)}
    ledger.record(ROTATED, by.who, by.why, content)
    return Made(keys[id_], text)


def revoke(keys: Keys, ledger: Ledger, id_: str, by: By) -> Key:
    """End a key for good, with all of its secrets, from this moment.

    Parameters
    ----------
    keys, ledger, id_, by
        As in `rotate`.
    """
    _check_usable(keys[id_])
    ledger.record(REVOKED, by.who, by.why, {"id": id_})
    return keys[id_]


def checked(grant: Grant) -> Grant:
    """Return a grant in its canonical form; `InputError` names what is wrong with it."""
    if not grant.owner.strip() or not grant.owner.isprintable() or len(grant.owner) > 200:
        message = "a key needs an owner, in at most 200 readable characters"
        raise InputError(message, field="owner", code="missing_field")
    if grant.lifetime_us is not None:
        _check_span("lifetime", grant.lifetime_us, 1)
    if not 0 <= grant.rate_per_s <= 10_000_000:
        message = "rate_per_s must be between 0, for no limit of its own, and ten million"
        raise InputError(message, field="rate_per_s", code="out_of_range")
    return msgspec.structs.replace(grant, scopes=sorted(scopes_of(grant.scopes)))


def _holders(owner: str, by: By) -> list[str]:
    """Return who has a secret that is made for an owner.

    Whoever makes one over HTTP has seen it. Whoever makes one offline could write anything into the log anyway, and is
    trusted not to.
    """
    return sorted({owner} | by.holders)


def _check_usable(key: Key) -> None:
    if key.revoked_us is not None:
        message = f"key {key.id!r} was revoked; make a new one"
        raise InputError(message, field="id", code="revoked")


def _check_span(name: str, span_us: int, least: int) -> None:
    if not least <= span_us <= MAX_US:
        message = f"a {name} lasts between {least} microseconds and {MAX_US // DAY_US:,} days"
        raise InputError(message, field=name, code="out_of_range")
