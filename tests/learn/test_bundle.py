"""Bundles: whole or refused, for one system, the same bits on the way out as on the way in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest

from adjudge.define import feature
from adjudge.engine import Plan, compile
from adjudge.errors import BundleError, DefinitionError
from adjudge.learn import bundle as bundles
from adjudge.learn.bundle import MANIFEST, Bundle
from adjudge.models.scorers import ModelScorer
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray, IntArray
from tests.engine.machines import MACHINES

SECRET = bytes(16)
NOW = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A plan, a model for it, and events to score."""

    plan: Plan
    scorer: ModelScorer
    X: FloatArray
    rows: IntArray

    def write(self, path: Path, **changes: object) -> Bundle:
        """Write a bundle with some arguments changed."""
        arguments: dict[str, object] = {
            "plan": self.plan,
            "scorer": self.scorer,
            "sample": (self.X, self.rows),
            "created_at": NOW,
            "thresholds": {"service": 0.4},
            "metrics": {"auc": 0.75, "recall": None},
            "training": {"rows": 300},
            "evaluation": b'{"auc": 0.75}',
        }
        return bundles.write(path, **(arguments | changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def made() -> Made:
    plan = compile(MACHINES)
    names = tuple(name for name in plan.names if name not in plan.categorical)[:6]
    random = np.random.default_rng(0)
    X = random.normal(size=(len(names), 300))
    y = (X[0] + X[1] > 0.5).astype(np.float64)
    scorer = Trees(n_trees=8, depth=3, threads=1).fit(X.T, y, names=names).served()
    return Made(plan, scorer, X, np.arange(len(names)))


@pytest.fixture
def folder(made: Made, tmp_path: Path) -> Path:
    return made.write(tmp_path / "bundle").path


def test_what_was_written_is_what_is_read(made: Made, folder: Path) -> None:
    found = bundles.read(folder, SECRET)
    assert found.manifest.system == "machines"
    assert found.manifest.thresholds == {"service": 0.4}
    assert found.manifest.metrics == {"auc": 0.75, "recall": None}
    assert found.manifest.created_at == "2026-01-02T03:04:00+00:00"
    assert found.evaluation() == b'{"auc": 0.75}'
    before, after = made.scorer.score(made.X, made.rows), found.scorer.score(made.X, made.rows)
    assert before.p.tobytes() == after.p.tobytes()
    assert before.top_value.tobytes() == after.top_value.tobytes()
    found.check(made.plan)
    assert found.profile_differences() == {}


def test_same_content_same_id_same_bytes(made: Made, tmp_path: Path) -> None:
    first, second = made.write(tmp_path / "a"), made.write(tmp_path / "b")
    assert first.id == second.id == bundles.read(tmp_path / "a", SECRET).id
    for file in first.path.rglob("*.*"):
        assert file.read_bytes() == (tmp_path / "b" / file.relative_to(first.path)).read_bytes()
    assert made.write(tmp_path / "c", thresholds={"service": 0.5}).id != first.id


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def rewrite(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change a manifest as somebody with an editor and the right formatting would."""
    content = json.loads((folder / MANIFEST).read_bytes())
    change(content)
    manifest = msgspec.convert(content, bundles.Manifest)
    packed = msgspec.json.encode(manifest, order="sorted")
    (folder / MANIFEST).write_bytes(msgspec.json.format(packed, indent=1) + b"\n")


@pytest.mark.parametrize("name", ["model/model.json", "model/model.npz", "evaluation.json"])
def test_a_changed_bit_is_found_and_the_file_named(folder: Path, name: str) -> None:
    flip(folder / name)
    with pytest.raises(BundleError, match=f"content of {name} changed"):
        bundles.read(folder, SECRET)


@pytest.mark.parametrize("name", ["model/model.json", "model/model.npz", "evaluation.json"])
def test_a_missing_or_cut_file_is_named(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(BundleError, match=f"corrupt: {name}"):
        bundles.read(folder, SECRET)
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"corrupt: {name}"):
        bundles.read(folder, SECRET)


def test_every_byte_of_the_manifest_counts(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes()
    for place in range(0, len(whole), 97):
        broken = bytearray(whole)
        broken[place] ^= 1
        (folder / MANIFEST).write_bytes(bytes(broken))
        try:
            found = bundles.read_manifest(folder)
        except BundleError:
            continue
        assert bundles._id(found) != bundles._id(msgspec.json.decode(whole, type=bundles.Manifest))


def test_no_bundle_and_no_json_are_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"there is no bundle in .*: No such file"):
        bundles.read(tmp_path / "nowhere", SECRET)
    (tmp_path / MANIFEST).write_text("{")
    with pytest.raises(BundleError, match=r"cannot be read, bundle\.json"):
        bundles.read(tmp_path, SECRET)


def test_newer_formats_are_refused(folder: Path) -> None:
    rewrite(folder, lambda content: content.update(format=2))
    with pytest.raises(BundleError, match="has format 2, this version reads 1"):
        bundles.read(folder, SECRET)


@pytest.mark.parametrize(
    "name", ["../secret.json", "/etc/passwd.json", "model/../../x.json", "a/b/c.json", "x.pkl", ""]
)
def test_no_path_leads_out_of_the_bundle(folder: Path, name: str) -> None:
    entry = {"sha256": "0" * 64, "size": 1}
    rewrite(folder, lambda content: content["files"].update({name: entry}))  # type: ignore[attr-defined]
    with pytest.raises(BundleError, match="lists a file it may not have"):
        bundles.read(folder, SECRET)


def test_links_are_not_followed(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere.json"
    (folder / "evaluation.json").rename(elsewhere)
    (folder / "evaluation.json").symlink_to(elsewhere)
    with pytest.raises(BundleError, match=r"corrupt: evaluation\.json"):
        bundles.read(folder, SECRET)


def test_files_that_nobody_listed_are_refused(folder: Path) -> None:
    (folder / "model" / "extra.json").write_text("{}")
    with pytest.raises(BundleError, match=r"holds model/extra\.json"):
        bundles.read(folder, SECRET)


def test_sizes_have_limits(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "SIZE_LIMIT", 100)
        with pytest.raises(BundleError, match="lists a file it may not have"):
            bundles.read(folder, SECRET)
    np.savez_compressed(folder / "model" / "model.npz", zeros=np.zeros(100_000))
    packed = (folder / "model" / "model.npz").stat().st_size
    with monkeypatch.context() as patch:
        patch.setattr(bundles, "SIZE_LIMIT", 10 * packed)
        with pytest.raises(BundleError, match=r"of 800\d+ bytes unpacked"):
            bundles._check_unpacked(folder)
    monkeypatch.setattr(bundles, "MANIFEST_LIMIT", 10)
    with pytest.raises(BundleError, match="larger than 10 bytes"):
        bundles.read(folder, SECRET)


def test_another_system_is_refused_and_the_difference_named(made: Made, folder: Path) -> None:
    found = bundles.read(folder, SECRET)
    more = replace(MACHINES, features=[*MACHINES.features, feature("twice", "2 * age_days")])
    with pytest.raises(BundleError, match="now also has twice"):
        found.check(compile(more))
    with pytest.raises(BundleError, match="is for system 'machines', not 'other'"):
        found.check(compile(replace(MACHINES, name="other")))
    later = made.write(folder.parent / "later", plan=compile(more))
    with pytest.raises(BundleError, match="no longer has twice"):
        later.check(made.plan)
    thrice = replace(MACHINES, features=[*MACHINES.features, feature("twice", "3 * age_days")])
    with pytest.raises(BundleError, match="now defines otherwise twice"):
        later.check(compile(thrice))


def test_words_for_people_do_not_matter(made: Made, folder: Path) -> None:
    bundles.read(folder, SECRET).check(compile(replace(MACHINES, meaning="other words")))


def test_an_older_bundle_is_replaced_and_anything_else_left_alone(made: Made, tmp_path: Path) -> None:
    path = tmp_path / "bundle"
    made.write(path)
    made.write(path, thresholds={})
    assert bundles.read(path, SECRET).manifest.thresholds == {}
    other = tmp_path / "other"
    other.mkdir()
    (other / "diary.txt").write_text("dear")
    with pytest.raises(BundleError, match="left alone"):
        made.write(other)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bundle", "other"]


def test_a_crash_leaves_the_old_bundle(made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "bundle"
    before = made.write(path).id

    def broken(source: Path, target: Path) -> None:
        if Path(source).name == "bundle" and Path(source).parent != tmp_path:
            message = "disk full"
            raise OSError(message)
        os.rename(source, target)

    monkeypatch.setattr("os.replace", broken)
    with pytest.raises(OSError, match="disk full"):
        made.write(path, thresholds={})
    assert bundles.read(path, SECRET).id == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["bundle"]


def test_wrong_arguments_are_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="offset"):
        made.write(tmp_path / "b", created_at=NOW.replace(tzinfo=None))
    with pytest.raises(DefinitionError, match="bundle thresholds"):
        made.write(tmp_path / "b", thresholds={"servise": 0.5})
    X = np.random.default_rng(1).normal(size=(200, 1))
    y = (X[:, 0] > 0).astype(np.float64)
    foreign = Trees(n_trees=2, depth=2, threads=1).fit(X, y, names=("card_count_1h",)).served()
    with pytest.raises(BundleError, match="reads 'card_count_1h', which the system does not have"):
        made.write(tmp_path / "b", scorer=foreign)


def test_reading_needs_no_training_library(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adjudge.learn.bundle import read;"
        f"read(Path({str(folder)!r}), bytes(16));"
        "heavy = ('lightgbm', 'xgboost', 'sklearn', 'polars', 'pandas', 'matplotlib');"
        "print([m for m in heavy if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
