"""Searching settings: on the validation part alone, the same whether interrupted or not."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest

from adjudge.define import System
from adjudge.errors import DefinitionError, InputError, ShapeError, UnavailableError
from adjudge.learn.pipeline import run
from adjudge.learn.source import Source
from adjudge.learn.split import split_by_share
from adjudge.learn.study import SETTLED, opened
from adjudge.learn.tune import Bench, Search, cut_off, folds, tune
from adjudge.learn.tuned import Tried, Tuned, read
from adjudge.models import (
    Autoencoder,
    BalancedBagging,
    Families,
    FromOnnx,
    Isolation,
    Logistic,
    Net,
    RandomForest,
    Sage,
    SequenceNet,
    Stack,
    Trees,
)
from adjudge.models.search import Chosen, Searchable, searched
from tests.learn.orders import Order, history, orders

SMALL = Search(trials=3, folds=2, only=("depth", "min_rows"), seed=3)
"""Two settings are searched, so that no trial grows a thousand trees."""


@pytest.fixture(scope="module")
def source() -> Source:
    return history()


@pytest.fixture(scope="module")
def whole(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Tuned:
    """Return what an uninterrupted search comes to."""
    return tune(orders(), source, tmp_path_factory.mktemp("whole") / "t.sqlite", search=SMALL)


def trials(made: Tuned) -> list[Tried]:
    """Return trials without the time that they took."""
    return [Tried(t.number, t.parameters, t.value, t.folds, t.given_up, 0.0) for t in made.trials]


def test_the_best_trial_is_given_with_its_interval(whole: Tuned) -> None:
    """Beside the settings as they were, both judged alike; the folds lie in the validation part."""
    assert len(whole.trials) == 3
    assert set(whole.trials[0].parameters) == {"depth", "min_rows"}
    best = max((t for t in whole.trials if not t.given_up), key=lambda t: t.value)
    assert best.value > (whole.before.value or 0.0)
    assert (whole.parameters, whole.value.value) == (best.parameters, best.value)
    assert whole.value.low is not None
    assert whole.value.high is not None
    assert whole.value.low < best.value < whole.value.high
    assert sum(fold.positives for fold in whole.folds) > 20
    split = cut_off(orders(), history())[1]
    assert split.validation is not None
    assert [whole.folds[0].start, whole.folds[-1].end] == [split.validation.start, split.validation.end]


def test_a_search_that_goes_on_tries_the_same_as_one_that_was_never_interrupted(
    source: Source, whole: Tuned, tmp_path: Path
) -> None:
    study = tmp_path / "t.sqlite"
    first = tune(orders(), source, study, search=replace(SMALL, trials=1))
    assert trials(first) == trials(whole)[:1]
    again = tune(orders(), source, study, search=SMALL)
    assert trials(again) == trials(whole)
    assert (again.parameters, again.value) == (whole.parameters, whole.value)
    told: list[int] = []
    tune(orders(), source, study, search=SMALL, progress=lambda what, done, of: told.append(done))
    assert told[-1] == 3  # nothing is left to do


def test_a_search_that_was_killed_in_a_trial_tries_the_same(
    source: Source, whole: Tuned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial that was under way is begun anew."""
    ranked, calls = Bench.ranked, []

    def killed(bench: Bench, settings: dict[str, Any], fold: int) -> Any:
        calls.append(fold)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return ranked(bench, settings, fold)

    with monkeypatch.context() as patch:
        patch.setattr(Bench, "ranked", killed)
        with pytest.raises(KeyboardInterrupt):
            tune(orders(), source, tmp_path / "t.sqlite", search=SMALL)
    assert trials(tune(orders(), source, tmp_path / "t.sqlite", search=SMALL)) == trials(whole)


def test_settings_that_cannot_be_trained_are_counted_and_others_drawn(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same seed would draw them again for ever; a search that goes on knows of them."""
    ranked, drawn = Bench.ranked, []

    def fussy(bench: Bench, settings: dict[str, Any], fold: int) -> Any:
        drawn.append(dict(settings))
        if len(drawn) == 1:
            msg = "cannot have that"
            raise ValueError(msg)
        return ranked(bench, settings, fold)

    monkeypatch.setattr(Bench, "ranked", fussy)
    made = tune(orders(), source, tmp_path / "t.sqlite", search=replace(SMALL, trials=2))
    assert [one.why for one in made.failed] == ["ValueError: cannot have that"]
    assert made.failed[0].parameters == drawn[0] != drawn[1]
    assert len(made.trials) == 1
    again = tune(orders(), source, tmp_path / "t.sqlite", search=SMALL)
    assert (len(again.trials), len(again.failed)) == (2, 1)
    assert msgspec.json.decode(msgspec.json.encode(again), type=Tuned) == again


def test_where_no_settings_can_be_trained_the_search_ends_and_says_so(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(bench: Bench, settings: dict[str, Any], fold: int) -> Any:
        msg = "too few positives"
        raise ShapeError(msg)

    monkeypatch.setattr(Bench, "ranked", never)
    with pytest.raises(InputError, match=r"none of the 5 settings .* ShapeError: too few positives"):
        tune(orders(), source, tmp_path / "t.sqlite", search=replace(SMALL, trials=50))
    with pytest.raises(InputError, match="none of the 10 settings"):
        tune(orders(), source, tmp_path / "t.sqlite", search=replace(SMALL, trials=50))


def test_the_test_part_is_never_read(source: Source, whole: Tuned, tmp_path: Path) -> None:
    """Amounts that no event may have, and labels turned round, change nothing when they lie in the test part."""
    split = cut_off(orders(), source)[1]
    begins = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=split.test.start)
    frame = source.frames["order"]
    late = pl.col("at") >= begins
    assert 0 < frame.filter(late).height < frame.height
    spoilt = frame.with_columns(
        amount=pl.when(late).then(pl.lit(-1.0)).otherwise("amount"),
        buyer=pl.when(late).then(pl.lit("nobody")).otherwise("buyer"),
    )
    known = source.labels["fraud"].filter(pl.col("known_at") < begins)
    turned = frame.filter(late).select("order_id", value=pl.lit(True), known_at=pl.col("at"))
    found = tune(
        orders(), Source({"order": spoilt}, {"fraud": pl.concat([known, turned])}), tmp_path / "t", search=SMALL
    )
    assert trials(found) == trials(whole)
    assert (found.value, found.before, found.question) == (whole.value, whole.before, whole.question)
    with pytest.raises(InputError, match="amount"):  # whoever reads it notices
        run(orders(), Source({"order": spoilt}, source.labels))


def test_declined_events_take_no_part(source: Source, tmp_path: Path) -> None:
    """Nobody will ever say what they were: taken for honest, they would teach that what is declined is honest."""
    frame = source.frames["order"]
    big = pl.col("amount") > frame["amount"].quantile(0.9)
    approvals = frame.select("order_id", approved=~big | (pl.int_range(pl.len()) % 4 == 0), propensity=pl.lit(1.0))
    approvals = approvals.with_columns(propensity=frame.select(pl.when(big).then(0.25).otherwise(1.0)).to_series())
    gone = approvals.filter(~pl.col("approved")).select("order_id")
    labels = source.labels["fraud"].join(gone, on="order_id", how="anti")
    told = Source(source.frames, {"fraud": labels}, approvals=approvals)
    found = tune(orders(), told, tmp_path / "t", search=replace(SMALL, trials=1))
    naive = tune(orders(), Source(source.frames, {"fraud": labels}), tmp_path / "u", search=replace(SMALL, trials=1))
    part = cut_off(orders(), source)[1].validation
    assert part is not None
    begin, end = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us) for us in (part.start, part.end))
    judged = frame.filter((pl.col("at") >= begin) & (pl.col("at") < end))
    assert sum(fold.events for fold in naive.folds) == judged.height
    assert sum(fold.events for fold in found.folds) == judged.join(gone, on="order_id", how="anti").height


def test_no_fold_is_judged_by_a_model_that_has_seen_it() -> None:
    """What is fitted on ends a delay before what is held out begins, and that a delay before what is judged."""
    split = split_by_share(0, 10_000, gap_us=100)
    made = folds(split, 4)
    for fold in made:
        assert fold.validation is not None
        assert fold.train.start == 0
        assert fold.validation.start - fold.train.end == fold.test.start - fold.validation.end == 100
        assert fold.test.end <= split.test.start - split.gap_us
    assert [a.test.end for a in made[:-1]] == [b.test.start for b in made[1:]]


BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "metric": (lambda: Search(metric="averge_precision"), "did you mean 'average_precision'"),
    "trials": (lambda: Search(trials=0), "at least one trial"),
    "folds": (lambda: Search(folds=0), "one fold"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_search_that_makes_no_sense_is_refused(name: str) -> None:
    make, message = BAD[name]
    with pytest.raises(InputError, match=message):
        make()


def test_what_cannot_be_searched_is_said(source: Source, tmp_path: Path) -> None:
    study = tmp_path / "t.sqlite"
    with pytest.raises(InputError, match=r"no setting 'dept' to search, .*did you mean 'depth'"):
        tune(orders(), source, study, search=Search(only=("dept",)))
    with pytest.raises(DefinitionError, match=r"FromOnnx does not say .* search\(trial\)"):
        tune(orders(FromOnnx("any.onnx")), source, study)
    with pytest.raises(DefinitionError, match="nothing inside Stack says what can be searched"):
        tune(orders(Stack(FromOnnx("any.onnx"))), source, study)
    with pytest.raises(DefinitionError, match="has no label"):
        tune(replace(orders(), label=None), source, study)
    with pytest.raises(InputError, match="holds no labels 'fraud'"):
        tune(orders(), Source(source.frames), study)
    with pytest.raises(InputError, match="no events of stream 'order'; did you mean 'orders'"):
        tune(orders(), Source({"orders": source.frames["order"]}, source.labels), study)
    with pytest.raises(ShapeError, match=r"fold 1: .* take fewer folds"):
        tune(orders(), Source(source.frames, {"fraud": source.labels["fraud"].head(3)}), study)
    assert not study.exists()


def test_the_trials_of_another_search_are_not_taken_for_ones_own(source: Source, tmp_path: Path) -> None:
    """Unless one begins afresh; a file of something else is left alone."""
    study = tmp_path / "t.sqlite"
    one = replace(SMALL, trials=1)
    tune(orders(), source, study, search=one)
    with pytest.raises(InputError, match=r"its metric is 'average_precision', not 'auc'; .*--fresh"):
        tune(orders(), source, study, search=replace(one, metric="auc"))
    with pytest.raises(InputError, match="its data is"):
        tune(orders(), history(seed=1), study, search=one)
    assert tune(orders(), source, study, search=replace(one, metric="auc"), fresh=True).metric == "auc"
    (tmp_path / "junk").write_bytes(b"no database at all, and longer than its header would be" * 9)
    with pytest.raises(InputError, match="junk holds no trials"):
        tune(orders(), source, tmp_path / "junk", search=one)


@pytest.mark.parametrize("fresh", [False, True])
def test_a_database_of_something_else_is_left_alone(fresh: bool, tmp_path: Path) -> None:
    """A log is SQLite too: it must neither be thrown away nor get tables of trials."""
    path = tmp_path / "workspace.db"
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE entries (seq INTEGER)")
        file.commit()
    before = path.read_bytes()
    with pytest.raises(InputError, match="is left alone"), opened(path, {}, seed=0, fresh=fresh):
        pass
    (tmp_path / "junk").write_bytes(b"no database at all, and longer than its header would be" * 9)
    with pytest.raises(InputError, match="junk holds no trials"), opened(tmp_path / "junk", {}, seed=0, fresh=fresh):
        pass
    assert path.read_bytes() == before
    assert (tmp_path / "junk").exists()


def test_a_file_with_the_studies_of_others_is_left_alone(tmp_path: Path) -> None:
    optuna = pytest.importorskip("optuna")
    path = tmp_path / "theirs.sqlite"
    optuna.create_study(storage=f"sqlite:///{path}", study_name="theirs")
    with pytest.raises(InputError, match="is left alone"), opened(path, {}, seed=0, fresh=True):
        pass
    assert optuna.get_all_study_names(f"sqlite:///{path}") == ["theirs"]


def test_no_trial_begins_after_the_time_is_up(source: Source, tmp_path: Path) -> None:
    ticks = iter([0.0, 1.0, 2.0, 3.0])
    found = tune(orders(), source, tmp_path / "t", search=replace(SMALL, timeout_s=2.0), clock=lambda: next(ticks))
    assert len(found.trials) == 1


def test_nothing_better_leaves_the_settings_as_they_are(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bench, "draw", lambda bench, trial: {"depth": trial.suggest_int("depth", 3, 3)})
    found = tune(orders(), source, tmp_path / "t", search=replace(SMALL, trials=1))
    assert found.parameters == {}
    assert found.value == found.before


def test_a_trial_below_the_others_is_given_up(tmp_path: Path) -> None:
    with opened(tmp_path / "t", {}, seed=0) as study:
        for _ in range(SETTLED):
            trial = study.ask()
            trial.report(0.9, 0)
            study.complete(trial, 0.9)
        poor = study.ask()
        poor.report(0.1, 0)
        assert poor.should_prune()
        study.give_up(poor)
        assert len(study.ended()) == SETTLED + 1


def test_without_optuna_its_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(UnavailableError, match=r"adjudge\[tune\]"), opened(tmp_path / "t", {}, seed=0):
        pass


def test_what_was_found_is_read_again_and_fits_its_estimator_alone(whole: Tuned, tmp_path: Path) -> None:
    path = tmp_path / "some" / "tuned.json"
    whole.write(path)
    found = read(path)
    assert found == whole
    trees = Trees(n_trees=20)
    made = found.apply("orders", trees)
    assert (made.depth, made.n_trees) == (whole.parameters["depth"], 20)
    assert trees.depth == Trees().depth
    with pytest.raises(InputError, match="found for system 'orders', not 'order'; did you mean"):
        found.apply("order", trees)
    with pytest.raises(InputError, match="found for estimator 'Trees', not 'Logistic'"):
        found.apply("orders", Logistic())
    path.write_text("{}")
    with pytest.raises(InputError, match="holds no settings that a search found"):
        read(path)
    with pytest.raises(InputError, match=r"no file 'none.json'"):
        read(tmp_path / "none.json")


FEW_TREES = Trees("lightgbm", n_trees=5, depth=2, threads=1)

MADE: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "isolation": (lambda: Isolation(n_trees=10), ("sample", "columns")),
    "autoencoder": (lambda: Autoencoder((4, 2, 4), epochs=1), ("rate", "batch")),
    "bagging": (lambda: BalancedBagging(FEW_TREES, members=2), ("ratio", "estimator__depth")),
    "families": (
        lambda: Families({"habit": ["buyer_amount_mean_7d"], "now": ["amount"]}, estimator=FEW_TREES),
        ("estimator__depth", "estimator__min_rows"),
    ),
    "stack": (
        lambda: Stack(FEW_TREES, Isolation(n_trees=10), Logistic(), folds=2),
        ("trees__depth", "isolation__sample", "logistic__bins"),
    ),
    "sequence": (lambda: SequenceNet(hidden=4, head=8, epochs=1), ("cell", "dropout")),
}
"""Models that hold others or are trained otherwise, and which of their settings a short search tries."""


@pytest.mark.parametrize("name", MADE)
def test_every_model_can_be_tuned(name: str, source: Source, tmp_path: Path) -> None:
    """A search that is taken up by another process, where every object is a new one, goes on; it says how far it is."""
    make, only = MADE[name]
    search = Search(trials=2, folds=1, only=only, seed=3)
    buyer = Order.by("buyer")

    def system() -> System:
        plain = orders(make())
        return replace(plain, features=[*plain.features, buyer.last_n("amount", 2), buyer.since_last_n(2)])

    first = tune(system(), source, tmp_path / "t.sqlite", search=replace(search, trials=1))
    told: list[int] = []

    def hook(what: str, done: int, of: int) -> None:
        if what == "tune":
            told.append(done)

    made = tune(system(), source, tmp_path / "t.sqlite", search=search, progress=hook)
    assert told == [1, 2]
    assert trials(made)[:1] == trials(first)
    assert [set(one.parameters) for one in made.trials] == [set(only)] * 2
    assert made.trials[0].parameters != made.trials[1].parameters
    best = msgspec.structs.replace(made, parameters=made.trials[1].parameters).apply("orders", make())
    assert {setting: best.get_params()[setting] for setting in only} == made.trials[1].parameters


def test_a_graph_net_without_its_keys_says_which_it_misses(source: Source, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"no .*'user'"):
        tune(orders(Sage()), source, tmp_path / "t", search=Search(trials=1))


ESTIMATORS: tuple[Any, ...] = (
    *(Trees(), Logistic(), RandomForest(), Net(), Isolation(), Autoencoder(), SequenceNet(), Sage(), BalancedBagging()),
    Families({"one": ["a"]}),
    Stack(Trees(), ("other", Logistic()), Isolation()),
)


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda one: type(one).__name__)
def test_every_setting_that_is_searched_is_one_that_the_estimator_has(estimator: Searchable) -> None:
    names = searched(estimator)
    assert len(names) == len(set(names)) > 1
    assert set(names) <= set(estimator.get_params())
    kept = estimator.search(Chosen(estimator))
    assert kept == {name: estimator.get_params()[name] for name in names}
