"""A definition whose model is a stack, from the command line: trained, judged in folds, cut up, tested for leaks."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.learn.bundle import read
from adjudge.service.run import secret
from tests.learn import worlds

RUNNER = CliRunner()

DEFINITION = """
from dataclasses import replace

from adjudge.models import Logistic, Stack, Trees
from adjudge.models.stack import Of
from tests.learn.worlds import SMALL

READ = ("amount", "user_count_1h", "device_fraud_rate_30d", "merchant_fraud_count_30d", "channel")

system = replace(
    SMALL,
    model=Stack(
        Trees("lightgbm", n_trees=15, depth=3, threads=1),
        Of(Logistic(bins=8), layer="deep", features=READ),
        folds=2,
        needed=0.2,
        sure=0.0,
    ),
)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the system and its data."""
    folder = tmp_path_factory.mktemp("stacked")
    (folder / "small").mkdir()
    (folder / "small" / "definition.py").write_text(DEFINITION, encoding="utf-8")
    worlds.source().write(folder / "world")
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> dict[str, object]:
    """Train, and return what was said."""
    return run(folder, "train")


def run(folder: Path, verb: str, *words: str) -> dict[str, object]:
    where = ["--system", str(folder / "small"), "--data", str(folder / "world"), "--json"]
    done = RUNNER.invoke(app, [verb, str(folder / "bundle"), *where, *words])
    assert done.exit_code == 0, done.output
    said: dict[str, object] = msgspec.json.decode(done.stdout)
    return said


def test_a_stack_is_trained_and_judged_in_folds(folder: Path, trained: dict[str, object]) -> None:
    assert set(trained["thresholds"]) == {"review", "block"}  # type: ignore[call-overload]
    page = folder / "out.html"
    said = run(folder, "evaluate", "--folds", "2", "--by", "channel", "--leakage", "--report", str(page))
    assert said["leakage"] == ["none found"]
    assert 0.5 < said["folds"]["auc"] <= 1.0  # type: ignore[index]
    assert said["recall"] == trained["recall"]  # the bundle is the model that was judged when it was trained
    figures = msgspec.json.decode((folder / "out.json").read_bytes())
    assert len(figures["folds"]["folds"]) == 2
    assert {ranker["name"] for ranker in figures["folds"]["folds"][0]["rankers"]} >= {"rules", "model"}


@pytest.mark.usefixtures("trained")
def test_the_bundle_says_what_the_members_weigh_and_who_is_asked_further(folder: Path) -> None:
    facts = read(folder / "bundle", secret()).manifest.training
    assert facts["Stack"].startswith("weights of margins with every layer; fast: trees ")
    assert "; deep: logistic " in facts["Stack"]
    assert facts["Layers after the first"].startswith("asked where the probability so far is from 0.")
