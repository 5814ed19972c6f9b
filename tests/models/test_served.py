"""Saving, loading, and the checks that a scorer must pass before it is served."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adjudge.engine.scorer import Scorer, Scores
from adjudge.errors import BundleError
from adjudge.models.scorers import ModelScorer
from adjudge.models.served import JSON_FILE, NPZ_FILE, check_equal_to_trained, check_invariance, load, save
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray, IntArray

from .rows import Rows

SECRET = bytes(range(16))


@pytest.fixture(scope="module")
def scorer(train: Rows, later: Rows) -> ModelScorer:
    trees = Trees(n_trees=20, depth=4, threads=1)
    return trees.fit(train.X, train.y, validation=(later.X, later.y)).served()


class Linear:
    """A scorer that multiplies matrices: the sum over features is taken in another order in another batch."""

    names = tuple(f"f{i}" for i in range(8))
    version = "linear"
    top = 0
    family_names = ()

    def score(self, X: FloatArray, rows: IntArray) -> Scores:
        """Score with one matrix product over the batch."""
        random = np.random.default_rng(0)
        hidden = np.tanh(np.nan_to_num(X[rows]).T @ random.normal(size=(8, 300)))
        margin = (hidden @ random.normal(size=(300, 40))).sum(axis=1)
        return Scores(
            margin,
            1 / (1 + np.exp(-margin)),
            np.zeros((len(margin), 0), np.int32),
            np.zeros((len(margin), 0)),
        )


def test_it_is_a_scorer(scorer: ModelScorer) -> None:
    assert isinstance(scorer, Scorer)


def test_saved_and_loaded_scorers_agree_in_bits(scorer: ModelScorer, later: Rows, tmp_path: Path) -> None:
    save(scorer, tmp_path)
    again = load(tmp_path, SECRET)
    assert again.version == scorer.version
    assert again.names == scorer.names
    before, after = scorer.score(later.slots, later.places), again.score(later.slots, later.places)
    for field in ("margin", "p", "top", "top_value"):
        assert np.array_equal(getattr(before, field), getattr(after, field))


def test_saving_twice_gives_the_same_bytes(scorer: ModelScorer, tmp_path: Path) -> None:
    first, second = save(scorer, tmp_path / "a"), save(scorer, tmp_path / "b")
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_every_change_changes_the_version(train: Rows) -> None:
    versions = {
        Trees(n_trees=n, depth=3, threads=1, seed=seed).fit(train.X, train.y).served().version
        for n, seed in ((5, 0), (6, 0), (5, 1))
    }
    assert len(versions) == 3


def test_serving_imports_no_training_library(scorer: ModelScorer, tmp_path: Path) -> None:
    # numba itself looks at scipy's version, so it is scipy's parts that must not be there
    save(scorer, tmp_path)
    code = (
        "import sys, numpy as np\n"
        "import adjudge.models\n"
        "from adjudge.models.served import load\n"
        f"scorer = load({str(tmp_path)!r}, bytes(16))\n"
        "scorer.score(np.zeros((8, 3)), np.arange(8))\n"
        "heavy = {'lightgbm', 'xgboost', 'sklearn', 'scipy.sparse', 'scipy.special', 'pandas', 'polars'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("file", [JSON_FILE, NPZ_FILE])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "flipped", "text"])
def test_damaged_files_are_one_clear_error(scorer: ModelScorer, tmp_path: Path, file: str, damage: str) -> None:
    save(scorer, tmp_path)
    path = tmp_path / file
    content = path.read_bytes()
    middle = len(content) // 2
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes(
            {
                "empty": b"",
                "cut": content[:middle],
                "flipped": content[:middle] + bytes([content[middle] ^ 0x55]) + content[middle + 1 :],
                "text": b"[1, 2]",
            }[damage]
        )
    with pytest.raises(BundleError, match="model"):
        load(tmp_path, SECRET)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"format": 2}, "format 2"),
        ({"version": "0000"}, "not the one that was saved"),
        ({"scorer": {"kind": "magic"}}, "not known"),
        ({"scorer": {}}, "kind"),
        ({"scorer": None}, "cannot be read"),
    ],
)
def test_changed_descriptions_are_refused(
    scorer: ModelScorer, tmp_path: Path, change: dict[str, object], what: str
) -> None:
    save(scorer, tmp_path)
    meta = json.loads((tmp_path / JSON_FILE).read_text())
    (tmp_path / JSON_FILE).write_text(json.dumps(meta | change))
    with pytest.raises(BundleError, match=what):
        load(tmp_path, SECRET)


def test_pickles_inside_the_arrays_are_never_opened(scorer: ModelScorer, tmp_path: Path) -> None:
    save(scorer, tmp_path)
    arrays = dict(np.load(tmp_path / NPZ_FILE))
    arrays["model/threshold"] = np.array([{"a": 1}], dtype=object)
    np.savez(tmp_path / NPZ_FILE, **arrays)
    with pytest.raises(BundleError, match="allow_pickle=False"):
        load(tmp_path, SECRET)


def test_a_served_forest_is_invariant(scorer: ModelScorer, later: Rows) -> None:
    assert check_invariance(scorer, later.slots, later.places) == 7 * len(later.y)


def test_a_scorer_that_feels_its_neighbours_is_refused(later: Rows) -> None:
    with pytest.raises(BundleError, match="neighbours"):
        check_invariance(Linear(), later.slots, later.places)


def test_a_scorer_that_differs_from_the_trained_model_is_refused(scorer: ModelScorer, later: Rows) -> None:
    margin = scorer.score(later.slots, later.places).margin
    assert check_equal_to_trained(scorer, later.slots, later.places, margin) == 0.0
    moved = margin.copy()
    moved[7] += 0.01
    with pytest.raises(BundleError, match="differs from the trained one"):
        check_equal_to_trained(scorer, later.slots, later.places, moved)
    moved[7] = np.nan
    with pytest.raises(BundleError, match="differs from the trained one"):
        check_equal_to_trained(scorer, later.slots, later.places, moved)
    with pytest.raises(BundleError, match="cannot be compared"):
        check_equal_to_trained(scorer, later.slots, later.places, margin[:5])
