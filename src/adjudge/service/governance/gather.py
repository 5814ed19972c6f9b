"""Gathering the facts of a report from an export of the log, which leaves out whom it has to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.define import Costs, System, micros
from adjudge.errors import InputError, did_you_mean
from adjudge.learn.slices import Slicing, slicings
from adjudge.learn.table import NEVER, Table
from adjudge.log import Kind
from adjudge.log.codec import Note
from adjudge.monitor.business import Business, business
from adjudge.monitor.performance import Decided
from adjudge.service.access import approval
from adjudge.service.activation import Activation, SystemActivation
from adjudge.service.export.frame import column_of, decided, notes, retracted, told
from adjudge.service.governance.facts import Act, DataSheet, FieldFacts, Override, Report, Savings, Version
from adjudge.service.governance.incidents import incidents
from adjudge.service.registry import entries
from adjudge.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

APPROVING = (
    *(approval.PROPOSED, approval.APPROVED, approval.REFUSED, approval.USED),
    *(entries.APPROVED, entries.STAGED),
)
"""Actions by which somebody lets something decide."""

MONTH_DAYS = 30.4375

SLICED = 4
"""Fields that are cut up where none is named."""

VALUES = 30
"""Most values of a field that is cut up without being named."""


@dataclass(frozen=True)
class Asked:
    """What a report is about.

    Parameters
    ----------
    first, last
        Days of the events, both included.
    as_of
        Up to when labels and entries are heard, microseconds UTC.
    slices
        Fields to cut the events up by; a few categories where empty.
    set_up, a_month
        What the system has cost to set up, and costs a month to run, in the currency of the policy's costs.
    """

    first: date
    last: date
    as_of: int
    slices: Collection[str] = ()
    set_up: float = 0.0
    a_month: float = 0.0


def gather(folder: Path, system: System, position: int, asked: Asked, card: tuple[dict[str, Any], str]) -> Report:
    """Return the facts of a report.

    Parameters
    ----------
    folder
        What `adjudge.service.export.export` has made.
    system
        The definitions that decide now.
    position
        Where the log ended.
    asked
        What it is about.
    card
        Model card of the bundle that decides, as JSON and in words; empty where it has none.

    Raises
    ------
    InputError
        If the system has decided nothing in the period, or a field to cut by is not there.
    """
    import polars as pl

    frame = decided(folder, system.name, asked.first, asked.last)
    gone = frame["id"].is_in(retracted(folder).implode())
    events, frame = len(frame), frame.filter(~gone)
    said = told(folder).filter(pl.col("received_at").dt.epoch("us") <= asked.as_of)
    said = said.filter(pl.col("id").is_in(frame["id"].implode())).sort("seq")
    noted = notes(folder).filter(pl.col("received_at").dt.epoch("us") <= asked.as_of).sort("seq")
    label = "" if system.label is None else system.label.name
    known = said.filter(pl.col("kind") == "label", pl.col("name") == label).group_by("id", maintain_order=True).last()
    frame = frame.join(
        known.select("id", fraud="value", known_at="received_at"), on="id", how="left", maintain_order="left"
    )
    money = _decided(system, frame, asked.as_of)
    weeks = list(business(money, _costs(system), every_days=7))
    people = [act for act in _acts(noted) if _within(act.at, asked)]
    return Report(
        system=system.name,
        meaning=system.meaning,
        start=datetime(asked.first.year, asked.first.month, asked.first.day, tzinfo=UTC),
        end=datetime(asked.last.year, asked.last.month, asked.last.day, tzinfo=UTC) + timedelta(days=1),
        position=position,
        decisions=len(frame),
        by_action=_counts(frame["decision"]),
        card=card[0],
        card_text=card[1],
        data=_sheet(system, frame, events),
        versions=_versions(system.name, noted, frame),
        overrides=_overrides(system, frame, said),
        judges=dict(Counter(who for who in said["who"].to_list() if who).most_common()),
        slices=_slices(system, frame, money, asked.slices),
        incidents=[one for one in incidents(system.name, frame, noted) if _within(one.end or one.start, asked)],
        approvals=[act for act in people if act.action in APPROVING],
        acts=dict(Counter(act.action for act in people if act.action not in APPROVING).most_common()),
        weeks=weeks,
        savings=_savings(weeks, _costs(system), asked, float((~np.isnan(money.label)).mean()) if len(frame) else 0.0),
        limits=_limits(system, frame, money),
    )


def _within(at: datetime, asked: Asked) -> bool:
    return asked.first <= at.date() <= asked.last


def _counts(column: pl.Series) -> dict[str, int]:
    return dict(Counter(column.drop_nulls().to_list()).most_common())


def _costs(system: System) -> Costs:
    return system.policy.costs or Costs()


def _decided(system: System, frame: pl.DataFrame, as_of: int) -> Decided:
    """Return what was decided, with silence as a good label once it is old enough, except of what was stopped."""
    import polars as pl

    ts = frame["ts"].dt.epoch("us").to_numpy()
    action = frame["decision"].to_list()
    actions = system.policy.actions
    stopped = np.array([one == actions[-1] for one in action], np.bool_)
    alert = np.array([one != actions[0] for one in action], np.bool_)
    label = frame["fraud"].cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
    if system.label is not None:
        label[np.isnan(label) & ~stopped & (ts <= as_of - micros(system.label.delay))] = 0.0
    amount: FloatArray = np.ones(len(frame))
    if system.amount and system.amount in frame.columns:
        amount = frame[system.amount].cast(pl.Float64).fill_null(0.0).fill_nan(0.0).to_numpy()
    return Decided(
        ts, frame["probability"].cast(pl.Float64).fill_null(np.nan).to_numpy(), alert, label, amount, stopped
    )


def _savings(weeks: list[Business], costs: Costs, asked: Asked, known: float) -> Savings:
    months = ((asked.last - asked.first).days + 1) / MONTH_DAYS
    prevented, lost = sum(one.prevented for one in weeks), sum(one.loss for one in weeks)
    declines, reviews = sum(one.false_decline_cost for one in weeks), sum(one.review_cost for one in weeks)
    running = asked.a_month * months
    net = prevented - declines - reviews - running
    return Savings(
        currency_costs=msgspec.to_builtins(costs),
        prevented=prevented,
        lost=lost,
        false_declines=declines,
        reviews=reviews,
        running=running,
        net=net,
        set_up=asked.set_up,
        pay_back_months=asked.set_up / (net / months) if net > 0 else None,
        known=known,
    )


def _sheet(system: System, frame: pl.DataFrame, events: int) -> DataSheet:
    schema = system.decides.schema()
    fields = []
    for f in schema:
        personal = f.name in schema.personal_fields
        column = column_of(frame, f.name) or (f"{f.name}_lat" if f"{f.name}_lat" in frame.columns else None)
        missing = None if personal or column is None or not len(frame) else frame[column].null_count() / len(frame)
        fields.append(FieldFacts(name=f.name, role=f.role, meaning=f.meaning, personal=personal, missing=missing))
    heard = frame.filter(frame["fraud"].is_not_null())
    wait = (heard["known_at"] - heard["ts"]).dt.total_seconds().to_numpy() / 86_400
    days = {"median": float(np.median(wait)), "nine in ten": float(np.quantile(wait, 0.9))} if len(wait) else {}
    return DataSheet(
        stream=schema.name,
        meaning=(system.decides.__doc__ or "").strip().split("\n")[0],
        events=events,
        retracted=events - len(frame),
        fields=fields,
        label="" if system.label is None else system.label.meaning or system.label.name,
        labelled=len(heard),
        positive=int(heard["fraud"].sum()),
        delay_days=days,
        lists={name: len(values) for name, values in {**system.lists, **system.rules.lists}.items()},
    )


def _versions(system: str, noted: pl.DataFrame, frame: pl.DataFrame) -> list[Version]:
    """Return what has decided something in the period, in order."""
    import polars as pl

    made: list[tuple[int, datetime, str, str, SystemActivation]] = []
    for seq, at, who, why, content in _noted(noted, "activation"):
        active = Activation.read(Note(Kind.ACTIVATION, content.encode())).systems.get(system)
        if active is not None and (not made or made[-1][4].card != active.card or made[-1][4].bundle != active.bundle):
            made.append((seq, at, who, why, active))
    starts = np.array([one[0] for one in made], np.int64)
    owner = np.searchsorted(starts, frame["seq"].to_numpy(), side="right") - 1
    found = []
    for i, (seq, at, who, why, active) in enumerate(made):
        rows = frame.filter(pl.Series(owner == i))
        if len(rows):
            found.append(
                Version(
                    seq=seq,
                    since=at,
                    who=who,
                    why=why,
                    versions=active.card.versions,
                    bundle=active.bundle,
                    decisions=len(rows),
                    by_action=_counts(rows["decision"]),
                    degraded=int(rows["degraded"].fill_null(False).sum()),
                )
            )
    return found


def _noted(noted: pl.DataFrame, kind: str) -> Iterator[tuple[int, datetime, str, str, str]]:
    import polars as pl

    rows = noted.filter(pl.col("kind") == kind).select("seq", "received_at", "who", "why", "content")
    for seq, at, who, why, content in rows.iter_rows():
        yield seq, at, who or "", why or "", content


def _acts(noted: pl.DataFrame) -> list[Act]:
    found = []
    for seq, at, who, why, content in _noted(noted, "management"):
        said: Mapping[str, Any] = msgspec.json.decode(content)
        found.append(Act(seq=seq, at=at, action=str(said.get("action", "")), who=who, why=why))
    return found


def _overrides(system: System, frame: pl.DataFrame, said: pl.DataFrame) -> list[Override]:
    """Return what was told of decisions, by action: the last answer of each label and outcome counts."""
    import polars as pl

    label = "" if system.label is None else system.label.name
    last = said.group_by("id", "name", maintain_order=True).last()
    words = pl.when(pl.col("value")).then(pl.lit("fraud")).otherwise(pl.lit("honest"))
    verdicts = last.with_columns(
        answer=pl.when(pl.col("name") == label)
        .then(words)
        .when(pl.col("text").fill_null("") != "")
        .then(pl.concat_str("name", pl.lit(": "), "text"))
        .otherwise(pl.concat_str("name", pl.lit(": "), pl.col("value").cast(pl.String)))
    )
    joined = frame.select("id", "decision").join(verdicts.select("id", "name", "answer"), on="id", how="inner")
    found = []
    for place, action in enumerate(system.policy.actions):
        rows = joined.filter(pl.col("decision") == action)
        against = rows.filter(pl.col("name") == label, pl.col("answer") == ("honest" if place else "fraud"))
        found.append(
            Override(
                action=action,
                decisions=int((frame["decision"] == action).sum()),
                said=_counts(rows["answer"]),
                against=len(against),
            )
        )
    return found


def _slices(system: System, frame: pl.DataFrame, money: Decided, asked: Collection[str]) -> tuple[Slicing, ...]:
    schema = system.decides.schema()
    known = [f.name for f in schema if column_of(frame, f.name) and f.name not in schema.personal_fields]
    for name in asked:
        if name not in known:
            message = f"{name[:40]!r} is no field that events can be cut up by{did_you_mean(name[:40], known)}"
            raise InputError(message, field="slice", code="unknown_field")
    categories = [f.name for f in schema if f.role == "category" and f.name in known]
    usual = [name for name in categories if 1 < frame[column_of(frame, name)].n_unique() <= VALUES][:SLICED]
    mature: BoolArray = ~np.isnan(money.label)
    if not mature.any():
        return ()
    rows = np.flatnonzero(mature)
    rows = rows[np.argsort(money.ts[rows], kind="stable")]
    card = system.card if system.card in frame.columns else None
    entity = frame[card].rank("dense").fill_null(0).to_numpy() if card else np.arange(len(frame))
    entity = np.where(entity > 0, entity, len(frame) + np.arange(len(frame))) if card else entity
    table = Table(
        names=(),
        X=np.empty((0, len(rows))),
        ts=money.ts[rows],
        label=money.label[rows],
        known_at=np.full(len(rows), NEVER),
        amount=money.amount[rows],
        entity=entity[rows],
    )
    columns = {name: _column(frame[column_of(frame, name)])[rows] for name in asked or usual}
    return slicings(table, money.alert[rows], columns) if columns else ()


def _column(column: pl.Series) -> Any:
    import polars as pl

    if column.dtype.is_numeric():
        return column.cast(pl.Float64).fill_null(np.nan).to_numpy()
    return column.cast(pl.String).fill_null("missing").to_numpy().astype(object)


def _limits(system: System, frame: pl.DataFrame, money: Decided) -> list[str]:
    """Return what should be known before relying on the figures."""
    said = ["What was stopped has no label unless somebody looked: its loss is reckoned with the model's probability."]
    unknown = float(np.isnan(money.label).mean()) if len(frame) else 0.0
    if unknown > 0:
        said.append(
            f"The label of {unknown:.1%} of the decisions is not known yet, so later reports may say otherwise."
        )
    if system.policy.costs is None:
        said.append("The policy states no costs, so the usual ones are reckoned with.")
    if np.isnan(money.p).all():
        said.append("There is no model, so nothing stands in for labels that are not known.")
    return said
