"""Explaining: one earlier decision with everything that it was made from, read from the log and from nothing else.

The log is folded up to the event, so the histories are as they were; then the event is asked about once more, and
whatever comes out is held against what was recorded.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.define import Entity, WindowFeature
from adjudge.engine.batch import Batch
from adjudge.engine.decision import Decisions
from adjudge.engine.layers import Guard, Guarded, Replayed
from adjudge.engine.plan import Plan
from adjudge.errors import NotFoundError
from adjudge.history.histories import Row
from adjudge.log import Log
from adjudge.log.codec import Events
from adjudge.log.scan import scan
from adjudge.models.scorers import ModelScorer
from adjudge.models.stacked import StackScorer, sets_of
from adjudge.service.activation import secret_of
from adjudge.service.bundles import Bundles
from adjudge.service.card import Card
from adjudge.service.follow import Follower, Told, active_at, nobody, quiet, state_at
from adjudge.service.personal.erased import erased_error
from adjudge.service.personal.keys import Keys
from adjudge.service.record import Recorded
from adjudge.service.rekey.moved import plans_at
from adjudge.service.resolver import NotRestoredError, Resolver, plain
from adjudge.service.watches import failed
from adjudge.service.workspace import Running, Workspace
from adjudge.typing import FloatArray


class Seen(msgspec.Struct, frozen=True):
    """One earlier event, or several that were merged, as the histories held it.

    Parameters
    ----------
    seq
        Position in the log of the event, or of the newest of those that were merged.
    ts
        Its time, in microseconds since 1970 UTC.
    events
        How many events it stands for.
    """

    seq: int
    ts: int
    events: int


class EntityRows(msgspec.Struct, frozen=True):
    """What was known about one entity of the event.

    Parameters
    ----------
    entity, stream
        Such as ``user`` and the stream of its rows.
    rows
        Its rows, oldest first.
    """

    entity: str
    stream: str
    rows: list[Seen]


class FeatureMade(msgspec.Struct, frozen=True):
    """One feature and what it was made of.

    Parameters
    ----------
    name, value
        The feature; None where missing.
    meaning
        How it is computed: the aggregation, or the expression.
    entity
        Whose rows it was made from; empty for what is computed from other features.
    rows
        Positions of the rows in its window.
    """

    name: str
    value: float | None
    meaning: str
    entity: str = ""
    rows: list[int] = []


class Explanation(msgspec.Struct, frozen=True):
    """One decision and everything behind it.

    Parameters
    ----------
    answer
        The decision as it was answered.
    words
        Its reasons in sentences.
    event
        The event, by field.
    received_at
        When it was admitted, in microseconds since 1970 UTC.
    features
        The features that it was made from.
    entities
        The rows that the features were made from.
    contributions
        What each input of the model added to its margin, in log-odds, the largest first; empty where no model took
        part.
    bias
        What the margin is without any.
    labels
        Labels and outcomes since.
    retracted
        Whether the event was taken back since.
    same_versions
        Whether the versions that decided are at hand or could be made again; only then is anything computed again.
    agrees
        Whether computing it again gave the same bits; None if what decided, or its secret, is not at hand.
    again
        The second decision, where the first lacked a part of the system and was made again.
    interval
        Between which two probabilities the event's lies, where the calibration says so; see `VennAbers`.
    """

    answer: msgspec.Raw
    words: list[str]
    event: dict[str, Any]
    received_at: int
    features: list[FeatureMade]
    entities: list[EntityRows]
    contributions: dict[str, float]
    bias: float
    labels: dict[str, bool | str]
    retracted: bool
    same_versions: bool
    agrees: bool | None
    again: msgspec.Raw | None = None
    interval: tuple[float, float] | None = None


def explain(
    plans: Sequence[Plan],
    log: Log,
    id_: str,
    *,
    system: str | None = None,
    snapshots: Path | None = None,
    keys: Keys | None = None,
    bundles: Bundles | None = None,
    earlier: Mapping[str, Sequence[Plan]] | None = None,
    told: Told = nobody,
) -> Explanation:
    """Return everything that is known about an earlier decision.

    Parameters
    ----------
    plans
        The systems.
    log
        Where the decision is.
    id_
        The event's id.
    system
        The system that decided; None for the only one.
    snapshots
        Folder of the log's snapshots.
    keys
        The keys of persons, where a stream has personal fields.
    bundles
        Where the models of earlier versions are.
    earlier
        The systems compiled with the secrets of before each rekey, by fingerprint.
    told
        Is told how far folding the log has come.

    Raises
    ------
    NotFoundError
        If there is no decision for that id.
    ErasedError
        If the person whom it is about was erased: then nothing is computed again, here as in a replay.
    """
    resolver = Resolver(plans, bundles)
    now = Follower(resolver.plans_of(active_at(log, snapshots, len(log))), log, snapshots, say=quiet, keys=keys)
    now.catch_up(told)
    running = now.workspace.system(system)
    position = _position(now, running, id_)
    first, block = now.workspace.lookup.block(position)
    recorded = now.workspace.made_of(first, block, []).get(running.name) if isinstance(block, Events) else None
    if recorded is None or not isinstance(block, Events):
        message = f"the event was imported, and never decided by system {running.name!r}"
        raise NotFoundError(message)
    at = position - first
    read = now.workspace.vault.read(block.stream, id_, block.bodies[at])
    if read.erased:
        raise erased_error()
    event = msgspec.json.decode(read.body)
    one = Recorded(recorded.card, [id_], [position], recorded.records[at : at + 1], recorded.features[:, at : at + 1])
    hand = plans_at(position, plans, earlier or {}, log)
    resolver = Resolver(hand or plans, None if bundles is None else bundles.under(secret_of(hand or plans)))
    past = state_at(_plans_then(now.workspace, resolver, one.card), log, position, snapshots=snapshots, keys=keys)
    then = past.system(running.name)
    same = plain(one.card) == then.card
    log_failure = functools.partial(failed, running.name)
    guard = Replayed(one.records["layers"].T, log_failure) if same else Guarded(log_failure)
    fields = past.fields_at(block.stream, [position])
    batch, decisions = _asked_again(then, fields, position, guard)
    again = then.recorder.record(decisions, one.records["latency_ms"].tolist(), [position])
    contributions, bias = _contributions(then.plan, decisions) if same else ({}, 0.0)
    rows, second = _rows(then, batch), running.degraded.second(position)
    return Explanation(
        answer=msgspec.Raw(one.answers[0]),
        words=one.card.words(one.records, one.features[:, 0], event),
        event=event,
        received_at=now.workspace.lookup.received_at(position),
        features=_features(then.plan, one, rows, int(batch.ts[0])),
        entities=[EntityRows("~".join((e.name, *e.link)), e.schema.name, seen) for e, seen in rows.items()],
        contributions=contributions,
        bias=bias,
        labels=running.said_of(position),
        retracted=now.workspace.is_retracted(running.plan.decides, id_),
        same_versions=same,
        agrees=_equal(past.made_of(first, block, [])[running.name].one(at), again) if same and hand else None,
        again=None if second is None else msgspec.Raw(now.workspace.second(second).answers[0]),
        interval=_interval(then.plan, decisions) if same else None,
    )


def _plans_then(workspace: Workspace, resolver: Resolver, card: Card) -> list[Plan]:
    """Return the plans to ask about a decision: the one that made it, or the one at hand if it cannot be restored."""
    active = workspace.active.get(card.system)
    try:
        if active is None or active.card != card:
            active = workspace.activation_of(card)
        return [resolver.plan(active)]
    except (NotRestoredError, NotFoundError):
        return [resolver.plans[card.system]]


def _position(now: Follower, running: Running, id_: str) -> int:
    """Return where the event with an id is; one that the state has forgotten is looked for in the log."""
    log, stream, name = now.log, running.plan.decides, id_.encode()
    position, begin = now.workspace.ids[stream].get(id_), log.begin().position
    if position is not None and position < begin:
        message = f"the event is at position {position:,}, which was archived: say where the archive is (--archive)"
        raise NotFoundError(message)
    if position is not None:
        return position
    for stretch in scan(log, parts=()):
        block = stretch.block
        if isinstance(block, Events) and block.stream == stream and name in block.ids.run and name in block.ids.all():
            return stretch.first + block.ids.all().index(name)
    message = f"there is no decision of system {running.name!r} for this id"
    if begin:
        message += f"; what came before position {begin:,} was archived, and is looked at with --archive"
    raise NotFoundError(message)


def _asked_again(then: Running, fields: FloatArray, position: int, guard: Guard) -> tuple[Batch, Decisions]:
    """Return an event and what is decided about it now, in the state of then."""
    plan = then.plan
    batch = plan.encode_fields(plan.decides, fields, np.array([position]), [""])
    decisions = plan.step(then.state, batch, append=False, guard=guard)
    assert decisions is not None  # the decided stream is always decided
    return batch, decisions


def _rows(then: Running, batch: Batch) -> dict[Entity, list[Seen]]:
    """For each entity of the event its rows up to the event's own time."""
    found: dict[Entity, list[Seen]] = {}
    for history, kept in zip(then.plan.histories, then.state.histories, strict=True):
        key = int(batch.keys[history.key[batch.stream], 0])
        rows: list[Row] = kept.rows(key) if key else []
        seen = [Seen(row.seq, row.ts, row.events) for row in rows if row.ts <= int(batch.ts[0])]
        found[history.entity] = seen
    return found


def _features(plan: Plan, one: Recorded, rows: dict[Entity, list[Seen]], ts: int) -> list[FeatureMade]:
    values = one.card.named(one.features[:, 0])
    made = []
    for name, value in values.items():
        feature = plan.features.get(name)
        if isinstance(feature, WindowFeature):
            seen = rows.get(feature.entity.history, [])
            window = None if feature.window is None else int(feature.window.total_seconds() * 1e6)
            inside = [s.seq for s in seen if window is None or ts - window < s.ts]
            made.append(FeatureMade(name, value, feature.meaning or feature.aggregation, feature.entity.name, inside))
        else:
            expression = getattr(feature, "expression", "")
            made.append(FeatureMade(name, value, expression or "field of the event or of a profile"))
    return made


def _contributions(plan: Plan, decisions: Decisions) -> tuple[dict[str, float], float]:
    """Return what each input added to the margin, the largest first, and the margin without any."""
    scorer = plan.scorer
    if isinstance(scorer, StackScorer):
        there = int(sets_of(decisions.layers)[0])
        if not there:
            return {}, 0.0
        values, bias = scorer.contributions_with(decisions.X, plan.scorer_rows, there)
    else:
        tell = getattr(scorer, "contributions", None)
        if scorer is None or tell is None or decisions.degraded(0):
            return {}, 0.0
        values, bias = tell(decisions.X, plan.scorer_rows)
    named = dict(zip(scorer.names, values[0].tolist(), strict=True))
    return dict(sorted(named.items(), key=lambda item: -abs(item[1]))), float(bias)


def _interval(plan: Plan, decisions: Decisions) -> tuple[float, float] | None:
    """Return between which probabilities the event's lies, None where the calibration gives no interval."""
    scorer, X, rows, found = plan.scorer, decisions.X, plan.scorer_rows, None
    if isinstance(scorer, StackScorer):
        there = int(sets_of(decisions.layers)[0])
        found = scorer.interval(scorer.margin_with(X, rows, there), there) if there else None
    elif isinstance(scorer, ModelScorer) and not decisions.degraded(0):
        found = scorer.interval(scorer.score(X, rows).margin)
    return None if found is None else (float(found[0][0]), float(found[1][0]))


def _equal(then: Recorded, now: Recorded) -> bool:
    return then.records.tobytes() == now.records.tobytes() and then.features.tobytes() == now.features.tobytes()
