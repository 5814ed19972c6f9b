"""Nobody who was erased is learnt from: neither by a run that was cut short before, nor by one that was done."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import pytest

from adjudge.define import Policy, Rules
from adjudge.engine import SECRET, compile
from adjudge.errors import InputError
from adjudge.learn import bundle
from adjudge.log import Kind
from adjudge.log.memory import MemoryLog
from adjudge.service.access.ledger import By
from adjudge.service.access.scope import Scope
from adjudge.service.bundles import Bundles
from adjudge.service.retrain import kept
from adjudge.service.retrain import run as module
from adjudge.service.retrain.forget import forget_runs
from adjudge.service.retrain.recipe import recipe_of
from adjudge.service.retrain.request import REQUEST, Request, erased_by, taken_up
from adjudge.service.retrain.run import Place, Retrained, retrain
from adjudge.service.workspace import Change
from tests.service.access.test_routes import Client, bearer
from tests.service.personal.bank import Bank, bank_system, payment
from tests.service.retrain.lived import SMALL, quick, releases_of
from tests.service.shop import START


class KilledError(Exception):
    """The process has ended."""


def lived(days: int = 16, per_day: int = 30) -> Bank:
    """Return a bank one in five of whose payments is Ada's, and whose frauds are reported ten hours later."""
    system = replace(bank_system(8), rules=Rules(), policy=Policy(), model=SMALL)
    bank, rng = Bank(compile(system, secret=SECRET), MemoryLog()), np.random.default_rng(1)
    pending: list[tuple[int, str]] = []
    for number in range(days * per_day):
        minute = number * 1440 // per_day
        bank.clock.at = START + timedelta(minutes=minute)
        fraud = rng.random() < 0.12
        user = "ada" if rng.random() < 0.2 else f"u{rng.integers(40)}"
        amount = f"{rng.lognormal(6 if fraud else 3, 0.5):.2f}"
        bank.send(payment(number, user, minute, amount=amount, merchant=f"m{rng.integers(5)}"))
        if fraud:
            pending.append((minute + 600, f"p{number}"))
        due = [id_ for at, id_ in pending if at <= minute]
        pending = [(at, id_) for at, id_ in pending if at > minute]
        bank.decider.change([Change(Kind.LABEL, "payment", id_, "fraud", 1.0) for id_ in due])
    return bank


def asked(bank: Bank, home: Path, kind: Any = "full", **changes: Any) -> Retrained:
    place = Place(bank.log, Bundles(home / "bundles", SECRET, home), home / "retrain")
    desk = releases_of(bank.decider, place)
    return retrain(place, None, quick(kind, **changes), desk, By("ada", "test"), estimator=SMALL)


def learnt(home: Path, made: Retrained) -> object:
    return bundle.read_manifest(home / "bundles" / made.bundle).training["Training part"]


def test_a_run_that_was_cut_short_before_an_erasure_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = lived()

    def killed(self: Any, *given: Any) -> Any:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_model", killed)
        with pytest.raises(KilledError):
            asked(bank, tmp_path)
    (folder,) = (tmp_path / "retrain").glob("*/table")
    before = len(kept.read(folder)[0])
    assert bank.erase("ada")
    made = asked(bank, tmp_path)
    assert made.made == ["table", "model", "window", "bundle"]
    assert not folder.parent.exists()
    assert learnt(tmp_path, made) == learnt(tmp_path / "anew", asked(bank, tmp_path / "anew"))
    assert made.duel.events < before


def test_it_is_removed_by_a_run_of_another_kind_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for next need not be what was cut short."""
    bank = lived()

    def killed(self: Any, *given: Any) -> Any:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_model", killed)
        with pytest.raises(KilledError):
            asked(bank, tmp_path)
    (folder,) = (tmp_path / "retrain").glob("*/table")
    bank.erase("ada")
    before = msgspec.json.decode((folder.parent / REQUEST).read_bytes(), type=Request)
    other = msgspec.structs.replace(before, recipe=recipe_of("incremental", 0), erased=erased_by(bank.log))
    assert taken_up(tmp_path / "retrain", other, bank.log) == other
    assert not folder.parent.exists()


def test_a_run_that_was_done_before_an_erasure_is_made_anew(tmp_path: Path) -> None:
    bank = lived()
    before = asked(bank, tmp_path)
    assert asked(bank, tmp_path).bundle == before.bundle
    bank.erase("ada")
    after = asked(bank, tmp_path)
    assert (after.run, after.bundle) != (before.run, before.bundle)
    assert after.made == ["table", "model", "window", "bundle"]
    assert learnt(tmp_path, after) != learnt(tmp_path, before)


def test_an_erasure_takes_the_rows_of_runs_that_were_cut_short_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, over HTTP too; what was done stays, and so does what is no run."""
    bank = lived()
    done = asked(bank, tmp_path)

    def killed(self: Any, *given: Any) -> Any:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_model", killed)
        with pytest.raises(KilledError):
            asked(bank, tmp_path, seed=1)
    (folder,) = (tmp_path / "retrain").glob("*/table")
    (tmp_path / "retrain" / "notes").mkdir()
    (tmp_path / "retrain" / "notes" / "own.txt").write_text("mine")
    client = Client(cast(Any, bank), workspace=str(tmp_path))
    body = {"stream": "payment", "person": "ada", "why": "asked for it"}
    answer = client("POST", "/v1/erasures", body, headers=bearer(client.keys[Scope.MANAGE]))
    assert answer.json() == {"erased": True}
    assert not folder.parent.exists()
    assert (tmp_path / "retrain" / done.run / "done.json").is_file()
    assert (tmp_path / "retrain" / "notes" / "own.txt").is_file()
    assert forget_runs(tmp_path / "retrain") == forget_runs(tmp_path / "nothing") == 0


def test_nothing_is_registered_that_was_learnt_from_somebody_erased_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, window = lived(), module._Work._window

    def erasing(self: Any, *given: Any) -> None:
        window(self, *given)
        assert forget_runs(tmp_path / "retrain") == 0  # it is at work
        bank.erase("ada")

    with monkeypatch.context() as patch:
        patch.setattr(module._Work, "_window", erasing)
        with pytest.raises(InputError, match="somebody was erased while this was made"):
            asked(bank, tmp_path)
    assert not list((tmp_path / "retrain").glob("*/"))
    assert len(bank.decider.workspace.management.releases) == 0
