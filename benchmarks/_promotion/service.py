"""The service of the benchmark `promotion`: a log in a file, two bundles, shadows, and the desk of challengers."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl

from adjudge.engine import SECRET, Plan
from adjudge.engine import compile as compile_system
from adjudge.learn import bundle
from adjudge.learn.pipeline import with_bundle
from adjudge.models.native import from_lightgbm
from adjudge.models.scorers import ModelScorer
from adjudge.service.app import Service
from adjudge.service.bundles import Bundles
from adjudge.service.challengers.shadow import Shadows
from adjudge.service.decider import Decider
from adjudge.service.home import open_log
from adjudge.service.keeper import Keeper
from adjudge.service.resolver import Resolver
from adjudge.service.server import serve
from adjudge.service.settings import Settings
from adjudge.service.warm import warm
from benchmarks._http import workload

CHAMPION, CHALLENGER = "champion", "challenger"
"""Directories of the two bundles."""


def bundles(folder: Path) -> Bundles:
    """Return where the bundles of a workload are."""
    return Bundles(folder / "bundles", SECRET, folder)


def prepare(folder: Path, *, rows: int, keys: int) -> None:
    """Write the workload of the benchmark `http`, and two bundles with 500 trees each."""
    workload.prepare(folder, rows=rows, keys=keys)
    names = workload.feature_names()
    sample = np.exp(np.random.default_rng(5).normal(1.5, 1.2, (len(names), 1_000)))
    for seed, name in ((7, CHAMPION), (8, CHALLENGER)):
        text = folder / f"{name}.txt"
        workload.train(text, np.random.default_rng(seed))
        scorer = ModelScorer(from_lightgbm(text.read_text()))
        at = datetime(2026, 1, 1, tzinfo=UTC)
        plan, rows_ = compile_system(workload.system()), np.arange(len(names))
        bundle.write(folder / name, plan=plan, scorer=scorer, sample=(sample, rows_), created_at=at)
        bundles(folder).keep(folder / name)


def champion(folder: Path) -> Plan:
    """Return the system as it decides at first."""
    return with_bundle(lambda lists: workload.system(), folder / CHAMPION, SECRET)


def main(folder: str, port: str) -> None:
    """Serve a prepared workload."""
    home = Path(folder)
    settings = Settings(port=int(port), log="sqlite", workspace=str(home / "workspace"), auth="off")
    plan = champion(home)
    warm([plan], lambda text: print(text, file=sys.stderr))
    decider = Decider([plan], open_log(settings, new=True), resolver=Resolver([plan], bundles(home)))
    decider.import_table("payment", pl.read_parquet(home / workload.TABLE))
    decider.shadows = Shadows(decider.watches, decider.write_down)
    decider.shadows.start()
    keeper = Keeper(decider)
    keeper.start()
    serve(Service(decider, settings), settings)
    decider.shadows.stop()
    keeper.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
