"""A forest that was drawn and never trained: what it predicts is of no interest, only that it comes back bit by bit."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from adjudge.discover import find
from adjudge.engine import compile
from adjudge.learn import bundle
from adjudge.models.forest import Forest
from adjudge.models.scorers import ModelScorer
from adjudge.service.run import secret

SYSTEM = str(Path(__file__).parent)
"""The folder that is served."""

TREES, DEPTH = 60, 4

SCALES = {
    "amount": 40.0,
    "user_count_10m": 4.0,
    "user_count_1h": 8.0,
    "user_count_1d": 20.0,
    "user_amount_mean_30d": 40.0,
    "user_amount_std_30d": 40.0,
    "user_declined_count_1d": 1.0,
    "user_card_distinct_7d": 9.0,
    "user_place_speed_kmh": 1e4,
    "card_fraud_rate_30d": 0.4,
    "user_login_count_10m": 1.0,
    "zscore": 1.0,
}
"""What the forest reads, and about how large each is."""


def draw(about: Mapping[str, float] = SCALES, seed: int = 3) -> Forest:
    """Return whole trees with thresholds that the features really pass."""
    rng = np.random.default_rng(seed)
    names, scales = tuple(about), np.array(list(about.values()))
    nodes, leaves = 2**DEPTH - 1, 2**DEPTH
    feature = rng.integers(0, len(names), TREES * nodes)
    children = 2 * np.arange(nodes)[:, None] + [1, 2]
    children = np.where(children < nodes, children, nodes - 1 - children)  # leaf c is written as -c - 1
    return Forest(
        names=names,
        node_start=np.arange(TREES + 1) * nodes,
        leaf_start=np.arange(TREES + 1) * leaves,
        feature=feature.astype(np.int32),
        kind=np.zeros(TREES * nodes, np.uint8),
        threshold=scales[feature] * rng.exponential(size=TREES * nodes),
        left=np.tile(children[:, 0], TREES).astype(np.int32),
        right=np.tile(children[:, 1], TREES).astype(np.int32),
        leaf_value=rng.normal(0, 0.35, TREES * leaves),
        leaf_cover=np.ones(TREES * leaves),
        set_start=np.zeros(1, np.int64),
        set_values=np.empty(0, np.int64),
        base=-1.0,
    )


def write(folder: Path, system: str = SYSTEM, about: Mapping[str, float] = SCALES) -> Path:
    """Write the bundle that the service decides with, and return its directory.

    Parameters
    ----------
    folder
        Where it is written.
    system
        Folder of the definition.
    about
        The features that the forest reads, and about how large each is.
    """
    scorer = ModelScorer(draw(about))
    rng = np.random.default_rng(4)
    sample = rng.exponential(size=(len(about), 1_000)) * np.array(list(about.values()))[:, None]
    plan = compile(find(system).build({}), secret=secret())
    made = folder / "bundle"
    rows = np.arange(len(about))
    bundle.write(made, plan=plan, scorer=scorer, sample=(sample, rows), created_at=datetime.now(UTC))
    return made
