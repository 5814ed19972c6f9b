"""The proof with every kind of layer at once: links and last events, HTTP and restarts from snapshots included."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from adjudge.discover import Found, find
from adjudge.engine import compile
from adjudge.engine.layers import NOT_NEEDED, RAN
from adjudge.learn.pipeline import run, with_bundle
from adjudge.learn.source import Source
from adjudge.models import StackScorer
from adjudge.service.run import secret
from adjudge.service.verify import Player, broken_links, compared, controls, script_of, verify

DEFINITION = '''
from adjudge.define import Label, Policy, Rules, System, days, feature, hours
from adjudge.models import Autoencoder, Isolation, Logistic, Net, SequenceNet, Stack, Trees
from adjudge.models.stack import Of
from adjudge.systems.payments.definition import OUTCOMES, Payment

user, device = Payment.by("user"), Payment.by("device")
plain = [
    user.count(hours(1), hours(24)),
    user.mean("amount", days(30)),
    user.count(hours(24), of="declined"),
    device.linked("user").count(days(30)),
    device.linked("user").known("fraud", days(30)),
    Payment.by("merchant").linked("user", fan_out=16).events(days(7), of="fraud"),
    feature("amount_ratio", "amount / user_amount_mean_30d"),
]
own = ("amount", "user_count_1h", "user_count_1d", "amount_ratio", "device_linked_user_count_30d", "method")

system = System(
    name="tiny_stack",
    decides=Payment,
    label=Label("fraud", delay=days(7)),
    outcomes=OUTCOMES,
    features=[*plain, user.last_n("amount", 3), user.since_last_n(3)],
    rules=Rules.load("""
    version: 1
    rules:
    - {id: too_fast, when: user_count_1h > 3, action: block, confidence: 0.9}
    - {id: tiny, when: amount < 5, action: approve, final: true}
    """),
    policy=Policy(thresholds={"review": 0.1, "block": 0.6}),
    model=Stack(
        Of(Trees("lightgbm", n_trees=10, depth=3, threads=1), features=own),
        Of(Logistic(bins=8), features=own),
        Of(Isolation(n_trees=10), features=own),
        Of(Net(hidden=(8,), epochs=2), features=own),
        Of(Autoencoder(hidden=(4, 2, 4), epochs=2), features=own[:4]),
        SequenceNet(hidden=4, head=8, epochs=1),
        folds=2,
        needed=0.2,
        sure=0.0,
    ),
    amount="amount",
    card="card",
)
'''

DATA = """
from adjudge.systems.payments.data import of_world, read
from adjudge.systems.payments.simulate import simulate as world
from adjudge.learn.source import Source


def simulate(events, *, seed=7):
    made = of_world(world(events, seed=seed, days=60, fraud_share=0.08))
    labels = {name: made.labels[name] for name in ("fraud", "declined")}
    return Source({"payment": made.frames["payment"]}, labels, {}, made.truth)
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Return the system as a folder, as a user would have it."""
    folder = tmp_path_factory.mktemp("verified") / "tiny_stack"
    folder.mkdir()
    (folder / "definition.py").write_text(DEFINITION, encoding="utf-8")
    (folder / "data.py").write_text(DATA, encoding="utf-8")
    return find(str(folder))


@pytest.fixture(scope="module")
def source(found: Found) -> Source:
    assert found.simulate is not None
    made: Source = found.simulate(3_000)
    return made


@pytest.fixture(scope="module")
def bundle(found: Found, source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundled") / "bundle"
    run(found.build({}), source, secret=secret()).write(path, datetime(2026, 1, 2, tzinfo=UTC))
    return path


@pytest.mark.slow
def test_every_way_into_the_whole_stack_agrees(found: Found, source: Source, bundle: Path) -> None:
    result = verify(found, source, events=600, bundle=bundle, restarts=6, told=lambda what, done, of: None)
    assert result.passed
    assert {"http, in file order", "python, a log in a file, 6 restarts"} <= {p.name for p in result.entry_points}
    assert all(point.scores_compared >= 600 for point in result.entry_points)


def test_what_is_proven_has_layers_that_were_asked_and_some_that_were_not(
    found: Found, source: Source, bundle: Path
) -> None:
    plan = with_bundle(found.build, bundle, secret())
    assert isinstance(plan.scorer, StackScorer)
    assert plan.scorer.family_names == ("trees", "logistic", "isolation", "net", "autoencoder", "sequencenet")
    frame = source.frames["payment"].sort("at", maintain_order=True).head(1_000)
    decisions = plan.step(plan.start(), plan.encode_frame("payment", frame, np.arange(frame.height)))
    assert decisions is not None
    assert set(decisions.layers[1].tolist()) == {RAN, NOT_NEEDED}


def test_links_that_do_not_know_who_asks_are_caught(found: Found, source: Source) -> None:
    """The broken windows alone would be caught whatever the links did, so those are broken by themselves."""
    plan = compile(found.build({}))
    part = source.head(plan.system, 400)
    script = script_of(plan, part)
    right = Player(plan, script, 100).play(plan.start())
    wrong = Player(plan, script, 100).play(broken_links(plan))
    differing = (right.features != wrong.features).any(axis=0)
    names = {name for name, differs in zip(plan.names, differing.tolist(), strict=True) if differs}
    assert names
    assert all("_linked_" in name for name in names)
    assert compared("links", right, wrong, 0.0).features_differing > 0
    assert len(controls(plan)) == 2
    assert len(controls(compile(find("payments").build({})))) == 1
