"""The learning loop on a simulated half year: a fraud pattern begins in month four, and the same payments come twice.

Once nothing is learnt after month three. Once the loop runs: on a schedule a bundle is made from the log by what
`adjudge retrain` runs, held against the one that decides on payments that neither was fitted on, and put in force if it
is better. Labels come when the simulator's victims report. Both are given the same number of alerts a day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec
import numpy as np

from adjudge.define import Policy, Rules, System
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import InputError, ShapeError
from adjudge.learn.evaluate import DAY_US
from adjudge.learn.goingon import held_out
from adjudge.learn.source import Source
from adjudge.learn.split import Parts
from adjudge.learn.table import Table
from adjudge.learn.train import probabilities, train_on
from adjudge.models import Trees
from adjudge.service.access.ledger import By
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.site import LiveSite
from adjudge.service.columns import active_of
from adjudge.service.decider import Decider
from adjudge.service.registry.asked import Assent
from adjudge.service.registry.desk import ReleaseDesk
from adjudge.service.registry.entries import ENVIRONMENTS
from adjudge.service.registry.promote import GOOD
from adjudge.service.resolver import Resolver
from adjudge.service.retrain.recipe import Kind, Recipe, recipe_of
from adjudge.service.retrain.run import Place, Retrained, retrain
from adjudge.service.retrain.table import Logged, logged_table
from adjudge.service.retrain.texts import texts_of
from adjudge.service.versions.desk import LiveDesk
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import payments
from adjudge.systems.payments.past import SLOT_US, Clock, Past
from adjudge.systems.payments.simulate import SHARES, World, simulate
from adjudge.typing import BoolArray, FloatArray, IntArray

Told = Callable[[str], None]

WHO, ENVIRONMENT = "loop", ENVIRONMENTS[0]

SECOND = "desk"
"""Who approves what is better by young labels: a person would, who sees the card."""

BEFORE = {
    name: SHARES[name]
    for name in SHARES
    if name in ("card_testing", "device_farm", "hot_spot", "compromised_merchant", "colluding_merchant", "quiet")
}
"""What there is from the first day on: frauds at a distance, none of which teaches what a copied card looks like."""


@dataclass(frozen=True)
class Setting:
    """What is simulated, and how the loop is run.

    Parameters
    ----------
    events, days, seed, fraud_share
        Of the simulator.
    pattern, begins, weight
        The new pattern, the day on which it begins, and its weight among all frauds.
    first
        Day on which the first bundle is made, in full, from what was logged by then.
    every
        Days between two incremental retrains, from `begins` on.
    full_every
        Days between two full ones.
    alerts
        Alerts a day as a share of the payments of that day, for everybody.
    within
        Days after the first label of the pattern within which its recall is to recover.
    watched
        Days after that in which recall is counted.
    recovered, least
        Share of the eventual level that is asked for, and how high that level has to be itself.
    rounds
        Resamples of each comparison.
    trees
        Trees of a full training.
    """

    events: int = 250_000
    days: int = 183
    seed: int = 11
    fraud_share: float = 0.02
    pattern: str = "impossible_travel"
    begins: float = 91.0
    weight: float = 0.5
    first: float = 84.0
    every: float = 2.0
    full_every: float = 61.0
    alerts: float = 0.025
    within: float = 14.0
    watched: float = 14.0
    recovered: float = 0.8
    least: float = 0.5
    rounds: int = 60
    trees: int = 200

    def system(self, source: Source) -> System:
        """Return the payments system as it is used here: no rules, and nobody is stopped, so that every label comes."""
        policy = Policy(actions=("approve", "review"), thresholds={"review": 0.5}, review=("review",))
        return replace(payments(lists=source.lists, rules=Rules(), policy=policy), model=self.model)

    @property
    def model(self) -> Trees:
        """What a full training fits."""
        return Trees("lightgbm", n_trees=self.trees, depth=5, columns=0.3, min_rows=30, l2=5.0, threads=1)

    def world(self) -> World:
        """Return what is simulated."""
        weights = {**BEFORE, self.pattern: self.weight}
        return simulate(
            self.events,
            days=self.days,
            seed=self.seed,
            fraud_share=self.fraud_share,
            patterns=weights,
            begins={self.pattern: self.begins},
        )

    def recipe(self, kind: Kind) -> Callable[[int], Recipe]:
        """Return how a bundle is made: as usual, but for the size."""
        queue = self.alerts * self.events / self.days

        def make(delay_us: int) -> Recipe:
            return msgspec.structs.replace(recipe_of(kind, delay_us), queue_per_day=queue, rounds=self.rounds)

        return make


@dataclass
class Life:
    """One of the two lives of the past.

    Parameters
    ----------
    setting, past, folder, told
        What is simulated, what comes in, where bundles go, and who is told.
    loop
        Whether the loop runs once the pattern has begun.
    """

    setting: Setting
    past: Past
    folder: Path
    told: Told
    loop: bool
    made: list[tuple[float, Retrained, bool]] = field(default_factory=list)

    def live(self) -> Life:
        """Let the whole past come in, with retrains on their days."""
        setting, self.clock = self.setting, Clock()
        bundles = Bundles(self.folder / "bundles", SECRET, self.folder)
        plan = compile(setting.system(self.past.source), secret=SECRET)
        self.decider = Decider([plan], clock=self.clock, resolver=Resolver([plan], bundles))
        self.place = Place(self.decider.log, bundles, self.folder / "retrain")
        self.releases = ReleaseDesk(LiveSite(self.decider, LiveDesk(self.decider, background=False)))
        self.start_us = self.past.hours[0] // 24 * 24 * SLOT_US
        due = self._due()
        for hour in self.past.hours:
            day = (hour * SLOT_US - self.start_us) / DAY_US
            while due and due[0][0] <= day:
                self._retrain(*due.pop(0))
            self._hour(hour)
        return self

    def _due(self) -> list[tuple[float, Kind]]:
        """Return the days of retrains; where two fall on one day the full one counts."""
        setting = self.setting
        fulls = {setting.first}
        if not self.loop:
            return [(setting.first, "full")]
        fulls |= {float(d) for d in np.arange(setting.first + setting.full_every, setting.days, setting.full_every)}
        more = {float(d) for d in np.arange(setting.begins, setting.days, setting.every)} - fulls
        days: list[tuple[float, Kind]] = [(day, "full") for day in fulls]
        return sorted([*days, *((day, "incremental") for day in more)])

    def _hour(self, hour: int) -> None:
        decider = self.decider
        self.clock.now_us = (hour + 1) * SLOT_US
        known = self.past.changes.get(hour, ())
        for stream, by_hour in self.past.events.items():
            if hour in by_hour:
                decider.decide(stream, by_hour[hour])
        if known:
            for result in decider.change(known):
                if isinstance(result, InputError):
                    raise result

    def _retrain(self, day: float, kind: Kind) -> None:
        setting = self.setting
        trigger = {"schedule": kind, "day": day}
        by = By(WHO, f"{kind} on schedule")
        try:
            made = retrain(
                self.place, None, setting.recipe(kind), self.releases, by, estimator=setting.model, trigger=trigger
            )
        except (InputError, ShapeError) as error:  # such as a window of which no fraud is known yet
            self.told(f"day {day:.0f}: {kind}: {error}")
            return
        good = made.verdict in GOOD or made.verdict == "early"
        if made.verdict == "early":  # by labels that may still come: a person approves all of those here
            words = "better by what is known so far"
            self.releases.approve(made.bundle, Assent(words, ENVIRONMENT), By(SECOND, words))
        if good:
            words = f"its evidence says {made.verdict}"
            self.releases.promote(made.bundle, Assent(words, ENVIRONMENT), By(WHO, words))
        self.made.append((day, made, good))
        ap = made.duel.figures["average_precision"]
        self.told(
            f"day {day:.0f}: {kind}, {made.verdict} ({ap.champion.value or 0:.3f} to {ap.challenger.value or 0:.3f})"
        )

    def logged(self) -> tuple[Logged, FloatArray]:
        """Return what the log has of every payment, and the probability it was decided with."""
        _, entries = active_of(self.decider.log, SECRET, None)
        plan = self.plan
        logged = logged_table(self.decider.log, plan, entries)
        from adjudge.service.columns import logged_past

        past = logged_past(self.decider.log, (), secret=SECRET)
        p = dict(zip(past.ids.tolist(), past.p.tolist(), strict=True))
        return logged, np.array([p[id_] for id_ in logged.table.ids.tolist()])

    @property
    def plan(self) -> Plan:
        """The system without its model."""
        return compile(self.setting.system(self.past.source), secret=SECRET)


@dataclass(frozen=True)
class Recovery:
    """What both lives came to.

    Parameters
    ----------
    first_label_day
        Day on which the first label of the pattern came.
    window
        First and last day in which recall is counted.
    frauds, alerts_per_day
        Payments of the pattern in it, and alerts a day.
    on, off, eventual
        Recall with the loop, without it, and by a model that learnt from plenty of labels of the pattern.
    weeks
        By week from the beginning of the pattern on: day, frauds of the pattern, recall on, off and eventual.
    incremental, full, promoted
        Retrains of the life with the loop, and how many of them were put in force.
    """

    first_label_day: float
    window: tuple[float, float]
    frauds: int
    alerts_per_day: float
    on: float
    off: float
    eventual: float
    weeks: list[dict[str, float]]
    incremental: int
    full: int
    promoted: int


def run(setting: Setting, folder: Path, told: Told) -> Recovery:
    """Live the same past with the loop and without it, and hold both against what can be reached.

    Parameters
    ----------
    setting
        What is simulated.
    folder
        Where bundles go.
    told
        Told of progress.
    """
    world = setting.world()
    source = of_world(world)
    past = Past.of(source, compile(setting.system(source), secret=SECRET))
    told(f"{world.payments.height:,} payments of {setting.days} days simulated")
    lives = {}
    for name in ("off", "on"):
        lives[name] = Life(setting, past, folder / name, told, loop=name == "on").live()
        told(f"lived with the loop {name}")
    same = {life.made[0][1].bundle for life in lives.values()}
    assert len(same) == 1, "the same log has given two first bundles"
    return recovery(setting, world, lives["on"], lives["off"])


def recovery(setting: Setting, world: World, on: Life, off: Life) -> Recovery:
    """Return how recall of the pattern came back.

    Parameters
    ----------
    setting, world
        What was simulated.
    on, off
        The two lives.
    """
    logged, p_on = on.logged()
    other, p_off = off.logged()
    table, start = logged.table, on.start_us
    assert other.table.ids.tolist() == table.ids.tolist()
    patterns = dict(world.truth.select("payment_id", "pattern").iter_rows())
    mine: BoolArray = np.array([patterns[id_] == setting.pattern for id_ in table.ids.tolist()])
    reported = mine & (table.label == 1.0)
    first = int(table.known_at[reported].min())
    begin = first + round(setting.within * DAY_US)
    end = begin + round(setting.watched * DAY_US)
    days: IntArray = (table.ts - start) // DAY_US
    inside = (table.ts >= begin) & (table.ts < end)
    p_ever = _eventual(on, table, begin, end)
    caught = {
        name: chance_of_alert(p, days, setting.alerts)
        for name, p in (("on", p_on), ("off", p_off), ("eventual", p_ever))
    }
    kinds = [made.kind for _, made, _ in on.made]
    return Recovery(
        first_label_day=(first - start) / DAY_US,
        window=((begin - start) / DAY_US, (end - start) / DAY_US),
        frauds=int((mine & inside).sum()),
        alerts_per_day=float(setting.alerts * inside.sum() * DAY_US / (end - begin)),
        **{name: float(alert[mine & inside].mean()) for name, alert in caught.items()},
        weeks=_weeks(setting, days, mine, caught),
        incremental=kinds.count("incremental"),
        full=kinds.count("full"),
        promoted=sum(good for _, _, good in on.made),
    )


def chance_of_alert(p: FloatArray, days: IntArray, share: float) -> FloatArray:
    """Return for each event the chance of one of the alerts of its day, where ties are broken by the toss of a coin.

    Parameters
    ----------
    p
        Probabilities, shape (n,); those that are missing come last.
    days
        Day of each event.
    share
        Alerts of a day as a share of its events.

    Examples
    --------
    Two alerts for four events, and two of them tie for the second:

    >>> chance_of_alert(np.array([0.9, 0.2, 0.2, 0.1]), np.zeros(4, np.int64), 0.5).tolist()
    [1.0, 0.5, 0.5, 0.0]
    """
    p = np.nan_to_num(p, nan=-1.0)
    chance = np.zeros(len(p))
    for day in np.unique(days):
        rows = np.flatnonzero(days == day)
        most = round(share * len(rows))
        if not most:
            continue
        cut = np.sort(p[rows])[::-1][min(most, len(rows)) - 1]
        above, tied = p[rows] > cut, p[rows] == cut
        chance[rows[above]] = 1.0
        chance[rows[tied]] = (most - above.sum()) / tied.sum()
    return chance


def _eventual(life: Life, table: Table, begin: int, end: int) -> FloatArray:
    """Return probabilities by a model that learnt from every label but those of payments in the window.

    All labels that ever came count, those of the payments after the window among them, so there are plenty of the
    pattern; the payments of the window itself it has not seen, nor a week on either side.
    """
    setting, plan = life.setting, life.plan
    apart = 7 * DAY_US
    outside = (table.ts < begin - apart) | (table.ts >= end + apart)
    known = table.as_of(2**62, matures_us=0).select(outside)
    aside = held_out(known)
    parts = Parts(known.select(~aside), known.select(aside), known.select(aside))
    _, entries = active_of(life.decider.log, SECRET, None)
    texts = texts_of(life.decider.log, plan, entries.layouts)
    made = train_on(plan, parts, past=table, gap_us=0, until_us=begin, vocabulary=texts, estimator=setting.model)
    return probabilities(made.scorer, table)


def _weeks(setting: Setting, days: IntArray, mine: BoolArray, caught: dict[str, FloatArray]) -> list[dict[str, float]]:
    weeks = []
    for day in range(int(setting.begins), setting.days, 7):
        rows = mine & (days >= day) & (days < day + 7)
        if rows.any():
            recalls = {name: round(float(alert[rows].mean()), 4) for name, alert in caught.items()}
            weeks.append({"day": float(day), "frauds": float(rows.sum()), **recalls})
    return weeks
