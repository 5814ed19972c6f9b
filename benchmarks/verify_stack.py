"""`verify_stack`: the proof of parity with every kind of layer on, linked entities and last events included.

A stack of trees, logistic regression, isolation forest, net, autoencoder and sequence net is trained on simulated
payments and bundled, and `adjudge verify` compares every way into it. Later layers are asked of some events and spared
others; how many of each is told, so that a proof about layers that nobody asked would show.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adjudge.discover import find
from adjudge.engine.layers import RAN, layers_of, take_part
from adjudge.learn import pipeline
from adjudge.learn.train import SETTLED
from adjudge.models import StackScorer
from adjudge.service.run import secret
from adjudge.service.verify import verify

FOLDER = Path(__file__).parent / "_stacked"

EVENTS, RESTARTS = 20_000, 30


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Train, prove, and return what was compared.

    Parameters
    ----------
    quick
        Prove the same on fewer events.
    progress
        Is told which way is gone.
    """
    told: set[str] = set()

    def tell(what: str, done: int, total: int) -> None:
        if what not in told:
            told.add(what)
            progress(what)

    found = find(str(FOLDER))
    assert found.simulate is not None  # its data module has one
    events, restarts = (1_500, 6) if quick else (EVENTS, RESTARTS)
    source = found.simulate(events)
    with tempfile.TemporaryDirectory() as folder:
        made = pipeline.run(found.build(source.lists), source, secret=secret(), progress=tell)
        made.write(Path(folder) / "bundle", datetime.now(UTC))
        result = verify(found, source, events=events, bundle=Path(folder) / "bundle", restarts=restarts, told=tell)
    return {"restarts": restarts, "passed": result.passed, **asked(made), **msgspec.to_builtins(result)}


def asked(made: pipeline.Run) -> dict[str, Any]:
    """Return the members, those that have a weight, and of which share of the test each layer was asked."""
    scorer, test = made.trained.scorer, made.trained.parts.test
    assert isinstance(scorer, StackScorer)
    part, rows = test.features(scorer.names), np.arange(len(scorer.names))
    X, layers = np.ascontiguousarray(part.X), layers_of(scorer, rows)
    _, codes = take_part(scorer, layers, X, settled=lambda _: test.extra[SETTLED])
    whole = scorer.mixes[max(scorer.mixes)].weights
    return {
        "members": list(scorer.family_names),
        "weights": dict(zip(scorer.family_names, np.round(whole, 4).tolist(), strict=True)),
        "asked": {layer: round(float((codes[i] == RAN).mean()), 4) for i, layer in enumerate(scorer.layers)},
    }
