"""Bundles for the small shop: forests that were drawn and never trained."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from adjudge.define import System
from adjudge.engine import SECRET, Plan, compile
from adjudge.learn import bundle
from adjudge.learn.pipeline import with_bundle
from adjudge.models.forest import Forest
from adjudge.models.scorers import ModelScorer

NAMES = ("amount", "user_count_1h")
"""What the forests read."""

TREES = 16


def forest(seed: int) -> Forest:
    """Return trees of one split each, at amounts and counts that purchases really have."""
    rng = np.random.default_rng(seed)
    feature = rng.integers(0, len(NAMES), TREES).astype(np.int32)
    return Forest(
        names=NAMES,
        node_start=np.arange(TREES + 1),
        leaf_start=2 * np.arange(TREES + 1),
        feature=feature,
        kind=np.zeros(TREES, np.uint8),
        threshold=np.where(feature == 0, rng.uniform(0, 500, TREES), rng.uniform(0, 6, TREES)),
        left=np.full(TREES, -1, np.int32),
        right=np.full(TREES, -2, np.int32),
        leaf_value=rng.normal(0, 0.5, 2 * TREES),
        leaf_cover=np.ones(2 * TREES),
        set_start=np.zeros(1, np.int64),
        set_values=np.empty(0, np.int64),
        base=-0.5,
    )


def write(path: Path, system: System, seed: int) -> Path:
    """Write a bundle for a system, and return its directory."""
    rng = np.random.default_rng(4)
    sample = rng.uniform(0, 500, size=(len(NAMES), 1_000))
    scorer, at = ModelScorer(forest(seed)), datetime(2026, 1, 2, tzinfo=UTC)
    bundle.write(path, plan=compile(system), scorer=scorer, sample=(sample, np.arange(2)), created_at=at)
    return path


def plan_with(path: Path, system: System) -> Plan:
    """Return the plan of a system that decides with a bundle."""
    return with_bundle(lambda lists: system, path, SECRET)
