"""Retraining from a log: what comes of it, that a killed run goes on, and that the same log gives the same bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from adjudge.errors import BundleError, DefinitionError, InputError, UnavailableError
from adjudge.learn import bundle
from adjudge.learn.modelcard import CARD_JSON, CARD_TEXT, ModelCard
from adjudge.learn.train import FITTED_UNTIL
from adjudge.service.retrain import run as module
from adjudge.service.retrain.request import DONE, MAKING
from adjudge.service.retrain.steps import alone
from adjudge.service.retrain.unseen import apart_until, fitted_until
from adjudge.service.versions.desk import LiveDesk
from adjudge.service.versions.revision import Revision
from tests.service.retrain.lived import DAY_US, Life, place_of, run


@pytest.fixture(scope="module")
def life() -> Life:
    return Life().live(30)


def activate(life: Life, home: Path, id_: str) -> None:
    life.decider.resolver.bundles = place_of(life, home).bundles
    LiveDesk(life.decider, background=False).revise(Revision("better", bundle=id_), "ada")


def test_a_full_retrain_is_judged_and_registered_and_decides_nothing(life: Life, tmp_path: Path) -> None:
    before = dict(life.decider.workspace.active)
    made = run(life, tmp_path)
    assert (made.kind, made.champion, made.verdict) == ("full", "", "first")
    assert made.duel.figures["average_precision"].challenger.value > 0.8  # type: ignore[operator]
    found = bundle.read(tmp_path / "bundles" / made.bundle, life.decider.workspace.secret)
    card = msgspec.json.decode(found.paper(CARD_JSON) or b"", type=ModelCard)
    assert card.duel == made.duel
    assert (found.paper(CARD_TEXT) or b"").decode().startswith("# Model card: shop, full")
    (release,) = life.decider.workspace.management.releases
    assert (release.id, release.verdict, release.who, release.seq) == (made.bundle, "first", "ada", made.seq)
    assert life.decider.workspace.active == before


def test_the_window_lies_after_everything_that_was_fitted_on_and_is_old_enough(life: Life, tmp_path: Path) -> None:
    made = run(life, tmp_path)
    manifest = bundle.read_manifest(tmp_path / "bundles" / made.bundle)
    fitted = np.datetime64(str(manifest.training[FITTED_UNTIL])[:19], "us").astype(np.int64)
    assert fitted + DAY_US <= made.duel.start_us
    assert made.duel.end_us <= made.duel.known_us - DAY_US + 1


def test_the_same_log_gives_the_same_bundle(tmp_path: Path) -> None:
    """Two workspaces with one past: another folder and another day make no difference."""
    ids = {run(Life().live(20), tmp_path / name).bundle for name in ("one", "other")}
    assert len(ids) == 1


def test_a_run_that_failed_for_good_is_not_taken_up_by_the_next(tmp_path: Path) -> None:
    """The log was too short; once it is longer the next run learns from all of it."""
    life = Life().live(1)
    with pytest.raises(InputError, match="days of decided events"):
        run(life, tmp_path)
    assert not [path for path in place_of(life, tmp_path).folder.iterdir() if path.is_dir()]
    assert run(life.live(20), tmp_path).verdict == "first"


def test_a_run_that_is_asked_for_again_is_done_already(tmp_path: Path) -> None:
    life = Life().live(20)
    place = place_of(life, tmp_path)
    first = run(life, tmp_path)
    releases = len(life.decider.workspace.management.releases)
    homes = [path for path in place.folder.iterdir() if path.is_dir()]
    assert [(path / DONE).is_file() for path in homes] == [True]
    assert not (homes[0] / "table").exists()
    again = run(life, tmp_path)  # the log is longer by one entry, which changes nothing that is learnt from
    assert again.bundle == first.bundle
    assert len(life.decider.workspace.management.releases) == releases


class KilledError(Exception):
    """The process has ended."""


@pytest.mark.parametrize("step", ["_table", "_model", "_window", "_bundle", "_registered"])
def test_a_killed_run_is_taken_up_where_it_stood(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life().live(20)
    length, whole = len(life.decider.log), run(Life().live(20), tmp_path / "whole")
    real = getattr(module._Work, step)

    def killed(self: Any, *given: Any) -> Any:
        if step != "_registered":
            real(self, *given)
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, step, killed)
        with pytest.raises(KilledError):
            run(life, tmp_path / "killed")
    assert len(life.decider.log) == length
    assert not list(life.decider.workspace.management.releases)
    life.live(1)  # decisions go on, and the run keeps to the log as it was
    again = run(life, tmp_path / "killed")
    assert again.bundle == whole.bundle
    steps = ["_table", "_model", "_window", "_bundle", "_registered"]
    assert again.made == [name.lstrip("_") for name in steps[steps.index(step) :] if name != "_registered"]


@pytest.mark.parametrize(("days", "kept"), [(1, True), (3, False)])
def test_an_old_run_is_not_taken_up(days: int, kept: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service decided whenever the run wanted to write its entry; days later its labels are not those there are."""
    life = Life().live(20)

    def busy(self: Any, *given: Any) -> Any:
        msg = "a service decides on this log"
        raise UnavailableError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_registered", busy)
        with pytest.raises(UnavailableError):
            run(life, tmp_path)
    before = life.clock()
    life.live(days)
    made = run(life, tmp_path)
    assert made.made == ([] if kept else ["table", "model", "window", "bundle"])
    assert (made.duel.known_us <= before) is kept
    assert len([path for path in (tmp_path / "retrain").iterdir() if path.is_dir()]) == 1


def test_a_bundle_that_cannot_be_written_is_not_taken_up_by_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    life = Life().live(20)

    def refused(self: Any, *given: Any) -> Any:
        msg = "depends on its neighbours"
        raise BundleError(msg)

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_bundle", refused)
        with pytest.raises(BundleError):
            run(life, tmp_path)
    assert not [path for path in (tmp_path / "retrain").iterdir() if path.is_dir()]


def test_what_a_killed_step_left_behind_is_removed(tmp_path: Path) -> None:
    """A killed process has no time to remove what it was making, which is rows that can be read."""
    life = Life().live(20)
    run(life, tmp_path)
    (home,) = (path for path in (tmp_path / "retrain").iterdir() if path.is_dir())
    draft = home / f"{MAKING}abc"
    draft.mkdir()
    (draft / "table.npz").write_bytes(b"rows")
    run(life, tmp_path)
    assert home.exists()
    assert not draft.exists()


def test_what_was_changed_in_a_runs_folder_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    life = Life().live(20)

    def killed(self: Any, *given: Any) -> Any:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_window", killed)
        with pytest.raises(KilledError):
            run(life, tmp_path)
    (told,) = (tmp_path / "retrain").rglob("trained.json")
    content = json.loads(told.read_bytes())
    told.write_text(json.dumps(content | {"thresholds": {"block": 0.0}}))
    assert run(life, tmp_path).made == ["model", "window", "bundle"]


def test_an_incremental_one_goes_on_from_the_champions_trees(tmp_path: Path) -> None:
    life = Life().live(30)
    first = run(life, tmp_path)
    with pytest.raises(DefinitionError, match="no bundle decides here yet, so there is nothing to go on from"):
        run(life, tmp_path, "incremental")
    activate(life, tmp_path, first.bundle)
    life.live(12, pattern=True)
    more = run(life, tmp_path, "incremental")
    assert more.champion == first.bundle
    old, new = (
        bundle.read(tmp_path / "bundles" / id_, life.decider.workspace.secret) for id_ in (first.bundle, more.bundle)
    )
    trees = [one.scorer.model.trees for one in (old, new)]  # type: ignore[attr-defined]
    assert trees == [20, 30]
    np.testing.assert_array_equal(
        new.scorer.model.leaf_value[: len(old.scorer.model.leaf_value)],  # type: ignore[attr-defined]
        old.scorer.model.leaf_value,  # type: ignore[attr-defined]
    )
    assert more.duel.end_us > more.duel.known_us - DAY_US
    fitted, apart = fitted_until(new), apart_until(new, 0)
    assert fitted is not None
    assert fitted > more.duel.start_us  # what is known now was learnt from, of other entities than those judged on
    assert apart == fitted_until(old)
    assert apart is not None
    assert apart <= more.duel.start_us


def test_a_champion_that_has_seen_the_window_is_not_flattered(tmp_path: Path) -> None:
    """A full one at once after another one has no window that the champion was not fitted on."""
    life = Life().live(30)
    first = run(life, tmp_path)
    activate(life, tmp_path, first.bundle)
    life.live(1)
    made = run(life, tmp_path, window_us=12 * DAY_US)
    manifest = bundle.read_manifest(tmp_path / "bundles" / first.bundle)
    fitted = np.datetime64(str(manifest.training[FITTED_UNTIL])[:19], "us").astype(np.int64)
    assert made.duel.start_us >= fitted


def test_two_at_once_are_refused(life: Life, tmp_path: Path) -> None:
    with alone(tmp_path / "retrain"), pytest.raises(UnavailableError, match="another process is retraining"):
        run(life, tmp_path)


def test_a_log_of_an_hour_is_too_short(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the log has \d\.\d days of decided events"):
        run(Life().live(1), tmp_path)
