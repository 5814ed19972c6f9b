"""A run: table, model, window, bundle, entry. Each step is made once, by whoever comes next if it was cut short."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.define import micros
from adjudge.define.spec import from_spec
from adjudge.engine import Plan, compile
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.errors import BundleError, DefinitionError, InputError, ShapeError
from adjudge.learn import bundle
from adjudge.learn.duel import Duel, Side, Terms, duel
from adjudge.learn.evaluate import DAY_US, Settings
from adjudge.learn.goingon import can_go_on, gone_on
from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT, DUEL, FORMAT, Data, ModelCard, limits_of, markdown, moment
from adjudge.learn.slices import Slicing, slicings
from adjudge.learn.split import Parts
from adjudge.learn.table import Table
from adjudge.learn.train import RULES, Trained, alerts, judge, probabilities, sample, train_on
from adjudge.log import Log
from adjudge.models.scorers import Served
from adjudge.models.served import load, save
from adjudge.service.access.ledger import By
from adjudge.service.activation import SystemActivation
from adjudge.service.bundles import Bundles
from adjudge.service.columns import Entries, active_of, named_system
from adjudge.service.registry.asked import Registration
from adjudge.service.registry.remote import Desk
from adjudge.service.retrain import kept
from adjudge.service.retrain.position import end_of_news, position_at
from adjudge.service.retrain.recipe import Cut, Kind, Recipe, cut
from adjudge.service.retrain.request import DONE, REQUEST, Request, erased_by, taken_up
from adjudge.service.retrain.steps import Steps, alone
from adjudge.service.retrain.table import learnable, logged_table
from adjudge.service.retrain.texts import texts_of
from adjudge.service.retrain.unseen import apart_fact, apart_until, fitted_until, limits_of_seen, supported
from adjudge.typing import AnyArray, FloatArray

SLICED = 12
"""A categorical feature with at most so many values is cut by, where nobody names one."""

Told = Callable[[str, int, int], None]
"""Told what is being done, how far it is, and how far it goes."""


@dataclass(frozen=True)
class Place:
    """Where a workspace is, for whoever retrains in it.

    Parameters
    ----------
    log
        Only read; a service may append to it.
    bundles
        Where bundles are kept, under their content.
    folder
        Where runs have their folders.
    snapshots
        Folder of the log's snapshots.
    """

    log: Log
    bundles: Bundles
    folder: Path
    snapshots: Path | None = None


class Retrained(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run.

    Parameters
    ----------
    system, kind
        Whose, and which.
    run
        Id of the run.
    bundle
        Id of what was registered.
    champion
        Id of what it was held against; empty for rules alone.
    verdict
        See `Duel.verdict`.
    seq
        Position of its entry in the registry.
    duel
        All figures.
    made
        Steps that were made this time; the others had been done by a run that was cut short, or by the same run before.
    """

    system: str
    kind: Kind
    run: str
    bundle: str
    champion: str
    verdict: str
    seq: int
    duel: Duel
    made: list[str] = []


def retrain(
    place: Place,
    system: str | None,
    make: Callable[[int], Recipe],
    desk: Desk,
    by: By,
    *,
    estimator: Any = None,
    trigger: Mapping[str, Any] | None = None,
    told: Told = lambda what, done, of: None,
) -> Retrained:
    """Make a bundle from a log, hold it against what decides, and register it; nothing is activated.

    A run of the same recipe that was cut short is taken up, with the log as it was when that began; not where somebody
    was erased since, or the log has gone on for days.

    Parameters
    ----------
    place
        Where the workspace is.
    system
        Name of the system, where there are several.
    make
        Returns the recipe for a label delay in microseconds.
    desk
        Where it is registered.
    by
        Who wants it, and why.
    estimator
        What a full retrain fits; boosted trees where absent.
    trigger
        What made it due, for the log.
    told
        Told how far it is.

    Raises
    ------
    InputError
        If there is no such system, too little to learn from, or somebody was erased meanwhile.
    ShapeError
        If no fraud of the window is known yet.
    BundleError
        If what was made cannot be written as a bundle.
    DefinitionError
        If the system has no label, or an incremental retrain has nothing to go on from.
    UnavailableError
        If another process is retraining here, or the entry cannot be written now; what was made is kept.
    """
    desk.releases(system)  # whoever may not register anything is told before anything is made
    with alone(place.folder):
        work = _Work.begin(place, system, make, estimator, told)
        done = work.home / DONE
        if done.is_file():
            before = msgspec.json.decode(done.read_bytes(), type=Retrained)
            return msgspec.structs.replace(before, made=[])
        try:
            result = work.run(desk, by, dict(trigger or {}))
        except (InputError, DefinitionError, ShapeError, BundleError):
            shutil.rmtree(work.home, ignore_errors=True)  # it would fail again, and stand in the way of the next
            raise
        done.write_bytes(msgspec.json.encode(result))
        for step in ("table", "model", "window", "bundle"):  # the bundle is kept where bundles are
            shutil.rmtree(work.home / step, ignore_errors=True)
        return result


@dataclass
class _Work:
    """One run."""

    place: Place
    request: Request
    plan: Plan
    champion: bundle.Bundle | None
    entries: Entries
    estimator: Any
    told: Told
    until: int = 0
    seen: int | None = None

    @classmethod
    def begin(
        cls, place: Place, system: str | None, make: Callable[[int], Recipe], estimator: Any, told: Told
    ) -> _Work:
        """Take up a run that was cut short, or begin another."""
        secret = place.bundles.secret
        active, entries = active_of(place.log, secret, place.snapshots)
        name = named_system(active.systems, system)
        one = active.systems[name]
        plan = _plan(one, secret, estimator)
        if plan.system.label is None:
            message = f"system {name!r} has no label, so there is nothing to train for"
            raise DefinitionError(message)
        recipe = make(micros(plan.system.label.delay))
        champion = place.bundles.read(one.bundle) if one.bundle else None
        if recipe.kind == "incremental":
            _check_goes_on(champion, estimator)
        end = end_of_news(place.log)
        request = Request(
            system=name,
            recipe=recipe,
            position=end.position,
            link=end.link.hex(),
            champion=one.bundle,
            definitions=dict(one.card.versions),
            estimator="" if estimator is None else repr(estimator),
            erased=erased_by(place.log),
        )
        return cls(place, taken_up(place.folder, request, place.log), plan, champion, entries, estimator, told)

    @property
    def id(self) -> str:
        """Hash of the request."""
        return hashlib.sha256(msgspec.json.encode(self.request, order="sorted")).hexdigest()[:16]

    @property
    def home(self) -> Path:
        """The run's folder."""
        return self.place.folder / self.id

    def run(self, desk: Desk, by: By, trigger: dict[str, Any]) -> Retrained:
        """Go through all steps; those that are done are not made again."""
        request = msgspec.json.encode(self.request, order="sorted")
        self.home.mkdir(parents=True, exist_ok=True)
        (self.home / REQUEST).write_bytes(request)
        steps = Steps(self.home, request)
        past, facts = kept.read(steps.do("table", self._table))
        self.until = fitted_until(self.champion) or 0
        self.seen = apart_until(self.champion, self.request.recipe.seed)
        made = cut(self.request.recipe, learnable(past), facts.as_of, self.until, self.seen)
        model = steps.do("model", lambda folder: self._model(folder, past, made, facts))
        trained = _read_model(model, made.parts, self.place.bundles.secret)
        window = steps.do("window", lambda folder: self._window(folder, trained, made, facts))
        written = steps.do("bundle", lambda folder: self._bundle(folder, trained, made, window, facts))
        found = self.place.bundles.keep(written / "bundle")
        fought = msgspec.json.decode((window / DUEL).read_bytes(), type=Duel)
        self._nobody_erased()
        self.told("register", 0, 1)
        seq = self._registered(desk, by, found.id, fought, trigger)
        self.told("register", 1, 1)
        return Retrained(
            system=self.request.system,
            kind=self.request.recipe.kind,
            run=self.id,
            bundle=found.id,
            champion=self.request.champion,
            verdict=fought.verdict,
            seq=seq,
            duel=fought,
            made=steps.made,
        )

    def _table(self, folder: Path) -> None:
        recipe, log, stop = self.request.recipe, self.place.log, self.request.position
        start = 0
        if recipe.recent_us:
            newest = next(iter(log.read(stop - 1, stop))).received_at
            back = recipe.recent_us + recipe.window_us + self.plan.lateness_us
            start = position_at(log, newest - back)
        logged = logged_table(
            log, self.plan, self.entries, start=start, stop=stop, told=lambda done, of: self.told("table", done, of)
        )
        texts = texts_of(log, self.plan, self.entries.layouts, start=start, stop=stop)
        kept.write(folder, logged.past, logged.as_of, (logged.stopped, logged.lacking), texts)

    def _model(self, folder: Path, past: Table, made: Cut, facts: kept.Facts) -> None:
        recipe = self.request.recipe
        progress = lambda done, of: self.told("train", done, of)  # noqa: E731
        if recipe.kind == "incremental":
            assert self.champion is not None  # looked at when the run began
            trained = gone_on(
                self.plan,
                self.champion.scorer,
                made.parts,
                until_us=made.until_us,
                rows=recipe.rows,
                trees=recipe.trees,
                seed=recipe.seed,
                progress=progress,
            )
            seen = self.until if self.seen is None else self.seen
            noted = {apart_fact(recipe.seed): datetime.fromtimestamp(seen / 1e6, UTC).isoformat()}
            trained = replace(trained, facts={**trained.facts, **noted})
        else:
            trained = train_on(
                self.plan,
                made.parts,
                past=past,
                gap_us=made.gap_us,
                until_us=made.until_us,
                vocabulary=facts.texts,
                estimator=self.estimator,
                rows=recipe.rows,
                seed=recipe.seed,
                progress=progress,
            )
        save(trained.scorer, folder)
        told = _Told(dict(trained.thresholds), dict(trained.metrics), dict(trained.facts))
        (folder / "trained.json").write_bytes(msgspec.json.encode(told, order="sorted"))

    def _window(self, folder: Path, trained: Trained, made: Cut, facts: kept.Facts) -> None:
        """Judge both on the window."""
        self.told("window", 0, 2)
        recipe, test, policy = self.request.recipe, trained.parts.test, self.plan.policy
        champion = (
            Side.of_rules(test.extra[RULES]) if self.champion is None else Side.of(self.champion.scorer, policy, test)
        )
        label = self.plan.system.label
        terms = Terms(
            policy,
            recipe.queue_per_day,
            recipe.confidence,
            matures_us=0 if label is None else micros(label.delay),
            rounds=recipe.rounds,
            seed=recipe.seed,
            share=made.share,
        )
        names = (self.request.champion, trained.scorer.version)
        fought = duel(test, champion, Side.of(trained.scorer, policy, test), terms, names=names, known_us=facts.as_of)
        fought = supported(fought, fitted_until(self.champion))
        self.told("window", 1, 2)
        judged = judge(self.plan, trained, settings=Settings(rounds=min(recipe.rounds, 100), seed=recipe.seed))
        p = probabilities(trained.scorer, test)
        columns = sliced(self.plan, test, facts.texts, recipe.slices)
        found = slicings(
            test,
            alerts(policy, test, p, trained.thresholds),
            columns,
            rounds=min(recipe.rounds, 100),
            seed=recipe.seed,
        )
        for name, content in ((DUEL, fought), ("evaluation.json", judged), ("slices.json", found)):
            (folder / name).write_bytes(msgspec.json.encode(content))
        self.told("window", 2, 2)

    def _bundle(self, folder: Path, trained: Trained, made: Cut, window: Path, facts: kept.Facts) -> None:
        self.told("bundle", 0, 1)
        card = self._card(trained, made, window, facts)
        papers = {
            CARD_JSON: msgspec.json.encode(card),
            CARD_TEXT: markdown(card).encode(),
            DUEL: (window / DUEL).read_bytes(),
        }
        bundle.write(
            folder / "bundle",
            plan=self.plan,
            scorer=trained.scorer,
            sample=sample(trained.scorer, trained.parts.test),
            created_at=datetime.fromtimestamp(
                facts.as_of / 1e6, UTC
            ),  # of the log, so that the same log gives the same
            thresholds=trained.thresholds,
            metrics=dict(trained.metrics),
            training=dict(trained.facts),
            evaluation=(window / "evaluation.json").read_bytes(),
            papers=papers,
        )
        self.told("bundle", 1, 1)

    def _card(self, trained: Trained, made: Cut, window: Path, facts: kept.Facts) -> ModelCard:
        system, table = self.plan.system, trained.parts
        fought = msgspec.json.decode((window / DUEL).read_bytes(), type=Duel)
        slices = msgspec.json.decode((window / "slices.json").read_bytes(), type=tuple[Slicing, ...])
        parts = [part for part in (table.train, table.validation, table.test) if part is not None and len(part)]
        data = Data(
            first=moment(min(int(part.ts[0]) for part in parts)),
            last=moment(max(int(part.ts[-1]) for part in parts)),
            known_until=moment(facts.as_of),
            events=sum(map(len, parts)),
            frauds=int(sum(part.label.sum() for part in parts)),
            stopped=facts.stopped,
            lacking=facts.lacking,
            sha256=facts.sha256,
        )
        label = system.label
        assert label is not None  # looked at when the run began
        until = fitted_until(self.champion)
        return ModelCard(
            format=FORMAT,
            system=system.name,
            meaning=system.meaning,
            how=self.request.recipe.kind,
            parents=[self.request.champion] if self.request.champion else [],
            data=data,
            training=dict(trained.facts),
            thresholds=dict(trained.thresholds),
            duel=fought,
            slices=slices,
            label=f"{label.name}" + (f" ({label.meaning})" if label.meaning else ""),
            limits=[
                *limits_of(data, fought, slices, self.request.recipe.judged_us / DAY_US),
                *limits_of_seen(table, until, goes_on=self.request.recipe.kind == "incremental", apart=made.apart),
            ],
            unseen=until is not None,
        )

    def _nobody_erased(self) -> None:
        """Refuse to register what was learnt from somebody who was erased while it was made."""
        if erased_by(self.place.log) != self.request.erased:
            message = "somebody was erased while this was made: nothing of it is kept; retrain again"
            raise InputError(message, field="workspace", code="erased")

    def _registered(self, desk: Desk, by: By, id_: str, fought: Duel, trigger: dict[str, Any]) -> int:
        """Write the entry, unless the run was cut short just after it."""
        system = self.request.system
        for one in desk.releases(system).releases:
            if one.id == id_ and one.evidence.get("run") == self.id:
                return one.seq
        evidence = {"run": self.id, "trigger": trigger, **msgspec.to_builtins(fought)}
        asked = Registration(by.why, system, id_, how=self.request.recipe.kind, evidence=evidence)
        return desk.register(asked, by).seq


class _Told(msgspec.Struct, frozen=True):
    """What stands beside a model in a run's folder."""

    thresholds: dict[str, float]
    metrics: dict[str, float | None]
    facts: dict[str, str]


def _read_model(folder: Path, parts: Parts, secret: bytes) -> Trained:
    told = msgspec.json.decode((folder / "trained.json").read_bytes(), type=_Told)
    scorer: Served = load(folder, secret)
    return Trained(scorer, None, told.thresholds, parts, told.metrics, told.facts)


def _plan(active: SystemActivation, secret: bytes, estimator: Any) -> Plan:
    """Compile a system without its model, for an estimator that may ask for more than features."""
    if active.spec is None:
        message = "the log is from before definitions were kept in it"
        raise InputError(message, field="workspace")
    system = replace(from_spec(active.spec), model=estimator)
    return compile(system, secret=secret, thresholds=active.thresholds, lateness=active.lateness)


def _check_goes_on(champion: bundle.Bundle | None, estimator: Any) -> None:
    why = can_go_on(None if champion is None else champion.scorer, estimator)
    if champion is None:
        why = "no bundle decides here yet"
    if why:
        message = f"{why}, so there is nothing to go on from: retrain in full"
        raise DefinitionError(message)


def sliced(plan: Plan, test: Table, texts: Mapping[str, list[str]], wanted: tuple[str, ...]) -> dict[str, AnyArray]:
    """Return the columns by which a window is cut up, texts by name.

    Parameters
    ----------
    plan, test
        The system, and the events of the window.
    texts
        What each categorical feature may hold.
    wanted
        Names of features; every categorical one with few values where none is named.

    Raises
    ------
    InputError
        If there is no such feature.
    """
    secret = plan.stream(plan.decides).encoder.secret
    found: dict[str, AnyArray] = {}
    for name in wanted or tuple(n for n in test.names if n in plan.categorical):
        if name not in test.names:
            message = f"there is no feature {name!r} to cut by"
            raise InputError(message, field="slices", code="unknown_field")
        column: FloatArray = np.ascontiguousarray(test.column(name))
        if name not in plan.categorical:
            found[name] = column
            continue
        hashes = column.view(np.uint64)
        if wanted or len(np.unique(hashes)) <= SLICED:
            named = {hash_text(secret, TEXT_TAG, text): text for text in texts.get(name, ())}
            found[name] = np.array([named.get(one, "") for one in hashes.tolist()], object)
    return found
