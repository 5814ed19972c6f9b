"""Activations: entries that say which versions of which systems decide from here on, and how to read what follows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import msgspec
import numpy as np

from adjudge.define import Schema, micros
from adjudge.engine.compile import LATENESS
from adjudge.engine.encode import Encoder
from adjudge.errors import DefinitionError
from adjudge.log import Kind
from adjudge.log.codec import CodecError, Note
from adjudge.service.card import Card
from adjudge.service.challengers.terms import Terms
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    from adjudge.engine.plan import Plan


class FieldLayout(msgspec.Struct, frozen=True):
    """Where the fields of one version of a stream stand in logged events.

    Parameters
    ----------
    digest
        Digest of the schema.
    fields
        Name, role and number of rows of each field, in the order of their rows.
    """

    digest: str
    fields: list[tuple[str, str, int]]

    @classmethod
    def of(cls, schema: Schema) -> FieldLayout:
        """Return the layout of a schema."""
        return cls(schema.digest, [(f.name, f.role, f.slots) for f in schema])


class SystemActivation(msgspec.Struct, frozen=True, omit_defaults=True):
    """One system as it decides from here on: everything that it takes to decide as it does.

    Parameters
    ----------
    card
        How to read its decisions.
    spec
        The system as plain JSON; None in logs from before specs were kept.
    bundle
        Id of the bundle with its model; empty if its model is in no bundle, or it has none.
    thresholds
        Value strictly above which each action is taken, as training found them.
    lateness_us
        How late an event may be.
    given
        Short hash of each part of the system that the last start was given; see `adjudge.service.versions.given`.
    """

    card: Card
    spec: dict[str, Any] | None = None
    bundle: str = ""
    thresholds: dict[str, float] = {}
    lateness_us: int = micros(LATENESS)
    given: dict[str, str] = {}

    @classmethod
    def of(cls, plan: Plan, given: Mapping[str, str] | None = None, variant: str = "") -> SystemActivation:
        """Return the activation of one compiled system; `DefinitionError` if it cannot be written down."""
        spec, thresholds = plan.system.spec, dict(plan.thresholds)
        return cls(Card.of(plan, variant), spec, plan.bundle, thresholds, plan.lateness_us, dict(given or {}))

    @property
    def lateness(self) -> timedelta:
        """How late an event may be."""
        return timedelta(microseconds=self.lateness_us)


class Seat(msgspec.Struct, frozen=True, omit_defaults=True):
    """A challenger that runs beside what decides in its system.

    Parameters
    ----------
    name
        Its name.
    active
        The whole version that it is; the card names it as a variant.
    revision
        What is different about it, against whoever decides: plain JSON, as it was asked for.
    share
        Share of the events that it decides, in [0, 1]; 0 decides without effect.
    by
        Entity whose key says which share an event is in; empty for the event itself.
    since
        Position since which this very pair of champion and challenger runs in this way; what lists hold makes no other.
        None in the activation that begins it.
    release
        Id of the release that it is; empty where it is registered nowhere.
    terms
        How it is held against the champion.
    back
        Whether it is who decided before the last promotion, and decides again where a guard trips.
    """

    name: str
    active: SystemActivation
    revision: dict[str, Any]
    share: float = 0.0
    by: str = ""
    since: int | None = None
    release: str = ""
    terms: Terms = Terms()
    back: bool = False

    @property
    def system(self) -> str:
        """The system that it challenges."""
        return self.active.card.system

    @property
    def stage(self) -> Literal["shadow", "share"]:
        """``share`` if it decides some events, ``shadow`` if it decides without effect."""
        return "share" if self.share > 0 else "shadow"

    def at(self, position: int) -> Seat:
        """Return the seat as it is once its activation stands at a position."""
        return self if self.since is not None else msgspec.structs.replace(self, since=position)


class Activation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The systems that decide from here on.

    Parameters
    ----------
    systems
        Each by its name.
    streams
        How the fields of each stream's events are kept, by stream.
    secret
        Fingerprint of the workspace's secret: keys and ids that were hashed with another one are of no use.
    challengers
        What runs beside them.
    """

    systems: dict[str, SystemActivation]
    streams: dict[str, FieldLayout]
    secret: str = ""
    challengers: list[Seat] = []

    @property
    def cards(self) -> dict[str, Card]:
        """How to read what systems and challengers decide, by digest."""
        found = [*self.systems.values(), *(seat.active for seat in self.challengers)]
        return {one.card.digest: one.card for one in found}

    @classmethod
    def of(
        cls,
        plans: Sequence[Plan],
        given: Mapping[str, Mapping[str, str]] | None = None,
        challengers: Sequence[Seat] = (),
    ) -> Activation:
        """Return the activation of some plans.

        Parameters
        ----------
        plans
            The compiled systems.
        given
            By system what the last start was given of it.
        challengers
            What runs beside them.
        """
        given = given or {}
        schemas = {s.schema.name: s.schema for plan in plans for s in plan.streams.values()}
        return cls(
            {plan.system.name: SystemActivation.of(plan, given.get(plan.system.name)) for plan in plans},
            {name: FieldLayout.of(schema) for name, schema in schemas.items()},
            fingerprint(secret_of(plans)),
            list(challengers),
        )

    def note(self, who: str = "", why: str = "") -> Note:
        """Return the entry of the log."""
        return Note(Kind.ACTIVATION, msgspec.json.encode(self), who, why)

    @classmethod
    def read(cls, note: Note) -> Activation:
        """Return what `note` wrote."""
        try:
            return msgspec.json.decode(note.content, type=cls)
        except msgspec.DecodeError as error:
            message = f"an activation cannot be read: {error}"
            raise CodecError(message) from None


def wrong_secret(needed: str, given: str) -> DefinitionError:
    """Return the error of a log that is hashed with another secret than the one given; both by their fingerprints."""
    message = "the log was made with another secret than the one given (ADJUDGE_SECRET): "
    return DefinitionError(message + f"it needs the one whose fingerprint is {needed}, not {given}")


def earlier_secret(needed: str, first: int, stop: int) -> DefinitionError:
    """Return the error of entries that only the secret of before a rekey can decide again."""
    message = (
        f"positions {first} to {stop - 1} were hashed with an earlier secret, the one whose fingerprint is {needed}"
    )
    return DefinitionError(f"{message}: give it with ADJUDGE_EARLIER_SECRETS")


def secret_of(plans: Iterable[Plan]) -> bytes:
    """Return the secret of the workspace that some plans were compiled for."""
    return next(stream.encoder.secret for plan in plans for stream in plan.streams.values())


def fingerprint(secret: bytes) -> str:
    """Return what tells one secret from another without giving it away."""
    return hashlib.sha256(b"adjudge fingerprint" + secret).hexdigest()[:16]


def rows_from(fields: FloatArray, then: FieldLayout, now: Schema) -> FloatArray:
    """Return fields that were logged under an earlier schema in the rows of the present one.

    Fields that the earlier schema had not are missing; fields that the present one has not are left out.

    Parameters
    ----------
    fields
        Rows as they were logged.
    then
        Their layout.
    now
        The schema as it is now.
    """
    starts, at = {}, 0
    for name, role, slots in then.fields:
        starts[name] = at, role, slots
        at += slots
    encoder = Encoder(now, bytes(16))
    out = np.full((encoder.width, fields.shape[1]), np.nan)
    for f in now:
        row = encoder.row[f.name]
        first, _, slots = starts.get(f.name, (0, "", 0))
        if slots == f.slots:
            out[row : row + f.slots] = fields[first : first + f.slots]
        elif f.is_text:
            out.view(np.uint64)[row] = 0
    return out
