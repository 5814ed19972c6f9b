"""Refreshing a graph: what is cut away was out of reach, what is added is seen, and a schedule is what tables give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.layers import Layers
from adjudge.models.graph.refresh import merged, places, refreshed, relabelled, trimmed, with_graphs
from adjudge.models.graph.sample import OWN, Fanout
from adjudge.models.graph.served import SageModel
from adjudge.models.graph.table import Embeddings, embeddings
from adjudge.models.logistic import Logistic
from adjudge.models.scorers import ModelScorer
from adjudge.typing import FloatArray

DAY_US = 86_400_000_000
KINDS, NAMES = ("user", "device"), ("amount",)


def layers(seed: int = 0) -> Layers:
    """Return weights that were drawn and never trained: every input reaches the margin."""
    random, d1, d2, hidden = np.random.default_rng(seed), 5, 4, 6
    width, inputs = OWN + len(KINDS) + len(NAMES) + 2, 2 * len(NAMES) + len(KINDS) * d2
    return Layers(
        np.zeros(1),
        np.ones(1),
        random.normal(size=(2, width, d1)),
        random.normal(size=(2, d1)),
        random.normal(size=(2, 2 * d1, d2)),
        random.normal(size=(2, d2)),
        random.normal(size=(inputs, hidden)),
        random.normal(size=hidden),
        random.normal(size=hidden),
        np.append(np.zeros(inputs), 0.1),
    )


def graph(n: int = 6_000, *, seed: int = 0, late: bool = True) -> EventGraph:
    """Return events of some busy users and many idle ones, a few of them logged days late."""
    random = np.random.default_rng(seed)
    ts = np.sort(random.integers(0, 60 * DAY_US, n))
    if late:
        ts = np.where(random.random(n) < 0.02, np.maximum(ts - 2 * DAY_US, 0), ts)
    user = np.where(random.random(n) < 0.3, random.integers(1, 4, n), random.integers(10, 300, n))
    device = np.where(random.random(n) < 0.1, 0, user // 2 + random.integers(0, 2, n) + 1000)
    label = np.where(random.random(n) < 0.1, 1.0, np.where(random.random(n) < 0.5, 0.0, np.nan))
    return EventGraph.build(
        KINDS,
        np.stack([user, device]).astype(np.uint64),
        ts,
        x=random.normal(size=(n, 1)),
        names=NAMES,
        labels=(label, ts + 3 * DAY_US),
        ids=np.arange(1, n + 1, dtype=np.uint64),
    )


def model(whole: EventGraph, refresh_us: int = 0) -> SageModel:
    net = layers()
    return SageModel(net, whole, "at", Fanout(), Embeddings.empty(net), refresh_us)


def slots(whole: EventGraph, rows: slice) -> FloatArray:
    """Return events as the engine gives them."""
    return np.concatenate([whole.x[rows].T, whole.keys[:, rows].view(np.float64), whole.ts[None, rows].astype(float)])


@pytest.mark.parametrize("lateness_days", [0, 7])
def test_what_is_cut_away_was_out_of_reach(lateness_days: int) -> None:
    """Vectors as of the refresh, as of any time up to the lateness before, and with events that come after."""
    whole, as_of = graph(), 60 * DAY_US
    short = trimmed(whole, as_of, lateness_days * DAY_US)
    assert len(short.ts) < 0.9 * len(whole.ts)
    more = graph(500, seed=1, late=False)
    added = replace(more, ts=more.ts + as_of, ids=more.ids + np.uint64(10_000))
    net, nothing = layers(), np.empty(0, np.uint64)
    for moment in (as_of, as_of - lateness_days * DAY_US // 2, as_of - lateness_days * DAY_US):
        (a, _), (b, _) = (embeddings(net, one, Fanout(), moment) for one in (whole, short))
        assert a.arrays().keys() == b.arrays().keys()
        assert all(x.tobytes() == y.tobytes() for x, y in zip(a.arrays().values(), b.arrays().values(), strict=True))
    later = [embeddings(net, merged(one, added, nothing), Fanout(), as_of + 90 * DAY_US)[0] for one in (whole, short)]
    assert later[0].vectors.tobytes() == later[1].vectors.tobytes()


def test_a_late_event_sees_as_of_its_refresh_what_it_would_have_seen() -> None:
    """On a schedule a late event looks back from the refresh before it, which lies before the lateness itself."""
    whole, as_of, lateness = graph(), 60 * DAY_US + 1, 7 * DAY_US - DAY_US // 3
    late = np.ascontiguousarray(slots(whole, slice(0, 400)))
    late[-1] = np.linspace(as_of - 1 - lateness, as_of - 1, late.shape[1]).round()
    every, schedule, rows = model(whole, 2 * DAY_US), 2 * DAY_US, np.arange(4)
    short = trimmed(whole, as_of, lateness, schedule_us=schedule)
    assert len(short.ts) < 0.9 * len(whole.ts)
    said = [one.raw(late, rows, 0).margin.tobytes() for one in (every, model(short, schedule))]
    assert said[0] == said[1]
    without = trimmed(whole, as_of, lateness)
    assert model(without, schedule).raw(late, rows, 0).margin.tobytes() != said[0]


def test_an_entity_of_long_ago_is_forgotten() -> None:
    whole = graph()
    short = trimmed(whole, 60 * DAY_US, 0, memory_us=10 * DAY_US)
    assert short.ts.min() > 50 * DAY_US
    assert set(short.hashes) < set(whole.hashes)


def test_computed_on_a_schedule_is_what_the_tables_of_the_schedule_say() -> None:
    """A graph that ends at each midnight, with the vectors of then, and the whole one as of the last midnight."""
    whole = graph()
    scheduled, rows = model(whole, DAY_US), np.arange(4)
    for day in (20, 41):
        first, last = np.searchsorted(np.maximum.accumulate(whole.ts), (day * DAY_US, (day + 1) * DAY_US)).tolist()
        today = np.ascontiguousarray(slots(whole, slice(first, last)))
        before = whole.take(np.arange(len(whole.ts)) < first)
        table = replace(model(before, DAY_US)).rescheduled(day * DAY_US)
        on_time = today[-1] >= day * DAY_US
        assert on_time.sum() > 50
        said = [one.raw(today, rows, 0).margin[on_time] for one in (scheduled, table)]
        assert said[0].tobytes() == said[1].tobytes()
        assert (said[0] != model(whole).raw(today, rows, 0).margin[on_time]).any()


def test_two_graphs_become_one() -> None:
    """Half of the events are in both; the newer graph knows no numbers of some, and none of what was said earlier."""
    whole = graph(late=False)
    n = len(whole.ts)
    old, new = whole.take(np.arange(n) < 4_000), whole.take(np.arange(n) >= 2_000)
    x = new.x.copy()
    x[:1_500] = np.nan
    silent = replace(new, x=x, label=np.where(np.arange(len(new.ts)) < 2_000, np.int8(0), new.label))
    again = merged(old, silent, np.empty(0, np.uint64))
    for name, array in whole.arrays().items():
        assert np.array_equal(array, again.arrays()[name], equal_nan=array.dtype.kind == "f"), name
    gone = merged(old, silent, whole.ids[[5, 2_500, 5_000]])
    assert sorted(set(whole.ids.tolist()) - set(gone.ids.tolist())) == [6, 2_501, 5_001]


def test_the_last_word_on_an_event_counts() -> None:
    whole = graph(100)
    said = np.array([3, 3, 7, 9999, 0], np.uint64)
    label, at = np.array([1.0, 0, 1, 1, 1]), np.array([5, 6, 7, 8, 9]) + 100 * DAY_US
    told = relabelled(whole, said, label, at, DAY_US)
    assert (told.label[[2, 6]].tolist(), told.known_at[6]) == ([0, 1], at[2])
    assert told.known_at[2] == max(at[1], whole.ts[2] + DAY_US)
    others = np.setdiff1d(np.arange(100), [2, 6])
    assert np.array_equal(told.label[others], whole.label[others])
    assert places(np.empty(0, np.uint64), said).tolist() == [-1] * 5


def test_a_scorer_without_a_graph_stays_as_it_is() -> None:
    X = np.random.default_rng(0).normal(size=(50, 1))
    plain = Logistic(bins=4).fit(X, (X[:, 0] > 0).astype(np.float64), names=["amount"]).served()
    assert refreshed(plain, 5) is plain
    scorer = ModelScorer(model(graph()))
    again = refreshed(scorer, 60 * DAY_US)
    assert again.version != scorer.version
    assert with_graphs(again, lambda one: replace(one, table=Embeddings.empty(one.layers))).version == scorer.version
