"""`adjudge whatif` from the command line: on a workspace at rest, and on a system's own data."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import show
from adjudge.errors import AdjudgeError, InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.home import LOG_FILE
from tests.commands.test_judge import DEFINITION
from tests.learn import worlds
from tests.service.whatif.lives import STRICT, Life, bundle, system

RUNNER = CliRunner()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which a shop has decided, with another bundle, rules and lists beside it."""
    folder = tmp_path_factory.mktemp("whatif")
    _, plan = bundle(folder, system(), 1)
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        Life(folder, plan, log=log).live()
    bundle(folder / "else", system(), 2)
    (folder / "strict.yaml").write_text(STRICT, encoding="utf-8")
    (folder / "lists.yaml").write_text("blocked: {add: [c1]}\n", encoding="utf-8")
    (folder / "policy.json").write_text('{"thresholds": {"review": 0.4, "block": 0.5}}', encoding="utf-8")
    return folder


def run(home: Path, *words: str) -> str:
    done = RUNNER.invoke(app, ["whatif", "--workspace", str(home), *words])
    assert done.exit_code == 0, done.output or done.exception
    return done.stdout


def refused(home: Path, *words: str) -> str:
    done = RUNNER.invoke(app, ["whatif", "--workspace", str(home), *words])
    assert isinstance(done.exception, AdjudgeError), done.output
    return str(done.exception)


def test_all_at_once_side_by_side(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything may be different; the workspace is what it was; the list of changes has as many rows as is said."""
    monkeypatch.setattr(show.out, "width", 80)
    (made,) = (home / "else" / "bundles").iterdir()
    before = sorted(path.name for path in home.rglob("*"))
    words = ["--bundle", str(made), "--rules", str(home / "strict.yaml"), "--lists", str(home / "lists.yaml")]
    words += ["--threshold", "block=0.6", "--rounds", "20"]
    csv, parquet = tmp_path / "new" / "changed.csv", tmp_path / "changed.parquet"
    found: dict[str, Any] = msgspec.json.decode(run(home, *words, "--changed", str(csv), "--json"))
    said = run(home, *words, "--changed", str(parquet))
    assert max(map(len, said.splitlines())) <= 80
    assert found["parts"] == ["bundle", "rules", "lists", "thresholds"]
    assert found["differing"] == pl.read_csv(csv).height == pl.read_parquet(parquet).height > 0
    assert pl.read_parquet(parquet)["ts"].dtype == pl.Datetime("us", "UTC")
    assert found["saved"]["low"] < found["saved"]["value"] < found["saved"]["high"]
    assert f"{found['differing']:,} decisions change" in said
    assert "what was stopped has no label" in " ".join(said.split())
    assert sorted(path.name for path in home.rglob("*")) == before


def test_a_page_of_both_worlds(home: Path, tmp_path: Path) -> None:
    """It stands alone, with what nobody knows said in it."""
    page = tmp_path / "new" / "whatif.html"
    run(home, "--rules", str(home / "strict.yaml"), "--rounds", "20", "--report", str(page))
    text = page.read_text(encoding="utf-8")
    for part in (
        "Both worlds, a day",
        "What nobody knows",
        "Decisions that change",
        "what was stopped has no label",
        "<svg",
    ):
        assert part in text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert not list(page.parent.glob("*.part"))


def test_a_policy_and_a_span(home: Path) -> None:
    whole = msgspec.json.decode(run(home, "--policy", str(home / "policy.json"), "--rounds", "0", "--json"))
    part = run(home, "--policy", str(home / "policy.json"), "--rounds", "0", "--json", "--since", "2026-03-01T12:40:00")
    assert whole["events"] > msgspec.json.decode(part)["events"] > 0
    assert whole["saved"]["low"] is None


def test_a_random_hold_out_stands_beside(home: Path, tmp_path: Path) -> None:
    """Of what was stopped some took place by chance: the table says which, and with what odds."""
    first = pl.read_csv(_changed(home, tmp_path))
    stopped = first.filter(pl.col("actual") == "block")["id"].to_list()
    table = pl.DataFrame(
        {"purchase_id": stopped, "approved": [i % 2 == 0 for i in range(len(stopped))], "propensity": 0.5}
    )
    table.write_parquet(tmp_path / "approvals.parquet")
    words = ["--threshold", "block=0.99", "--approvals", str(tmp_path / "approvals.parquet"), "--rounds", "20"]
    found = msgspec.json.decode(run(home, *words, "--json"))["holdout"]
    assert found["tried"] == sum(table["approved"])
    assert found["uncovered"] > 0  # stopped by rules in both worlds, and never let through
    assert {"naive", "weighted"} <= found["difference"]["saved"].keys()
    assert "by the random hold-out" in run(home, *words)
    table.drop("propensity").write_parquet(tmp_path / "bad.parquet")
    assert "no column 'propensity'" in refused(home, *words[:2], "--approvals", str(tmp_path / "bad.parquet"))


def _changed(home: Path, folder: Path) -> Path:
    run(home, "--threshold", "block=0.99", "--rounds", "0", "--changed", str(folder / "first.csv"))
    return folder / "first.csv"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "say what is different"),
        (["--threshold", "blok=0.5"], "did you mean 'block'"),
        (["--threshold", "block"], "an action and a number"),
        (["--threshold", "block=nan"], "finite number"),
        (["--threshold", "block=0.1"], "must rise with the actions' severity"),
        (["--bundle", "nothing"], "is not in the workspace"),
        (["--threshold", "block=0.9", "--system", "shp"], "did you mean 'shop'"),
        (["--threshold", "block=0.9", "--since", "2030-01-01"], "no events in this span"),
        (["--threshold", "block=0.9", "--data", "x"], "name one past"),
        (["--threshold", "block=0.9", "--champion", "x"], "--champion is for"),
        (["--threshold", "block=0.9", "--changed", "x.txt"], "write .csv or .parquet"),
        (["--threshold", "block=0.9", "--report", "x.pdf"], "write .html"),
        (["--lists", "{home}/policy.json"], "must say of each list"),
        (["--rules", "{home}/lists.yaml"], "unknown key 'blocked'"),
    ],
)
def test_what_makes_no_sense_is_told(home: Path, words: list[str], message: str) -> None:
    assert message in refused(home, *(word.format(home=home) for word in words))


def test_own_data_is_decided_first_and_then_otherwise(tmp_path: Path) -> None:
    """Every event took place, so nothing is hidden; rules are tried against those that decide."""
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "definition.py").write_text(DEFINITION, encoding="utf-8")
    worlds.source().head(worlds.SMALL, 1_500).write(tmp_path / "world")
    draft = "version: 1\nrules:\n- {id: fast, when: user_count_1h > 3, action: block}\n"
    (tmp_path / "draft.yaml").write_text(draft, encoding="utf-8")
    where = ["--system", str(tmp_path / "small"), "--data", str(tmp_path / "world")]
    done = RUNNER.invoke(app, ["whatif", *where, "--rules", str(tmp_path / "draft.yaml"), "--json", "--rounds", "0"])
    assert done.exit_code == 0, done.exception
    found = msgspec.json.decode(done.stdout)
    hits = int((worlds.table().column("user_count_1h")[:1_500] > 3).sum())
    assert found["events"] == 1_500
    assert found["other"]["stopped"] == hits
    assert found["hidden"]["unlabelled"] == 0
    bad = RUNNER.invoke(app, ["whatif", *where, "--threshold", "block=0.9", "--workspace", "x"])
    assert isinstance(bad.exception, InputError)
