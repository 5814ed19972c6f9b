"""Searching settings: each trial is trained and judged on stretches of the validation part, one after the other.

The test part is never read: the source is cut off where it begins, before anything else is done. Each stretch is judged
by a model that was trained on what came before it, less the time that labels take; for early stopping and calibration
it has the last of that, so that no stretch is judged by a model that has seen it.
"""

from __future__ import annotations

import copy
import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.define import System, micros
from adjudge.engine import SECRET, Plan, compile
from adjudge.errors import DefinitionError, InputError, ShapeError, did_you_mean
from adjudge.learn.aligned import seen_of, table_of
from adjudge.learn.bootstrap import Interval, intervals
from adjudge.learn.pipeline import Progress
from adjudge.learn.ranking import Curve, Ranking
from adjudge.learn.source import Source
from adjudge.learn.split import Parts, Span, Split, split_by_share
from adjudge.learn.study import FAILED, Study, opened
from adjudge.learn.table import Table
from adjudge.learn.train import ROWS, estimator_of, fit, margins, vocabulary_of
from adjudge.learn.tuned import Failed, Fold, Tried, Tuned
from adjudge.learn.unseen import stands_for
from adjudge.models.search import Chosen, Searchable, searched
from adjudge.typing import FloatArray

if TYPE_CHECKING:
    import optuna

logger = logging.getLogger(__name__)

METRICS: dict[str, Callable[[Curve], float]] = {
    "average_precision": Curve.average_precision,
    "auc": Curve.auc,
    "recall_at_fpr_1pct": lambda curve: curve.recall_at_fpr(0.01),
}
"""What settings can be best by."""

HOPELESS = 5
"""Trials that may fail, one after the other, before any has worked; then the search ends."""

FITTED_SHARE = 0.85
"""Share of the time before a stretch that is fitted on; the rest is for early stopping and calibration."""


@dataclass(frozen=True)
class Search:
    """How settings are searched.

    Parameters
    ----------
    trials
        How many settings are tried in all, those of an interrupted search and those that fail included.
    timeout_s
        Seconds after which no further trial begins; None for no end.
    metric
        What is best: a name of `METRICS`.
    folds
        In how many stretches of time the validation part is judged.
    only
        Names of the settings that are searched; all that the estimator offers where empty.
    rows
        Most rows that a trial is fitted on.
    seed
        Of everything drawn.
    """

    trials: int = 50
    timeout_s: float | None = None
    metric: str = "average_precision"
    folds: int = 3
    only: Sequence[str] = ()
    rows: int = ROWS
    seed: int = 0

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            msg = f"there is no metric {self.metric!r}, only {', '.join(METRICS)}{did_you_mean(self.metric, METRICS)}"
            raise InputError(msg, field="metric", code="unknown_metric")
        if self.trials < 1 or self.folds < 1:
            msg = f"a search needs at least one trial and one fold, not {self.trials} and {self.folds}"
            raise InputError(msg, field="trials" if self.trials < 1 else "folds")


def tune(
    system: System,
    source: Source,
    study: Path,
    *,
    search: Search | None = None,
    secret: bytes = SECRET,
    fresh: bool = False,
    clock: Callable[[], float] | None = None,
    progress: Progress = lambda what, done, of: None,
) -> Tuned:
    """Search the settings of a system's estimator and return the best, with all that were tried.

    Parameters
    ----------
    system
        The definitions.
    source
        Its data; what lies in the test part of `adjudge.learn.pipeline.run` is cut off first.
    study
        SQLite file of the trials; a search that it holds goes on.
    search
        How.
    secret
        The workspace's 16 bytes.
    fresh
        Whether trials of before are thrown away.
    clock
        Returns seconds; needed for a timeout.
    progress
        Told how far it is.

    Raises
    ------
    InputError
        If the data does not suffice, a name is unknown, `study` holds another search, or no settings can be trained.
    DefinitionError
        If the system has no label, or its estimator does not say what can be searched.
    UnavailableError
        If Optuna is not installed.
    """
    search = search or Search()
    seen, split = cut_off(system, source)
    plan = compile(system, secret=secret)
    bench = Bench(plan, table_of(plan, seen, progress), split, vocabulary_of(plan, seen.frames), search)
    with opened(study, bench.question(), seed=search.seed, fresh=fresh) as trials:
        progress("tune", trials.done, search.trials)
        _search(bench, trials, clock, lambda done: progress("tune", done, search.trials))
        return bench.result(trials)


def cut_off(system: System, source: Source) -> tuple[Source, Split]:
    """Return a source up to where the test part begins, and the split that says where that is.

    Parameters
    ----------
    system
        Whose streams they are.
    source
        Its data, of which only the times of the first and the last event are read behind that moment.

    Raises
    ------
    DefinitionError
        If the system has no label.
    InputError
        If there are no events or no labels.
    """
    if system.label is None:
        msg = f"system {system.name!r} has no label, so there is nothing to tune for"
        raise DefinitionError(msg)
    if system.label.name not in source.labels:
        msg = f"the data holds no labels {system.label.name!r}, so there is nothing to tune on"
        raise InputError(msg, field=system.label.name, code="no_labels")
    schema = system.decides.schema()
    if schema.name not in source.frames or not source.frames[schema.name].height:
        msg = f"there are no events of stream {schema.name!r}{did_you_mean(schema.name, source.frames)}"
        raise InputError(msg, code="missing_stream")
    times = source.frames[schema.name][schema.time_field].dt.cast_time_unit("us").to_physical().to_numpy()
    split = split_by_share(int(times.min()), int(times.max()) + 1, gap_us=micros(system.label.delay))
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=split.test.start)
    return source.before(system, moment), split


def folds(split: Split, count: int) -> tuple[Split, ...]:
    """Return splits of what lies before the test part of a split: each judges one stretch of its validation part.

    Parameters
    ----------
    split
        Training, validation and test.
    count
        How many stretches.

    Examples
    --------
    100 minus two gaps of 10 leaves 80, of which 48 for training; 58 to 74 is judged in two stretches:

    >>> [(one.train, one.validation, one.test) for one in folds(split_by_share(0, 100, gap_us=10), 2)]
    ... # doctest: +NORMALIZE_WHITESPACE
    [(Span(start=0, end=32), Span(start=42, end=48), Span(start=58, end=66)),
     (Span(start=0, end=39), Span(start=49, end=56), Span(start=66, end=74))]
    """
    assert split.validation is not None  # `split_by_share` makes one
    begin, gap = split.train.start, split.gap_us
    edges = np.linspace(split.validation.start, split.validation.end, count + 1).astype(np.int64).tolist()
    made = []
    for start, end in pairwise(edges):
        last = begin + int((start - gap - gap - begin) * FITTED_SHARE)
        fitted, held_out = Span(begin, last), Span(last + gap, start - gap)
        made.append(Split(train=fitted, validation=held_out, test=Span(start, end), gap_us=gap))
    return tuple(made)


class Bench:
    """Where settings are tried: the parts of each fold, and the figure that is sought.

    Parameters
    ----------
    plan
        The compiled system.
    table
        What its events saw, up to the test part. Of those that were declined nothing became known, so they are only
        looked back on.
    split
        Where training, validation and test lie.
    vocabulary
        Texts that the categorical features may hold.
    search
        How settings are searched.

    Raises
    ------
    DefinitionError
        If the estimator does not say what can be searched.
    InputError
        If a setting that is to be searched is none.
    ShapeError
        If a fold has no positives, or nothing but positives.
    """

    def __init__(
        self, plan: Plan, table: Table, split: Split, vocabulary: Mapping[str, Sequence[str]], search: Search
    ) -> None:
        self.plan, self.past, self.table, self.search = plan, table, seen_of(table), search
        self.vocabulary = vocabulary
        self.estimator = estimator_of(plan.system)
        self.names = _names(self.estimator, search.only)
        self.splits = folds(split, search.folds)
        self.parts = [one.parts(self.table, matures_us=split.gap_us, judged_at=split.test.start) for one in self.splits]
        self.judged = [part.test.labelled() for part in self.parts]
        for i, (part, judged) in enumerate(zip(self.parts, self.judged, strict=True)):
            _check(i, part, judged)

    def question(self) -> dict[str, Any]:
        """Return what is searched on what, as JSON values by name."""
        content = hashlib.blake2b(digest_size=16)
        for column in (self.table.ts, self.table.label, self.table.known_at, self.table.X):
            content.update(np.ascontiguousarray(column).data)
        return {
            "system": self.plan.system.name,
            "definitions": self.plan.versions["system"],
            "layout": self.plan.versions["layout"],
            "data": content.hexdigest(),
            "estimator": f"{type(self.estimator).__name__}({_words(self.estimator.get_params())})",
            "settings": sorted(self.names),
            "metric": self.search.metric,
            "folds": self.search.folds,
            "rows": self.search.rows,
            "seed": self.search.seed,
        }

    def draw(self, trial: optuna.Trial) -> dict[str, Any]:
        """Return the settings that a trial tries."""
        # what is drawn has the manners that an estimator asks for, whatever else Optuna's trials can do
        drawn = self.estimator.search(Chosen(self.estimator, trial, self.names))
        return {name: drawn[name] for name in self.names}

    def ranked(self, settings: Mapping[str, Any], fold: int) -> FloatArray:
        """Train with some settings, and return the ranking of the events of a fold."""
        estimator = copy.deepcopy(self.estimator)
        estimator.set_params(**settings)
        part = self.parts[fold]
        assert part.validation is not None  # every fold has one
        made = fit(
            self.plan,
            part.train,
            part.validation,
            vocabulary=self.vocabulary,
            estimator=estimator,
            rows=self.search.rows,
            seed=self.search.seed,
            past=self.past,
        )
        return margins(made.estimator.served(), self.judged[fold])

    def figure(self, fold: int, score: FloatArray) -> float:
        """Return the figure of a ranking of the events of a fold."""
        judged = self.judged[fold]
        return METRICS[self.search.metric](Ranking.of(judged.label, score).curve(stands_for(judged)))

    def interval(self, settings: Mapping[str, Any]) -> Interval:
        """Return the mean figure of some settings over the folds, with its interval over resampled entities."""
        rankings = [Ranking.of(judged.label, self.ranked(settings, i)) for i, judged in enumerate(self.judged)]
        cuts = np.cumsum([len(judged) for judged in self.judged])[:-1]
        metric = METRICS[self.search.metric]
        weights = [stands_for(judged) for judged in self.judged]
        more = np.concatenate(
            [np.ones(len(judged)) if one is None else one for one, judged in zip(weights, self.judged, strict=True)]
        )

        def figures(weight: FloatArray) -> dict[str, float]:
            each = zip(rankings, np.split(weight * more, cuts), strict=True)
            return {"": float(np.mean([metric(ranking.curve(part)) for ranking, part in each]))}

        entity = np.concatenate([judged.entity for judged in self.judged])
        return intervals(figures, len(entity), entity=entity, seed=self.search.seed)[""]

    def result(self, trials: Study) -> Tuned:
        """Return what a search has come to: the best of the trials, if it is better than the settings as they are."""
        tried = [_tried(i, one, self.search.folds) for i, one in enumerate(trials.ended())]
        whole = [one for one in tried if not one.given_up]
        failed = [Failed(dict(one.params), str(one.user_attrs[FAILED])) for one in trials.failed()]
        if failed and not tried:
            raise _nothing_worked(failed)
        before = self.interval({})
        best = max(whole, key=lambda one: one.value, default=None)
        better = best is not None and (before.value is None or best.value > before.value)
        settings = best.parameters if best is not None and better else {}
        return Tuned(
            system=self.plan.system.name,
            estimator=type(self.estimator).__name__,
            parameters=settings,
            metric=self.search.metric,
            value=self.interval(settings) if settings else before,
            before=before,
            folds=[
                Fold(split.test.start, split.test.end, len(judged), int(judged.label.sum()))
                for split, judged in zip(self.splits, self.judged, strict=True)
            ],
            trials=tried,
            question=self.question(),
            failed=failed,
        )


def _search(bench: Bench, trials: Study, clock: Callable[[], float] | None, told: Callable[[int], None]) -> None:
    search = bench.search
    began = clock() if clock is not None else 0.0
    in_a_row = 0
    while (done := trials.done) < search.trials:
        if search.timeout_s is not None and clock is not None and clock() - began >= search.timeout_s:
            return
        in_a_row = 0 if _try(bench, trials) else in_a_row + 1
        if in_a_row >= HOPELESS and not trials.ended():
            return
        told(done + 1)


def _try(bench: Bench, trials: Study) -> bool:
    """Try the next settings fold by fold; they are given up once they lie below the median of those before.

    False if they cannot be trained, whatever the reason: that is written down with the trial, and told in the end.
    """
    trial = trials.ask()
    settings, found = bench.draw(trial), []
    for i in range(len(bench.parts)):
        try:
            found.append(bench.figure(i, bench.ranked(settings, i)))
        except Exception as error:
            logger.warning("settings %s cannot be trained: %s", settings, error)
            trials.fail(trial, f"{type(error).__name__}: {error}")
            return False
        trial.report(float(np.mean(found)), i)
        if i + 1 < len(bench.parts) and trial.should_prune():
            trials.give_up(trial)
            return True
    trials.complete(trial, float(np.mean(found)))
    return True


def _nothing_worked(failed: Sequence[Failed]) -> InputError:
    last = failed[-1]
    settings = ", ".join(f"{name} {value}" for name, value in last.parameters.items())
    msg = f"none of the {len(failed)} settings that were tried can be trained; the last, {settings}: {last.why}"
    return InputError(msg, field="trials", code="nothing_worked")


def _names(estimator: Any, only: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the settings that are searched."""
    if not isinstance(estimator, Searchable):
        msg = f"{type(estimator).__name__} does not say what can be searched: give it a method search(trial), as Trees "
        msg += "has, or another model"
        raise DefinitionError(msg)
    offered = searched(estimator)
    if not offered:
        msg = f"nothing inside {type(estimator).__name__} says what can be searched: it needs a member with a method "
        msg += "search(trial), as Trees has"
        raise DefinitionError(msg)
    for name in only:
        if name not in offered:
            msg = f"{type(estimator).__name__} offers no setting {name!r} to search, only {', '.join(offered)}"
            raise InputError(msg + did_you_mean(name, offered), field="only", code="unknown_setting")
    return tuple(only) or offered


def _check(fold: int, parts: Parts, judged: Table) -> None:
    assert parts.validation is not None  # every fold has one
    for what, part in (("fitted on", parts.train), ("held out", parts.validation), ("judged", judged)):
        positives = int(part.label.sum())
        if not 0 < positives < len(part):
            msg = f"fold {fold + 1}: of the {len(part):,} labelled events that are {what}, {positives:,} are positive; "
            msg += "take fewer folds, or more data"
            raise ShapeError(msg)


def _words(parameters: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in sorted(parameters.items()))


def _tried(number: int, trial: optuna.trial.FrozenTrial, count: int) -> Tried:
    values = trial.intermediate_values
    took = trial.duration.total_seconds() if trial.duration is not None else float("nan")
    last = values[max(values)]
    return Tried(number, dict(trial.params), last, len(values), len(values) < count, took)
