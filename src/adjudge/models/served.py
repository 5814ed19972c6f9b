"""Saving and loading scorers without pickle, and the checks that a scorer must pass before it is served."""

from __future__ import annotations

import functools
import json
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.engine.layers import Layer, layers_of
from adjudge.engine.scorer import Scorer, Scores
from adjudge.errors import BundleError
from adjudge.models.blend import BlendScorer
from adjudge.models.raw import Model
from adjudge.models.scorers import ModelScorer, Served
from adjudge.models.stacked import StackScorer
from adjudge.typing import AnyArray, FloatArray, IntArray

JSON_FILE = "model.json"
"""The file of a scorer's description."""

NPZ_FILE = "model.npz"
"""The file of a scorer's arrays."""

FORMAT = 1
"""Version of the files; raised when an older reader could not read them."""

SIZES = (1, 2, 3, 7, 16, 17, 1000)
"""Batch sizes that `check_invariance` tries."""


def save(scorer: Served, directory: Path | str) -> tuple[Path, ...]:
    """Write a scorer as JSON and arrays, and return the files.

    Parameters
    ----------
    scorer
        What is to be saved.
    directory
        Where; made if it is not there. The same scorer always gives the same bytes.
    """
    folder = Path(directory)
    folder.mkdir(parents=True, exist_ok=True)
    meta = {"format": FORMAT, "version": scorer.version, "scorer": scorer.meta()}
    (folder / JSON_FILE).write_text(json.dumps(meta, indent=1, sort_keys=True) + "\n")
    np.savez_compressed(folder / NPZ_FILE, allow_pickle=False, **scorer.arrays())
    return folder / JSON_FILE, folder / NPZ_FILE


def load(directory: Path | str, secret: bytes) -> Served:
    """Read a scorer that `save` wrote; needs none of the libraries that trained it.

    Parameters
    ----------
    directory
        Where `save` wrote it.
    secret
        The workspace's 16 bytes with which the engine hashes texts.

    Raises
    ------
    BundleError
        If a file is missing, broken or of a newer format, or its content is not what was saved.
    """
    folder = Path(directory)
    try:
        meta = json.loads((folder / JSON_FILE).read_text())
        if meta["format"] != FORMAT:
            msg = f"the model in {folder} has format {meta['format']!r}, this version reads {FORMAT}"
            raise BundleError(msg)
        # opened here, because numpy leaves the file open when its content is broken
        with (folder / NPZ_FILE).open("rb") as source, np.load(source, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        scorer = scorer_from(meta["scorer"], arrays, secret)
        version = meta["version"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError) as error:
        msg = f"the model in {folder} cannot be read: {type(error).__name__}: {error}"
        raise BundleError(msg) from error
    except (zipfile.BadZipFile, zlib.error, NotImplementedError) as error:
        msg = f"the arrays of the model in {folder} are broken: {error}"
        raise BundleError(msg) from error
    if scorer.version != version:
        msg = f"the model in {folder} is not the one that was saved: {scorer.version} instead of {version}"
        raise BundleError(msg)
    return scorer


def scorer_from(meta: Mapping[str, Any], arrays: Mapping[str, AnyArray], secret: bytes) -> Served:
    """Build a scorer from what its `meta` and `arrays` returned."""
    if meta["kind"] == ModelScorer.kind:
        return ModelScorer.from_arrays(meta, arrays, secret)
    if meta["kind"] == BlendScorer.kind:
        return BlendScorer.from_arrays(meta, arrays, secret)
    if meta["kind"] == StackScorer.kind:
        return StackScorer.from_arrays(meta, arrays, secret)
    msg = f"a scorer of kind {meta['kind']!r} is not known"
    raise BundleError(msg)


def check_invariance(scorer: Scorer, X: FloatArray, rows: IntArray, *, seed: int = 0) -> int:
    """Refuse a scorer whose rows depend on their neighbours.

    Parameters
    ----------
    scorer
        What is about to be served.
    X
        A feature matrix, shape (C, n); with 1,000 events or more the largest batch is full.
    rows
        The row of `X` for each of the scorer's names.
    seed
        Seed of the permutations.

    Returns
    -------
    int
        How many rows were compared.

    Raises
    ------
    BundleError
        If any row has other bits in another batch.
    """
    compared = _compared(lambda some: _columns(scorer.score(some, rows)), X, seed)
    if isinstance(scorer, StackScorer):  # every layer by itself, which may not have been asked about most rows
        for layer in layers_of(scorer, rows):
            said = functools.partial(_said, layer)
            compared += _compared(said, X, seed)
    return compared


def _compared(columns: Callable[[FloatArray], Iterator[tuple[str, AnyArray]]], X: FloatArray, seed: int) -> int:
    """Compare every column (rows first) of a whole matrix with those of its parts; return how many rows there were."""
    n, compared = X.shape[1], 0
    whole = dict(columns(X))
    random = np.random.default_rng(seed)
    for size in SIZES:
        order = random.permutation(n)
        for start in range(0, n, size):
            part = order[start : start + size]
            for name, column in columns(np.ascontiguousarray(X[:, part])):
                if column.tobytes() != np.ascontiguousarray(whole[name][part]).tobytes():
                    msg = f"{name} of a row changes with its neighbours (batches of {size}): not servable"
                    raise BundleError(msg)
            compared += len(part)
    return compared


def _said(layer: Layer, X: FloatArray) -> Iterator[tuple[str, AnyArray]]:
    """Yield what a layer says, an event a row."""
    yield f"layer {layer.name}", layer.attempt(X)[0]


def _columns(scores: Scores) -> Iterator[tuple[str, AnyArray]]:
    """Yield every array of the scores by name."""
    yield "margin", scores.margin
    yield "p", scores.p
    yield "top", scores.top
    yield "top_value", scores.top_value
    yield from scores.families.items()


def check_equal_to_trained(
    scorer: Scorer, X: FloatArray, rows: IntArray, margin: FloatArray, *, tolerance: float = 1e-4
) -> float:
    """Refuse a scorer that differs from the model as its library computes it.

    Parameters
    ----------
    scorer
        What is about to be served.
    X, rows
        A feature matrix and where in it the scorer's features are.
    margin
        The library's raw margins for the same events.
    tolerance
        The largest difference allowed, relative for margins above 1. LightGBM adds doubles and is met
        exactly; XGBoost adds floats, which costs about 1e-5 over 500 trees.

    Returns
    -------
    float
        The largest difference.

    Raises
    ------
    BundleError
        If a margin differs by more.
    """
    served = scorer.score(X, rows).margin
    if served.shape != margin.shape:
        msg = f"{len(served)} served margins cannot be compared with {len(margin)} trained ones"
        raise BundleError(msg)
    difference = float(np.max(np.abs(served - margin) / np.maximum(1.0, np.abs(margin)), initial=0.0))
    if not difference <= tolerance:
        msg = f"the served model differs from the trained one by {difference:.3g}, allowed is {tolerance:.3g}"
        raise BundleError(msg)
    return difference


def check_model(model: Model, X: FloatArray, margin: FloatArray, *, tolerance: float = 1e-4) -> float:
    """Hold a served model to its library's margins of rows X (n, F); see `check_equal_to_trained`."""
    slots, rows = np.ascontiguousarray(X.T), np.arange(X.shape[1])
    return check_equal_to_trained(ModelScorer(model, top=0), slots, rows, margin, tolerance=tolerance)
